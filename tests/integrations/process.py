"""prometheus_client in a process of its own, where a test may change it or let it hang."""

import os
import subprocess
import sys
from pathlib import Path

import atomicx

PACKAGE = Path(atomicx.__file__).parent.parent
TESTS = Path(__file__).parent.parent
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = 1200


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python; in multiprocess mode if there is a folder for its files."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(PACKAGE)])}
    environment.pop(MULTIPROCESS, None)
    if folder is not None:
        environment[MULTIPROCESS] = str(folder)
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
