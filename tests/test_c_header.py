"""The header of the C API compiles without a warning as C and C++, in every standard that it supports.

.ci/compile.sh does the same for the headers of every interpreter, with more compilers.
"""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import atomicx

pytestmark = pytest.mark.one_run

EVERY_WARNING = ["-Wall", "-Wextra", "-Wshadow", "-Werror", "-fsyntax-only"]
LIMITED = "-DPy_LIMITED_API=0x030A0000"
# Uses every function of the header, in code that both languages accept.
USER = """
#include "atomicx.h"

struct state { const AtomicX_API *atomicx; };

int execute(struct state *state);
int traverse(struct state *state, visitproc visit, void *arg);
PyObject *count(struct state *state, PyObject *object);

int execute(struct state *state)
{
    state->atomicx = AtomicX_Import();
    return state->atomicx == NULL ? -1 : 0;
}

int traverse(struct state *state, visitproc visit, void *arg)
{
    return AtomicX_Visit(state->atomicx, visit, arg);
}

PyObject *count(struct state *state, PyObject *object)
{
    AtomicX_Int *cell = state->atomicx->int_cell(state->atomicx, object);
    if (cell == NULL || state->atomicx->int_add(cell, 1) != ATOMICX_OK) {
        AtomicX_Release(state->atomicx);
        return cell == NULL ? NULL : AtomicX_SetOverflow();
    }
    return state->atomicx->int_new(state->atomicx, state->atomicx->flags & ATOMICX_DETACHED);
}
"""


def compiler(language: str) -> str:
    name = {"c": "cc", "c++": "c++"}[language]
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"this machine has no {name} on its path")
    return path


def compile_user(
    folder: Path, language: str, *options: str, user: str = USER
) -> subprocess.CompletedProcess[str]:
    source = folder / "user"
    source.write_text(user)
    # The interpreter's own headers may warn in an old standard; ours must not.
    includes = [f"-I{atomicx.get_include()}", "-isystem", sysconfig.get_path("include")]
    command = [compiler(language), "-x", language, *EVERY_WARNING, *includes, *options, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("limited", [(), (LIMITED,)], ids=["whole", "limited"])
@pytest.mark.parametrize(
    ("language", "standard"),
    [("c", "c99"), ("c", "c11"), ("c", "c17"), ("c++", "c++11"), ("c++", "c++17"), ("c++", "c++20")],
)
def test_it_compiles(tmp_path: Path, language: str, standard: str, limited: tuple[str, ...]) -> None:
    if limited and sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("free-threaded builds have no limited API before 3.15")
    done = compile_user(tmp_path, language, f"-std={standard}", *limited)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_cell_of_the_other_type_is_an_error(tmp_path: Path, language: str) -> None:
    """The two cells are distinct types, so that the compiler can tell them apart."""
    wrong = USER.replace("->int_add(cell, 1)", "->counter_add(cell, 1)")
    assert wrong != USER
    done = compile_user(tmp_path, language, user=wrong)
    assert done.returncode != 0
    assert "AtomicX_Counter" in done.stderr
