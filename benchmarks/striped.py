"""A Counter that has a given number of stripes from the start. It shows what a counter costs once threads
have contended for it, without waiting until they do.

It is the shipped C module with two edits, built for the measurement. With the GIL there are no stripes.
"""

import atexit
import functools
import os
import shutil
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from atomicx.bench.harness import Case
from atomicx.bench.operations import SUBJECT

from .floor import looped
from .model import STRIPED as LABEL
from .model import most_stripes
from .variants import Edit, Variant, build

WANTED = "ATOMICX_BENCHMARK_STRIPES"

STRIPED = Variant(
    "striped from the start",
    (),
    (
        Edit(
            "csrc/binding/type_counter.c",
            "        ax_counter_init(counter_of(self));\n",
            "        ax_counter_init(counter_of(self));\n"
            "        if (ax_stripes_ensure(&counter_of(self)->stripes, 1, &stripe_system) != NULL) {\n"
            "            (void)ax_word_fetch_or(&counter_of(self)->first, AX_SEAL);\n"
            "        }\n",
        ),
        Edit(
            "csrc/binding/cell.c",
            "    return 2 * ax_cpu_count();",
            f'    const char *wanted = getenv("{WANTED}");\n'
            "    return wanted != NULL ? (size_t)atoi(wanted) : 2 * ax_cpu_count();",
        ),
    ),
)


@functools.cache
def striped_module() -> ModuleType:
    """Build and load the edited C module, in a folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="atomicx-striped-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(STRIPED, folder)


def with_stripes(module: ModuleType, count: int) -> Any:
    """Return a counter with count stripes."""
    os.environ[WANTED] = str(count)
    try:
        return module.Counter()
    finally:
        del os.environ[WANTED]


def stripe_counts() -> list[int]:
    """Return every possible number of stripes."""
    return [1 << power for power in range(most_stripes().bit_length())]


def striped_cases(module: ModuleType) -> list[Case]:
    """Return the addition, to be measured with threads, and the load for each possible number of stripes."""
    adds = Case(SUBJECT, ("striped.inc",), LABEL, ("cell.inc()",), lambda: {"cell": module.Counter()})
    loads = [
        Case(
            SUBJECT,
            ("striped.load",),
            f"Counter.load(), {count} stripe" + ("s" if count > 1 else ""),
            ("cell.load()",),
            lambda count=count: {"cell": with_stripes(module, count)},
        )
        for count in stripe_counts()
    ]
    loop = looped(adds, "inc")
    return [
        *loads,
        loop,
        *(loop.with_threads(2, shared=shared) for shared in (True, False)),
    ]
