"""Which code the explorer steps through: all but C code, the standard library and atomicx itself."""

import importlib
import os
import py_compile
import queue
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections import namedtuple
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import atomicx
from atomicx.verify import explore
from atomicx.verify.schedules import places, visibility
from atomicx.verify.schedules.places import Places, is_library
from atomicx.verify.schedules.visibility import Scope

LIBRARY = sysconfig.get_path("stdlib")

RACY = """
class Box:
    def __init__(self):
        self.value = 0

    def add(self):
        self.value = self.value + 1
"""


def loses_one(make: Any, **options: Any) -> bool:
    """Return whether the explorer finds the schedule in which two calls of add() count only one."""
    exploration = explore(
        make, [lambda box: box.add()] * 2, lambda box, _: box.value == 2, one_step=[__file__], **options
    )
    return not exploration.ok


# Files


@pytest.mark.parametrize(
    "filename",
    [
        queue.__file__,
        os.path.join(LIBRARY, "json", "decoder.py"),
        os.path.join(LIBRARY, "json", "..", "queue.py"),
        "<frozen os>",
        "<frozen importlib._bootstrap>",
    ],
)
def test_the_standard_library_is_recognized(filename: str) -> None:
    assert is_library(filename)


@pytest.mark.parametrize(
    "filename",
    [
        os.path.join(LIBRARY, "site-packages", "package", "module.py"),
        os.path.join(LIBRARY, "site-packages", "queue.py"),
        os.path.join(LIBRARY, "dist-packages", "module.py"),
        # Debian's packages of the system's Python are next to the library, for all versions at once.
        os.path.join(os.path.dirname(LIBRARY), "python3", "dist-packages", "queue.py"),
        os.path.join(os.sep, "usr", "local", "lib", os.path.basename(LIBRARY), "dist-packages", "queue.py"),
        os.path.join(LIBRARY, "put_here_by_hand.py"),
        os.path.join(LIBRARY, "folder_of_a_pth_file", "queue.py"),
        os.path.join(LIBRARY, "json", *[".."] * 9, "home", "queue.py"),
        os.path.join(LIBRARY, *[".."] * 9, "home", "queue.py"),
        os.path.join(sysconfig.get_path("purelib"), "module.py"),
        os.path.join(os.sep, "app", "packages.zip", "queue.py"),
        os.path.join("lib", "python", "queue.py"),
        "queue.py",
        "<string>",
        "<stdin>",
        "<frozen application.module>",
    ],
)
def test_nothing_else_is_taken_for_it(filename: str) -> None:
    assert not is_library(filename)


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
def test_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib64").symlink_to(LIBRARY)
    assert is_library(str(tmp_path / "lib64" / "queue.py"))
    assert not is_library(str(tmp_path / "lib64" / "site-packages" / "module.py"))
    # A library in which each file is a link to another place, as in some package managers.
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "queue.py").symlink_to(queue.__file__)
    monkeypatch.setattr(places, "_LIBRARY", (str(tmp_path / "library") + os.sep,))
    assert is_library(str(tmp_path / "library" / "queue.py"))


# Code


def test_a_package_of_the_base_interpreter_is_stepped_through_in_a_virtual_environment(
    tmp_path: Path,
) -> None:
    """Its packages are not this environment's, and may lie below the folder of its standard library."""
    venv.create(tmp_path, system_site_packages=True, symlinks=sys.platform != "win32")
    program = f"""
import os, site, sys
assert sys.prefix != sys.base_prefix
# One folder below that of the standard library; Debian has two, elsewhere.
own = site.getsitepackages([sys.prefix])
folders = {{path for path in sys.path if path.endswith("-packages") and path not in own}}
assert folders, sys.path

from atomicx.verify import explore

def add(box):
    box.add()

for folder in folders:
    namespace = {{}}
    exec(compile({RACY!r}, os.path.join(folder, "racy.py"), "exec"), namespace)
    exploration = explore(namespace["Box"], [add, add], lambda box, _: box.value == 2, one_step=[add])
    assert not exploration.ok, folder
print("stepped through")
"""
    python = tmp_path / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    (tmp_path / "program.py").write_text(program)
    sources = str(Path(atomicx.__file__).parent.parent)
    ran = subprocess.run(
        [python, tmp_path / "program.py"],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout == "stepped through\n", ran.stdout + ran.stderr


def test_code_without_a_file_is_stepped_through() -> None:
    namespace: dict[str, Any] = {}
    exec(RACY, namespace)
    assert loses_one(namespace["Box"])


def test_code_that_the_library_generates_for_a_class_is_stepped_through() -> None:
    @dataclass
    class Point:
        x: int

    assert Scope().visible(Point.__init__.__code__) is not None
    # It makes a tuple of its arguments, and touches nothing that threads could share.
    assert Scope().visible(namedtuple("Pair", "x y").__new__.__code__) is None


def imported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "racy_subject", raising=False)
    importlib.invalidate_caches()
    return importlib.import_module("racy_subject")


def put_in_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "packages.zip", "w") as archive:
        archive.writestr("racy_subject.py", RACY)
    return folder / "packages.zip"


def put_compiled(folder: Path) -> Path:
    """Compile without keeping the source, under a name in the library's folder."""
    (folder / "source.py").write_text(RACY)
    called = os.path.join(LIBRARY, "site-packages", "racy_subject.py")
    py_compile.compile(
        str(folder / "source.py"), str(folder / "racy_subject.pyc"), dfile=called, doraise=True
    )
    return folder


def put_behind_link(folder: Path) -> Path:
    (folder / "real").mkdir()
    (folder / "real" / "racy_subject.py").write_text(RACY)
    try:
        (folder / "link").symlink_to(folder / "real")
    except OSError:
        return folder / "real"
    return folder / "link"


@pytest.mark.parametrize("put", [put_in_zip, put_compiled, put_behind_link])
def test_however_a_module_was_found_it_is_stepped_through_and_can_be_named(
    put: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = imported(put(tmp_path), monkeypatch)
    assert loses_one(module.Box)
    add = module.Box.add.__code__.co_filename
    for what in (module, module.Box, module.Box.add):
        assert add in Places([what]), "otherwise step_into and one_step would say nothing"
    assert Scope(one_step=[module.Box]).visible(module.Box.add.__code__) is None


def test_what_is_named_is_found_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("")
    file = str(tmp_path / "package" / "module.py")
    for spelled in ("package", "package/", "package/module.py", "package/../package", str(tmp_path), file):
        assert file in Places([spelled]), spelled
    assert file not in Places(["pack", "module.py"])
    # A frozen module has a file, but its code does not name it.
    assert "<frozen os>" in Places([os])
    assert "<frozen importlib._bootstrap>" in Places([importlib])
    assert "<string>" not in Places([sys.modules[__name__]])


def test_the_library_is_one_step_unless_it_is_named() -> None:
    code = queue.Queue.put.__code__
    assert Scope().visible(code) is None
    assert Scope(step_into=[queue]).visible(code) is not None
    assert Scope(step_into=[queue.Queue]).visible(code) is not None


def test_the_programs_that_come_with_it_are_stepped_through_and_the_rest_is_not() -> None:
    package = Path(atomicx.__file__).parent
    for names in visibility._FILES_OF_PROGRAMS:
        file = package.joinpath("verify", *names)
        assert file.exists(), "it moved"
        assert Scope()._is_stepped(str(file))
    assert not Scope()._is_stepped(str(package / "verify" / "schedules" / "stepping.py"))
    assert not Scope()._is_stepped(str(package / "_reference" / "type_int.py"))


@pytest.mark.parametrize("what", [3, None, partial(print), sys])
def test_what_has_no_code_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="expected a module"):
        Scope(step_into=[what])
