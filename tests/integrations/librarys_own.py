"""prometheus_client's own tests with install() in effect: tests that pass without it have to pass with it.

python librarys_own.py FOLDER runs the tests of an unpacked source distribution, each set in its own pytest:
with and without install(), in memory and in multiprocess mode, and with install(segment=...). Loaded as a
pytest plugin, this module calls install().
"""

import gc
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
INSTALL = "ATOMICX_INSTALL"
VALUES, SEGMENT = "values", "segment"
# They serve a page with other frameworks, which would have to be installed; the metrics are the same.
FRAMEWORKS = ["test_aiohttp.py", "test_asgi.py", "test_django.py", "test_twisted.py"]
# It depends on the answers of the system's TLS, which vary.
TLS = "not TestWsgiTLS"
# Fewer passing tests would mean that hardly anything was run. In multiprocess mode more fail even without
# install(): values of the same name carry over from one test to the next.
AT_LEAST = 150
SECONDS = 300
# These fail with a segment, and may. Not each release has all of them.
NO_EXEMPLARS = "values in a segment keep no exemplars, like those in the library's files"
FAIL_IN_A_SEGMENT = {
    "tests/openmetrics/test_exposition.py::TestGenerateText::test_counter_exemplar": NO_EXEMPLARS,
    "tests/openmetrics/test_exposition.py::TestGenerateText::test_histogram_exemplar": NO_EXEMPLARS,
}


# The plugin


def pytest_configure() -> None:
    installed = os.environ.get(INSTALL)
    if installed == VALUES:
        install_values()
    elif installed == SEGMENT:
        install_segment()


@pytest.fixture(autouse=True)
def new_segment() -> Iterator[None]:
    """Give each test a segment of its own: one metric in two registries is one metric in a segment."""
    if os.environ.get(INSTALL) == SEGMENT:
        install_segment()
    yield


def pytest_collection_finish() -> None:
    gc.freeze()  # install() looks for metrics among all objects: here, among those of one test


def install_segment() -> None:
    from prometheus_client import values

    from atomicx.prometheus import AtomicSegmentValue, install
    from atomicx.shared import Segment

    library: Any = values
    if issubclass(library.ValueClass, AtomicSegmentValue):
        library.ValueClass._segment.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the library's default registry has metrics
        install(segment=Segment.anonymous(1000))
    library.MutexValue = library.ValueClass  # a test sets it


def install_values() -> None:
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

    def __init__(self, folder: Path, *, installed: str = "", multiprocess: bool = False) -> None:
        self._own = tempfile.TemporaryDirectory()
        own = Path(self._own.name)
        self._output = own / "output"
        files = own / "files"
        files.mkdir()
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        environment.pop(MULTIPROCESS, None)
        if installed:
            environment[INSTALL] = installed
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
    in_memory, installed = Run(folder), Run(folder, installed=VALUES)
    in_files, installed_files = (Run(folder, installed=value, multiprocess=True) for value in ("", VALUES))
    in_segment = Run(folder, installed=SEGMENT)
    passed = in_memory.passed()
    wrong = lost("in memory", passed, installed)
    wrong += lost("in multiprocess mode", in_files.passed(), installed_files)
    wrong += lost("in a segment", passed, in_segment, FAIL_IN_A_SEGMENT)
    return min(wrong, 1)


def lost(mode: str, passed: set[str], installed: Run, may_fail: Iterable[str] = ()) -> int:
    """Return how many tests have another result with install() than they should have, and print them."""
    with_ours = installed.passed()
    wrong = sorted((passed - with_ours) ^ (passed & set(may_fail)))
    print(f"{mode}: {len(passed)} tests pass, {len(passed & with_ours)} of them installed")
    if wrong:
        print(*wrong, installed.text.partition("= FAILURES =")[2], sep="\n")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
