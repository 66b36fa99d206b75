"""Tests that need an extra: without it they are skipped by name, or fail where none may be skipped."""

import importlib
import os
from types import ModuleType

import pytest


def needs(module: str, extra: str, package: str | None = None) -> ModuleType:
    """Return the module. If it is not installed, all tests of the file that asks are skipped.

    `package` is the package that has it, if that is not the extra itself but is needed to test it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        if os.environ.get("ATOMICX_REQUIRE_INTEGRATIONS") == "1":
            raise
        wanted = f"the extra `{extra}`" if package is None else f"of {package}, for the extra `{extra}`"
        pytest.skip(f"{module}, {wanted}, is not installed", allow_module_level=True)
