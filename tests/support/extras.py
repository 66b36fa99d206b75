"""Tests of what needs an extra: without it they are skipped by name, or fail where nothing may be skipped."""

import importlib
import os
from types import ModuleType

import pytest


def needs(module: str, extra: str, package: str | None = None) -> ModuleType:
    """The module. In the file that asks, all tests are skipped if it is not installed.

    package is what has it, if it is not the extra itself, but something that is tested with it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        if os.environ.get("ATOMICX_REQUIRE_INTEGRATIONS") == "1":
            raise
        wanted = f"the extra `{extra}`" if package is None else f"of {package}, for the extra `{extra}`"
        pytest.skip(f"{module}, {wanted}, is not installed", allow_module_level=True)
