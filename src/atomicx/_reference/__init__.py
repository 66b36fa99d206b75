"""The pure-Python twin: the same API, errors and results as the C module, to be read and compared with it.

It takes no lock. chain.py has the one compare-and-swap, which everything else is built on, and loops.py has
the five loops around it. Then there is one file per type. The docstrings also serve the C module:
tools/docstrings.py copies them.
"""

from __future__ import annotations

from .type_bool import AtomicBool
from .type_counter import Counter
from .type_exponential_histogram import ExponentialHistogram
from .type_family import Family
from .type_float import AtomicFloat
from .type_guard import Admission, Guard
from .type_histogram import Histogram
from .type_int import AtomicInt
from .type_ref import AtomicRef
from .type_segment import (
    SegmentBase,
    SharedCounter,
    SharedFamily,
    SharedGauge,
    SharedHistogram,
    SharedPart,
)
from .type_shared import SharedFloat, SharedInt
from .type_timer import Timer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _T = TypeVar("_T")

__all__ = [
    "Admission",
    "AtomicBool",
    "AtomicFloat",
    "AtomicInt",
    "AtomicRef",
    "Counter",
    "ExponentialHistogram",
    "Family",
    "Guard",
    "Histogram",
    "SegmentBase",
    "SharedCounter",
    "SharedFamily",
    "SharedFloat",
    "SharedGauge",
    "SharedHistogram",
    "SharedInt",
    "SharedPart",
    "Timer",
    "enable_deferred_refcount",
]


def enable_deferred_refcount(object: _T, /) -> _T:
    """Declare that many threads will use object for a long time. Returns object.

    On free-threaded CPython 3.14 and later this enables deferred reference counting, provided that the
    garbage collector tracks the object and always will (it may untrack tuples). Threads then no longer
    contend for its reference count, and the collector frees it. Elsewhere nothing happens. Counter, Family
    and both histograms enable it when they are created, AtomicInt and AtomicFloat once threads contend for
    them.
    """
    return object


enable_deferred_refcount.__module__ = "atomicx"
