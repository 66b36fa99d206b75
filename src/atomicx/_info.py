"""Describes this installation and the platform that it runs on: `python -m atomicx info`."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import atomicx

from ._backend import reason
from ._installation import problems, version_of

TYPES = ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter", "Histogram", "Family")
SHARED_TYPES = (
    *("SharedInt", "SharedFloat", "SharedCounter", "SharedGauge", "SharedHistogram", "SharedFamily"),
)
# Packages that the integrations and the commands use where installed, and what to say where they are not.
OPTIONAL = {
    "prometheus_client": "the extra prometheus",
    "opentelemetry-api": "the extra opentelemetry",
    "opentelemetry-sdk": "needed only to export",
    "rich": "the extra cli",
}


def gil_state() -> str:
    """Return `with the GIL` or `without the GIL`, and say if a free-threaded build has it enabled."""
    enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    if not enabled():
        return "without the GIL"
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return "with the GIL, though built to run without" if free_threaded else "with the GIL"


def core_count() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def compiler() -> str | None:
    """Return the name of the compiler that built the C module; None where the twin is in use."""
    if atomicx.backend != "c":
        return None
    from ._core import compiler as name

    return name


def build() -> str | None:
    """Return how the C module was compiled, and for which CPython; None where the twin is in use."""
    if atomicx.backend != "c":
        return None
    from ._core import build as how

    return how


def libc() -> str | None:
    """Return the C library and its version; None where the platform does not tell."""
    return " ".join(filter(None, platform.libc_ver())) or None


def environment() -> dict[str, str]:
    """Return the ATOMICX_ environment variables that are set."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("ATOMICX_")}


def packages() -> dict[str, str]:
    """Return the optional packages, each with its version, or with its purpose if it is not installed."""
    return {name: version_of(name) or f"not installed ({what})" for name, what in OPTIONAL.items()}


def lock_free(gil: str) -> dict[str, str]:
    """Return for each type whether its operations are lock-free, and if not, what they wait for."""
    if atomicx.backend == "python" and gil == "without the GIL":
        answer = "no: each operation takes the mutex of a dict"
    else:
        answer = "yes"
    return dict.fromkeys(TYPES, answer) | dict.fromkeys(SHARED_TYPES, _shared_lock_free())


def _shared_lock_free() -> str:
    """Return the same for the shared types, whose constructor says why they are not available."""
    try:
        atomicx.SharedInt(bytearray(8))
    except RuntimeError as error:
        return f"no: {error}"
    return "yes"


def facts() -> dict[str, Any]:
    """Return everything that `info` shows, by key."""
    gil = gil_state()
    return {
        "version": atomicx.__version__,
        "backend": atomicx.backend,
        "reason": reason,
        "compiler": compiler(),
        "build": build(),
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "interpreter_build": f"{' '.join(platform.python_build())}, {platform.python_compiler()}",
        "gil": gil,
        "platform": platform.platform(),
        "libc": libc(),
        "cores": core_count(),
        "environment": environment(),
        "packages": packages(),
        "installation": "; ".join(problems()) or "nothing wrong found",
        "lock_free": lock_free(gil),
    }


def as_text(known: dict[str, Any]) -> str:
    """Return the facts as `key: value`, one per line, with `-` for an empty value."""
    plain = {key: value for key, value in known.items() if key != "lock_free"}
    lines = [f"{key.replace('_', ' ')}: {_value_text(value)}" for key, value in plain.items()]
    lines += [f"lock-free {name}: {answer}" for name, answer in known["lock_free"].items()]
    return "\n".join(lines)


def _value_text(value: Any) -> str:
    """Return a value of `facts` as text; a dict as `name=value` pairs."""
    text = ", ".join(f"{name}={told}" for name, told in value.items()) if hasattr(value, "items") else value
    return "-" if text in (None, "") else str(text)
