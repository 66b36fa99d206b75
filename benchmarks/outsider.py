"""The package on PyPI that is also called atomicx, and has nothing to do with this one.

Two packages of the same name cannot be imported together, so it is installed in a folder of its own and
measured in a process of its own.
"""

import sys
from pathlib import Path

from atomicx.bench.harness import Case

from .apart import ApartProcess

NAME = "atomicx"
SUBJECT = "PyPI's atomicx (unrelated)"
NOTE = "another package of our name, measured in a process of its own"
FOLDER = Path(sys.prefix) / "share" / "atomicx-benchmarks" / NAME


def outsider_cases() -> list[Case]:
    """Return its operations, under the names of ours."""

    def case(jobs: str, type_name: str, *calls: str) -> Case:
        statements = tuple(f"cell.{call}" for call in calls)
        # The object made here is never used: the process makes its own, by the name of the type.
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


class OutsiderProcess(ApartProcess):
    """The process in which the package in this folder is measured."""

    def __init__(self, folder: Path = FOLDER) -> None:
        super().__init__("outsider", str(folder))

    def what_it_makes(self, case: Case) -> str:
        return case.label.removeprefix("PyPI's ").split(".")[0]
