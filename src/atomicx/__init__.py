"""Atomic counters, compare-and-swap cells and references for CPython, with and without the GIL."""

from ._exponential import ExponentialBuckets, ExponentialHistogramSnapshot
from ._snapshot import HistogramSnapshot
from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._core import (
        AtomicBool,
        AtomicFloat,
        AtomicInt,
        AtomicRef,
        Counter,
        ExponentialHistogram,
        Family,
        Histogram,
        SharedCounter,
        SharedFamily,
        SharedFloat,
        SharedGauge,
        SharedHistogram,
        SharedInt,
        enable_deferred_refcount,
    )
    from ._include import get_include
    from ._protocols import FloatCell, IntCell

    backend: str

__all__ = [
    "AtomicBool",
    "AtomicFloat",
    "AtomicInt",
    "AtomicRef",
    "Counter",
    "ExponentialBuckets",
    "ExponentialHistogram",
    "ExponentialHistogramSnapshot",
    "Family",
    "FloatCell",
    "Histogram",
    "HistogramSnapshot",
    "IntCell",
    "SharedCounter",
    "SharedFamily",
    "SharedFloat",
    "SharedGauge",
    "SharedHistogram",
    "SharedInt",
    "__version__",
    "backend",
    "enable_deferred_refcount",
    "get_include",
]

if not TYPE_CHECKING:
    from . import _backend
    from ._backend import backend

    # Imported on first use: the protocols need typing, which takes longer than everything else.
    _LATE = {"FloatCell": "_protocols", "IntCell": "_protocols", "get_include": "_include"}

    # All other names are the backend's. The imports above are for type checkers.
    globals().update(
        {name: getattr(_backend, name) for name in __all__ if name not in _LATE and name not in globals()}
    )

    def __getattr__(name):
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f".{_LATE[name]}", __name__), name)

    def __dir__():
        return sorted({*globals(), *__all__})
