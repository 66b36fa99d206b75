"""Each program of programs/ runs in its own interpreter, over both backends.

A hang, a crash at exit, a leak or a message on standard error is a failure, not a broken test run.
"""

from pathlib import Path
from types import ModuleType

import pytest

from support.child import ChildProgram, programs, run

PROGRAMS = [
    program
    for path in sorted((Path(__file__).parent / "programs").glob("*.py"))
    for program in programs(f"lifecycle.programs.{path.stem}")
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program(backend: ModuleType, program: ChildProgram) -> None:
    if reason := program.unless(backend.__name__):
        pytest.skip(reason)
    run(program, backend.__name__)
