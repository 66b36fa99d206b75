"""Where code comes from: the standard library, atomicx itself, or anywhere else.

A code object knows only the file that it was compiled from, and nothing about its module. So the name of that
file decides what counts as the standard library: a file in the interpreter's library folder, under a name in
`sys.stdlib_module_names`. The folder alone does not decide. It also holds `site-packages`, from which a
virtual environment may import, and whatever a `.pth` file or a person put there.

If this cannot be decided for certain, the file counts as outside the library: it is stepped through, which
costs time and loses no schedule.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from types import CodeType, ModuleType
from typing import Any

from ..remembered import remembered

FROZEN = "<frozen "


def _spellings(path: str) -> frozenset[str]:
    """Return the path as given, and as it is when all symbolic links are followed."""
    if not os.path.isabs(path):
        # A relative name may have been relative to any folder; `<string>` is not a file at all.
        return frozenset((path,))
    return frozenset(
        os.path.normcase(spelled) for spelled in (os.path.normpath(path), os.path.realpath(path))
    )


def _library_folders() -> tuple[str, ...]:
    paths = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__)]
    return tuple({os.path.join(folder, "") for path in paths if path for folder in _spellings(path)})


_LIBRARY = _library_folders()


def is_tuple_maker(code: CodeType) -> bool:
    """Is this the `__new__` of a named tuple? The library makes it without a file; it shares nothing."""
    return code.co_filename == "<string>" and code.co_names == ("_tuple_new",)


@remembered
def is_library(filename: str) -> bool:
    """Is this the file of a module of the standard library? Finding out takes a few system calls."""
    if filename.startswith(FROZEN):
        return filename[len(FROZEN) :].rstrip(">").partition(".")[0] in sys.stdlib_module_names
    return any(
        _top_name(spelled[len(folder) :]) in sys.stdlib_module_names
        for spelled in _spellings(filename)
        for folder in _LIBRARY
        if spelled.startswith(folder)
    )


def _top_name(below: str) -> str:
    """Return the name of the module or package of this file, given its path below the folder of modules."""
    first, _, rest = below.partition(os.sep)
    return first if rest else first.partition(".")[0]


class Places:
    """Files and folders, by which code is recognized, however its path is spelled."""

    def __init__(self, whats: Iterable[Any]) -> None:
        files: set[str] = set()
        folders: set[str] = set()
        for what in whats:
            for name in _names(what):
                if name.endswith((os.sep, ".")):
                    folders.update(spelled + name[-1] for spelled in _spellings(name[:-1]))
                else:
                    files.update(_spellings(name))
        self._files = files
        self._folders = tuple(folders)

    def __contains__(self, filename: str) -> bool:
        return any(
            spelled in self._files or spelled.startswith(self._folders) for spelled in _spellings(filename)
        )


def _names(what: Any) -> Iterator[str]:
    """Yield the file names in the code of a module, a package, a class or a function.

    Those of a package end as its folder does: with `/` in the file system, and with `.` in
    `<frozen package.module>`.
    """
    if isinstance(what, str):
        path = os.path.abspath(what) if os.path.exists(what) else what
        yield os.path.join(path, "") if os.path.isdir(path) else path
    elif isinstance(what, ModuleType):
        yield from _names_of_module(what)
    elif isinstance(what, type):
        yield from _compiled_names(what)
        if what.__module__ in sys.modules:
            yield from _names(sys.modules[what.__module__])
    elif isinstance(code := getattr(what, "__code__", None), CodeType):
        yield code.co_filename
    else:
        raise TypeError(f"expected a module, a class, a function or a file name, got {what!r}")


def _names_of_module(module: ModuleType) -> Iterator[str]:
    file, folders = getattr(module, "__file__", None), getattr(module, "__path__", None)
    if file is None and folders is None:
        raise TypeError(f"expected a module that has a file, got {module.__name__!r}")
    # Modules frozen into the interpreter have a file as well, but their code does not name it.
    yield f"{FROZEN}{module.__name__}>"
    if folders is not None:
        yield f"{FROZEN}{module.__name__}."
        yield from (os.path.join(folder, "") for folder in folders)
    elif file is not None:
        yield file
    yield from _compiled_names(module)


def _compiled_names(holder: ModuleType | type[Any]) -> Iterator[str]:
    """Yield the code's own name for its file. It differs if the code was compiled elsewhere."""
    module = holder.__name__ if isinstance(holder, ModuleType) else holder.__module__
    for value in vars(holder).values():
        if getattr(value, "__module__", None) != module:
            continue
        code = getattr(value, "__code__", None)
        # Any code may be called `<string>`, not only the code of this module.
        if isinstance(code, CodeType) and not code.co_filename.startswith("<"):
            yield code.co_filename
        elif isinstance(value, type) and isinstance(holder, ModuleType):
            yield from _compiled_names(value)
