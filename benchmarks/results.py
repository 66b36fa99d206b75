"""The results files: what was measured, and where, with what, of which commit."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import atomicx

from .cases import Case
from .harness import Timing

TOP = Path(__file__).parent.parent
FOLDER = Path(__file__).with_name("results")


def interpreter_name() -> str:
    """As in 3.13 or 3.13t."""
    return "{}.{}".format(*sys.version_info[:2]) + (
        "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit() -> str:
    """The commit that was measured; marked if files of the package differ from it."""
    changed = git(
        "status", "--porcelain", "--", "csrc", "src", "setup.py", "pyproject.toml", "benchmarks/*.py"
    )
    return git("rev-parse", "HEAD") + ("-changed" if changed else "")


def build_flags() -> dict[str, str]:
    # Not CONFIG_ARGS, which is mostly where things lie on the machine.
    wanted = ("CC", "OPT", "CFLAGS")
    flags = {name: str(sysconfig.get_config_var(name) or "") for name in wanted}
    flags["ATOMICX_CFLAGS"] = os.environ.get("ATOMICX_CFLAGS", "")
    return flags


def report(cases: Iterable[Case], timings: dict[str, Timing]) -> dict[str, Any]:
    return {
        "atomicx": {"version": atomicx.__version__, "backend": atomicx.backend, "commit": commit()},
        "interpreter": {
            "name": interpreter_name(),
            "version": platform.python_version(),
            "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
            "flags": build_flags(),
        },
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "cases": [{"name": case.name, "label": case.label} | asdict(timings[case.name]) for case in cases],
    }


def write(content: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"cpython-{content['interpreter']['name']}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def read(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every results file's content, in the order of the interpreters' names."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
