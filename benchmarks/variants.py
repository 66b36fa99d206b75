"""Tests decisions: variants of the C module, each compared with the shipped one, in one process.

A variant differs from the shipped sources in one decision: in a few lines, or in the compiler's flags. Some
are wrong, and measured only to know what correctness costs. Each is built from a copy of the sources and
loaded next to the others.
"""

import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from atomicx.bench import harness
from atomicx.bench.harness import Case

from .floor import TURNS
from .results import TOP

SHIPPED = "as shipped"
LARGE = 1 << 40


@dataclass(frozen=True)
class MeasuredOperation:
    """An operation that is measured for a variant; by a loop in C, or by two threads, where it says so."""

    label: str
    make: Callable[[ModuleType], Any]
    statements: tuple[str, ...]
    threads: int = 1

    def case(self, variant: str, module: ModuleType) -> Case:
        looped = self.statements == LOOPED

        def objects() -> dict[str, Any]:
            made = self.make(module)
            return {"method": made} | LOOP if looped else {"cell": made}

        return Case(
            variant,
            (self.label,),
            f"{self.label}: {variant}",
            self.statements,
            objects,
            operations=TURNS if looped else 1,
            threads=self.threads,
        )


LOOP = {"starmap": itertools.starmap, "repeat": itertools.repeat, "deque": deque}
LOOPED = (f"deque(starmap(method, repeat((), {TURNS})), 0)",)

INC = MeasuredOperation("AtomicInt.inc()", lambda module: module.AtomicInt(), ("cell.inc()",))
ADD = MeasuredOperation("AtomicInt.add(1)", lambda module: module.AtomicInt(), ("cell.add(1)",))
FETCH_ADD = MeasuredOperation(
    "AtomicInt.fetch_add()", lambda module: module.AtomicInt(LARGE), ("cell.fetch_add()",)
)
SWAP = MeasuredOperation(
    "AtomicInt.compare_and_set(a, b)",
    lambda module: module.AtomicInt(),
    ("cell.compare_and_set(0, 1)", "cell.compare_and_set(1, 0)"),
)
LOAD = MeasuredOperation("AtomicRef.load()", lambda module: module.AtomicRef(), ("cell.load()",))
COUNT = MeasuredOperation("Counter.inc()", lambda module: module.Counter(), ("cell.inc()",))
INC_BY_TWO = MeasuredOperation(
    "AtomicInt.inc(), 2 threads", lambda module: module.AtomicInt().inc, LOOPED, threads=2
)
FETCH_ADD_BY_TWO = MeasuredOperation(
    "AtomicInt.fetch_add(), 2 threads", lambda module: module.AtomicInt(LARGE).fetch_add, LOOPED, threads=2
)


def contended(module: ModuleType) -> Any:
    """Return a counter that two threads have contended for, so that it is in stripes."""
    counter = module.Counter()

    def count() -> tuple[int, int]:
        deque(itertools.starmap(counter.inc, itertools.repeat((), 20 * TURNS)), 0)
        return 0, 0

    harness.in_threads(2, lambda: count)
    return counter.inc


COUNT_IN_STRIPES = MeasuredOperation("Counter.inc() in stripes, 1 thread", contended, LOOPED)
COUNT_BY_TWO = MeasuredOperation(
    "Counter.inc(), 2 threads", lambda module: module.Counter().inc, LOOPED, threads=2
)

ONE_THREAD = (INC, ADD, FETCH_ADD, SWAP, LOAD, COUNT)
TWO_THREADS = (INC_BY_TWO, FETCH_ADD_BY_TWO, COUNT_BY_TWO)
WITH_GIL, WITHOUT_GIL = (True,), (False,)
ANY = WITH_GIL + WITHOUT_GIL


@dataclass(frozen=True)
class Edit:
    """One change of a file, which contains the old text once."""

    file: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        path = tree / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} does not have this once: {self.old}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Variant:
    """What is different, and which operations it can affect."""

    name: str
    operations: tuple[MeasuredOperation, ...]
    edits: tuple[Edit, ...] = ()
    compile_flags: str = ""
    link_flags: str = ""
    gil: tuple[bool, ...] = ANY
    wrong: str = ""
    """Why it could not be shipped, however fast it is."""


PY, CELL, WORD, METHODS, COUNTER = (
    "csrc/binding/ax_py.h",
    "csrc/binding/cell.h",
    "csrc/binding/word_cell.h",
    "csrc/binding/int_operations.h",
    "csrc/binding/type_counter.c",
)
INT, STRIPES = "csrc/core/ax_int.h", "csrc/core/ax_stripe.h"


def stripe_by(name: str, number: str) -> Variant:
    """Return a variant in which something else selects the stripe of a thread."""
    shipped = (
        "    uint64_t number = known_thread_number;\n"
        "    return number != 0 ? number : thread_number_learn();\n"
    )
    operations = (COUNT_IN_STRIPES, COUNT_BY_TWO)
    return Variant(name, operations, (Edit(CELL, shipped, number),), gil=WITHOUT_GIL)


VARIANTS = (
    Variant(
        "locked instructions in spite of the GIL",
        (INC, ADD, FETCH_ADD, SWAP, COUNT),
        (Edit(PY, "#define AX_SERIALIZED 1", "#define AX_SERIALIZED 0"),),
        gil=WITH_GIL,
    ),
    Variant(
        "every operand converted by a call",
        (ADD, SWAP),
        (Edit(CELL, "return ax_long_read(object, value) || as_int64_by_index", "return as_int64_by_index"),),
    ),
    Variant(
        "a method without arguments in the convention of those with many",
        (COUNT,),
        (
            Edit(
                COUNTER,
                "static PyMethodDef counter_methods[] = {\n",
                "static PyObject *counter_inc_fast(PyObject *self, PyObject *const *args, Py_ssize_t count)\n"
                "{\n    (void)args;\n    return count == 0 ? counter_inc(self, NULL) : NULL;\n}\n\n"
                "static PyMethodDef counter_methods[] = {\n",
            ),
            Edit(
                COUNTER,
                '    {"inc", counter_inc, METH_NOARGS, DOC_Counter_inc},',
                '    {"inc", (PyCFunction)(void (*)(void))counter_inc_fast, METH_FASTCALL, DOC_Counter_inc},',
            ),
        ),
    ),
    Variant("types that can be changed", ONE_THREAD, (Edit(PY, " | Py_TPFLAGS_IMMUTABLETYPE", ""),)),
    Variant("-O2", ONE_THREAD, compile_flags="-O2"),
    Variant("link-time optimisation", ONE_THREAD, compile_flags="-flto", link_flags="-flto -O3"),
    Variant("calls without the linkage table", ONE_THREAD, compile_flags="-fno-plt"),
    Variant("every symbol visible", ONE_THREAD, compile_flags="-fvisibility=default"),
    Variant(
        "the value on a cache line of its own",
        (INC, *TWO_THREADS[:2]),
        (
            Edit(
                WORD,
                "    ax_word value;                                           /* atomic */",
                "    char gap[64];\n    ax_word value;",
            ),
        ),
        gil=WITHOUT_GIL,
    ),
    Variant(
        "stripes 128 bytes apart",
        (COUNT_BY_TWO,),
        (Edit(STRIPES, "#define AX_CACHE_LINE 64", "#define AX_CACHE_LINE 128"),),
        gil=WITHOUT_GIL,
    ),
    stripe_by(
        "the stripe by the number of the thread, asked for each time",
        "    return PyThreadState_GetID(PyThreadState_Get());\n",
    ),
    stripe_by(
        "the stripe by a hash of the thread's pointer",
        "    uint64_t thread = (uint64_t)(uintptr_t)__builtin_thread_pointer();\n"
        "    return thread * UINT64_C(0x9E3779B97F4A7C15) >> 57;\n",
    ),
    stripe_by(
        "the stripe by the number of the processor",
        "    extern int sched_getcpu(void);\n    return (uint64_t)sched_getcpu();\n",
    ),
    Variant(
        "no more stripes than processors",
        (COUNT_BY_TWO,),
        (Edit("csrc/binding/cell.c", "return 2 * ax_cpu_count();", "return ax_cpu_count();"),),
        gil=WITHOUT_GIL,
    ),
    Variant(
        "an addition without a look at its overflow",
        (INC, INC_BY_TWO),
        (
            Edit(
                METHODS,
                "    return int_apply_none(self, ax_int_step_add, 1);",
                "    ax_word *word;\n"
                "    if (cell_enter(self, &word)) {\n"
                "        (void)__atomic_fetch_add(&word->bits, 1, __ATOMIC_SEQ_CST);\n"
                "    }\n"
                "    Py_RETURN_NONE;",
            ),
        ),
        gil=WITHOUT_GIL,
        wrong="wraps in silence",
    ),
    Variant(
        "the answer made after the operation",
        (FETCH_ADD, FETCH_ADD_BY_TWO),
        (
            Edit(
                INT,
                "        if (!prepare(answer, *previous, *result)) {\n"
                "            return AX_UNPREPARED;\n"
                "        }\n"
                "    } while (*result != *previous && !ax_int_compare_exchange(cell, previous, *result) "
                "&& AX_TRY_AGAIN(cell));\n"
                "    return AX_APPLIED;",
                "    } while (*result != *previous && !ax_int_compare_exchange(cell, previous, *result));\n"
                "    return prepare(answer, *previous, *result) ? AX_APPLIED : AX_UNPREPARED;",
            ),
        ),
        wrong="adds, and then raises MemoryError",
    ),
)


def build(variant: Variant | None, folder: Path) -> ModuleType:
    """Build a variant of the C module (None: as shipped) in this folder. Returns the loaded module."""
    tree = folder / "tree"
    for name in ("csrc", "src"):
        shutil.copytree(
            TOP / name, tree / name, ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, tree)
    environment = os.environ | {"ATOMICX_REQUIRE_C": "1"}
    if variant is not None:
        for edit in variant.edits:
            edit.apply(tree)
        environment |= {"ATOMICX_CFLAGS": variant.compile_flags, "LDFLAGS": variant.link_flags}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--build-lib", str(folder / "built")]
    subprocess.run(command, cwd=tree, env=environment, check=True, capture_output=True, text=True)
    (path,) = (folder / "built" / "atomicx").glob("_core.*")
    spec = importlib.util.spec_from_file_location(f"{folder.name}._core", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chosen(gil: bool, only: str = "") -> list[Variant]:
    """Return the variants that are meaningful with the GIL, or without it."""
    return [variant for variant in VARIANTS if gil in variant.gil and only in variant.name]


def cases(variants: list[Variant], folder: Path) -> Iterator[Case]:
    """Yield every operation of every variant, and of the shipped module."""
    asked = dict.fromkeys(operation for variant in variants for operation in variant.operations)
    with ThreadPoolExecutor(os.cpu_count()) as compilers:
        folders = [folder / f"variant{number}" for number in range(len(variants))]
        shipped = compilers.submit(build, None, folder / "shipped")
        modules = compilers.map(build, variants, folders)
        yield from (operation.case(SHIPPED, shipped.result()) for operation in asked)
        for variant, module in zip(variants, modules, strict=True):
            yield from (operation.case(variant.name, module) for operation in variant.operations)


def records(measured: harness.Measurement) -> list[dict[str, Any]]:
    """Return one record per operation of a variant, with the time of the shipped one in the same rounds."""
    timings = {(case.subject, case.jobs[0]): measured.timings[case.name] for case in measured.cases}
    known = []
    for (subject, operation), timing in timings.items():
        if subject == SHIPPED:
            continue
        shipped = timings[SHIPPED, operation]
        apart = (
            timing.lower_quartile_ns > shipped.upper_quartile_ns
            or timing.upper_quartile_ns < shipped.lower_quartile_ns
        )
        known.append(
            {
                "variant": subject,
                "operation": operation,
                "shipped_ns": shipped.median_ns,
                "variant_ns": timing.median_ns,
                "ratio": round(timing.median_ns / shipped.median_ns, 3),
                "beyond_spread": apart,
                "wrong": next(variant.wrong for variant in VARIANTS if variant.name == subject),
            }
        )
    return known


def table(known: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Return the records as lines of text."""
    return [
        ("variant", "operation", "ns", "of the shipped"),
        *(
            (
                record["variant"],
                record["operation"],
                f"{record['variant_ns']:.1f}",
                f"{record['ratio']:.2f} x" + ("" if record["beyond_spread"] else " (within the spread)"),
            )
            for record in known
        ),
    ]


def measure(rounds: int, sample_seconds: float, only: str, progress: harness.Progress) -> harness.Measurement:
    """Measure all variants whose name contains `only`, and the shipped module."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    with TemporaryDirectory(prefix="atomicx-variants-") as folder:
        return harness.measure(
            list(cases(chosen(gil, only), Path(folder))),
            rounds=rounds,
            sample_seconds=sample_seconds,
            progress=progress,
        )
