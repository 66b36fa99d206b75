"""Shared by all tests: the two backends, the report's header, and how Hypothesis runs.

A behaviour test asks for the fixture `backend` and so runs twice: over the C module and over the pure-Python
twin. ATOMICX_PURE=1 selects only the twin, ATOMICX_PURE=0 only the C module, and the header says so. A test
that names the twin is marked accordingly. A test that uses no cell is marked `one_run`: the matrix runs the
tests with ATOMICX_PURE=0 and then with 1, and leaves these out of the second run. If the C module is missing
or broken, every test that needs it fails; none is skipped.
"""

import gc
import importlib
import os
import platform
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings, strategies

# The import mode keeps the tests off the path, but their helper modules (model) have to be found.
sys.path.insert(0, str(Path(__file__).parent))

MODULES = {"c": "atomicx._core", "python": "atomicx._reference"}
CHOICE = os.environ.get("ATOMICX_PURE")
BACKENDS = {"0": ["c"], "1": ["python"]}.get(CHOICE or "", list(MODULES))

# Run the same examples every time, however slow the machine. `--hypothesis-profile brief` is for slow builds;
# `--hypothesis-profile explore` looks for new examples.
settings.register_profile("same", max_examples=40, derandomize=True, database=None, deadline=None)
settings.register_profile("brief", max_examples=10, derandomize=True, database=None, deadline=None)
settings.register_profile("explore", max_examples=2000, database=None, deadline=None)
settings.load_profile("same")


def gil_state() -> str:
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)
    return "with the GIL" if enabled() else "without the GIL"


def backend_state(name: str) -> str:
    try:
        importlib.import_module(MODULES[name])
    except Exception as error:
        return f"{name} (NOT THERE: {error})"
    return name


def pytest_report_header(config: pytest.Config) -> str:
    backends = ", ".join(backend_state(name) for name in BACKENDS)
    if len(BACKENDS) == 1:
        backends += f" only, because ATOMICX_PURE={CHOICE}"
    backends += "; shared cells: " + ("c only, the others are deselected" if "c" in BACKENDS else "none")
    if config.option.markexpr:
        backends += f"; only tests that are marked: {config.option.markexpr}"
    # Read the state of the GIL last: importing a backend could have switched it on.
    return f"atomicx: CPython {platform.python_version()} {gil_state()}, backends: {backends}"


def is_possible(item: pytest.Item) -> bool:
    """Return whether the test is for a backend under test, and does not ask the twin for a shared cell. The
    twin has none, as tests/shared/test_twin.py shows."""
    if item.get_closest_marker("twin") and "python" not in BACKENDS:
        return False
    callspec = getattr(item, "callspec", None)
    asked = [str(value) for value in callspec.params.values()] if callspec else []
    return "python" not in asked or not any(name.startswith("Shared") for name in asked)


def wants_both_runs(item: pytest.Item) -> bool:
    """Return whether the test is marked `one_run` although it depends on a backend."""
    of_a_backend = item.get_closest_marker("twin") or "backend" in getattr(item, "fixturenames", ())
    return bool(item.get_closest_marker("one_run") and of_a_backend)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if wrong := [item.nodeid for item in items if wants_both_runs(item)]:
        raise pytest.UsageError(f"marked one_run, but of a backend: {', '.join(wrong)}")
    impossible = [item for item in items if not is_possible(item)]
    config.hook.pytest_deselected(items=impossible)
    items[:] = [item for item in items if is_possible(item)]


@given(strategies.none())
def use_hypothesis(nothing: None) -> None:
    """Make Hypothesis create its own source of random numbers. It warns when it finds no reference to that
    source, and it cannot see references from frozen objects."""


def pytest_collection_finish() -> None:
    """Freeze all that exists by now, so that the many collections of the tests need not traverse it."""
    use_hypothesis()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> ModuleType:
    """Return the module under test: atomicx._core or atomicx._reference."""
    return importlib.import_module(MODULES[request.param])
