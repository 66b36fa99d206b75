"""How Sphinx makes a site of these documents: `make site`, with the extra `docs`.

The pages of the reference are made from the docstrings and text signatures of the C module, as `help()` shows
them. Their types, which a C function has not, are those of its stubs.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import atomicx

project = "atomicx"
author = "The atomicx authors"
copyright = author
release = atomicx.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 4  # a link to a heading that is not there is a warning, and so an error
smartquotes = False  # what a docstring quotes, one can paste
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 160

html_theme = "furo"
pygments_dark_style = "github-dark"  # furo's own underlines the names of modules, as if they were links
html_theme_options = {"light_css_variables": {"code-font-size": "77%"}}  # for the README's longest commands
html_title = f"atomicx {release}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
copybutton_exclude = ".linenos, .gp, .go"

STUBS = Path(__file__).parent.parent / "src" / "atomicx" / "_core.pyi"
ALIASES = {
    "_Integer": "SupportsIndex",
    "_Real": "SupportsFloat | SupportsIndex",
    "_T": "T",
    "_Child": "Child",
    "_Function": "Function",
}
# In a docstring, which is plain text: what reStructuredText would take for something else, or would not mark.
CODE = re.compile(
    r"(?<![\w.=])(__\w+__|[-+&|^]=|[\w.]*\w\(\)|[A-Z]\w*(?:Error|Warning)|True|False|None)(?!\w)"
)
QUOTED = re.compile(r"(`+[^`]+`+)")
# The words that people type into the search, and the section that answers them: a page, and its heading.
SOUGHT = {
    "cookbook": {
        "## Limit what is in flight": ("semaphore", "in flight", "concurrency limit", "limiter"),
        "## Rate limiter": ("rate limit", "token bucket", "throttle"),
        "## Do something once": ("singleton", "once"),
        "## Request ids": ("unique id", "sequence"),
        "## Reload a configuration": ("hot reload", "config"),
    },
    "exponential-histogram": {"# A histogram without bounds": ("quantile", "percentile")},
    "prometheus": {
        "### All processes in one segment": (
            "prometheus multiprocess",
            "PROMETHEUS_MULTIPROC_DIR",
        ),
    },
    "prefork": {"# Metrics that all workers share": ("multiprocess", "workers", "shared counter")},
    "migrating": {"## Replace a lock around one value": ("lock", "mutex", "threading.Lock")},
}


def methods(classes: dict[str, ast.ClassDef], name: str) -> Iterator[ast.FunctionDef]:
    """The methods of a class in the stubs, and of its bases there, but for those that are overloaded."""
    for base in classes[name].bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from methods(classes, base.id)
    for node in classes[name].body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            yield node


def signature(function: ast.FunctionDef, *, bound: bool) -> tuple[str, str]:
    """The parameters, without self if it is bound, and the type of what is returned."""
    function = copy.deepcopy(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = ALIASES.get(node.id, node.id)
    arguments = function.args
    if bound:
        # The self of `def load(self)` is not a positional-only parameter.
        del (arguments.args if arguments.args and arguments.args[0].arg == "self" else arguments.posonlyargs)[
            0
        ]
    initializes = function.name == "__init__" or function.returns is None
    return f"({ast.unparse(arguments)})", "" if initializes else ast.unparse(function.returns)


def signatures() -> dict[str, tuple[str, str]]:
    """The signatures of the stubs, by the names that users know."""
    body = ast.parse(STUBS.read_text(encoding="utf-8")).body
    classes = {node.name: node for node in body if isinstance(node, ast.ClassDef)}
    found = {
        f"atomicx.{node.name}": signature(node, bound=False)
        for node in body
        if isinstance(node, ast.FunctionDef)
    }
    for name in classes:
        for node in methods(classes, name):
            member = "" if node.name == "__init__" else f".{node.name}"
            found[f"atomicx.{name}{member}"] = signature(node, bound=True)
    return found


PROTOCOLS = dict.fromkeys(["atomicx.IntCell", "atomicx.FloatCell"], ("", ""))  # nobody calls them
SIGNATURES = signatures() | PROTOCOLS


def with_types(app: Sphinx, what: str, name: str, *rest: object) -> tuple[str, str] | None:
    """Gives a C function the types of its stub; None leaves a signature as it is."""
    return SIGNATURES.get(name)


def with_code(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Marks code in a docstring: names in a sentence, and indented paragraphs, which are examples."""
    marked: list[str] = []
    for line in lines:
        indented = line.startswith("    ")
        if indented and len(marked) > 1 and not marked[-1] and not marked[-2].startswith("    "):
            marked += ["::", ""]
        parts = QUOTED.split(line)
        marked.append(line if indented else "".join(part if "`" in part else mark(part) for part in parts))
    lines[:] = marked


def mark(text: str) -> str:
    return CODE.sub(r"``\1``", text)


def with_index(app: Sphinx, name: str, source: list[str]) -> None:
    """Puts main entries of the index, which the search lists first, below the headings that answer them."""
    for heading, entries in SOUGHT.get(name, {}).items():
        before, found, after = source[0].partition(f"{heading}\n")
        if not found:
            raise ExtensionError(f"{name}: there is no heading {heading!r}")
        source[0] = (
            f"{before}{found}\n```{{index}} {', '.join(f'!{entry}' for entry in entries)}\n```\n{after}"
        )


def setup(app: Sphinx) -> None:
    app.connect("source-read", with_index)
    app.connect("autodoc-process-signature", with_types)
    app.connect("autodoc-process-docstring", with_code)
