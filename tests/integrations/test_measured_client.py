"""The benchmarks' processes for prometheus_client, with its own values and with installed ones."""

import subprocess
import sys
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from benchmarks import client  # noqa: E402

PURE = atomicx.backend == "python"


@pytest.mark.parametrize("way", client.WAYS, ids=lambda way: way.label)
def test_the_client_is_measured_in_a_process_of_its_own(way, tmp_path, monkeypatch):
    if PURE and way.multiprocess and way.values == "installed":
        pytest.skip("nothing is atomic in files without the C module; install() says so")
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setattr(client.tempfile, "mkdtemp", lambda prefix: str(folder))
    process = way.process()
    try:
        sampler = process.sampler(way.case(), 0.0001)
        assert sampler.case == way.case()
        assert sampler.sample_ns() > 0
        assert bool([*folder.glob("counter_*.db")]) == way.multiprocess
    finally:
        process.close()
    assert folder.exists() != way.multiprocess


@pytest.mark.parametrize("values", ["stock", "installed"])
def test_the_values_are_the_ones_that_are_asked_for(values):
    """The same function, called here in a process of its own, says what the process makes."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import apart_process;"
        " made = apart_process.client(sys.argv[2])('Counter')();"
        " print(type(made['cell']._value).__module__)"
    )
    folder = str(Path(client.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, folder, values], capture_output=True, text=True, check=True
    )
    assert done.stdout.split(".")[0].strip() == {"stock": "prometheus_client", "installed": "atomicx"}[values]
