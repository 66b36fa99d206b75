"""The documents tell the truth: their code runs and prints what they say, their commands and links exist, and
the tables of the API match the API."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import atomicx
from atomicx import shared
from support.extras import needs

TOP = Path(__file__).parent.parent
HABITS = [TOP / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
# These have no text of their own: the start page of the site, which is the README, and the changes.
OF_THE_SITE = {"index.md", "changes.md"}
PAGES = [path for path in sorted((TOP / "docs").rglob("*.md")) if path.name not in OF_THE_SITE]
DOCUMENTS = [TOP / "README.md", *HABITS, *PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANY_FENCE = re.compile(r"^[ \t>*-]*(?:```|~~~)", re.MULTILINE)
PRINTS = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
TARGET = re.compile(r"`make (\w+)`")
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| (`.*?) \|", re.MULTILINE)
OPERATION = re.compile(r"`(\w+)\((.*?)\)`")
NAMED = re.compile(
    r"`(Atomic(?:Int|Float|Bool|Ref)|Shared(?:Int|Float)|Counter|(?:Exponential)?Histogram|Family)\.(\w+)"
)

TEXTS = {path.relative_to(TOP).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
# In these files a block of Python continues those before it, and is run after them.
CONTINUED = {"docs/verify-your-own.md"}


def program(name: str, found: re.Match[str]) -> str:
    """Return the program that a block is run as."""
    language, block = found.groups()
    if name not in CONTINUED or language != "python":
        return str(block)
    before = FENCE.finditer(TEXTS[name], 0, found.end())
    return "\n".join(earlier[2] for earlier in before if earlier[1] == "python")


# Their blocks are the files of this folder, and commands. tests/examples/test_frameworks.py runs all of them.
FRAMEWORKS = TOP / "examples" / "frameworks"
OF_FRAMEWORKS = [name for name in TEXTS if name.startswith("docs/frameworks")]
BLOCKS = [
    pytest.param(found[1], program(name, found), id=f"{name}:{text[: found.start()].count(chr(10)) + 1}")
    for name, text in TEXTS.items()
    if name not in OF_FRAMEWORKS
    for found in FENCE.finditer(text)
]
# A block in one of these languages is an excerpt of this file.
EXCERPTS = {
    "c": "examples/c_extension/linescan.c",
    "cython": "tests/native/c_api_cython.pyx",
    "toml": "examples/c_extension/pyproject.toml",
}
TYPES = ["AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter", "Histogram", "Family"]
TYPES += ["ExponentialHistogram"]
# These have the operations of other types, and some of their own.
SHARED = {"SharedInt": "AtomicInt", "SharedFloat": "AtomicFloat"}
NOT_CELLS = {
    "ExponentialBuckets",
    "ExponentialHistogramSnapshot",
    "FloatCell",
    "HistogramSnapshot",
    "IntCell",
}
MADE_BY_SEGMENTS = [name for name in shared.__all__ if name.startswith("Shared")]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=TOP, capture_output=True, text=True, check=False, timeout=120
    )


def check_python(block: str) -> None:
    """The block runs alone and silently, and each of its print calls prints what its comment says."""
    expected = PRINTS.findall(block)
    assert len(expected) == block.count("print("), "a print without what it prints"
    done = python("-W", "error", "-c", block)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected


def make_targets() -> set[str]:
    makefile = (TOP / "Makefile").read_text(encoding="utf-8")
    rules = re.findall(r"^(\w[\w ]*):", makefile, re.MULTILINE)
    run = (TOP / ".ci" / "run").read_text(encoding="utf-8")
    layers = re.findall(r"^#   ([a-z]+) {2,}", run, re.MULTILINE)
    return {*layers, *(target for names in rules for target in names.split())}


def check_command(command: str) -> None:
    """The command is run by the checks as a whole, or its own help knows it."""
    if command.startswith("python3 -m venv .venv && "):
        # .ci/verify.sh and .ci/matrix.sh run the README's first two; tests/examples runs those that start a
        # server.
        assert command in TEXTS["README.md"]
        return
    program, *arguments = command.split()
    if program == "make":
        assert set(arguments) <= make_targets()
        return
    assert program == "python" and arguments[:1] == ["-m"], command
    done = python(*arguments, "--help")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", TEXTS)
def test_every_block_is_seen(name: str) -> None:
    """Each fence begins or ends a block that FENCE finds: none is indented, quoted, or has options."""
    assert len(ANY_FENCE.findall(TEXTS[name])) == 2 * len(FENCE.findall(TEXTS[name]))


@pytest.mark.parametrize(("language", "block"), BLOCKS)
def test_block(language: str, block: str) -> None:
    assert language in ("python", "sh", "text", *EXCERPTS), "a block in a language that nothing checks"
    if language == "python":
        if "atomicx.prometheus" in block:
            needs("prometheus_client", "prometheus")
        if "atomicx.opentelemetry" in block:
            needs("opentelemetry.sdk.metrics", "opentelemetry", "opentelemetry-sdk")
        if "opentelemetry.exporter" in block:
            package = "opentelemetry-exporter-otlp-proto-http"
            needs("opentelemetry.exporter.otlp.proto.http", "opentelemetry", package)
        if "atomicx.shared" in block and atomicx.backend == "python":
            # The twin refuses, and says why.
            assert "RuntimeError" in python("-c", block).stderr
        else:
            check_python(block)
    elif language == "sh":
        for command in block.splitlines():
            check_command(command)
    elif language in EXCERPTS:
        # The tests of the example build and run that file.
        assert block in (TOP / EXCERPTS[language]).read_text(encoding="utf-8")


def without_docstring(program: str) -> str:
    return re.sub(r'\A""".*?"""\n\n', "", program, flags=re.DOTALL)


def test_the_pages_of_the_frameworks_show_the_examples_whole() -> None:
    shown = [block for name in OF_FRAMEWORKS for block in FENCE.findall(TEXTS[name]) if block[0] != "sh"]
    languages = {".py": "python", ".ini": "ini"}
    files = [path for path in FRAMEWORKS.iterdir() if path.suffix in languages]
    assert len(files) >= 8
    assert sorted(shown) == sorted(
        (languages[path.suffix], without_docstring(path.read_text(encoding="utf-8"))) for path in files
    )


def test_packagers_are_told_what_the_build_says() -> None:
    project = (TOP / "pyproject.toml").read_text(encoding="utf-8")
    page = TEXTS["docs/packaging.md"]
    name, requires, licence, python = (
        re.search(rf'^{key} = \[?"(?:>=)?(.*?)"', project, re.MULTILINE)
        for key in ("name", "requires", "license", "requires-python")
    )
    assert name and requires and licence and python
    assert requires[1] == "setuptools>=77" and 'requires = ["setuptools>=77"]' in project
    assert f"name: {name[1]}\n" in page and f"| licence | {licence[1]}, " in page
    assert f"CPython {python[1]} or later" in page and "setuptools >=77" in page
    tests = re.findall(r"tests/test_\w+\.py", page)
    assert len(tests) == 12 and all((TOP / one).exists() for one in tests)


def test_the_readme_shows_the_two_commands_on_its_first_screen() -> None:
    first_screen = "\n".join(TEXTS["README.md"].splitlines()[:25])
    language, block = FENCE.findall(first_screen)[0]
    main, tests = block.splitlines()
    assert language == "sh"
    assert main.endswith("-m atomicx verify")
    assert tests.endswith("-m pytest")


@pytest.mark.parametrize("name", TEXTS)
def test_links_and_targets_exist(name: str) -> None:
    folder = (TOP / name).parent
    missing = [link for link in LINK.findall(TEXTS[name]) if not (folder / link).exists()]
    missing += [target for target in TARGET.findall(TEXTS[name]) if target not in make_targets()]
    assert missing == []


def operations_in_table(type_name: str) -> dict[str, str]:
    """Return what docs/api.md says: each operation's name and parameters."""
    sections = dict(SECTION.findall(TEXTS["docs/api.md"]))
    rows = ROW.findall(sections[type_name])
    return {name: parameters for row in rows for name, parameters in OPERATION.findall(row)}


def parameters_of(method: Callable[..., object]) -> str:
    signature = inspect.signature(method)
    own = [parameter for name, parameter in signature.parameters.items() if name != "self"]
    return ", ".join(str(parameter.replace(annotation=parameter.empty)) for parameter in own)


def signatures_of(cell_type: type) -> dict[str, str]:
    public = {name: getattr(cell_type, name) for name in dir(cell_type) if not name.startswith("_")}
    return {name: parameters_of(member) for name, member in public.items() if callable(member)}


@pytest.mark.parametrize("type_name", TYPES)
def test_the_table_of_operations_is_the_types(type_name: str) -> None:
    assert operations_in_table(type_name) == signatures_of(getattr(atomicx, type_name))


@pytest.mark.parametrize("type_name", SHARED)
def test_a_shared_type_has_its_own_operations_and_those_of_the_local_one(type_name: str) -> None:
    own = operations_in_table(type_name)
    assert list(own) == ["release"]
    assert operations_in_table(SHARED[type_name]) | own == signatures_of(getattr(atomicx, type_name))


@pytest.mark.parametrize("name", TEXTS)
def test_operations_that_are_named_exist(name: str) -> None:
    """Each `Type.operation` in a document exists. What others have is written with their library's name."""
    named = set(NAMED.findall(TEXTS[name]))
    assert {(one, member) for one, member in named if not hasattr(getattr(atomicx, one), member)} == set()


def test_each_recipe_asserts_its_claim_under_threads() -> None:
    recipes = [block for language, block in FENCE.findall(TEXTS["docs/cookbook.md"]) if language == "python"]
    assert len(recipes) >= 10
    for recipe in recipes:
        _, ran = recipe.split("with ThreadPoolExecutor(8)", maxsplit=1)
        assert "assert " in ran, recipe


def test_the_table_of_idioms_is_that_of_the_results() -> None:
    done = python("tools/idioms.py", "--check")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("module", ["verify", "prometheus", "opentelemetry", "shared"])
def test_every_public_name_is_in_the_reference(module: str) -> None:
    source = next((TOP / "src" / "atomicx").glob(f"{module}*"))
    source = source / "__init__.py" if source.is_dir() else source
    public = re.search(r"^__all__ = (\[.*?\])", source.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert public is not None
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (TOP / "docs" / "reference").glob("*.rst"))
    named = set(re.findall(r"\w+", pages))
    assert set(ast.literal_eval(public[1])) <= named


def test_every_public_name_is_in_the_api() -> None:
    named = set(re.findall(r"\w+", TEXTS["docs/api.md"]))
    assert set(atomicx.__all__) <= named
    types = {name for name in atomicx.__all__ if isinstance(getattr(atomicx, name), type)}
    assert types - NOT_CELLS == {*TYPES, *SHARED, *MADE_BY_SEGMENTS}
