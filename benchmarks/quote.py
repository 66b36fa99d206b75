"""Quotes the results files where the documentation shows figures, or checks that it quotes them right.

A figure stands between two markers and nowhere else, so no number in the text can grow old unseen:

    <!-- figures: brief -->
    <!-- figures: end -->
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cases import FLOOR, LOCK
from .results import FOLDER, TOP, read

Results = list[dict[str, Any]]

MARKED = re.compile(r"(<!-- figures: (?!end)(\w+) -->\n).*?(<!-- figures: end -->)", re.DOTALL)
BRIEF = (
    "AtomicInt.inc()",
    "AtomicInt.load()",
    "AtomicInt.compare_and_set(a, b)",
    "Counter.inc()",
    "AtomicRef.load()",
)


def table(rows: list[list[str]]) -> str:
    head, *body = rows
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, rule, *body))


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {case["name"]: case for case in result["cases"]}


def build_name(result: dict[str, Any]) -> str:
    interpreter = result["interpreter"]
    return f"CPython {interpreter['version']}, " + ("with the GIL" if interpreter["gil"] else "no GIL")


def source(results: Results) -> str:
    """Where and when the figures were measured, one sentence a machine."""
    machines = {
        f"{result['machine']['processor']}, {result['machine']['cores']} cores, "
        f"{result['date']}, commit {result['atomicx']['commit'][:12]}"
        for result in results
    }
    return "Measured on: " + "; ".join(sorted(machines)) + ".\n"


def brief(results: Results) -> str:
    """The price of the usual operations, and how many of each fit into the time of one locked addition."""
    rows = [["operation", *(build_name(result) for result in results)]]
    timings = [by_name(result) for result in results]
    for name in (*BRIEF, LOCK):
        cells = [timings[0][name]["label"]]
        for timing in timings:
            nanoseconds, lock = timing[name]["median_ns"], timing[LOCK]["median_ns"]
            times = "" if name == LOCK else f" ({lock / nanoseconds:.1f} x)"
            cells.append(f"{nanoseconds:.0f} ns{times}")
        rows.append(cells)
    return table(rows) + "\n" + source(results)


def full(results: Results) -> str:
    """Every case of every results file: median, quartiles, and its ratio to the floor and to the lock."""
    parts = []
    for result in results:
        timings = by_name(result)
        rows = [["operation", "ns", "quartiles", "of the floor", "of the lock"]]
        for case in result["cases"]:
            median = case["median_ns"]
            rows.append(
                [
                    case["label"],
                    f"{median:.1f}",
                    f"{case['lower_quartile_ns']:.1f} to {case['upper_quartile_ns']:.1f}",
                    f"{median / timings[FLOOR]['median_ns']:.2f}",
                    f"{median / timings[LOCK]['median_ns']:.3f}",
                ]
            )
        parts.append(f"{build_name(result)}:\n\n{table(rows)}")
    return "\n".join(parts) + "\n" + source(results)


FORMS: dict[str, Callable[[Results], str]] = {"brief": brief, "full": full}


def quoted(text: str, results: Results) -> str:
    """The text with its figures replaced."""
    return MARKED.sub(lambda found: found[1] + FORMS[found[2]](results) + found[3], text)


def documents() -> list[Path]:
    """The documents that show figures."""
    return [
        path
        for path in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md")))
        if MARKED.search(path.read_text())
    ]


def quote(*, check: bool, folder: Path = FOLDER) -> int:
    """Write the figures into the documents, or only compare; returns the exit status."""
    results = read(folder)
    if not results:
        print(f"no results in {folder.name}/: python -m benchmarks run")
        return 1
    stale = []
    for path in documents():
        before = path.read_text()
        after = quoted(before, results)
        if before != after:
            stale.append(path.name)
            if not check:
                path.write_text(after)
    if check and stale:
        print(f"figures that are not the results files': {', '.join(stale)}; python -m benchmarks quote")
        return 1
    print(f"ok: the figures in {', '.join(path.name for path in documents())} are the results files'")
    return 0
