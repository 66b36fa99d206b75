"""What this installation is, and on what it runs: `python -m atomicx info`."""

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
# What the integrations and the commands work with where it is installed; and what to know where it is not.
OPTIONAL = {
    "prometheus_client": "the extra prometheus",
    "opentelemetry-api": "the extra opentelemetry",
    "opentelemetry-sdk": "needed only to export",
    "rich": "the extra cli",
}


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


def build() -> str | None:
    """How the C module was compiled, and for which CPython; None where the twin is in use."""
    if atomicx.backend != "c":
        return None
    from ._core import build as how

    return how


def libc() -> str | None:
    """The C library and its version; None where the platform does not tell."""
    return " ".join(filter(None, platform.libc_ver())) or None


def environment() -> dict[str, str]:
    """Our variables, as they are set here."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith("ATOMICX_")}


def packages() -> dict[str, str]:
    """The optional packages, and for each its version, or what it would be there for."""
    return {name: version_of(name) or f"not installed ({what})" for name, what in OPTIONAL.items()}


def lock_free(gil: str) -> dict[str, str]:
    """For each type, whether its operations wait for nothing; if not, for what."""
    if atomicx.backend == "python" and gil == "without the GIL":
        answer = "no: each operation takes the mutex of a dict"
    else:
        answer = "yes"
    return dict.fromkeys(TYPES, answer) | dict.fromkeys(SHARED_TYPES, _shared_lock_free())


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
    """`key: value`, a line each; `-` where there is nothing to tell."""
    plain = {key: value for key, value in known.items() if key != "lock_free"}
    lines = [f"{key.replace('_', ' ')}: {_value_text(value)}" for key, value in plain.items()]
    lines += [f"lock-free {name}: {answer}" for name, answer in known["lock_free"].items()]
    return "\n".join(lines)


def _value_text(value: Any) -> str:
    """A value of `facts`; a dict as `name=value`."""
    text = ", ".join(f"{name}={told}" for name, told in value.items()) if hasattr(value, "items") else value
    return "-" if text in (None, "") else str(text)
