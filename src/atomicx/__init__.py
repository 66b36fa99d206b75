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
else:
    from ._backend import (
        AtomicBool,
        AtomicFloat,
        AtomicInt,
        AtomicRef,
        Counter,
        Family,
        Histogram,
        SharedCounter,
        SharedFamily,
        SharedFloat,
        SharedGauge,
        SharedHistogram,
        SharedInt,
        backend,
        enable_deferred_refcount,
    )

    def __getattr__(name):
        # Imported on first use: the protocols need typing, which takes longer than everything else.
        if name in ("FloatCell", "IntCell"):
            from . import _protocols as home
        elif name == "get_include":
            from . import _include as home
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(home, name)

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
