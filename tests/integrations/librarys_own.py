"""prometheus_client's own tests with install() in effect: tests that pass without it have to pass with it.

python librarys_own.py FOLDER runs the tests of an unpacked source distribution, each set in its own pytest:
with and without install(), in memory and in multiprocess mode. Loaded as a pytest plugin, this module calls
install().
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
# They serve a page with other frameworks, which would have to be installed; the metrics are the same.
FRAMEWORKS = ["test_aiohttp.py", "test_asgi.py", "test_django.py", "test_twisted.py"]
# It depends on the answers of the system's TLS, which vary.
TLS = "not TestWsgiTLS"
# Fewer passing tests would mean that hardly anything was run. In multiprocess mode more fail even without
# install(): values of the same name carry over from one test to the next.
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
        """Do as an application that wants such a class: set the library's, then install ours."""
        before = values.ValueClass
        values.ValueClass = library_class(process_identifier)
        try:
            install()
            return values.ValueClass
        finally:
            values.ValueClass = before

    # The tests set the class of values themselves. With install() that class is ours.
    library: Any = values
    library.MultiProcessValue = installed_class
    library.MutexValue = AtomicValue


def pytest_unconfigure() -> None:
    if os.environ.get(INSTALL):
        from prometheus_client import values

        assert values.ValueClass.__module__.startswith("atomicx"), values.ValueClass


# The program


class Run:
    """Start one run of the tests. They wait more than they compute, so several runs overlap."""

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
        settings = own / "pytest.ini"  # not those of a project that the folder happens to lie in
        settings.write_text("[pytest]\n")
        options = ["-v", "--tb=short", "-c", str(settings), f"--rootdir={folder}", "-k", TLS]
        options += [f"--ignore=tests/{name}" for name in FRAMEWORKS]
        options += ["-p", "no:cacheprovider", "-p", Path(__file__).stem]
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, "tests"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def passed(self) -> set[str]:
        """Return the names of the tests that passed."""
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
