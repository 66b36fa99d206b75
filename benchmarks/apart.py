"""Measures what cannot be measured in this process in a separate one, in turn with all other cases.

For instance two packages of the same name, or a stock library and the same library with something installed
in it.
"""

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from atomicx.bench import harness
from atomicx.bench.harness import Case

PROCESS = Path(__file__).with_name("apart_process.py")


class ApartProcess(ABC):
    """The process: asked for a sampler, or for a sample of one, it answers with one number per line."""

    def __init__(self, kind: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._kind = kind
        # Isolated, or this package would come before the wanted one on the path.
        command = [sys.executable, "-I", str(PROCESS), harness.__file__, kind, *arguments]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    @abstractmethod
    def what_it_makes(self, case: Case) -> str:
        """Return the word that tells the process which object the case works on."""

    def ask(self, request: object) -> float:
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None and answers is not None
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"the process for {self._kind} ended with status {self._process.wait()}")
        return float(answer)

    def sampler(self, case: Case, sample_seconds: float) -> "ApartSampler":
        """Return a sampler for the case, in the process."""
        plain = [self.what_it_makes(case), case.statements, case.threads, case.shared, case.access]
        return ApartSampler(case, self, round(self.ask([*plain, sample_seconds])))

    def close(self) -> None:
        self._process.communicate()


class ApartSampler:
    """Represents a sampler of the other process here."""

    def __init__(self, case: Case, process: ApartProcess, number: int) -> None:
        self.case = case
        self._process = process
        self._number = number

    def sample_ns(self) -> float:
        return self._process.ask(self._number)

    def close(self) -> None:
        """Do nothing: the process is closed as a whole."""
