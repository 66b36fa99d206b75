"""The values that install() puts into prometheus_client's metrics."""

# What prometheus_client leaves without types is not for us to say.
# pyright: standard

from __future__ import annotations

import gc
import mmap
import os
import re
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from prometheus_client import values
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import mmap_key

import atomicx

from . import AtomicBool, AtomicFloat, AtomicRef
from ._prometheus_files import MultiProcessFile


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


# Values in files. A forked child must not count in its parent's, and one that counts nothing must not make
# any. So each operation first asks whether the files of this very process are open, which costs one C call;
# if not, the first operation opens them for all values. That works for every kind of fork, also for one in C
# that runs no hook, such as uWSGI's.


class _Token:
    """Stands for a process in its values."""

    __slots__ = ("__weakref__",)


class _Process(NamedTuple):
    """What one process, of one identity, has open. Without the GIL reading a slot may take the lock of the
    object, which a forked child may find taken for ever; a tuple has none."""

    pid: int
    identity: object
    files: dict[str, MultiProcessFile]
    # To open files and to enter values; never held while counting.
    lock: Any
    # The thread that has the lock is in the middle of that: see _Files.enter().
    busy: AtomicBool
    # All values are open.
    ready: AtomicBool
    token: _Token


def _mark(*shared: object) -> None:
    """Let any thread take a reference to what is in a slot without the lock of the object with that slot."""
    for each in shared:
        weakref.ref(each)


class _Files:
    """The files of one class of values: those of the process that asks."""

    def __init__(self, identify: Callable[[], object]) -> None:
        self._identify = identify
        # Whether the values are open in this process.
        self.is_ready: Callable[[], object] = self._is_ready
        self._process: AtomicRef[_Process | None] = AtomicRef(None)
        # All values, as a chain of pairs: a list has a lock without the GIL.
        self._values: AtomicRef[Any] = AtomicRef(None)
        # What was counted by a signal handler or a finalizer while its own thread was opening files.
        self._aside: AtomicRef[Any] = AtomicRef(None)
        _mark(self._process, self._values, self._aside)

    def _is_ready(self) -> bool:
        process = self._process.load()
        return process is not None and process.ready.load() and process.identity == self._identify()

    def mark_ready(self) -> None:
        """Called once they are open in this process."""

    def mark_closed(self) -> None:
        """Called before they are closed."""

    def _here(self) -> _Process:
        identity = self._identify()
        while True:
            process = self._process.load()
            if process is not None and process.pid == os.getpid() and process.identity == identity:
                return process
            token = _Token()
            _mark(token)
            new = _Process(os.getpid(), identity, {}, threading.RLock(), AtomicBool(), AtomicBool(), token)
            self._process.compare_and_set(process, new)

    def enter(self, wanted: AtomicMultiProcessValue) -> bool:
        """Open all values, and this one, in the files of this process; raises what the library raises when it
        cannot. False, with nothing done, if the thread was interrupted in here and now comes again."""
        process = self._here()
        with process.lock:
            if process.busy.load():
                return wanted._token is process.token
            try:
                process.busy.store(True)  # in here: a signal handler may raise right after it
                if not process.ready.load():
                    self._open_all(process)
                if wanted._token is not process.token:
                    wanted._open(process)
                    self._values.update(lambda chain: (wanted, chain))
            finally:
                process.busy.store(False)
        for value, operation, amount in _oldest_first(self._aside.exchange(None)):
            getattr(value, operation)(amount)
        return True

    def _open_all(self, process: _Process) -> None:
        inherited: dict[int, MultiProcessFile] = {}
        for value in _oldest_first(self._values.load()):
            if value._token is not process.token:
                if value._file is not None:
                    inherited[id(value._file)] = value._file
                value._open(process)
        process.ready.store(True)
        self.mark_ready()
        # Their memory goes with the cells in it. Those are not released here: one may have been in the middle
        # of an addition, by a thread of the parent that will not end it.
        for file in inherited.values():
            file.forget()

    def put_aside(self, value: AtomicMultiProcessValue, operation: str, amount: float) -> None:
        """Keep an operation until enter(), which was interrupted, has opened the value."""
        self._aside.update(lambda chain: ((value, operation, amount), chain))

    def file(self, process: _Process, prefix: str) -> MultiProcessFile:
        """The file of a type of metrics. The caller is in enter()."""
        if prefix not in process.files:
            process.files[prefix] = MultiProcessFile(self.path(prefix, process.identity))
        return process.files[prefix]

    def path(self, prefix: str, identity: object) -> str:
        """Where the library looks for it."""
        folder: Any = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        return os.path.join(folder, f"{prefix}_{identity}.db")

    def has_file(self, prefix: str) -> bool:
        """Whether there is one of this process already: another of its identity may have made it."""
        return os.path.exists(self.path(prefix, self._identify()))

    def close(self) -> None:
        """Close the files of this process, and forget the values. One that is used again opens again."""
        process = self._process.load()
        if process is None or process.pid != os.getpid():
            return
        with process.lock:
            self.mark_closed()
            self._process.store(None)
            for value in _oldest_first(self._values.exchange(None)):
                if value._token is process.token:
                    value._close()
            for file in process.files.values():
                file.close()


class _OwnFiles(_Files):
    """Those by pid. Whether they are open stands in a page that the system empties in every forked child,
    whoever forks, so that asking costs no system call."""

    WIPE_ON_FORK = 18  # MADV_WIPEONFORK, which the module mmap does not name

    def __init__(self) -> None:
        super().__init__(os.getpid)
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(self.WIPE_ON_FORK)
        shared: Any = atomicx
        self._ready = shared.SharedInt(page)
        self.is_ready = self._ready.load
        _mark(self.is_ready)

    def mark_ready(self) -> None:
        self._ready.store(1)

    def mark_closed(self) -> None:
        self._ready.store(0)


def _files_by_pid() -> _Files:
    """Those whose values cost least here."""
    if sys.platform == "linux" and atomicx.backend == "c" and hasattr(atomicx, "SharedInt"):
        try:
            files = _OwnFiles()
        except (OSError, AttributeError):  # an older kernel
            return _Files(os.getpid)
        os.register_at_fork(after_in_child=files.mark_closed)
        return files
    return _Files(os.getpid)


def _oldest_first(chain: Any) -> Iterator[Any]:
    found = []
    while chain is not None:
        item, chain = chain
        found.append(item)
    found.reverse()
    return iter(found)


class AtomicMultiProcessValue:
    """What install() puts in the place of prometheus_client's value in a file, in multiprocess mode.

    The files are the library's own, in PROMETHEUS_MULTIPROC_DIR, for its MultiProcessCollector and its
    mark_process_dead(). A value is a SharedFloat in one, so what was counted stays when the process is
    killed. A forked child, whoever forks it, gets files of its own at its first update, and counts from zero
    in them. Where they cannot be made, that update raises OSError, and so does each after it until they can.
    """

    __slots__ = ("_add", "_cell", "_description", "_file", "_load", "_time", "_token")
    _multiprocess = True
    _files = _files_by_pid()
    _is_ready: ClassVar[Any] = _files.is_ready  # a function of C, or a bound method: no method of ours
    _file: MultiProcessFile | None
    _token: _Token | None
    _cell: Any
    _time: Any
    _add: Callable[[float], object]
    _load: Callable[[], float]

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
        _heed_lower_case_variable()
        prefix = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._description = prefix, key
        self._close()
        self._files.enter(self)

    def _open(self, process: _Process) -> None:
        """Find, or make, the value in this process's file."""
        prefix, key = self._description
        file = self._files.file(process, prefix)
        memory, place = file.find(key)
        shared: Any = atomicx
        cell, time = shared.SharedFloat(memory, place), shared.SharedFloat(memory, place + 8)
        add, load = cell.add, cell.load
        _mark(file, cell, time, add, load)
        self._file, self._cell, self._time = file, cell, time
        self._add, self._load = add, load
        self._token = process.token

    def _close(self) -> None:
        cells = () if getattr(self, "_cell", None) is None else (self._cell, self._time)
        self._file = self._token = self._cell = self._time = None
        self._add, self._load = self._late_inc, self._late_get
        for cell in cells:
            cell.release()

    def inc(self, amount: float) -> None:
        """Add to the value."""
        if self._is_ready():
            try:
                self._add(amount)
            except ValueError:  # closed meanwhile
                self._late_inc(amount)
        else:
            self._late_inc(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value, and the time for gauges of the mode mostrecent."""
        if (not self._is_ready() or self._cell is None) and not self._files.enter(self):
            self._files.put_aside(self, "set", value)
            return
        cell: Any = self._cell
        cell.store(value)
        self._time.store(timestamp or 0.0)

    def get(self) -> float:
        """Return what this process has counted."""
        return self._load() if self._is_ready() else self._late_get()

    def _late_inc(self, amount: float) -> None:
        if self._files.enter(self):
            self._cell.add(amount)
        else:
            self._files.put_aside(self, "inc", amount)

    def _late_get(self) -> float:
        # A child that only reads makes no files.
        if not self._files.has_file(self._description[0]) or not self._files.enter(self):
            return 0.0
        value: float = self._cell.load()
        return value

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing, as the library: its files have no exemplars."""

    def get_exemplar(self) -> None:
        """Return None."""


def _heed_lower_case_variable() -> None:
    """As the library does for each value."""
    deprecated = "prometheus_multiproc_dir"
    if deprecated in os.environ and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ[deprecated]
        warnings.warn(
            f"{deprecated} is deprecated: set PROMETHEUS_MULTIPROC_DIR",
            DeprecationWarning,
            stacklevel=2,
        )


def _class_for(identify: Callable[[], object]) -> type[AtomicMultiProcessValue]:
    """The class of values whose files have the names that identify() gives them, as MultiProcessValue()."""
    if identify is os.getpid:
        return AtomicMultiProcessValue
    files = _Files(identify)
    name = AtomicMultiProcessValue.__name__
    parts = {"__slots__": (), "_files": files, "_is_ready": files.is_ready}
    return type(name, (AtomicMultiProcessValue,), parts)


# The releases whose values were read, and with whose oldest and newest the tests were run.
SUPPORTED = ((0, 20), (0, 26))
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
    """What the library's class of values in files has in its closure."""

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
        raise RuntimeError("the values in files of this prometheus_client are not as expected") from None


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
    if current.__module__ not in (values.__name__, __name__):
        name = f"{current.__module__}.{current.__qualname__}"
        raise RuntimeError(f"the value class of prometheus_client is not its own: {name}")
    if current._multiprocess and not hasattr(atomicx, "SharedFloat"):
        raise RuntimeError("multiprocess mode needs SharedFloat, which this atomicx does not have")
    if current._multiprocess and atomicx.backend != "c":
        raise RuntimeError("multiprocess mode needs the C module of atomicx: nothing else is atomic there")
    return current


def _metrics_with(current: type) -> set[str]:
    """The names of the metrics that have values of this class, in whatever registry."""
    found: set[str] = set()
    for metric in gc.get_objects():
        if issubclass(type(metric), MetricWrapperBase):
            for part in vars(metric).values():
                parts = part if isinstance(part, list) else [part]
                if any(type(value) is current for value in parts):
                    found.add(metric._name)
    return found


def _take_over(library: _Library, ours: type[AtomicMultiProcessValue]) -> set[str]:
    """Let the library's values in files count in ours: two that enter values in one file, each in a way of
    its own, would overwrite each other's. Returns the names of their metrics."""
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


def install() -> None:
    """Make the values of prometheus_client's metrics atomic: of those that are made from now on.

    Call it before the first metric is made; a RuntimeWarning names those that were there already. Nothing
    else changes: the interface, the registry, the exposition and, in multiprocess mode, the files are
    prometheus_client's, and the process_identifier of MultiProcessValue() is kept. So is labels(), which
    takes the library's own lock: keep the child where a signal handler or a finalizer counts.

    Raises RuntimeError where the installed prometheus_client is not one that is known (or cannot be told, for
    want of its metadata), or has a value class of somebody else's, and then changes nothing.
    """
    current = _check_client()
    if current in (AtomicValue, AtomicMultiProcessValue) or issubclass(current, AtomicMultiProcessValue):
        _close_with_the_library(current)
        return
    if not current._multiprocess:
        _use(AtomicValue)
        names, values_are = _metrics_with(current), "keep the library's values"
    else:
        library = _library(current)
        ours = _class_for(library.identify)
        _use(ours)
        ours._files.close()  # if it was in use before: a new class of the library's begins anew, too
        _close_with_the_library(ours)
        names, values_are = _take_over(library, ours), "were taken over"
    if names:
        warnings.warn(
            f"metrics made before install() {values_are}: {', '.join(sorted(names))}",
            RuntimeWarning,
            stacklevel=2,
        )


def _use(ours: type) -> None:
    setattr(values, "ValueClass", ours)  # noqa: B010 - the name is a variable to assign to, not a type


def _close_with_the_library(ours: Any) -> None:
    """Have close_all_multiprocess_files(), which newer releases have, close ours too."""
    cleanups: list[Callable[[], None]] | None = getattr(values, "_multi_process_cleanups", None)
    if ours._multiprocess and cleanups is not None and ours._files.close not in cleanups:
        cleanups.append(ours._files.close)
