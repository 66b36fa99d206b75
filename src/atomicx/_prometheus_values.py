"""The values that install() puts into prometheus_client's metrics."""

# What prometheus_client leaves without types is not for us to say.
# pyright: standard

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Iterable
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict, mmap_key

import atomicx

from . import AtomicFloat


class AtomicValue(AtomicFloat):
    """What install() puts in the place of prometheus_client's value with a mutex: inc() is one C call."""

    __slots__ = ("_exemplar",)
    _multiprocess = False
    _exemplar: Any

    def __init__(self, *description: object, **options: object) -> None:
        # prometheus_client tells a value which metric it belongs to; only files need that.
        super().__init__()
        self._exemplar = None

    inc = AtomicFloat.add
    get = AtomicFloat.load

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value. The time is kept by multiprocess values alone."""
        self.store(value)

    def set_exemplar(self, exemplar: Any) -> None:
        """Keep an exemplar in the place of the last one."""
        self._exemplar = exemplar

    def get_exemplar(self) -> Any:
        """Return the last exemplar, or None."""
        return self._exemplar


class _ProcessFiles:
    """The files of this process, one a type of metric, and the values in them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # for making values; counting takes none
        self.files: dict[str, Any] = {}
        self.values: list[AtomicMultiProcessValue] = []

    def file(self, prefix: str) -> Any:
        if prefix not in self.files:
            folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
            make: Any = MmapedDict
            self.files[prefix] = make(os.path.join(folder, f"{prefix}_{os.getpid()}.db"))
        return self.files[prefix]

    def start_over(self) -> None:
        """In a forked child: count from zero in files of its own, and drop what it has of its parent's."""
        self.lock = threading.Lock()  # its parent's may have been held, by a thread that is not here
        inherited, self.files = self.files, {}
        for value in self.values:
            value._open()
        # Their memory goes with the cells in it. These are not released here: one may have been in the middle
        # of an addition, by a thread that will not end it.
        for file in inherited.values():
            file._f.close()


class AtomicMultiProcessValue:
    """What install() puts in the place of prometheus_client's value in a file, in multiprocess mode.

    The files are the library's own, in PROMETHEUS_MULTIPROC_DIR, for its MultiProcessCollector and its
    mark_process_dead(). A value is a SharedFloat in one, so inc() is one C call, and what was counted stays
    when the process is killed. A forked child gets files of its own by os.register_at_fork().
    """

    __slots__ = ("_cell", "_description", "_time", "get", "inc")
    _multiprocess = True
    _files = _ProcessFiles()

    def __init__(
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Iterable[str],
        labelvalues: Iterable[str],
        help_text: str,
        multiprocess_mode: str = "",
        **options: object,
    ) -> None:
        prefix = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._description = prefix, key
        with self._files.lock:
            self._open()
            self._files.values.append(self)

    def _open(self) -> None:
        """Find, or make, the value in this process's file."""
        prefix, key = self._description
        file = self._files.file(prefix)
        file.read_value(key)  # enters it if it is not there
        place = file._positions[key]
        shared: Any = atomicx
        self._cell = shared.SharedFloat(file._m, place)
        self._time = shared.SharedFloat(file._m, place + 8)
        inc, get = self._cell.add, self._cell.load
        # Without the GIL, a thread that reads a slot takes the value's own lock, unless a weak reference
        # marked what is in there. A child forked at that moment would find it locked, here, for ever.
        weakref.ref(inc)
        weakref.ref(get)
        self.inc, self.get = inc, get

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value, and the time for gauges of the mode mostrecent."""
        self._cell.store(value)
        self._time.store(timestamp or 0.0)

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing, as the library: its files have no exemplars."""

    def get_exemplar(self) -> None:
        """Return None."""


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=AtomicMultiProcessValue._files.start_over)


# The releases whose values were read, and with whose oldest and newest the tests were run.
SUPPORTED = ((0, 20), (0, 26))
_SURFACE = ("inc", "set", "get", "set_exemplar", "get_exemplar", "_multiprocess")


def _version() -> tuple[int, ...]:
    from importlib.metadata import version

    return tuple(int(part) for part in re.findall(r"\d+", version("prometheus_client"))[:2])


def _check_client() -> Any:
    """The value class in use; RuntimeError where it is not one that we know."""
    oldest, newest = SUPPORTED
    found = _version()
    if not oldest <= found <= newest:
        first, last, here = (".".join(map(str, numbers)) for numbers in (oldest, newest, found))
        raise RuntimeError(f"install() knows prometheus_client {first} to {last}, not {here}")
    current: Any = getattr(values, "ValueClass", None)
    if missing := [name for name in _SURFACE if not hasattr(current, name)]:
        raise RuntimeError(f"the values of this prometheus_client have no {', '.join(missing)}")
    if current._multiprocess and not hasattr(atomicx, "SharedFloat"):
        raise RuntimeError("multiprocess mode needs SharedFloat, which this atomicx has not")
    if current._multiprocess and atomicx.backend != "c":
        raise RuntimeError("multiprocess mode needs the C module of atomicx: nothing else is atomic there")
    return current


def install() -> None:
    """Make the values of prometheus_client's metrics atomic: of those that are made from now on.

    Call it before the first metric is made. Nothing else changes: the interface, the registry, the exposition
    and, in multiprocess mode, the files are prometheus_client's. So is labels(), which takes the library's
    own lock: keep the child where a signal handler or a finalizer counts.

    Raises RuntimeError where the installed prometheus_client is not one that is known, and then changes
    nothing.
    """
    ours: type = AtomicMultiProcessValue if _check_client()._multiprocess else AtomicValue
    setattr(values, "ValueClass", ours)  # noqa: B010 - the name is a variable to assign to, not a type
