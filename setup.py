"""Builds the C module, and sdists that are the same bytes each time; everything else is in pyproject.toml.

A machine without a working C compiler still gets a package: the build warns that the optional extension was
left out, and atomicx runs as its pure-Python twin (`python -m atomicx info` says so).
ATOMICX_REQUIRE_C=1 makes such a build fail instead; ATOMICX_CFLAGS adds compiler flags.
"""

import gzip
import os
import shlex
import tarfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist


class BuildExt(build_ext):
    """Adds the flags that depend on the compiler, which is only known at this point."""

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        # Keeps the build folder out of what is built.
        flags = (
            ["/std:c11"]
            if msvc
            else ["-std=c11", "-fvisibility=hidden", f"-fdebug-prefix-map={os.getcwd()}=."]
        )
        flags += shlex.split(os.environ.get("ATOMICX_CFLAGS", ""))
        for extension in self.extensions:
            extension.extra_compile_args += flags
        super().build_extensions()
        for extension in self.extensions:
            if not Path(self.get_ext_fullpath(extension.name)).exists():
                self.warn(f"{extension.name} was not built: atomicx will run as its pure-Python twin")


class Sdist(sdist):
    """With SOURCE_DATE_EPOCH, which the wheel already obeys, the archive depends only on the files."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **owners):
        if format != "gztar" or "SOURCE_DATE_EPOCH" not in os.environ:
            return super().make_archive(base_name, format, root_dir, base_dir, **owners)
        seconds = int(os.environ["SOURCE_DATE_EPOCH"])

        def normalized(member):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = seconds
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            return member

        path = f"{base_name}.tar.gz"
        with (
            open(path, "wb") as file,
            gzip.GzipFile("", "wb", mtime=seconds, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            archive.add(base_dir, filter=normalized)  # in order of the names
        return path


def sources(*patterns):
    return sorted(str(path) for pattern in patterns for path in Path("csrc").glob(pattern))


setup(
    ext_modules=[
        Extension(
            "atomicx._core",
            sources=sources("binding/*.c"),  # core.c includes the core
            depends=[*sources("core/*.[ch]", "binding/*.h"), "src/atomicx/include/atomicx.h"],
            include_dirs=["csrc/core", "csrc/binding"],
            optional=os.environ.get("ATOMICX_REQUIRE_C") != "1",
        )
    ],
    cmdclass={"build_ext": BuildExt, "sdist": Sdist},
)
