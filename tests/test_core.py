"""The C core as shipped, without Python: every schedule of small programs, races, litmus tests, orders.

See tests/core/README.md. Here the quick bounds run; `python tests/core/run.py explore --deep` goes further.
Without a C compiler these tests fail, except with ATOMICX_PURE=1, since the twin alone needs no compiler.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core import run

BINDING = run.CORE.parent / "binding"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the explorer's fibers and ThreadSanitizer are used on Linux only"
)


@pytest.fixture(scope="module")
def compiler() -> None:
    try:
        run.compiler()
    except RuntimeError:
        if os.environ.get("ATOMICX_PURE") == "1":
            pytest.skip("no C compiler, and ATOMICX_PURE=1: the C core is not checked")
        raise


@pytest.fixture(scope="module")
def explorer(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run.build_explorer(run.CORE, tmp_path_factory.mktemp("explorer"))


def output_of(*command: str | Path) -> str:
    status, said = run.output_of(*command)
    assert status == 0, said
    return said


def test_every_schedule_of_the_quick_programs_is_right(explorer: Path) -> None:
    said = output_of(explorer)
    assert "CAPPED" not in said and ", 0 failures" in said, said


def test_the_explorers_cache_loses_no_outcome(explorer: Path) -> None:
    said = output_of(explorer, "--self-test")
    assert re.search(r"^\d\d scripts compared .* 0 failures", said, re.MULTILINE), said


def test_each_algorithm_has_programs_and_controls(explorer: Path) -> None:
    names = output_of(explorer, "--list", "--deep").splitlines()
    for subject in ("int", "ref", "counter", "table"):
        assert any(name.startswith(f"{subject}: control: ") for name in names), subject
    assert sum(name.startswith("float: ") for name in names) >= 5


def test_a_failure_is_told_with_its_schedule(explorer: Path, tmp_path: Path) -> None:
    """Run the explorer on a core that looks at the slot once, where the real one looks twice."""
    broken = tmp_path / "core"
    shutil.copytree(run.CORE, broken)
    header = broken / "ax_ref.h"
    header.write_text(header.read_text().replace("if (ax_pointer_load(slot) == found)", "if (true)"))
    status, said = run.output_of(run.build_explorer(broken, tmp_path), "--only", "no object of another slot")
    assert status == 1
    assert "no order of the calls explains their results" in said
    assert re.search(r"thread 1: compare_exchange block \d", said), said


@pytest.mark.parametrize("scale", [-10, -1, 0, 1, 4, 12])
def test_the_bounds_of_exponential_buckets_are_exact(compiler: None, tmp_path: Path, scale: int) -> None:
    """`run.py bounds` does so for all scales, up to 2**20 bounds."""
    assert "are exact" in run.bounds(run.CORE, tmp_path, [scale])


def sanitizer_works(folder: Path, name: str) -> bool:
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }\n")
    built = [*run.compiler(), f"-fsanitize={name}", str(source), "-o", str(folder / "empty")]
    if subprocess.run(built, capture_output=True, check=False).returncode:
        return False
    return subprocess.run([folder / "empty"], capture_output=True, check=False).returncode == 0


def test_threads_under_thread_sanitizer(compiler: None, tmp_path: Path) -> None:
    if not sanitizer_works(tmp_path, "thread"):
        pytest.skip("this compiler's ThreadSanitizer is not installed, or does not run here")
    assert "the planted race was reported" in run.threads(run.CORE, tmp_path)


def test_the_table_against_a_list(compiler: None, tmp_path: Path) -> None:
    if not sanitizer_works(tmp_path, "address,undefined"):
        pytest.skip("this compiler's AddressSanitizer is not installed, or does not run here")
    assert run.table(run.CORE, tmp_path).count("every result is right") == 2 * run.TABLE_SEEDS


def test_the_table_in_churn_and_in_forks(compiler: None, tmp_path: Path) -> None:
    assert "memory was held up, as it has to be" in run.sections(run.CORE, tmp_path)


def test_litmus_under_rc11() -> None:
    if shutil.which("herd7") is None:
        pytest.skip("there is no herd7 on this machine")
    run.judge_herd(run.run_herd())


def test_litmus_judge_is_strict() -> None:
    said = "".join(
        f"Observation {path.stem} {'Never' if 'ordered' in path.stem else 'Sometimes'} 0 3\n"
        for path in run.LITMUS.glob("*.litmus")
    )
    run.judge_herd(said)
    for wrong in (
        said.replace("Never", "Sometimes", 1),
        said.replace("Sometimes", "Never", 1),
        said[:-60],
        "",
    ):
        with pytest.raises(run.CheckFailed):
            run.judge_herd(wrong)


WEAKER = re.compile(
    r"__ATOMIC_(?!SEQ_CST\b)\w+|memory_order_(?!seq_cst\b)\w+|\w+_relaxed\b|_Interlocked\w+_(?:acq|rel|nf)\b"
)


def code(path: Path) -> str:
    """Return the text of a C file without its comments."""
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", path.read_text(), flags=re.DOTALL)


def test_no_order_is_weaker_than_sequentially_consistent() -> None:
    """So no weaker order needs an argument and a litmus test of its own.

    The exception is CPython's: reading the fields of an object that may be gone, as CPython itself does on
    free-threaded 3.13. Those reads are guesses, and second-look-ordered.litmus covers one.
    """
    found = {
        path: WEAKER.findall(code(path)) for folder in (run.CORE, BINDING) for path in folder.glob("*.[ch]")
    }
    guesses = found.pop(BINDING / "ax_py.h")
    assert {path.name: orders for path, orders in found.items() if orders} == {}
    assert len(guesses) == 5
    assert {guess.removeprefix("_Py_atomic_load_") for guess in guesses} == {
        "uint32_relaxed",
        "uintptr_relaxed",
        "ssize_relaxed",
    }
    assert code(run.CORE / "ax_atomic_gnu.h").count("__ATOMIC_SEQ_CST") == 11


@pytest.mark.parametrize(
    ("first", "refused"),
    [
        ("#define AX_SHARED_MEMORY", False),
        ('#include "ax_int.h"', True),
        ('#define AX_SERIALIZED 1\n#include "ax_int.h"\n#define AX_SHARED_MEMORY', True),
    ],
)
def test_a_segment_does_not_compile_with_atomics_of_one_process(
    compiler: None, tmp_path: Path, first: str, refused: bool
) -> None:
    """With the GIL a store would be a plain move, depending on which header is included first."""
    source = tmp_path / "order.c"
    source.write_text(f'{first}\n#include "ax_segment.h"\n')
    command = [*run.compiler(), "-fsyntax-only", f"-I{run.CORE}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == refused, done.stderr
    assert ("define AX_SHARED_MEMORY before ax_atomic.h" in done.stderr) == refused


def test_only_the_backends_touch_atomic_memory() -> None:
    """Everywhere else a plain access would be a race; three functions write what no other can see yet."""
    plain = re.compile(r"(?:->|\.)(?:bits|address)\b[^;]*;")
    found = {
        path.name: plain.findall(code(path))
        for folder in (run.CORE, BINDING)
        for path in folder.glob("*.[ch]")
        if not path.name.startswith("ax_atomic_")
    }
    assert {name: accesses for name, accesses in found.items() if accesses} == {
        "ax_ref.h": ["->address = value;"],
        "ax_counter.h": [".address = NULL;"],
        "ax_buckets.c": [".address = NULL;"],
    }
