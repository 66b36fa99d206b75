"""Asserts that an artefact holds what it should, by name, and nothing else.

    contents.py sdist TREE ARCHIVE     the tree, except for the files that only a checkout needs
    contents.py wheel TREE ARCHIVE     the package, its C module, and their metadata

TREE is a copy of the sources in which nothing has been built.
"""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

CHECKOUT_ONLY = (".ci/", ".clang-format", ".github/", ".gitignore", ".pre-commit-config.yaml")
METADATA = {"PKG-INFO", "setup.cfg"} | {
    f"src/atomicx_cells.egg-info/{name}"
    for name in ("PKG-INFO", "SOURCES.txt", "dependency_links.txt", "requires.txt", "top_level.txt")
}
EXTENSION = re.compile(r"atomicx/_core\.[\w-]+\.(so|pyd)")
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE", "top_level.txt"}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def sdist(tree: Path, archive: Path) -> tuple[set[str], set[str]]:
    """Return the names that the sdist should have, and those that it has."""
    root = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as opened:
        found = {member.name for member in opened if not member.isdir()}
    wanted = {name for name in files(tree) if not name.startswith(CHECKOUT_ONLY)} | METADATA
    return {f"{root}/{name}" for name in wanted}, found


def wheel(tree: Path, archive: Path) -> tuple[set[str], set[str]]:
    """Return the same for a wheel. The name of its C module depends on the interpreter."""
    found = {name for name in zipfile.ZipFile(archive).namelist() if not name.endswith("/")}
    extensions = {name for name in found if EXTENSION.fullmatch(name)}
    if len(extensions) != 1:
        raise SystemExit(f"{archive.name} has {len(extensions)} C modules, and not one")
    info = "-".join(archive.name.split("-")[:2]) + ".dist-info"
    wanted = {name for name in files(tree / "src") if name.startswith("atomicx/")}
    return wanted | extensions | {f"{info}/{name}" for name in DIST_INFO}, found


def main(kind: str, tree: str, archive: str) -> int:
    wanted, found = {"sdist": sdist, "wheel": wheel}[kind](Path(tree), Path(archive))
    for name in sorted(wanted ^ found):
        print(f"{name}: {'missing' if name in wanted else 'does not belong there'}")
    if wanted == found:
        kilobytes = Path(archive).stat().st_size / 1000
        print(f"ok: {Path(archive).name} has its {len(found)} files, and {kilobytes:,.0f} kB")
    return int(wanted != found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
