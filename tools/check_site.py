"""Checks a built site: its links lead somewhere, no page fetches from another server, searches find recipes.

Sphinx checks what it resolves itself. This reads what a browser reads: each page, with its navigation, the
style sheets and the index of the search.

    python tools/check_site.py FOLDER
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, by tag and attribute. A link is only fetched when it is clicked.
FETCHED = {
    ("link", "href"),
    ("script", "src"),
    ("img", "src"),
    ("img", "srcset"),
    ("iframe", "src"),
    ("object", "data"),
    ("source", "src"),
    ("video", "src"),
}
# What people search for, and the page that has to come first, as it does for a main entry of the index.
SOUGHT = {
    "semaphore": "cookbook",
    "rate limit": "cookbook",
    "in flight": "cookbook",
    "prometheus multiprocess": "prometheus",
}
# What autodoc says of the field of a named tuple that nobody has described.
UNDESCRIBED = "Alias for field number"
STYLE_URL = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


@dataclass
class Page:
    """The parts of a page to check: its anchors, its links, and what it fetches."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    undescribed: bool = False
    fetched: list[str] = field(default_factory=list)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value is None:
                continue
            if name == "id" or (tag, name) == ("a", "name"):
                self.page.anchors.add(value)
            elif (tag, name) == ("a", "href"):
                self.page.links.append(value)
            elif (tag, name) in FETCHED:
                self.page.fetched.append(value)


def read(path: Path) -> Page:
    reader = Reader()
    text = path.read_text(encoding="utf-8")
    reader.feed(text)
    reader.page.undescribed = UNDESCRIBED in text
    return reader.page


def is_outside(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def complaints(folder: Path) -> Iterator[str]:
    """Yield one line for each thing that is wrong."""
    pages = {path.resolve(): read(path) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        yield f"{folder}: no pages"
    for path, page in pages.items():
        where = path.relative_to(folder.resolve())
        for link in [*page.links, *page.fetched]:
            if is_outside(link):
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{where}: {link} is not there"
            elif target in pages and parts.fragment and unquote(parts.fragment) not in pages[target].anchors:
                yield f"{where}: {link} has no such anchor"
        yield from (f"{where}: fetches {link}" for link in page.fetched if is_outside(link))
        if page.undescribed:
            yield f"{where}: {UNDESCRIBED}"
    for path in sorted(folder.rglob("*.css")):
        for link in STYLE_URL.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder)}: fetches {link}"


def unfound(folder: Path) -> Iterator[str]:
    """Yield one line for each search that does not find its recipe first."""
    written = (folder / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(written[written.index("{") : written.rindex("}") + 1])
    for words, page in SOUGHT.items():
        entries = index["indexentries"].get(words, [])
        main = [index["docnames"][document] for document, _, is_main in entries if is_main]
        if main != [page]:
            yield f"search for {words!r}: {main or 'nothing'}, not {page!r}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Checks the links, the requests and the search of a built site."
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found = list(complaints(folder)) or list(unfound(folder))
    print(
        "\n".join(found)
        if found
        else "ok: links within the site lead somewhere, no page fetches elsewhere, searches find recipes"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
