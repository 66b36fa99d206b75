"""The package on PyPI that is also called atomicx, and has nothing to do with this one.

Two packages of one name cannot be imported together, so it lies in a folder of its own and is measured in a
process of its own, which takes its samples in turn with everybody else.
"""

import json
import subprocess
import sys
from pathlib import Path

from atomicx.bench import harness
from atomicx.bench.harness import Case

NAME = "atomicx"
SUBJECT = "PyPI's atomicx (unrelated)"
NOTE = "another package of our name, measured in a process of its own"
FOLDER = Path(sys.prefix) / "share" / "atomicx-benchmarks" / NAME
PROCESS = Path(__file__).with_name("outsider_process.py")


def outsider_cases() -> list[Case]:
    """Its operations, by the names of ours."""

    def case(jobs: str, type_name: str, *calls: str) -> Case:
        statements = tuple(f"cell.{call}" for call in calls)
        # What is made here is never used: the process makes its own, by the name of the type.
        return Case(
            SUBJECT, tuple(jobs.split()), f"PyPI's {type_name}.{calls[0]}", statements, dict, note=NOTE
        )

    return [
        case("int.inc int.fetch_add", "AtomicInt", "inc()"),
        case("int.dec", "AtomicInt", "dec()"),
        case("int.add int.fetch_add_one", "AtomicInt", "add(1)"),
        case("int.load", "AtomicInt", "load()"),
        case("int.store", "AtomicInt", "store(1)"),
        case("int.exchange", "AtomicInt", "swap(1)"),
        case(
            "int.compare_and_set int.compare_exchange",
            "AtomicInt",
            "compare_exchange(0, 1)",
            "compare_exchange(1, 0)",
        ),
        case("float.add", "AtomicFloat", "add(1.0)"),
        case("float.load", "AtomicFloat", "load()"),
        case("float.store", "AtomicFloat", "store(1.0)"),
        case("bool.load", "AtomicBool", "load()"),
        case("bool.store", "AtomicBool", "store(True)"),
        case("bool.test_and_set bool.exchange", "AtomicBool", "swap(True)"),
    ]


class OutsiderProcess:
    """The process: it is asked for a sampler, or for a sample of one, and answers with a number a line."""

    def __init__(self, folder: Path = FOLDER) -> None:
        # Isolated, or this package would lie on the path before the other one.
        command = [sys.executable, "-I", str(PROCESS), harness.__file__, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request: object) -> float:
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None and answers is not None
        asked.write(json.dumps(request) + "\n")
        asked.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"the process of {SUBJECT} ended with status {self._process.wait()}")
        return float(answer)

    def sampler(self, case: Case, sample_seconds: float) -> "OutsiderSampler":
        """A sampler for the case, in the process."""
        type_name = case.label.removeprefix("PyPI's ").split(".")[0]
        plain = [type_name, case.statements, case.threads, case.shared, case.access]
        return OutsiderSampler(case, self, round(self.ask([*plain, sample_seconds])))

    def close(self) -> None:
        self._process.communicate()


class OutsiderSampler:
    """Stands here for a sampler there."""

    def __init__(self, case: Case, process: OutsiderProcess, number: int) -> None:
        self.case = case
        self._process = process
        self._number = number

    def sample_ns(self) -> float:
        return self._process.ask(self._number)

    def close(self) -> None:
        """The process is closed as a whole."""
