"""Gives C extensions the C module, or the reason why there is none: `AtomicX_Import()` imports this."""

import os

from ._backend import backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["core"]


def _find_core() -> "ModuleType":
    twin = "the C API of atomicx needs its C module, and the pure-Python twin is in use"
    if backend == "python" and os.environ.get("ATOMICX_PURE") == "1":
        raise ImportError(f"{twin}: ATOMICX_PURE is 1")
    try:
        import atomicx._core
    except ImportError as error:
        raise ImportError(f"{twin}: {error}") from error
    if backend == "python":
        raise ImportError(f"{twin}: ATOMICX_PURE was 1 when atomicx was imported")
    return atomicx._core


core = _find_core()
