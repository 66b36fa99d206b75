"""Which modules of `atomicx.verify` import which: no cycles, and the specification below everything."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import atomicx.verify

pytestmark = pytest.mark.one_run

ROOT = Path(atomicx.verify.__file__).parent
# Its __init__ names everything, and so is not a layer.
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in ROOT.rglob("*.py")
    if path != ROOT / "__init__.py"
}


def imports(name: str, source: str) -> Iterator[str]:
    """Yield the modules that it imports, even for type checkers only; of others the top-level name."""
    package = name.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        elif isinstance(node, ast.ImportFrom):
            if node.level - 1 > len(package):
                yield "atomicx"
                continue
            where = package[: len(package) - node.level + 1] + (node.module or "").split(".")
            found = ".".join(part for part in where if part)
            if found in MODULES:
                yield found
            else:
                yield from (f"{found}.{alias.name}".lstrip(".") for alias in node.names)


@functools.cache
def graph() -> dict[str, set[str]]:
    return {name: {*imports(name, path.read_text())} for name, path in MODULES.items()}


def circle(edges: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def folders(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same for folders; litmus.py is a layer of its own."""
    found: dict[str, set[str]] = {}
    for name, imported in edges.items():
        folder = name.split(".")[0]
        found.setdefault(folder, set()).update(
            other.split(".")[0] for other in imported & MODULES.keys() if other.split(".")[0] != folder
        )
    return found


def test_a_circle_would_be_seen() -> None:
    edges = graph()
    assert "sampling.noise" in edges["sampling.crew"]
    assert "litmus" in edges["sampling.engine"]
    assert "atomicx" in edges["selfcheck.catalogue"]
    assert circle(edges | {"sampling.noise": {"sampling.engine"}})
    assert circle(folders(edges | {"spec.cells": {"sampling.engine"}}))
    assert {*imports("a.b", "if TYPE_CHECKING:\n    from ..sampling.crew import Crew")} == {"sampling.crew"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert not circle({name: imported & MODULES.keys() for name, imported in graph().items()})


def test_no_folder_imports_itself_by_way_of_others() -> None:
    assert not circle(folders(graph()))


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("spec.")])
def test_the_specification_imports_nothing_but_itself(name: str) -> None:
    others = {other for other in graph()[name] if other not in MODULES}
    assert others <= sys.stdlib_module_names
    assert {other for other in graph()[name] & MODULES.keys() if not other.startswith("spec.")} == set()


def test_the_specification_works_without_atomicx() -> None:
    """Loaded from its folder, where atomicx cannot be imported."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import spec.cells;"
        "assert spec.cells.ATOMIC_INT['inc'].apply(1, ()) == (2, None);"
        "assert not [name for name in sys.modules if name.startswith('atomicx')]"
    )
    subprocess.run([sys.executable, "-I", "-c", code, str(ROOT)], check=True, timeout=60)
