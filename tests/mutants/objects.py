"""Object files of the unchanged tree; for a mutant, only those that include its file are compiled again."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path


class CompilerFailed(RuntimeError):
    """The compiler or the linker failed; the message is its output."""


@dataclass(frozen=True)
class Objects:
    """The sources that match the patterns, compiled by one command; all paths are relative to a tree.

    The compiler itself reports which files a source includes.
    """

    command: list[str]
    patterns: list[str]
    folder: Path
    _made: dict[str, Path] = field(default_factory=dict)

    def make(self, tree: Path, jobs: int) -> None:
        """Compile all sources of the tree that has no mutant."""
        self.folder.mkdir()
        sources = [path.relative_to(tree) for pattern in self.patterns for path in sorted(tree.glob(pattern))]
        with ThreadPoolExecutor(jobs) as pool:
            made = pool.map(lambda source: self._compile(tree, str(source), self.folder), sources)
            self._made.update(zip(map(str, sources), made, strict=True))

    def link(self, tree: Path, changed: str, target: Path, *options: str) -> None:
        """Link them, after compiling again those that include the changed file of this tree."""
        objects = [
            self._compile(tree, source, target.parent) if changed in _included(path) else path
            for source, path in self._made.items()
        ]
        _run(tree, [self.command[0], *options, *map(str, objects), "-o", str(target)])

    def _compile(self, tree: Path, source: str, folder: Path) -> Path:
        path = folder / f"{Path(source).stem}.o"
        _run(tree, [*self.command, "-MMD", "-c", source, "-o", str(path)])
        return path


def _included(path: Path) -> set[str]:
    """Return the source and all headers of an object file, from the rule that the compiler wrote."""
    return set(path.with_suffix(".d").read_text().replace("\\\n", " ").split())


def _run(tree: Path, command: list[str]) -> None:
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CompilerFailed(done.stderr)
