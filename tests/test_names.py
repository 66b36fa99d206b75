"""One name has one meaning: each name in the glossary is defined once in the whole tree."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_run

TOP = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks", "tools", "examples")
GLOSSARY = TOP / "docs" / "glossary.md"
# The last cell of each row in its tables.
IN_THE_CODE = re.compile(r"^\|.*\|.*\|(.*)\|$", re.MULTILINE)
CLASS_NAME = re.compile(r"`([A-Z]\w*[a-z]\w*)`")


def defined(source: str) -> Iterator[str]:
    """Yield a file's top-level classes and type aliases, except protocols and stubs."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name):
                yield name


def definitions() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*.py")):
            for name in defined(path.read_text(encoding="utf-8")):
                found[name].append(path.relative_to(TOP))
    return found


def glossary_names() -> set[str]:
    columns = IN_THE_CODE.findall(GLOSSARY.read_text(encoding="utf-8"))
    return {name for column in columns for name in CLASS_NAME.findall(column)}


def test_a_second_meaning_would_be_seen() -> None:
    assert "Verdict" in glossary_names()
    assert [*defined("class Verdict: ...\nStep = Callable[..., int]\nBATCH = 3\n")] == ["Verdict", "Step"]


def test_a_name_of_the_glossary_is_defined_once() -> None:
    found = definitions()
    wrong = {name: [str(path) for path in found[name]] for name in glossary_names() if len(found[name]) != 1}
    assert not wrong


def test_the_terms_are_distinct() -> None:
    tables = re.split(r"^## ", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    terms = [term for table in tables for term in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)]
    assert len(terms) > 60
    assert {term for term in terms if terms.count(term) > 1} == {"term"}  # the head of each table
