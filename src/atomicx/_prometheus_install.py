"""install(): puts atomic values into prometheus_client's metrics."""

# prometheus_client is only partly typed.
# pyright: standard

from __future__ import annotations

import gc
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client import values
from prometheus_client.metrics import MetricWrapperBase

import atomicx

from ._prometheus_segment import AtomicSegmentValue, class_of_segment, is_open
from ._prometheus_values import AtomicMultiProcessValue, AtomicValue, class_of_files

if TYPE_CHECKING:
    from .shared import Segment

# The releases whose value classes were reviewed. The tests were run with the oldest and the newest.
SUPPORTED = ((0, 20), (0, 26))
_OURS = (AtomicValue, AtomicMultiProcessValue, AtomicSegmentValue)
_SURFACE = ("inc", "set", "get", "set_exemplar", "get_exemplar", "_multiprocess")


def _version() -> tuple[int, ...]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        found: str | None = version("prometheus_client")
    except PackageNotFoundError:
        found = None
    numbers = tuple(int(part) for part in re.findall(r"\d+", found or "")[:2])
    if not numbers:
        raise RuntimeError("install() cannot tell the version of prometheus_client: it has no metadata")
    return numbers


class _Library(NamedTuple):
    """The closure of the library's class for values in files."""

    identify: Callable[[], object]
    lock: Any
    files: dict[str, Any]
    values: list[Any]


def _closure_of(function: Any) -> dict[str, Any]:
    names = function.__code__.co_freevars
    return {name: cell.cell_contents for name, cell in zip(names, function.__closure__ or (), strict=True)}


def _library(current: Any) -> _Library:
    try:
        found = _closure_of(current._MmapedValue__check_for_pid_change)
        lock = _closure_of(current.inc)["lock"]
        return _Library(found["process_identifier"], lock, found["files"], found["values"])
    except (AttributeError, KeyError):
        raise RuntimeError(
            "prometheus_client's class for values in files is not one that install() knows"
        ) from None


def _check_client() -> Any:
    """Return the value class in use. Raises RuntimeError if it is not one that we know."""
    oldest, newest = SUPPORTED
    found = _version()
    if not oldest <= found <= newest:
        first, last, here = (".".join(map(str, numbers)) for numbers in (oldest, newest, found))
        raise RuntimeError(f"install() supports prometheus_client {first} to {last}, not {here}")
    current: Any = getattr(values, "ValueClass", None)
    if missing := [name for name in _SURFACE if not hasattr(current, name)]:
        raise RuntimeError(f"the value class of this prometheus_client has no {', '.join(missing)}")
    if current.__module__ != values.__name__ and not issubclass(current, _OURS):
        name = f"{current.__module__}.{current.__qualname__}"
        raise RuntimeError(f"another package has replaced the value class of prometheus_client: {name}")
    if current._multiprocess and not hasattr(atomicx, "SharedFloat"):
        raise RuntimeError("multiprocess mode needs SharedFloat, which this atomicx does not have")
    if current._multiprocess and atomicx.backend != "c":
        raise RuntimeError(
            "multiprocess mode needs the C module of atomicx: Python code is not atomic across processes"
        )
    return current


def _metrics_with(current: type) -> set[str]:
    """Return the names of the metrics that have values of this class, in any registry."""
    found: set[str] = set()
    for metric in gc.get_objects():
        if issubclass(type(metric), MetricWrapperBase):
            for part in vars(metric).values():
                parts = part if isinstance(part, list) else [part]
                if any(type(value) is current for value in parts):
                    found.add(metric._name)
    return found


def _take_over(library: _Library, ours: type[AtomicMultiProcessValue]) -> set[str]:
    """Make the library's values in files count in ours. Two implementations that add values to one file, each
    in its own way, would overwrite each other's. Returns the names of their metrics."""
    names: set[str] = set()
    with library.lock:
        for value in library.values:
            names.add(value._params[1])
            new = ours(*value._params)
            value.inc, value.set, value.get = new.inc, new.set, new.get
        for file in library.files.values():
            file.close()
        library.files.clear()
        library.values.clear()
    return names


def install(*, segment: Segment | None = None) -> None:
    """Make the values of prometheus_client's metrics atomic, for all metrics made from now on.

    Call it before the first metric is made; a RuntimeWarning names those that exist already. Nothing else
    changes: the interface, the registry, the exposition and, in multiprocess mode, the files are
    prometheus_client's, and the process_identifier of MultiProcessValue() is kept. labels() is unchanged too,
    and takes the library's own lock: where a signal handler or a finalizer counts, keep the child.

    With a segment, all processes count in that, with or without PROMETHEUS_MULTIPROC_DIR, and there are no
    files: see AtomicSegmentValue. SegmentCollector(segment) reads the metrics. A process_identifier has no
    effect then: the segment itself knows its processes.

    Raises RuntimeError if this release of prometheus_client is not supported, if its version is unknown
    because its metadata is missing, if another package has replaced the value class, or if install() was
    called with another segment that is still open; TypeError or ValueError if segment is not an open,
    writable Segment. It then changes nothing.
    """
    current = _check_client()
    if segment is not None:
        names, values_are = _install_segment(current, segment), "keep their values, outside the segment"
    elif issubclass(current, _OURS):
        _close_with_the_library(current)
        return
    elif not current._multiprocess:
        _use(AtomicValue)
        names, values_are = _metrics_with(current), "keep the library's values"
    else:
        library = _library(current)
        ours = class_of_files(library.identify)
        _use(ours)
        ours._files.close()  # if it was in use before: a new class of the library starts anew, too
        _close_with_the_library(ours)
        names, values_are = _take_over(library, ours), "were taken over"
    if names:
        warnings.warn(
            f"metrics made before install() {values_are}: {', '.join(sorted(names))}",
            RuntimeWarning,
            stacklevel=2,
        )


def _install_segment(current: Any, segment: Segment) -> set[str]:
    """Use a class of values in this segment. Returns the names of the metrics that have others."""
    ours = class_of_segment(segment)
    if issubclass(current, AtomicSegmentValue) and is_open(current._segment):
        if current._segment._id != segment._id:
            raise RuntimeError(f"install() was already called with another segment: {current._segment!r}")
        return set()
    _use(ours)
    return _metrics_with(current)


def _use(ours: type) -> None:
    setattr(values, "ValueClass", ours)  # noqa: B010 - the name is a variable to assign to, not a type


def _close_with_the_library(ours: Any) -> None:
    """Make close_all_multiprocess_files(), which newer releases have, close our files too."""
    cleanups: list[Callable[[], None]] | None = getattr(values, "_multi_process_cleanups", None)
    if (
        issubclass(ours, AtomicMultiProcessValue)
        and cleanups is not None
        and ours._files.close not in cleanups
    ):
        cleanups.append(ours._files.close)
