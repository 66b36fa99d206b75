"""The results files: what was measured, where, with what, and at which commit."""

import json
import os
import platform
import subprocess
import sys
import sysconfig
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import atomicx
from atomicx import _info

ResultsFile = dict[str, Any]

TOP = Path(__file__).parent.parent
FOLDER = Path(__file__).with_name("results")
TIMES, INSTRUCTIONS, VARIANTS, SERVICES, SCRAPES = (
    "cpython",
    "instructions",
    "variants",
    "services",
    "scrapes",
)
ENDURANCE = "endurance"  # written by tests/shared/endurance.py
LATENCIES = "latencies"


def interpreter_name() -> str:
    """Return the short name of this interpreter, such as 3.13 or 3.13t."""
    return "{}.{}".format(*sys.version_info[:2]) + (
        "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def git(*arguments: str) -> str | None:
    """Return git's output, or None where this is not a checkout, or only a copy of one."""
    try:
        done = subprocess.run(["git", *arguments], cwd=TOP, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def commit() -> str:
    """Return the commit that was measured, marked if files of the package differ from it."""
    measured = ("csrc", "src", "setup.py", "pyproject.toml", "benchmarks/*.py", "examples")
    changed = git("status", "--porcelain", "--", *measured)
    head = git("rev-parse", "HEAD")
    return "unknown" if head is None else head + ("-changed" if changed else "")


def build_flags() -> dict[str, str]:
    flags = {name: str(sysconfig.get_config_var(name) or "") for name in ("CC", "OPT", "CFLAGS")}
    flags["ATOMICX_CFLAGS"] = os.environ.get("ATOMICX_CFLAGS", "")
    return {name: without_places(value) for name, value in flags.items()}


def without_places(flags: str) -> str:
    """Return the flags without those that contain paths on this machine."""
    return " ".join(flag for flag in flags.split() if "/" not in flag)


def circumstances() -> ResultsFile:
    """Return what every results file begins with."""
    return {
        "atomicx": {
            "version": atomicx.__version__,
            "backend": atomicx.backend,
            "commit": commit(),
            "compiler": _info.compiler(),
        },
        "interpreter": {
            "name": interpreter_name(),
            "version": platform.python_version(),
            "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
            "compiler": platform.python_compiler(),
            "flags": build_flags(),
        },
        "machine": {"processor": processor(), "cores": _info.core_count(), "system": platform.platform()},
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
    }


def as_json(content: ResultsFile) -> str:
    """Return the content as JSON, with one case per line, so that two files can be compared by eye."""
    cases = content["cases"]
    head = json.dumps({**content, "cases": []}, indent=2).removesuffix("[]\n}")
    return head + "[\n" + ",\n".join(f"    {json.dumps(case)}" for case in cases) + "\n  ]\n}\n"


def path_of(kind: str, folder: Path) -> Path:
    """Return the path of this interpreter's results: of times, instructions, variants, services or
    scrapes."""
    return folder / f"{kind}-{interpreter_name()}.json"


def write(kind: str, content: ResultsFile, folder: Path) -> Path:
    """Write a results file; `content` has its cases last. Returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(kind, folder)
    path.write_text(as_json(content))
    return path


def read(kind: str, folder: Path = FOLDER) -> list[ResultsFile]:
    """Return the content of every results file of a kind, in the order of the interpreters' names."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{kind}-*.json"))]
