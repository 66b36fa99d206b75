"""prometheus_client's own tests with install() in effect: what passes without it has to pass with it.

python librarys_own.py FOLDER runs the tests of an unpacked source distribution, each in a pytest of its own:
as they are and installed, in memory and in multiprocess mode. As a pytest plugin this module does the latter.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
INSTALL = "ATOMICX_INSTALL"
# They serve a page by other frameworks, which would have to be there; their metrics are those of the others.
FRAMEWORKS = ["test_aiohttp.py", "test_asgi.py", "test_django.py", "test_twisted.py"]
# It asks what the system's TLS answers, which is not the same each time.
TLS = "not TestWsgiTLS"
# Fewer would say that hardly anything was run. In multiprocess mode more fail, as the library comes: values
# of one name go on from one test to the next.
AT_LEAST = 150
SECONDS = 300


# The plugin


def pytest_configure() -> None:
    if not os.environ.get(INSTALL):
        return
    from prometheus_client import values

    from atomicx.prometheus import AtomicValue, install

    install()
    library_class: Any = values.MultiProcessValue

    def installed_class(process_identifier: Callable[[], object] = os.getpid) -> Any:
        """As an application would that wants such a class: sets the library's, then installs ours."""
        before = values.ValueClass
        values.ValueClass = library_class(process_identifier)
        try:
            install()
            return values.ValueClass
        finally:
            values.ValueClass = before

    # The tests set the class of values themselves. What they set is ours then.
    library: Any = values
    library.MultiProcessValue = installed_class
    library.MutexValue = AtomicValue


def pytest_unconfigure() -> None:
    if os.environ.get(INSTALL):
        from prometheus_client import values

        assert values.ValueClass.__module__.startswith("atomicx"), values.ValueClass


# The program


class Run:
    """One run of the tests. They wait more than they compute, so the runs go on beside each other."""

    def __init__(self, folder: Path, *, installed: bool, multiprocess: bool) -> None:
        self._own = tempfile.TemporaryDirectory()
        own = Path(self._own.name)
        self._output = own / "output"
        files = own / "files"
        files.mkdir()
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        environment.pop(MULTIPROCESS, None)
        if installed:
            environment[INSTALL] = "1"
        if multiprocess:
            environment[MULTIPROCESS] = str(files)
        ignored = [f"--ignore=tests/{name}" for name in FRAMEWORKS]
        plugins = ["-p", "no:cacheprovider", "-p", Path(__file__).stem]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-v", "--tb=short", "-k", TLS, *plugins, *ignored, "tests"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def passed(self) -> set[str]:
        """The names of the tests that passed."""
        with self._own:
            status = self._process.wait(SECONDS)
            text = self._output.read_text()
        found = set(re.findall(r"^(tests/\S+) PASSED", text, re.MULTILINE))
        if status not in (0, 1) or len(found) < AT_LEAST:
            raise SystemExit(text[-5000:])
        self.text = text
        return found


def main(folder: Path) -> int:
    modes = {"in memory": False, "in multiprocess mode": True}
    runs = {
        mode: [Run(folder, installed=installed, multiprocess=value) for installed in (False, True)]
        for mode, value in modes.items()
    }
    wrong = 0
    for mode, (stock, installed) in runs.items():
        passed, with_ours = stock.passed(), installed.passed()
        lost = sorted(passed - with_ours)
        print(f"{folder.name}, {mode}: {len(passed)} tests pass, {len(passed) - len(lost)} of them installed")
        if lost:
            print(*lost, installed.text.partition("= FAILURES =")[2], sep="\n")
        wrong += len(lost)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
