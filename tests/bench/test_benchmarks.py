"""The project's own measurements: how results are judged, quoted and drawn. The results are made up here."""

import argparse
import copy
import dataclasses
import importlib.util
import json
import re

import pytest
from benchmarks import (
    beside,
    client,
    families,
    footprint,
    instructions,
    quote,
    results,
    segments,
    striped,
    tables,
    targets,
)
from benchmarks import cases as table
from benchmarks.floor import NOTHING

from atomicx.bench import alternatives, operations
from atomicx.bench.harness import Case

# Instructions


def counted(compiler="gcc 12.2", version="3.13.0", **own):
    """Make a result of `count`: every hot path but those named takes 100 instructions, 10 of its own."""
    figures = dict.fromkeys(instructions.HOT, 10.0) | {f"{name}()": value for name, value in own.items()}
    cases = [
        {"name": name, "instructions": 90 + value, "floor": "nothing()", "own": value}
        for name, value in figures.items()
    ]
    interpreter = {"name": "3.13", "version": version, "flags": {"CFLAGS": "-O3"}}
    return {"atomicx": {"compiler": compiler}, "interpreter": interpreter, "cases": cases}


def changed(result, name, own):
    result = copy.deepcopy(result)
    for case in result["cases"]:
        if case["name"] == name:
            case["instructions"] += own - case["own"]
            case["own"] = own
    return result


def test_the_same_counts_pass():
    verdict = instructions.judge(counted(), counted())
    assert verdict.grown == []
    assert len(verdict.lines) == len(instructions.HOT)


@pytest.mark.parametrize(("own", "grown"), [(10.2, False), (10.6, True), (11.0, True), (5.0, False)])
def test_growth_of_a_hot_path(own, grown):
    verdict = instructions.judge(counted(), changed(counted(), "AtomicInt.inc()", own))
    assert verdict.grown == (["AtomicInt.inc()"] if grown else [])
    assert any("GROWN" in line for line in verdict.lines) == grown


def test_less_than_three_per_cent_of_many_instructions_passes():
    before = changed(counted(), "AtomicInt.inc()", 100.0)
    assert instructions.judge(before, changed(before, "AtomicInt.inc()", 102.9)).grown == []
    assert instructions.judge(before, changed(before, "AtomicInt.inc()", 103.1)).grown


@pytest.mark.parametrize("difference", [{"compiler": "clang 19.1"}, {"version": "3.13.9"}])
def test_another_compiler_is_told_and_gets_more_room(difference):
    now = counted(**difference)
    verdict = instructions.judge(counted(), changed(now, "AtomicInt.inc()", 12.0))
    assert verdict.grown == []
    assert "not comparable to the instruction" in verdict.lines[0]
    assert instructions.judge(counted(), changed(now, "AtomicInt.inc()", 13.0)).grown == ["AtomicInt.inc()"]


def test_what_makes_an_object_is_judged_by_the_whole():
    (name,) = instructions.MAKES_AN_OBJECT
    assert instructions.judge(counted(), changed(counted(), name, 12.9)).grown == []
    assert instructions.judge(counted(), changed(counted(), name, 13.1)).grown == [name]


def test_a_hot_path_that_is_missing_fails():
    less = counted()
    gone = less["cases"].pop()["name"]
    assert instructions.judge(counted(), less).grown == [gone]
    assert instructions.judge(less, counted()).grown == [gone]


def test_the_difference_of_two_lengths():
    ran = [("a", 100), ("b", 10), ("a", 100)]
    # Per run: before the mark, a short loop, a long one.
    totals = [999, 1100, 3100, 50, 60, 160, 7, 1100, 3000, 123]
    assert instructions.per_operation(ran, totals) == {"a": 19.0, "b": 10.0}
    with pytest.raises(instructions.Uncounted, match="3 runs, but only 8 parts"):
        instructions.per_operation(ran, totals[:8])


def test_the_total_of_a_part(tmp_path):
    (tmp_path / "out.1").write_text("version: 1\nsummary: 5\nfn=(1)\n1 5\ntotals: 1234\n")
    (tmp_path / "out.2").write_text("version: 1\n")
    assert instructions.total(tmp_path / "out", 1) == 1234
    assert list(instructions.parts(tmp_path / "out")) == [1, 2]
    with pytest.raises(instructions.Uncounted, match="no total in part 2"):
        instructions.total(tmp_path / "out", 2)


@pytest.fixture
def count(monkeypatch, tmp_path, capsys):
    """Run `count` over made-up counts in a folder of its own; return the status and what it printed."""
    figures = {case.name: 100.0 for case in operations.own_cases()}
    figures |= {case.floor: 90.0 for case in operations.own_cases() if case.floor}
    theirs = dataclasses.replace(operations.own_cases()[0], label="theirs()", floor="")
    monkeypatch.setattr(instructions, "cases_beside", lambda: [(theirs, "AtomicInt.inc()")])
    monkeypatch.setattr(
        instructions, "counts", lambda *, beside: figures | ({"theirs()": 125.0} if beside else {})
    )

    def run(check, **others):
        figures.update(others)
        status = instructions.count(argparse.Namespace(check=check, output=tmp_path))
        return status, "".join(capsys.readouterr())

    return run


def test_count_and_check(count, tmp_path):
    assert count(True)[0] == 1  # there is nothing to compare with
    assert count(False)[0] == 0
    assert count(True)[0] == 0
    status, text = count(True, **{"AtomicInt.inc()": 101.0})
    assert status == 1 and "grown: AtomicInt.inc()" in text
    assert count(False)[0] == 0
    assert count(True)[0] == 0
    # A committed file that claims fewer instructions than there are.
    (path,) = tmp_path.glob("instructions-*.json")
    path.write_text(path.read_text().replace('"own": 11.0', '"own": 9.0'))
    assert count(True)[0] == 1


def test_equivalents_are_counted_beside_ours(count, tmp_path):
    assert count(False)[0] == 0
    known = tables.read_results(tmp_path)
    assert "theirs()" not in tables.instructions(known)
    assert "| `theirs()` | `AtomicInt.inc()` | 125, 1.25 x |" in tables.instructions_beside(known)


def test_what_is_counted_beside_ours(monkeypatch):
    monkeypatch.setattr(beside, "has_gil", lambda: False)
    pairs = {case.name: ours for case, ours in beside.cases_beside()}
    assert pairs[striped.LABEL] == "Counter.inc()"
    assert {*pairs.values()} <= {case.name for case in operations.own_cases()}
    monkeypatch.setattr(beside, "has_gil", lambda: True)
    assert striped.LABEL not in {case.name for case, _ in beside.cases_beside()}


def test_count_without_valgrind(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(instructions.shutil, "which", lambda name: None)
    assert instructions.count(argparse.Namespace(check=True, output=tmp_path)) == 1
    assert "valgrind is not installed" in capsys.readouterr().err


def test_hot_paths_are_cases_with_a_floor():
    floors = {case.name: case.floor for case in operations.own_cases()}
    assert all(floors[name] for name in instructions.HOT)


# The results files


def test_results_files_name_no_place_on_a_machine():
    paths = sorted(results.FOLDER.glob("*.json"))
    assert paths
    for path in paths:
        values = re.findall(r'"((?:[^"\\]|\\.)*)"', path.read_text())
        assert not [value for value in values if re.search(r"(^|[\s=])/\w", value)], path.name


def test_flags_that_name_places_are_left_out():
    assert results.without_places("-O3 -I/usr/include -g -fmap=/a=/b") == "-O3 -g"


def test_results_are_written_with_a_case_a_line(tmp_path):
    content = {"a": {"b": 1}, "cases": [{"name": "x"}, {"name": "y"}]}
    path = results.write("cpython", content, tmp_path)
    assert json.loads(path.read_text()) == content
    assert '    {"name": "x"},\n    {"name": "y"}\n' in path.read_text()
    assert results.read("cpython", tmp_path) == [content]
    assert results.read("instructions", tmp_path) == []


# Targets


def result(gil=True, **figures):
    """Make a results file in which every case takes 10 ns, except for those named."""
    names = [case.name for case in operations.own_cases()]
    names += [NOTHING, "fresh int()", alternatives.LOCKED, "theirs()"]
    cases = [
        {
            "name": name,
            "subject": "atomicx" if name.startswith("Atomic") else "other",
            "access": "local",
            "threads": 1,
            "median_ns": figures.get(name, 10.0),
            "lower_quartile_ns": figures.get(name, 10.0) - 1,
            "upper_quartile_ns": figures.get(name, 10.0) + 1,
            "alternative": "theirs()" if name == "AtomicInt.inc()" else None,
            "of_alternative": figures.get(name, 10.0) / 10.0 if name == "AtomicInt.inc()" else None,
            "throughput": None,
        }
        for name in names
    ]
    footprint = {"import_ms": 2.0, "import_adds": [], "size_bytes": {"AtomicInt": 48}}
    return {"interpreter": {"gil": gil, "name": "3.13"}, "footprint": footprint, "cases": cases}


def target(what):
    return next(each for each in targets.TARGETS if each.what == what)


def test_a_target_is_met_or_not():
    inc = target("`AtomicInt.inc()`")
    assert inc.met(result()) is True
    assert inc.met(result(**{"AtomicInt.inc()": 11.5})) is False
    assert targets.reached(inc, result()) == "1, met"
    assert targets.reached(inc, result(**{"AtomicInt.inc()": 11.5})) == "**1.15, not met**"


def test_a_target_that_is_at_least():
    lock = target("`AtomicInt.inc()` against a lock and an int")
    slow = {alternatives.LOCKED: 60.0}
    assert lock.met(result(**slow)) is False
    assert lock.met(result(gil=False, **slow)) is True
    assert targets.wanted(lock) == "at least 15 or 5 x as fast (with the GIL, without)"


def test_a_target_only_with_the_gil():
    size = target("size of an AtomicInt")
    assert size.met(result()) is False
    assert size.met(result(gil=False)) is None
    assert targets.reached(size, result(gil=False)) == "(48)"


def test_a_figure_without_a_target():
    bytes_each = target("memory for each of its children")
    assert targets.wanted(bytes_each) == "none"
    assert bytes_each.met(result()) is None


def test_the_targets_of_labels_can_be_measured_alone(monkeypatch):
    """Every case that they name is among those that `python -m benchmarks labels` measures."""
    in_stripes = f"{striped.LABEL}, loop in C"
    made = [dataclasses.replace(operations.own_cases()[0], label=in_stripes)]
    monkeypatch.setattr(table, "has_gil", lambda: False)
    monkeypatch.setattr(striped, "striped_module", lambda: None)  # it takes a compiler and a while
    monkeypatch.setattr(striped, "striped_cases", lambda module: made)
    measured, _ = table.labelled_cases()
    known = [{"name": case.name, "median_ns": 1.0, "of_alternative": 1.0} for case in measured]
    large = dict.fromkeys(re.findall(r'"([a-z_]+)": ', footprint.FAMILY), 1)
    found = {"cases": known, "footprint": {"a_large_family": large}}
    assert [each.what for each in targets.LABELS if each.figure(found) is None] == []


def test_the_targets_of_histograms_can_be_measured_alone(monkeypatch):
    rows = [(peer.name, row) for peer in alternatives.PEERS for row in peer.rows]
    peers = [Case(name, row.jobs, row.label, row.statements, dict) for name, row in rows]
    monkeypatch.setattr(table, "peer_cases", lambda: (peers, {client.LIBRARY: "not installed"}))
    measured, _ = table.histogram_cases()
    known = {"cases": [{"name": case.name, "median_ns": 1.0} for case in measured]}
    assert [each.what for each in targets.HISTOGRAMS if each.figure(known) is None] == []


def test_two_threads_on_one_histogram_are_compared_with_two_on_private_ones():
    cell = target("`ExponentialHistogram.observe(x)`, two threads, one cell against one each, loop in C")
    names = ("one object", "private objects")
    cases = [
        {"name": f"ExponentialHistogram.observe(x), loop in C, 2 threads, {name}", "median_ns": value}
        for name, value in zip(names, (40.0, 39.0), strict=True)
    ]
    assert cell.figure({"cases": cases}) == 0.975
    assert cell.met({"interpreter": {"gil": False}, "cases": cases}) is True
    cases[1]["median_ns"] = 37.0
    assert cell.met({"interpreter": {"gil": False}, "cases": cases}) is False
    assert cell.met({"interpreter": {"gil": True}, "cases": cases}) is None


def test_what_was_not_measured_is_not_met():
    two = target("`Counter.inc()`, two threads, private objects")
    assert two.met(result(gil=False)) is None
    assert targets.reached(two, result(gil=False)) == "not measured"


def test_slower_than_an_equivalent():
    worst = target("every operation against the fastest equivalent, the worst")
    assert worst.met(result()) is True
    assert worst.met(result(**{"AtomicInt.inc()": 11.5})) is True  # within the spread
    assert worst.met(result(**{"AtomicInt.inc()": 12.5})) is False
    assert "1.25 x `theirs()`" in targets.targets([result(**{"AtomicInt.inc()": 12.5})])
    assert "(within the spread)" in targets.targets([result(**{"AtomicInt.inc()": 11.5})])
    assert "Slower" not in targets.targets([result()])


def test_fetch_add_compared_with_a_bare_loop():
    names = {
        "AtomicInt.fetch_add(), loop in C, 2 threads, one object": 60.0,
        "fresh int(), loop in C, 2 threads, private objects": 36.0,
        "bare loop of atomic adds, 2 threads, one object": 20.0,
    }
    cases = [{"name": name, "median_ns": value} for name, value in names.items()]
    assert targets.of_bare_loop({"cases": cases}) == 1.2
    assert targets.of_bare_loop({"cases": cases[:2]}) is None


def with_what_is_new(measured):
    """Return the results with the cases added since then, which the next measurement will have."""
    known = {case["name"] for case in measured["cases"]}
    own = operations.own_cases()
    loops = [
        pair for loop in table.loop_cases({case.label: case for case in own}) for pair in table.in_pairs(loop)
    ]
    cases = [*own, *loops, *families.family_cases(), *families.observing_cases(), *segments.segment_cases()]
    peers = [row.label for peer in alternatives.PEERS for row in peer.rows]
    new = {case.name for case in cases}.union(peers) - known
    footprint_keys = re.findall(r'"([a-z_]+)": ', footprint.FAMILY)
    large = measured["footprint"]["a_large_family"]
    return measured | {
        "cases": [
            *measured["cases"],
            *({"name": name, "subject": "", "median_ns": 1.0} for name in sorted(new)),
        ],
        "footprint": measured["footprint"] | {"a_large_family": dict.fromkeys(footprint_keys, 1) | large},
    }


def test_the_names_in_the_targets_exist():
    """A target for a case that is never measured would stay `not measured` for ever."""
    (measured,) = [each for each in results.read(results.TIMES) if each["interpreter"]["name"] == "3.13t"]
    known = with_what_is_new(measured)
    assert [each.what for each in targets.TARGETS if each.figure(known) is None] == []


def test_the_names_in_the_short_tables_exist():
    """A row that is never measured would be left out for ever."""
    (measured,) = [each for each in results.read(results.TIMES) if each["interpreter"]["name"] == "3.13t"]
    names = {case["name"] for case in with_what_is_new(measured)["cases"]}
    assert {*tables.USUAL, *(f"{label}, 2 threads, one object" for label in tables.SCALED)} <= names


# Quoting


def test_figures_are_put_between_the_markers():
    known = tables.read_results(results.FOLDER)
    text = "before\n<!-- figures: floors -->\nold\n<!-- figures: end -->\nafter\n"
    after = quote.quoted(text, known)
    assert after.startswith("before\n<!-- figures: floors -->\n| C method") and "old" not in after
    assert quote.quoted(after, known) == after
    with pytest.raises(KeyError):
        quote.quoted(text.replace("floors", "nonsense"), known)


@pytest.mark.parametrize("form", tables.FORMS)
def test_a_row_of_a_table_has_as_many_cells_as_its_head(form):
    blocks = tables.FORMS[form](tables.read_results(results.FOLDER)).split("\n\n")
    lengths = [{line.count(" |") for line in block.splitlines() if line.startswith("|")} for block in blocks]
    assert {len(lengths_of_a_table) for lengths_of_a_table in lengths} <= {0, 1}


def test_every_figure_of_a_large_family_is_in_the_table():
    known = tables.read_results(results.FOLDER)
    lines = [line for line in tables.footprint(known).splitlines() if "of 100,000 children" in line]
    figures = [each["footprint"]["a_large_family"] for each in known.times]
    assert [line.split(" | ")[1:] for line in lines] == [
        [*(str(each[key]) for each in figures[:-1]), f"{figures[-1][key]} |"]
        for key in ("make_ns", "hit_ns", "hit_among_100_ns")
    ]


def test_check_fails_on_a_doctored_document(monkeypatch, tmp_path, capsys):
    document = tmp_path / "document.md"
    document.write_text("<!-- figures: brief -->\n<!-- figures: end -->\n")
    monkeypatch.setattr(quote, "documents", lambda: [document])
    assert quote.quote(check=True) == 1
    assert quote.quote(check=False) == 0
    assert quote.quote(check=True) == 0
    document.write_text(re.sub(r"\d ns", "0 ns", document.read_text(), count=1))
    assert quote.quote(check=True) == 1
    assert "document.md" in capsys.readouterr().out
    assert quote.quote(check=True, folder=tmp_path) == 1  # no results there


def test_every_form_is_quoted_somewhere():
    texts = "".join(path.read_text() for path in quote.documents())
    assert {found[1] for found in quote.MARKED.findall(texts)} == set(tables.FORMS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AtomicInt.load()", "`AtomicInt.load()`"),
        ("AtomicInt.load() of a large value", "`AtomicInt.load()` of a large value"),
        ("inc() of a class with a lock and an int", "`inc()` of a class with a lock and an int"),
        (
            "AtomicInt.try_add(1, limit), 2 threads, one object",
            "`AtomicInt.try_add(1, limit)`, 2 threads, one object",
        ),
        ("bare loop of atomic adds", "bare loop of atomic adds"),
        ("Counter.load(), 1 stripe", "`Counter.load()`, 1 stripe"),
        ("Counter.load(), 128 stripes", "`Counter.load()`, 128 stripes"),
        (f"{striped.LABEL}, loop in C", "`Counter.inc()`, striped from the start, loop in C"),
        (client.INSTALLED_FILES, f"`{client.STOCK}`, multiprocess mode, installed"),
    ],
)
def test_what_is_python_is_marked_as_such(name, text):
    assert tables.code(name) == text


# The plots


def plot():
    if importlib.util.find_spec("matplotlib") is None:
        pytest.skip("matplotlib, the extra benchmarks, is not installed; the static layer has it")
    from benchmarks import plot

    return plot


def test_plots_are_the_same_each_time():
    drawing = plot()
    (known,) = [each for each in results.read(results.TIMES) if each["interpreter"]["name"] == "3.13t"]
    (served,) = [each for each in results.read(results.SERVICES) if each["interpreter"]["name"] == "3.13t"]
    times = results.read(results.LATENCIES)
    first = drawing.drawn([known], [served], times)
    names = {f"quantiles-{each['interpreter']['name']}.svg" for each in times}
    assert {*first} == {"costs-3.13t.svg", "threads-3.13t.svg", "services-3.13t.svg", *names}
    assert drawing.drawn([known], [served], times) == first
    assert "AtomicInt.inc()" in first["costs-3.13t.svg"]  # text stays text


def test_plots_are_checked(monkeypatch, tmp_path):
    drawing = plot()
    monkeypatch.setattr(drawing, "drawn", lambda *known: {"one.svg": "<svg/>", "two.svg": "<svg></svg>"})
    assert drawing.plot(check=True, output=tmp_path) == 1
    assert drawing.plot(check=False, output=tmp_path) == 0
    assert drawing.plot(check=True, output=tmp_path) == 0
    first, *_ = sorted(tmp_path.glob("*.svg"))
    first.write_text(first.read_text() + " ")
    assert drawing.plot(check=True, output=tmp_path) == 1
    (tmp_path / "stray.svg").write_text("")
    assert drawing.plot(check=False, output=tmp_path) == 0
    assert not (tmp_path / "stray.svg").exists()
