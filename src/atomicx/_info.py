"""What this installation is, and on what it runs: `python -m atomicx info`."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import atomicx

TYPES = ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter", "Histogram", "Family")
SHARED_TYPES = ("SharedInt", "SharedFloat")


def gil_state() -> str:
    """`with the GIL`, or `without the GIL`; and whether a free-threaded build has it on."""
    enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    if not enabled():
        return "without the GIL"
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return "with the GIL, though built to run without" if free_threaded else "with the GIL"


def core_count() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compiler() -> str | None:
    """What compiled the C module; None where the twin is in use."""
    if atomicx.backend != "c":
        return None
    from ._core import compiler as name

    return name


def lock_free(gil: str) -> dict[str, str]:
    """For each type, whether its operations wait for nothing; if not, for what."""
    if atomicx.backend == "python" and gil == "without the GIL":
        answer = "no: each operation takes the mutex of a dict"
    else:
        answer = "yes"
    answers: dict[str, str] = dict.fromkeys(TYPES, answer)
    if atomicx.backend == "c" and gil == "without the GIL":
        answers["Family"] = "to find a child: yes; to make or remove one takes a mutex"
    return answers | dict.fromkeys(SHARED_TYPES, _shared_lock_free())


def _shared_lock_free() -> str:
    """The shared types say themselves why they are not there."""
    try:
        atomicx.SharedInt(bytearray(8))
    except RuntimeError as error:
        return f"no: {error}"
    return "yes"


def facts() -> dict[str, Any]:
    """Everything that `info` tells, by key."""
    gil = gil_state()
    return {
        "version": atomicx.__version__,
        "backend": atomicx.backend,
        "compiler": compiler(),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "gil": gil,
        "platform": platform.platform(),
        "cores": core_count(),
        "lock_free": lock_free(gil),
    }


def as_text(known: dict[str, Any]) -> str:
    """`key: value`, a line each."""
    plain = {key: value for key, value in known.items() if key != "lock_free"}
    lines = [f"{key}: {'-' if value is None else value}" for key, value in plain.items()]
    lines += [f"lock-free {name}: {answer}" for name, answer in known["lock_free"].items()]
    return "\n".join(lines)
