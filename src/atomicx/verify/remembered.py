"""Functions that remember what they returned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

_Function = TypeVar("_Function", bound=Callable[..., Any])


def remembered(function: _Function) -> _Function:
    """Return the function with a cache. For type checkers it keeps its own signature."""
    return cast(_Function, cache(function))
