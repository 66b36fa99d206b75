"""The project's own measurements: their cases, what they are compared with, and the commands."""

import argparse
import dataclasses
import os
import shutil
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as command
from benchmarks import cases as table
from benchmarks import (
    client,
    families,
    outsider,
    peers,
    results,
    segments,
    striped,
    variants,
)
from benchmarks.floor import floor_cases, floor_module, line_cases, looped

import atomicx
from atomicx.bench import operations
from atomicx.bench.harness import LocalSampler
from support.marks import NEEDS_C, NEEDS_FORK

TOP = Path(__file__).parent.parent.parent
PURE = atomicx.backend == "python"


# The cases


@pytest.fixture(scope="module")
def floor():
    return floor_module()


def test_the_floors_run(floor):
    for case in (*floor_cases(floor), *line_cases(floor)):
        objects = case.make()
        for statement in case.statements:
            exec(statement, {}, objects)
    assert floor.Floor().fresh_int() == 1 << 40
    assert floor.Floor().fresh_float() == 0.5
    assert floor.mark() is None
    with pytest.raises(TypeError):
        floor.Line().add("no number")


def test_a_loop_in_c_makes_the_calls():
    case = next(case for case in operations.own_cases() if case.label == "AtomicInt.inc()")
    loop = looped(case, "inc")
    objects = loop.make()
    exec(loop.statements[0], {}, objects)
    assert objects["method"].__self__.load() == loop.operations


@pytest.mark.parametrize("label", ["Histogram.observe(x)", "ExponentialHistogram.observe(x)"])
def test_a_loop_in_c_passes_arguments(label):
    (loop,) = table.loop_cases({label: operations.own(label)})
    objects = loop.make()
    exec(loop.statements[0], {}, objects)
    snapshot = objects["method"].__self__.snapshot()
    assert (snapshot.count, round(snapshot.sum)) == (loop.operations, round(0.3 * loop.operations))
    assert snapshot.quantile(1) == pytest.approx(0.3, rel=0.7)  # the bucket of 0.3 ends at 0.5


def test_threads_that_observe_in_a_loop_in_c_share_no_tuple():
    """They would contend for its reference count."""
    (loop,) = table.loop_cases(
        {"ExponentialHistogram.observe(x)": operations.own("ExponentialHistogram.observe(x)")}
    )
    tuples = []
    objects = loop.make() | {"repeat": lambda given, times: tuples.append(given) or []}
    for _ in range(2):
        exec(loop.statements[0], {}, objects)
    assert tuples == [(0.3,), (0.3,)] and tuples[0] is not tuples[1]


def test_observing_in_a_family_by_a_loop_in_c():
    for case in families.observing_cases():
        objects = case.make()
        before = objects["observe"].__self__["GET", "200"].snapshot().count
        exec(case.statements[0], {}, objects)
        after = objects["observe"].__self__["GET", "200"].snapshot()
        assert after.count - before == case.operations
        assert after.sum == pytest.approx(0.3 * after.count)


def test_all_cases_are_named_apart_and_have_their_floors(monkeypatch):
    monkeypatch.setattr(table, "peer_cases", lambda: ([], {"peer": "not installed"}))
    monkeypatch.setattr(outsider, "FOLDER", TOP / "no such folder")
    # Built without the GIL. Only the names matter here, and whether it compiles.
    monkeypatch.setattr(striped, "STRIPED", dataclasses.replace(striped.STRIPED, compile_flags="-O0"))
    cases, absent = table.cases()
    names = [case.name for case in cases]
    assert len(names) == len({*names})
    labels = {case.label for case in cases}
    assert {case.floor for case in cases} - {""} <= labels
    assert absent == {"peer": "not installed", outsider.SUBJECT: "not installed"}


# The unrelated library that serves as an outside comparison


def test_the_outsider_is_measured_in_a_process_of_its_own(tmp_path):
    package = tmp_path / "atomicx"
    package.mkdir()
    (package / "__init__.py").write_text(
        "class AtomicInt:\n    def __init__(self, value): pass\n    def inc(self): pass\n"
    )
    process = outsider.OutsiderProcess(tmp_path)
    case = outsider.outsider_cases()[0]
    try:
        for each in (case, case.with_threads(2, shared=True)):
            sampler = process.sampler(each, 0.0001)
            assert sampler.case is each
            assert sampler.sample_ns() > 0
    finally:
        process.close()
    assert "AtomicInt" not in vars(sys.modules[__name__])


def test_the_outsider_is_never_this_package(tmp_path, capfd):
    process = outsider.OutsiderProcess(tmp_path)
    try:
        with pytest.raises(RuntimeError, match="ended with status 1"):
            process.sampler(outsider.outsider_cases()[0], 0.0001)
    finally:
        process.close()
    assert "Error" in capfd.readouterr().err


# The ways of using prometheus_client


def test_each_way_has_its_opener():
    ways = {case.name: client.opener(case) for case in client.client_cases()}
    assert len(ways) == 3 and None not in ways.values()
    assert client.opener(operations.own("AtomicInt.inc()")) is None


# The variants


@pytest.mark.parametrize("variant", [*variants.VARIANTS, striped.STRIPED], ids=lambda variant: variant.name)
def test_a_variant_can_be_made_of_the_sources(variant, tmp_path):
    shutil.copytree(TOP / "csrc", tmp_path / "csrc")
    for edit in variant.edits:
        edit.apply(tmp_path)
        assert edit.new in (tmp_path / edit.file).read_text()
        with pytest.raises(ValueError, match="does not have this once"):
            variants.Edit(edit.file, "no such text", "").apply(tmp_path)


def test_stripes_double_up_to_the_most():
    assert striped.stripe_counts() == [1, 2, 4, 8, 16, 32, 64, 128]


# The commands


def test_run_writes_a_results_file(monkeypatch, tmp_path, capsys):
    few = [case for case in operations.own_cases() if case.label in ("AtomicInt.inc()", "Counter.inc()")]
    monkeypatch.setattr(table, "cases", lambda: (few, {"peer": "not installed"}))
    options = ["run", "--rounds", "2", "--sample-seconds", "0.0001", "--output", str(tmp_path)]
    monkeypatch.setattr("benchmarks.footprint.footprint", lambda: {"import_ms": 1.0})
    monkeypatch.setattr(sys, "argv", ["benchmarks", *options])
    status = command.main()
    if PURE:
        assert status == 1 and not [*tmp_path.iterdir()]
        return
    assert status == 0
    (written,) = results.read("cpython", tmp_path)
    assert written["absent"] == {"peer": "not installed"}
    assert [case["samples"] for case in written["cases"]] == [2, 2]
    assert written["atomicx"]["backend"] == "c" and written["machine"]["cores"] >= 1
    assert "absent: peer: not installed" in capsys.readouterr().out


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("drawn", [False, True])
def test_renew_goes_through_the_steps(monkeypatch, tmp_path, capsys, tried, drawn):
    ran = []

    def step(name, status=0):
        return lambda options: ran.append((name, options.check, options.only, options.rounds)) or status

    for name in ("run", "variants", "quote", "plot"):
        monkeypatch.setattr(command, name, step(name))
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: object() if drawn else None)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "renew", "--rounds", "2", "--output", str(tmp_path)])
    if tried:
        results.path_of(results.VARIANTS, tmp_path).touch()
    assert command.main() == 0
    wanted = ["run", *["variants"] * tried, "quote", *["plot"] * drawn]
    assert ran == [(name, False, "", 2) for name in wanted]
    assert ("not drawn here" in capsys.readouterr().out) != drawn
    ran.clear()
    monkeypatch.setattr(command, "run", step("run", status=3))
    assert command.main() == 3
    assert [name for name, *_ in ran] == ["run"]


def test_requirements_are_read_without_comments():
    wanted = ["cereggii", "ft_utils", "atomics", "prometheus_client", "opentelemetry-sdk", "atomicx"]
    assert peers.requirements() == wanted


def test_peers_are_installed_into_an_environment_only(monkeypatch, capsys):
    monkeypatch.setattr(peers.sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(peers, "install", lambda requirement: pytest.fail("installed"))
    assert peers.peers(argparse.Namespace()) == 1
    assert "virtual environment" in capsys.readouterr().err


def test_a_peer_that_does_not_install_is_told_and_no_failure(monkeypatch, capsys):
    monkeypatch.setattr(peers.sys, "prefix", "an environment")
    monkeypatch.setattr(peers, "install", lambda name: "ERROR: no wheel" if name == "atomics" else None)
    assert peers.peers(argparse.Namespace()) == 0
    assert "atomics: ERROR: no wheel\n" in capsys.readouterr().out


def test_every_case_can_be_sampled(floor):
    sampler = LocalSampler(floor_cases(floor)[0], 0.0001)
    assert sampler.sample_ns() > 0


@NEEDS_C
@NEEDS_FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # faulthandler's watch is a thread
def test_two_processes_count_at_once():
    """The sampler lets both count in stripes of their own, and gives the CPUs back."""
    (case,) = [case for case in segments.segment_cases() if case.label == segments.TWO_PROCESSES]
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    sampler = segments.sampler(case)(case, 0.001)
    cell = sampler._objects["cell"]
    before = cell.load()
    assert sampler.sample_ns() > 0
    # Each runs its loop once more, to take a stripe.
    assert cell.load() - before == 2 * (sampler._repeats + 1) * sampler._operations
    assert cores is None or os.sched_getaffinity(0) == cores


def test_the_cases_of_segments_have_their_floors():
    known = table.cases_of_segments()
    names = {case.name for case in known}
    assert {case.floor for case in known if case.floor} <= names
    assert {case.name for case in segments.segment_cases()} < names
