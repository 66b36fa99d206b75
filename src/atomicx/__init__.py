"""Atomic counters, compare-and-swap cells and references for CPython, with and without the GIL."""

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
        Family,
        Histogram,
        SharedFloat,
        SharedInt,
        enable_deferred_refcount,
    )
    from ._protocols import FloatCell, IntCell

    backend: str
else:
    from ._backend import (
        AtomicBool,
        AtomicFloat,
        AtomicInt,
        AtomicRef,
        Counter,
        Family,
        Histogram,
        SharedFloat,
        SharedInt,
        backend,
        enable_deferred_refcount,
    )

    def __getattr__(name):
        # The protocols wait until somebody asks: they need typing, which takes longer than all the rest.
        if name in ("FloatCell", "IntCell"):
            from . import _protocols

            return getattr(_protocols, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})


__all__ = [
    "AtomicBool",
    "AtomicFloat",
    "AtomicInt",
    "AtomicRef",
    "Counter",
    "Family",
    "FloatCell",
    "Histogram",
    "HistogramSnapshot",
    "IntCell",
    "SharedFloat",
    "SharedInt",
    "__version__",
    "backend",
    "enable_deferred_refcount",
]
