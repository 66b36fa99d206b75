"""Asserts that the tests are about to run on what the matrix says: interpreter, GIL, backend, installed copy.

identity.py VERSION PURE     VERSION as in 3.11 or 3.13t, PURE as in ATOMICX_PURE
"""

import platform
import sys
import sysconfig

import atomicx


def main(version: str, pure: str) -> None:
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    here = "{}.{}{}".format(*sys.version_info[:2], "t" if free_threaded else "")
    backend = "python" if pure == "1" else "c"

    assert here == version, f"this is {here}, not {version}"
    assert gil != free_threaded, f"the GIL is {'on' if gil else 'off'} after the import"
    assert atomicx.backend == backend, f"the backend is {atomicx.backend}, not {backend}"
    assert atomicx.__file__.startswith(sys.prefix), f"not the installed copy: {atomicx.__file__}"
    print(f"ok: {platform.python_version()}, GIL {'on' if gil else 'off'}, backend {atomicx.backend}")


if __name__ == "__main__":
    main(*sys.argv[1:])
