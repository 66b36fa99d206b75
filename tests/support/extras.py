"""Tests of what needs an extra: without it they are skipped by name, or fail where nothing may be skipped."""

import importlib
import os
from types import ModuleType

import pytest


def needs(module: str, extra: str) -> ModuleType:
    """The module. In the file that asks, all tests are skipped if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        if os.environ.get("ATOMICX_REQUIRE_INTEGRATIONS") == "1":
            raise
        pytest.skip(f"{module}, the extra `{extra}`, is not installed", allow_module_level=True)
