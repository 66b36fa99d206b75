"""Installs the peers that are available for this interpreter: python -m benchmarks peers."""

import argparse
import subprocess
import sys
from pathlib import Path

from .outsider import FOLDER, NAME

REQUIREMENTS = Path(__file__).with_name("peers.txt")


def requirements() -> list[str]:
    lines = (line.split("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return [line for line in lines if line]


def install(requirement: str) -> str | None:
    """Install a requirement. Returns None, or pip's last error."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", requirement]
    if requirement == NAME:
        command += ["--upgrade", "--no-deps", "--target", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return said[-1] if said else f"pip ended with status {done.returncode}"


def peers(_: argparse.Namespace) -> int:
    """Install all peers, one after the other. It is not a failure if one does not install."""
    if sys.prefix == sys.base_prefix:
        print("this installs packages: run it in a virtual environment", file=sys.stderr)
        return 1
    for requirement in requirements():
        print(f"{requirement}: {install(requirement) or 'installed'}", flush=True)
    return 0
