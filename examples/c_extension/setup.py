"""Builds an extension that counts with the C API of atomicx."""

from setuptools import Extension, setup

import atomicx

setup(
    ext_modules=[Extension("linescan", ["linescan.c"], include_dirs=[atomicx.get_include()])],
)
