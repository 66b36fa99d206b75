"""Puts figures from the results files into the documentation, or checks that they are correct.

Figures are only between two markers, so no number in the text can become outdated unnoticed:

    <!-- figures: brief -->
    <!-- figures: end -->
"""

import re
from pathlib import Path

from .results import FOLDER, TOP
from .tables import FORMS, Results, read_results

MARKED = re.compile(r"(<!-- figures: (?!end)(\w+) -->\n).*?(<!-- figures: end -->)", re.DOTALL)


def quoted(text: str, known: Results) -> str:
    """Return the text with its figures replaced. Raises KeyError if a marker names an unknown form."""
    return MARKED.sub(lambda found: found[1] + FORMS[found[2]](known) + found[3], text)


def documents() -> list[Path]:
    """Return the documents that show figures."""
    return [
        path
        for path in (TOP / "README.md", *sorted((TOP / "docs").glob("*.md")))
        if MARKED.search(path.read_text(encoding="utf-8"))
    ]


def quote(*, check: bool, folder: Path = FOLDER) -> int:
    """Write the figures into the documents, or only compare. Returns the exit status."""
    known = read_results(folder)
    if not known.times:
        print(f"no results in {folder.name}/: python -m benchmarks run")
        return 1
    stale = []
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = quoted(before, known)
        if before != after:
            stale.append(path.name)
            if not check:
                path.write_text(after, encoding="utf-8")
    if check and stale:
        print(f"figures that are not the results files': {', '.join(stale)}; python -m benchmarks quote")
        return 1
    print(f"ok: the figures in {', '.join(path.name for path in documents())} are the results files'")
    return 0
