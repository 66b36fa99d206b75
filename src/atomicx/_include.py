"""The location of the C API's header."""

import os

__all__ = ["get_include"]


def get_include() -> str:
    """Return the folder of atomicx.h, for the include path of an extension in C, C++ or Cython.

    The path is absolute. The header is there with both backends, but an extension that was built with it can
    be imported only where atomicx runs with its C module; elsewhere the import raises ImportError.
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


get_include.__module__ = "atomicx"
