"""Builds the small C extensions of tests/native for this interpreter, when a test first needs them."""

import atexit
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import atomicx

SOURCES = Path(__file__).parent.parent / "native"
FLAGS = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11", "-O2"]
# Child processes find what their parent built here.
DIRECTORY = "ATOMICX_TESTS_NATIVE"

BUILD = """
from setuptools import Extension, setup
name, source, include, target, flags = {arguments!r}
setup(
    name=name,
    ext_modules=[Extension(name, [source], include_dirs=[include], extra_compile_args=flags)],
    script_args=["--quiet", "build_ext", "--build-lib", target, "--build-temp", target + "/temp"],
)
"""


def directory() -> str:
    if DIRECTORY not in os.environ:
        os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="atomicx-native-")
        atexit.register(shutil.rmtree, os.environ[DIRECTORY], ignore_errors=True)
    return os.environ[DIRECTORY]


def built(name: str, folder: Path) -> Path | None:
    return next((path for end in ("so", "pyd") for path in folder.glob(f"{name}.*{end}")), None)


def build(name: str) -> Path:
    """Return the path of the compiled tests/native/NAME.c. Without a working C compiler this is an error."""
    return built(name, Path(directory())) or build_in(Path(directory()), name, Path(atomicx.get_include()))


def build_in(folder: Path, name: str, include: Path) -> Path:
    """Compile it into a folder of its own, with the atomicx.h from the folder `include`."""
    program = BUILD.format(arguments=(name, str(SOURCES / f"{name}.c"), str(include), str(folder), FLAGS))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    path = built(name, folder)
    if done.returncode or path is None:
        raise RuntimeError(f"{name}.c did not compile:\n{done.stdout}{done.stderr}")
    return path


@functools.cache
def native(name: str) -> ModuleType:
    return load(name, build(name))


def load(name: str, path: Path) -> ModuleType:
    """Return a new module object from a compiled extension."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
