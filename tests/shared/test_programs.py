"""Each program of programs/ runs in its own interpreter; most of them start more processes there."""

from pathlib import Path

import pytest

from support.child import ChildProgram, programs, run
from support.marks import NEEDS_C

pytestmark = NEEDS_C


PROGRAMS = [
    program
    for path in sorted((Path(__file__).parent / "programs").glob("*.py"))
    for program in programs(f"shared.programs.{path.stem}")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(program: ChildProgram) -> None:
    if reason := program.unless("atomicx._core"):
        pytest.skip(reason)
    run(program, "atomicx._core")
