"""Chooses the backend: the C module, or the pure-Python twin. Its names can be imported from here.

ATOMICX_PURE=1 selects the twin, ATOMICX_PURE=0 requires the C module. If it is unset or empty, the C module
is used where there is one; otherwise the twin is used, and a RuntimeWarning says why.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_CORE = "atomicx._core"


def _load_core() -> "ModuleType":
    # `from . import _core` would turn a missing module into an ImportError that does not say what is missing.
    import atomicx._core

    return atomicx._core


def _load_twin() -> "ModuleType":
    from . import _reference

    return _reference


def _is_missing(error: ImportError) -> bool:
    """Return whether there is no C module; an ImportError from inside it names something else."""
    return isinstance(error, ModuleNotFoundError) and error.name == _CORE


def _why_missing() -> str:
    """Return why there is no C module, as far as the package's folder can tell."""
    folder = os.path.dirname(__file__)
    if not os.path.isdir(folder):
        return f"atomicx is imported from an archive, {folder!r}, and Python cannot load a C module from one"
    others = [
        name
        for name in sorted(os.listdir(folder))
        if name.startswith("_core.") and name[-3:] in (".so", "pyd")
    ]
    if others:
        return f"the C module was built for another interpreter: {', '.join(others)}"
    return "this installation has no C module"


def _choose(pure: str) -> "tuple[str, ModuleType, str]":
    """Return the backend, its module, and why it was chosen."""
    if pure == "1":
        return "python", _load_twin(), "ATOMICX_PURE is 1"
    if pure not in ("", "0"):
        raise ImportError(
            f"ATOMICX_PURE is {pure!r}: it must be 1 (the pure-Python twin), 0 (the C module) or empty"
        )
    try:
        return "c", _load_core(), "the C module is there" if pure == "" else "ATOMICX_PURE is 0"
    except ImportError as error:
        missing = _is_missing(error)
        reason = _why_missing() if missing else f"the C module failed to load: {error}"
        if pure == "0":
            if missing:
                message = f"ATOMICX_PURE is 0, which requires the C module, but {reason}"
                raise ImportError(message, name=_CORE) from error
            raise
        import warnings

        warnings.warn(
            f"atomicx runs as its slower pure-Python twin: {reason}"
            " (set ATOMICX_PURE=1 to choose the twin without this warning)",
            RuntimeWarning,
            stacklevel=4,  # the user's own import
        )
        return "python", _load_twin(), reason


backend, _module, reason = _choose(os.environ.get("ATOMICX_PURE", ""))

# This costs one look at a path: only the unrelated package called atomicx has this file.
if os.path.exists(os.path.join(os.path.dirname(__file__), "__init__.pyi")):
    from ._installation import warn_of_namesake

    warn_of_namesake(stacklevel=3)


def __getattr__(name: str) -> object:
    """Return what the backend has under this name, so that no list of its names is needed here."""
    if name.startswith("_") or not hasattr(_module, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_module, name)
