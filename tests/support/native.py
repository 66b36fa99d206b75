"""Builds the little C extensions of tests/native when a test first wants them, for this interpreter."""

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

SOURCES = Path(__file__).parent.parent / "native"
FLAGS = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11", "-O2"]
# Child processes find here what their parent built.
DIRECTORY = "ATOMICX_TESTS_NATIVE"

BUILD = """
from setuptools import Extension, setup
name, source, target, flags = {arguments!r}
setup(
    name=name,
    ext_modules=[Extension(name, [source], extra_compile_args=flags)],
    script_args=["--quiet", "build_ext", "--build-lib", target, "--build-temp", target + "/temp"],
)
"""


def directory() -> str:
    if DIRECTORY not in os.environ:
        os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="atomicx-native-")
        atexit.register(shutil.rmtree, os.environ[DIRECTORY], ignore_errors=True)
    return os.environ[DIRECTORY]


def built(name: str) -> Path | None:
    return next((path for end in ("so", "pyd") for path in Path(directory()).glob(f"{name}.*{end}")), None)


def build(name: str) -> Path:
    """The path of the compiled tests/native/NAME.c. Without a working C compiler this is an error."""
    if (path := built(name)) is not None:
        return path
    program = BUILD.format(arguments=(name, str(SOURCES / f"{name}.c"), directory(), FLAGS))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=directory(), capture_output=True, text=True, check=False
    )
    path = built(name)
    if done.returncode or path is None:
        raise RuntimeError(f"{name}.c did not compile:\n{done.stdout}{done.stderr}")
    return path


@functools.cache
def native(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, build(name))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
