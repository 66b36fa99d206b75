"""Builds the C module; everything else about the package stands in pyproject.toml.

A machine without a working C compiler still gets a package: setuptools reports that the optional
extension was left out, and atomicx runs as its pure-Python twin (`python -m atomicx info` says so).
ATOMICX_REQUIRE_C=1 makes such a build fail instead; ATOMICX_CFLAGS adds compiler flags.
"""

import os
import shlex
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildExt(build_ext):
    """Adds the flags that depend on the compiler, which is known only now."""

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        flags = ["/std:c11"] if msvc else ["-std=c11", "-fvisibility=hidden"]
        flags += shlex.split(os.environ.get("ATOMICX_CFLAGS", ""))
        for extension in self.extensions:
            extension.extra_compile_args += flags
        super().build_extensions()


def sources(*patterns):
    return sorted(str(path) for pattern in patterns for path in Path("csrc").glob(pattern))


setup(
    ext_modules=[
        Extension(
            "atomicx._core",
            sources=sources("binding/*.c"),  # core.c takes in the core
            depends=[*sources("core/*.[ch]", "binding/*.h"), "src/atomicx/include/atomicx.h"],
            include_dirs=["csrc/core", "csrc/binding"],
            optional=os.environ.get("ATOMICX_REQUIRE_C") != "1",
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
