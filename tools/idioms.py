"""Writes the table in docs/migrating.md: which ordinary operations are atomic, on three interpreters.

The table is between two comments. It is made from the results files in docs/results, each written by one
interpreter:

    python -m atomicx idioms --json --seconds 15 >docs/results/idioms-3.13t.json

    python tools/idioms.py            write the table
    python tools/idioms.py --check    exit with 1 if it is not what would be written, or if the results are
                                      not those of the current idioms
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "docs" / "migrating.md"
RESULTS = TOP / "docs" / "results"
VERSIONS = ["3.11", "3.13", "3.13t"]
BEGIN, END = "<!-- idioms: table -->\n", "<!-- idioms: end -->\n"
SHORT = {"atomic by contract": "yes", "atomic here by accident": "luck", "broken": "**broken**"}
CALL = re.compile(r"(?:[\w.]|\[\w+\])+\((?:[^()]|\([^()]*\))*\)(?:\.\w+\(\))?")
DUNDER = re.compile(r"(__\w+__)")
REMARK = re.compile(r", (?:keys|items) with own .*|, called .*")

# Only the list of idioms is needed, for which the twin in the sources is enough.
os.environ["ATOMICX_PURE"] = "1"
sys.path.insert(0, str(TOP / "src"))

from atomicx.verify.idioms.survey import IDIOMS  # noqa: E402


def results(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"idioms-{version}.json").read_text(encoding="utf-8"))
    return found


def cell(text: str) -> str:
    """Return the text in a form that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


def as_code(found: re.Match[str]) -> str:
    return f"`{found[0]}`"


def remedy(text: str) -> str:
    """Return what to use instead, with its calls as code."""
    return CALL.sub(as_code, cell(text))


def literal(idiom: str) -> str:
    """Return the code of an idiom as code, and the remark after it as text."""
    code, _, remark = idiom.partition("  ")
    if found := REMARK.search(code):
        code, remark = code[: found.start()], found[0]
    space = "" if remark.startswith(",") else " "
    return f"`{cell(code)}`{space}{DUNDER.sub(as_code, cell(remark))}".rstrip()


def rows() -> Iterator[str]:
    found = [results(version) for version in VERSIONS]
    heads = [result["interpreter"].replace("CPython ", "") for result in found]
    yield f"| operation | {' | '.join(heads)} | instead |"
    yield f"|---|{'---|' * len(heads)}---|"
    for same in zip(*(result["idioms"] for result in found), strict=True):
        verdicts = " | ".join(SHORT[one["verdict"]] for one in same)
        yield f"| {literal(same[0]['idiom'])} | {verdicts} | {remedy(same[0]['instead'] or '')} |"


def page(text: str) -> str:
    """Return the page with the table as it should be."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}" + "\n".join(rows()) + f"\n{END}{after}"


def stale() -> Iterator[str]:
    """Yield a line for each results file that does not match the current idioms."""
    wanted = [
        (idiom.code, idiom.contract or None, idiom.instead or None, idiom.page or None) for idiom in IDIOMS
    ]
    for version in VERSIONS:
        found = [
            (one["idiom"], one["contract"], one["instead"], one.get("page"))
            for one in results(version)["idioms"]
        ]
        if found != wanted:
            yield f"docs/results/idioms-{version}.json is of other idioms: measure again"


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the table of idioms in docs/migrating.md.")
    parser.add_argument("--check", action="store_true", help="only compare, and exit with 1 if it is stale")
    check = parser.parse_args().check
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    complaints = [*stale()]
    if text != wanted:
        complaints.append("the table in docs/migrating.md is not that of the results")
    print("\n".join(complaints), file=sys.stderr, end="\n" if complaints else "")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
