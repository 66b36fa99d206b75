"""`python -m atomicx info`, and that neither it nor the package imports more than needed."""

import importlib.metadata
import io
import json
import os
import platform
import subprocess
import sys
import sysconfig

import pytest

import atomicx
from atomicx import _info
from atomicx.__main__ import main
from atomicx._backend import reason
from atomicx.shared import Segment


def test_a_line_a_fact(capsys):
    assert main(["info"]) == 0
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["version"] == atomicx.__version__
    assert lines["backend"] == atomicx.backend
    assert lines["gil"] in {"with the GIL", "without the GIL", "with the GIL, though built to run without"}
    assert int(lines["cores"]) >= 1
    assert (lines["compiler"] == "-") == (atomicx.backend == "python")
    assert (lines["build"] == "-") == (atomicx.backend == "python")
    assert lines["reason"] == reason
    assert lines["interpreter build"].endswith(platform.python_compiler())
    for name in ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter"):
        assert lines[f"lock-free {name}"].startswith(("yes", "no: "))
    for name in _info.OPTIONAL:
        assert lines[f"package {name}"]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_reader_that_has_seen_enough():
    command = [sys.executable, "-m", "atomicx", "verify", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        said = child.stderr.read()
    assert (child.returncode, said) == (141, b"")


def test_the_variables_that_are_set(monkeypatch, capsys):
    for name in [name for name in os.environ if name.startswith("ATOMICX_")]:
        monkeypatch.delenv(name)
    assert _info.environment() == {}
    monkeypatch.setenv("ATOMICX_PURE", "")
    monkeypatch.setenv("ATOMICX_CFLAGS", "-O1 -g")
    assert _info.environment() == {"ATOMICX_CFLAGS": "-O1 -g", "ATOMICX_PURE": ""}
    assert main(["info"]) == 0
    assert "\nenvironment: ATOMICX_CFLAGS=-O1 -g, ATOMICX_PURE=\n" in capsys.readouterr().out


def test_the_optional_packages_that_are_installed(monkeypatch):
    def version(name):
        if name == "rich":
            return "13.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert _info.packages() == {
        "prometheus_client": "not installed (extra prometheus)",
        "opentelemetry-api": "not installed (extra opentelemetry)",
        "opentelemetry-sdk": "not installed (only needed to export)",
        "rich": "13.0",
    }


@pytest.mark.parametrize(
    ("told", "libc"), [(("glibc", "2.36"), "glibc 2.36"), (("libc", ""), "libc"), (("", ""), None)]
)
def test_the_c_library(monkeypatch, told, libc):
    monkeypatch.setattr(platform, "libc_ver", lambda: told)
    assert _info.libc() == libc


def test_nothing_to_tell():
    known = {
        "build": None,
        "environment": {},
        "cores": 0,
        "packages": {"rich": "1"},
        "lock_free": {"AtomicInt": "yes"},
    }
    text = _info.as_text(known)
    assert text == "build: -\nenvironment: -\ncores: 0\npackage rich: 1\nlock-free AtomicInt: yes"


def test_the_same_facts_as_json(capsys):
    assert main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == _info.facts()


@pytest.mark.parametrize(
    ("backend", "gil", "answer"),
    [
        ("c", "with the GIL", "yes"),
        ("c", "without the GIL", "yes"),
        ("python", "with the GIL", "yes"),
        ("python", "without the GIL", "no: each operation takes the mutex of a dict"),
    ],
)
def test_what_is_lock_free(monkeypatch, backend, gil, answer):
    monkeypatch.setattr(atomicx, "backend", backend)
    told = _info.lock_free(gil)
    assert {told[name] for name in _info.TYPES if name in told} == {answer}


def test_what_the_shared_types_say_of_themselves(monkeypatch):
    """A cell in a buffer and a cell of a segment may each be unavailable alone, as on Windows."""

    def refuse(*_, **options):
        raise RuntimeError("there are none")

    monkeypatch.setattr(atomicx, "backend", "c")
    monkeypatch.setattr(atomicx, "SharedInt", refuse)
    monkeypatch.setattr(atomicx, "SharedFloat", lambda _: None)
    monkeypatch.setattr(Segment, "anonymous", refuse)
    told = _info.lock_free("with the GIL")
    assert told["SharedInt"] == told["SharedGauge"] == "not available: there are none"
    assert told["SharedFloat"] == "yes"
    monkeypatch.setattr(Segment, "anonymous", lambda *_, **options: io.StringIO())
    assert _info.lock_free("with the GIL")["SharedGauge"] == "yes"
    monkeypatch.setattr(atomicx, "backend", "python")
    told = _info.lock_free("with the GIL")
    assert {told[name] for name in _info.SHARED_TYPES} == {"not available without the C module"}


def test_every_type_is_told():
    types = {name for name in atomicx.__all__ if name.startswith("Atomic")} | {
        "Counter",
        "Histogram",
        "ExponentialHistogram",
        "Family",
    }
    assert set(_info.TYPES) == types
    assert set(_info.SHARED_TYPES) == {name for name in atomicx.__all__ if name.startswith("Shared")}


@pytest.mark.parametrize(
    ("enabled", "free_threaded", "state"),
    [
        (None, 0, "with the GIL"),
        (True, 0, "with the GIL"),
        (True, 1, "with the GIL, though built to run without"),
        (False, 1, "without the GIL"),
    ],
)
def test_the_state_of_the_gil(monkeypatch, enabled, free_threaded, state):
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    if enabled is not None:
        monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": free_threaded}.get)
    assert _info.gil_state() == state


@pytest.mark.parametrize("start", ["import atomicx", "from atomicx.__main__ import main; main(['info'])"])
def test_the_checks_are_not_imported(start):
    program = f"import sys\n{start}\nassert not [name for name in sys.modules if 'atomicx.verify' in name]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
