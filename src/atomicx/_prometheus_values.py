"""The values that install() puts into prometheus_client's metrics."""

# prometheus_client is only partly typed.
# pyright: standard

from __future__ import annotations

import mmap
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, NamedTuple

from prometheus_client.mmap_dict import mmap_key

import atomicx

from . import AtomicBool, AtomicFloat, AtomicRef
from ._prometheus_files import MultiProcessFile


class AtomicValue(AtomicFloat):
    """Replaces prometheus_client's value with a mutex, after install(): inc() is one C call."""

    __slots__ = ("_exemplar",)
    _multiprocess = False
    _exemplar: Any

    def __init__(self, *description: object, **options: object) -> None:
        # prometheus_client passes the metric that a value belongs to; only files need that.
        super().__init__()
        self._exemplar = None

    inc = AtomicFloat.add
    get = AtomicFloat.load

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value. Only multiprocess values keep the time."""
        self.store(value)

    def set_exemplar(self, exemplar: Any) -> None:
        """Keep an exemplar, replacing the previous one."""
        self._exemplar = exemplar

    def get_exemplar(self) -> Any:
        """Return the last exemplar, or None."""
        return self._exemplar


# Values in files. A forked child must not count in its parent's files, and a child that counts nothing must
# not create any. So each operation first asks whether the files of this very process are open, which costs
# one C call; if not, the first operation opens them for all values. That works for every kind of fork,
# including one in C that runs no hook, such as uWSGI's.


class _Token:
    """Identifies a process in its values."""

    __slots__ = ("__weakref__",)


class _Process(NamedTuple):
    """What one process, with one identity, has open. Without the GIL, reading a slot may take the object's
    lock, which a forked child may find locked for ever; a tuple has no lock."""

    pid: int
    identity: object
    files: dict[str, MultiProcessFile]
    # For opening files and adding values; never held while counting.
    lock: Any
    # Whether the thread that holds the lock is in the middle of that: see _Files.enter().
    busy: AtomicBool
    # Whether all values are open.
    ready: AtomicBool
    token: _Token


def _mark(*shared: object) -> None:
    """Let any thread take a reference to a slot's object without the lock of the object with that slot."""
    for each in shared:
        weakref.ref(each)


class _Files:
    """The files of one class of values, for the process that calls."""

    def __init__(self, identify: Callable[[], object]) -> None:
        self._identify = identify
        # Returns whether the values are open in this process.
        self.is_ready: Callable[[], object] = self._is_ready
        self._process: AtomicRef[_Process | None] = AtomicRef(None)
        # All values, as a chain of pairs: a list has a lock without the GIL.
        self._values: AtomicRef[Any] = AtomicRef(None)
        # Operations of a signal handler or finalizer that ran while its own thread was opening files.
        self._aside: AtomicRef[Any] = AtomicRef(None)
        _mark(self._process, self._values, self._aside)

    def _is_ready(self) -> bool:
        process = self._process.load()
        return process is not None and process.ready.load() and process.identity == self._identify()

    def mark_ready(self) -> None:
        """Called once the values are open in this process."""

    def mark_closed(self) -> None:
        """Called before the values are closed."""

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
        """Open all values, and this one, in the files of this process. Raises what the library raises if it
        cannot. Returns False, with nothing done, if an interruption of this very method calls it again."""
        process = self._here()
        with process.lock:
            if process.busy.load():
                return wanted._token is process.token
            try:
                process.busy.store(True)  # inside the try: a signal handler may raise right after it
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
        # Their memory is freed with the cells in it. The cells are not released here: a thread of the parent
        # may have been in the middle of an addition to one, which never ends in this process.
        for file in inherited.values():
            file.forget()

    def put_aside(self, value: AtomicMultiProcessValue, operation: str, amount: float) -> None:
        """Keep an operation until the interrupted enter() has opened the value."""
        self._aside.update(lambda chain: ((value, operation, amount), chain))

    def file(self, process: _Process, prefix: str) -> MultiProcessFile:
        """Return the file for a type of metrics. The caller is in enter()."""
        if prefix not in process.files:
            process.files[prefix] = MultiProcessFile(self.path(prefix, process.identity))
        return process.files[prefix]

    def path(self, prefix: str, identity: object) -> str:
        """Return the path where the library looks for the file."""
        folder: Any = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        return os.path.join(folder, f"{prefix}_{identity}.db")

    def has_file(self, prefix: str) -> bool:
        """Return whether this process's file exists already: another with its identity may have made it."""
        return os.path.exists(self.path(prefix, self._identify()))

    def close(self) -> None:
        """Close the files of this process, and forget the values. A value that is used again reopens."""
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
    """The files by pid. A page that the system clears in every forked child, whoever forks, says whether
    they are open, so that asking needs no system call."""

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
    """Return the files by pid, of the class whose values cost least here."""
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
    """Replaces prometheus_client's value in a file, after install() in multiprocess mode.

    The files are the library's own, in PROMETHEUS_MULTIPROC_DIR, for its MultiProcessCollector and its
    mark_process_dead(). A value is a SharedFloat in one of them, so its count survives a killed process. A
    forked child, however it was forked, gets files of its own at its first update, and counts from zero in
    them. If they cannot be made, that update raises OSError, and so does each later one until they can.
    """

    __slots__ = ("_add", "_cell", "_description", "_file", "_load", "_time", "_token")
    _multiprocess = True
    _files = _files_by_pid()
    _is_ready: ClassVar[Any] = _files.is_ready  # a C function or a bound method, not a method of this class
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
        """Find or create the value in this process's file."""
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
            except ValueError:  # closed in the meantime
                self._late_inc(amount)
        else:
            self._late_inc(amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value, and the time, which gauges of the mode mostrecent use."""
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
        # A child that only reads creates no files.
        if not self._files.has_file(self._description[0]) or not self._files.enter(self):
            return 0.0
        value: float = self._cell.load()
        return value

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing, like the library, whose files have no exemplars."""

    def get_exemplar(self) -> None:
        """Return None."""


def _heed_lower_case_variable() -> None:
    """Accept the deprecated name of the variable, as the library does for each value."""
    deprecated = "prometheus_multiproc_dir"
    if deprecated in os.environ and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ[deprecated]
        warnings.warn(
            f"{deprecated} is deprecated: set PROMETHEUS_MULTIPROC_DIR",
            DeprecationWarning,
            stacklevel=2,
        )


def class_of_files(identify: Callable[[], object]) -> type[AtomicMultiProcessValue]:
    """Return a class of values whose files are named by identify(), like MultiProcessValue()."""
    if identify is os.getpid:
        return AtomicMultiProcessValue
    files = _Files(identify)
    name = AtomicMultiProcessValue.__name__
    parts = {"__slots__": (), "_files": files, "_is_ready": files.is_ready}
    return type(name, (AtomicMultiProcessValue,), parts)
