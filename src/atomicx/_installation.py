"""What can be wrong with an installation: the unrelated package of the same name, or missing files.

PyPI has another package called atomicx. It installs into the same folder as this one, which is distributed as
atomicx-cells. pip overwrites the files of one with those of the other, and uninstalling either removes them.
"""

from __future__ import annotations

import os
import warnings

_FOLDER = os.path.dirname(os.path.abspath(__file__))

NAMESAKES_FILE = "__init__.pyi"
"""A file of the other package that this one does not have."""

REMEDY = "run: pip uninstall -y atomicx atomicx-cells; pip install atomicx-cells"


def warn_of_namesake(stacklevel: int) -> None:
    """Warn that the other package's files are in this folder."""
    warnings.warn(
        f"the unrelated PyPI package 'atomicx' is installed in the same folder as this one, {_FOLDER!r}: "
        f"uninstalling or upgrading it will break this one; {REMEDY}",
        RuntimeWarning,
        stacklevel=stacklevel + 1,
    )


def problems() -> list[str]:
    """Return what is wrong with this installation, one sentence per problem; empty if nothing is."""
    found: list[str] = []
    namesake = version_of("atomicx")
    if namesake is not None:
        found.append(f"the unrelated PyPI package atomicx {namesake} is installed as well as atomicx-cells")
    elif os.path.exists(os.path.join(_FOLDER, NAMESAKES_FILE)):
        found.append(f"files of the unrelated PyPI package atomicx are in {_FOLDER!r}")
    # In an archive it is not a file, but it is there.
    if not is_usable() and not os.path.exists(os.path.join(_FOLDER, "__init__.py")):
        found.append(
            f"atomicx/__init__.py is missing from {_FOLDER!r}, so `import atomicx` imports an empty package"
        )
    elif not is_usable():
        found.append(
            "`import atomicx` imports the unrelated package, whose files replaced those of atomicx-cells"
        )
    return found


def is_usable() -> bool:
    """Return whether `import atomicx` imports this package at all."""
    import atomicx

    return hasattr(atomicx, "backend")


def version_of(distribution: str) -> str | None:
    """Return the version of an installed distribution; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
