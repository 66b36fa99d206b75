"""Describes this installation and the platform that it runs on: `python -m atomicx info`."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from collections.abc import Callable
from typing import Any

import atomicx

from . import _backend
from ._backend import reason
from ._installation import problems, version_of
from ._terminal import wrapped

# The public types, apart from protocols and snapshots.
_ALL_TYPES = [name for name in atomicx.__all__ if isinstance(getattr(_backend, name, None), type)]
TYPES = [name for name in _ALL_TYPES if not name.startswith("Shared")]
SHARED_TYPES = [name for name in _ALL_TYPES if name.startswith("Shared")]
# Packages that the integrations and the commands use where installed, and what to say where they are not.
OPTIONAL = {
    "prometheus_client": "extra prometheus",
    "opentelemetry-api": "extra opentelemetry",
    "opentelemetry-sdk": "only needed to export",
    "rich": "extra cli",
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
    shared = {name: _shared_lock_free(name) for name in SHARED_TYPES}
    return dict.fromkeys(TYPES, answer) | shared


def _shared_lock_free(name: str) -> str:
    """Return the same for a shared type, or why it is not available here."""
    if atomicx.backend == "python":
        return "not available without the C module"
    try:
        if name in ("SharedInt", "SharedFloat"):
            getattr(atomicx, name)(bytearray(8))
        else:
            from .shared import Segment

            Segment.anonymous(1, processes=1).close()
    except (RuntimeError, OSError) as error:
        return f"not available: {error}"
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


def as_text(known: dict[str, Any], width: int | None = None) -> str:
    """Return the facts as `key: value`, one per line, with `-` for an empty value.

    A line that is longer than the width continues on the next, indented.
    """
    lines: list[str] = []
    for key, value in known.items():
        if key in _ONE_PER_LINE:
            lines += [f"{_ONE_PER_LINE[key]} {name}: {answer}" for name, answer in value.items()]
        else:
            lines.append(f"{key.replace('_', ' ')}: {_value_text(value)}")
    return "\n".join(part for line in lines for part in wrapped(line, width, "  "))


_ONE_PER_LINE = {"packages": "package", "lock_free": "lock-free"}


def _value_text(value: Any) -> str:
    """Return a value of `facts` as text; a dict as `name=value` pairs."""
    text = ", ".join(f"{name}={told}" for name, told in value.items()) if hasattr(value, "items") else value
    return "-" if text in (None, "") else str(text)
