"""Builds and loads floor.c, for this interpreter, in a folder that is gone afterwards."""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).with_name("floor.c")

BUILD = """
import sys
from setuptools import Extension, setup
source, target = sys.argv[1:]
setup(
    name="floor",
    ext_modules=[Extension("floor", [source])],
    script_args=["--quiet", "build_ext", "--build-lib", target, "--build-temp", target],
)
"""


def floor_module() -> ModuleType:
    """The module that floor.c makes. Needs setuptools and a C compiler; raises what fails."""
    with tempfile.TemporaryDirectory() as target:
        subprocess.run([sys.executable, "-c", BUILD, str(SOURCE), target], cwd=target, check=True)
        (path,) = (path for pattern in ("floor*.so", "floor*.pyd") for path in Path(target).glob(pattern))
        spec = importlib.util.spec_from_file_location("floor", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
