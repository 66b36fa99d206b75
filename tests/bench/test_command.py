"""`python -m atomicx bench`: what it prints, writes and refuses; the ratios of its rows."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

import atomicx
from atomicx.__main__ import main
from atomicx._terminal import draw, has_rich
from atomicx.bench import alternatives, chart, cli, report, share
from atomicx.bench.alternatives import LOCKED, AlternativeRow, Peer
from atomicx.bench.harness import Case, Measurement
from atomicx.bench.operations import NOT_MEASURED, SUBJECT, of_the_table, own_cases

FLOOR = Case("floor", ("floor",), "nothing()", ("pass",), dict, note="nothing at all")
OURS = Case(SUBJECT, ("inc",), "inc()", ("pass",), dict, floor="nothing()")
LOCK = Case("Python", ("inc",), LOCKED, ("pass",), dict)
THEIRS = Case("peer", ("inc", "get"), "theirs()", ("pass",), dict)
PAIR = OURS.with_threads(2, shared=True)
CASES = [FLOOR, OURS, LOCK, THEIRS, PAIR]


def measured(**nanoseconds):
    names = {"floor": FLOOR, "ours": OURS, "lock": LOCK, "theirs": THEIRS, "pair": PAIR}
    samples = {each.name: [] for each in CASES}
    samples |= {names[name].name: [value] for name, value in nanoseconds.items()}
    return Measurement(CASES, samples)


WHOLE = {"floor": 10.0, "ours": 11.0, "lock": 220.0, "theirs": 22.0, "pair": 44.0}


@pytest.fixture
def bench(monkeypatch, capsys):
    """Run `bench` in this process over a few cases; return the exit status and what it printed."""

    def run(*arguments, cases=tuple(CASES)):
        monkeypatch.setattr(cli, "share", lambda: (list(cases), {"somebody": "not installed"}))
        status = main(["bench", "--seconds", "0.05", *arguments])
        return status, *capsys.readouterr()

    return run


# Ratios


def by_name(measurement):
    return {record["name"]: record for record in report.records(measurement)}


def test_ratios():
    known = by_name(measured(**WHOLE))
    ours = known["inc()"]
    assert (ours["floor"], ours["of_floor"]) == ("nothing()", 1.1)
    # The fastest case that does the same, not the first one.
    assert (ours["alternative"], ours["of_alternative"]) == ("theirs()", 0.5)
    assert ours["throughput"] is None
    assert known["theirs()"]["alternative"] is None
    # Two operations take 44 ns, where one alone takes 11.
    assert known[PAIR.name]["throughput"] == 0.5
    # There is no floor with two threads here, and the floor with one thread does not apply to it.
    assert (known[PAIR.name]["floor"], known[PAIR.name]["of_floor"]) == (None, None)
    json.dumps(known)


def test_ratios_to_what_was_not_measured():
    known = by_name(measured(ours=11.0))
    ours = known["inc()"]
    assert (ours["of_floor"], ours["alternative"], ours["of_alternative"]) == (None, None, None)
    assert known[PAIR.name]["throughput"] is None
    assert (known["nothing()"]["median_ns"], known["nothing()"]["samples"]) == (None, 0)


def test_the_table():
    heading, *rows = report.table(report.records(measured(**WHOLE)))
    assert heading == report.HEADINGS
    assert rows[1] == ("inc()", "11.0", "11.0 to 11.0", "1.10 x", "20.0 x", "")
    assert rows[4][0] == "  2 threads, one object" and rows[4][-1] == "0.50 x" and rows[4][4] == ""
    unmeasured = report.table(report.records(measured()))[2]
    assert unmeasured == ("inc()", *["-"] * 5)


def test_only_the_columns_that_are_shown_are_explained():
    seen = set()
    for width in range(40, 101):
        lines = report.as_text(measured(**WHOLE), {}, 1, width).splitlines()
        heading = next(line for line in lines if line.startswith("operation"))
        columns = [
            name for name in report.HEADINGS if name in heading and name not in ("operation", "quartiles")
        ]
        notes = [line.partition(":")[0] for line in lines[lines.index(heading) :]]
        assert [name for name in report.HEADINGS if name in notes] == columns
        seen.add(tuple(columns))
    assert len(seen) == 4, "each of the three gives way at some width"


# The command


def test_text(bench):
    status, text, errors = bench()
    assert status == 0
    for each in CASES:
        assert each.label in text
    assert "\n  2 threads, one object  " in text
    assert "median of 15 samples" in text
    assert "Left out: somebody (not installed)." in text
    assert "nothing(): nothing at all." in text
    assert "bench:   0% calibrating nothing()" in errors


def test_json(bench):
    status, text, _ = bench("--json")
    told = json.loads(text)
    assert status == 0
    assert (told["backend"], told["seconds"], told["interrupted"]) == (atomicx.backend, 0.05, False)
    assert told["absent"] == {"somebody": "not installed"}
    assert [record["name"] for record in told["cases"]] == [each.name for each in CASES]
    assert {record["samples"] for record in told["cases"]} == {15}


def test_the_twin_is_named(monkeypatch, bench):
    monkeypatch.setattr(atomicx, "backend", "python")
    _, text, _ = bench()
    assert "This is the pure-Python twin." in text
    monkeypatch.setattr(atomicx, "backend", "c")
    _, text, _ = bench()
    assert "twin" not in text


def test_ctrl_c_prints_what_there_is(monkeypatch, bench, tmp_path):
    def interrupted(cases, **options):
        result = measured(floor=10.0, ours=11.0)
        result.interrupted = True
        return result

    monkeypatch.setattr(cli, "measure", interrupted)
    status, text, errors = bench("--plot", str(tmp_path / "plot.svg"))
    assert status == 130
    assert "Stopped by Ctrl-C" in text and "1.10 x" in text
    assert "Traceback" not in errors
    assert "inc()" in (tmp_path / "plot.svg").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send to a child there")
def test_ctrl_c_for_real():
    command = [sys.executable, "-m", "atomicx", "bench", "--seconds", "600"]
    previous = signal.getsignal(signal.SIGINT)
    # A child inherits that a signal is ignored, as SIGINT is in a shell's background jobs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes) as child:
            assert "bench:" in child.stderr.readline()
            child.send_signal(signal.SIGINT)
            text, errors = child.communicate()
    finally:
        signal.signal(signal.SIGINT, previous)
    assert child.returncode == 130
    assert "Stopped by Ctrl-C" in text and "Traceback" not in errors


# The parameter's default raises the signal while the loop is compiled, which Ctrl-C rarely hits by itself.
INTERRUPTED_COMPILATION = """
import sys
from atomicx.bench.harness import Case, compiled
try:
    compiled(Case("", (), "", ("pass",), dict), {"cell=__import__('signal').raise_signal(2)": None})
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process there does not end by a signal")
def test_ctrl_c_during_a_compilation_is_caught_like_any_other(tmp_path):
    # Run as a module, as the command is: only then does the interpreter end by a signal that it has noted.
    (tmp_path / "interrupted.py").write_text(INTERRUPTED_COMPILATION)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = subprocess.run([sys.executable, "-m", "interrupted"], cwd=tmp_path, check=False)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert done.returncode == 130


def test_plot(bench, tmp_path):
    path = tmp_path / "plot.svg"
    status, _, errors = bench("--plot", str(path))
    assert status == 0 and str(path) in errors
    tree = xml.etree.ElementTree.parse(path)
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "inc()" in path.read_text() and PAIR.name not in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--seconds", "0"], "expected a number of seconds above 0, got '0'"),
        (["--seconds", "nan"], "expected a number of seconds above 0, got 'nan'"),
        (["--plot", "plot.png"], "the name of the plot must end in .svg: 'plot.png'"),
        (["--plot", "no/such/folder/plot.svg"], "no such directory: 'no/such/folder'"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_usage_errors(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_folder_is_not_a_plot(capsys, tmp_path):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(SystemExit):
        main(["bench", "--plot", str(tmp_path / "folder.svg")])
    assert "is a directory" in capsys.readouterr().err


def test_drawn_by_rich_where_it_is_installed(capsys):
    if not has_rich():
        pytest.skip("rich, the extra cli, is not installed")
    draw(report.lines(measured(**WHOLE), {}, 1.0, 200))
    text = capsys.readouterr().out
    assert "inc()" in text and "1.10 x" in text


# The chart


def lengths(text):
    root = xml.etree.ElementTree.fromstring(text)
    rectangles = root.findall("{http://www.w3.org/2000/svg}rect")
    return [(float(each.get("x")), float(each.get("width"))) for each in rectangles]


def test_bars_start_at_zero_and_are_proportional():
    text = chart.draw("title", "ns", [chart.Bar(f"{n}", n, "#123456") for n in (0.0, 1.0, 2.0, 4.0)])
    found = lengths(text)
    assert len({x for x, _ in found}) == 1
    widths = [width for _, width in found]
    assert widths == pytest.approx([0, chart.BARS / 4, chart.BARS / 2, chart.BARS])
    assert "cut" not in text


def test_a_bar_that_is_cut_says_so():
    values = [1.0, 1.0, 1.0, 1000.0]
    text = chart.draw("a < b", "ns", [chart.Bar("&", value, "#123456") for value in values])
    assert len(lengths(text)) == 5  # the long one is in two pieces
    assert "cut" in text and "1,000.0" in text and "a &lt; b" in text


# The tables of cases


def test_labels_are_unique_and_floors_exist():
    cases, _ = share.share()
    names = [each.name for each in cases]
    assert len(names) == len({*names})
    assert all(each.floor in ("", share.FLOOR.label) for each in cases)
    assert {each.label for each in cases} >= {*share.HOT, *share.THREADED}


def test_every_operation_of_every_type_is_measured():
    """All cases except those that are named because they cost the same as another one."""
    labels = " ".join(each.label for each in own_cases())
    for name in ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter"):
        operations = {each for each in dir(getattr(atomicx, name)) if not each.startswith("_")}
        missing = {f"{name}.{each}" for each in operations if f"{name}.{each}(" not in labels}
        assert missing <= NOT_MEASURED


def test_a_new_operation_is_measured_by_its_row():
    """Even if there were no other cases, each row would give one, and it runs."""
    found = [*of_the_table([])]
    assert "AtomicInt.try_add(1, 2)" in {each.label for each in found}
    for each in found:
        objects = each.make()
        for statement in each.statements:
            exec(statement, {"A": None, "B": None}, objects)


@pytest.mark.parametrize("each", own_cases() + alternatives.standard_cases(), ids=lambda each: each.name)
def test_the_statements_run(each):
    objects = each.make()
    for _ in range(2):
        for statement in each.statements:
            exec(statement, {}, objects)


def test_peers_that_are_absent_are_named(tmp_path, monkeypatch):
    for name, text in {
        "peer_that_works": "",
        "peer_that_lacks": "import no_such_thing",
        "peer_that_raises": "raise RuntimeError('no')",
        "peer_that_crashes": "import os; os._exit(3)",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    row = AlternativeRow(("inc",), "inc()", ("pass",), lambda module: {"cell": module})
    modules = ["works", "lacks", "raises", "crashes", "is_nowhere"]
    peers = tuple(Peer(each, f"peer_that_{each}", (row,)) for each in modules)
    cases, absent = alternatives.peer_cases(peers)
    assert [each.subject for each in cases] == ["works"]
    assert cases[0].make()["cell"].__name__ == "peer_that_works"
    assert absent == {
        "lacks": "lacks the module no_such_thing",
        "raises": "its import fails with RuntimeError",
        "crashes": "its import crashes",
        "is_nowhere": "not installed",
    }


def test_importing_the_package_imports_none_of_it():
    code = "import atomicx, sys; print([name for name in sys.modules if name.startswith('atomicx.bench')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
