"""The verdicts on ordinary Python operations, and the command that prints them."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atomicx.__main__ import main as atomicx_command
from atomicx.verify.idioms import survey
from atomicx.verify.idioms.idiom import NEVER, PARTLY, SAFE, Idiom, Table
from atomicx.verify.idioms.survey import (
    BROKEN,
    BY_ACCIDENT,
    BY_CONTRACT,
    IDIOMS,
    Finding,
    Samples,
    as_text,
    examine,
    explore_idiom,
    main,
    sample_idiom,
    select,
)
from atomicx.verify.idioms.trial import find

pytestmark = pytest.mark.one_run

GIL = survey.gil_enabled()
BY_CODE = {idiom.code: idiom for idiom in IDIOMS}

# What the explorer must say about them on every interpreter: it goes only by bytecodes.
NEVER_BREAKS = {
    *("n += 1  (local)", "x, y = y, x  (locals)", "with lock: self.n += 1", "self.x = value", "next(count)"),
    *("d[key] = value", "d.setdefault(key, value)", "d.pop(key, None)", "d.update(other)", "list(d)"),
    *("d.copy(), d | other", "d |= other", "dict.fromkeys(other)", "d.popitem()"),
    *("defaultdict(list)[key].append(x)", "l.append(x)", "l.extend(other)", "l.pop()", "self.l += [x]"),
    *("sorted(l)", "l.sort()", "len(l)", "x in l", "l[i]", "l[i] = x", "l.insert(i, x)", "l.pop(i)"),
    *("l[i:j]", "l[i:j] = other", "bytearray.append(x), bytearray.pop()", "bytearray[i:j] = other"),
    *("bytearray + other, bytearray == other", "s.add(x)", "s.remove(x), s.discard(x), s.pop()"),
    *("s |= other, s &= other, s -= other", "s | other, s & other, s - other", "self.s |= other"),
    *("heapq.heappush(heap, x)", "deque.append(x), deque.popleft()", "queue.put(x), queue.get()"),
    "d.setdefault(key, value), keys with own __eq__",
}
# If there is a call between the read and the write, every version can switch there.
BREAKS_EVERYWHERE = {
    *(
        "self.n = f(self.n)",
        "next(generator)",
        "if self.x is None: self.x = make()",
        "self.top = max(self.top, x)",
    ),
    *("d[key] = d.get(key, 0) + 1", "if key not in d: d[key] = make()", "for key in d", "l.sort(key=f)"),
    *("l.remove(x), items with own __eq__", "d.update(other), keys with own __eq__"),
    *("if not queue.empty(): queue.get_nowait()", "@lru_cache, called once for each key"),
}
# It had a lock until 3.11.
(NEVER_BREAKS if sys.version_info < (3, 12) else BREAKS_EVERYWHERE).add("@cached_property, computed once")

# What "Thread Safety Guarantees" says, as of September 2026, operation by operation.
PAGE = {
    SAFE: {
        *("l[i]", "l[i] = x", "l.append(x)", "l.pop()", "l.extend(other)", "l[i:j] = other"),
        *("d[key] = value", "d.setdefault(key, value)", "d.pop(key, None)", "d.popitem()", "d.update(other)"),
        *("d.copy(), d | other", "d |= other", "dict.fromkeys(other)"),
        *("s.add(x)", "s.remove(x), s.discard(x), s.pop()", "s |= other, s &= other, s -= other"),
        "s | other, s & other, s - other",
        *("bytearray.append(x), bytearray.pop()", "bytearray[i:j] = other"),
    },
    # Lock-free readers may see items that are being moved, or Python code may run in between.
    PARTLY: {
        *("x in l", "l.insert(i, x)", "l.pop(i)", "l.remove(x), items with own __eq__"),
        *("d.update(other), keys with own __eq__", "d.setdefault(key, value), keys with own __eq__"),
        "bytearray + other, bytearray == other",
    },
    # "Operations that involve multiple accesses, as well as iteration, are never atomic", and l.sort().
    NEVER: {
        *("l.sort()", "l.sort(key=f)", "l[i] += 1", "l[i], l[j] = l[j], l[i]", "if l: l.pop()"),
        *("self.l = self.l + [x]", "self.l += [x]", "batch, self.l = self.l, []  during  append"),
        *("d[key] += 1", "d[key] = d.get(key, 0) + 1", "if key not in d: d[key] = make()", "for key in d"),
        *("if key in d: del d[key]", "if x not in s: s.add(x)", "self.s |= other", "self.s = self.s | other"),
        "bytearray[i] += 1",
    },
}
# Those of these idioms that the FAQ lists as atomic. It lists l.sort() too; see the row.
FAQ_SAYS = {
    *("self.x = value", "d[key] = value", "d.update(other)"),
    *("l[i]", "l[i] = x", "l.append(x)", "l.pop()", "l.extend(other)", "l[i:j] = other"),
}


def test_the_table_agrees_with_the_official_page() -> None:
    for level, codes in PAGE.items():
        assert {idiom.code for idiom in IDIOMS if idiom.page == level} == codes
    assert {idiom.code for idiom in IDIOMS if "[2]" in idiom.contract} == PAGE[SAFE]
    assert {idiom.code for idiom in IDIOMS if "[1]" in idiom.contract} == FAQ_SAYS
    # Where the sources differ, the row says so.
    assert "[1] says" in BY_CODE["l.sort()"].note
    assert "[2] promises" in BY_CODE["list(d)"].note
    assert "[2] promises" in BY_CODE["len(l)"].note


def test_the_table_is_what_it_should_be() -> None:
    assert len(BY_CODE) == len(IDIOMS) >= 70
    assert set(BY_CODE) >= NEVER_BREAKS | BREAKS_EVERYWHERE
    for idiom in IDIOMS:
        assert idiom.contract or idiom.instead or idiom.note, f"{idiom.code} helps nobody"
        assert len(idiom.code) <= 76, "a line of a terminal has room for no more"


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.code)
def test_the_explorer_breaks_those_and_only_those_that_schedules_can_break(idiom: Idiom) -> None:
    schedules, here = explore_idiom(idiom)
    assert schedules.ok == (idiom.code in NEVER_BREAKS), str(schedules)
    assert schedules.complete or not schedules.ok
    if idiom.code in BREAKS_EVERYWHERE:
        assert not here.ok, str(here)
    if not GIL:
        assert here is schedules
    if idiom.contract:
        assert schedules.ok, "what the language promises, no schedule breaks"


def attempt(idiom: Idiom, number: int, state: Any) -> Any:
    try:
        return idiom.threads[number](state)
    except idiom.raises as error:
        return error


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.code)
def test_one_part_after_the_other_always_holds(idiom: Idiom) -> None:
    """Otherwise the program would be wrong, and the verdict meaningless."""
    for order in ((0, 1), (1, 0)):
        state = idiom.program()
        results: list[Any] = [None, None]
        for number in order:
            results[number] = attempt(idiom, number, state)
        assert idiom.holds(state, tuple(results)), f"{idiom.code} in the order {order}"


def test_an_increment_is_broken_without_the_gil_and_lucky_with_it() -> None:
    finding = examine(BY_CODE["self.n += 1"], seconds=1 if GIL else 60, seed=1)
    assert finding.schedules.failure is not None
    assert finding.schedules.failure.preemptions == 1
    assert finding.verdict == (BY_ACCIDENT if GIL else BROKEN)
    if not GIL:
        assert finding.sampled.broken


def test_a_call_between_is_broken_everywhere_and_seen() -> None:
    finding = examine(BY_CODE["if self.x is None: self.x = make()"], seconds=60, seed=1)
    assert finding.verdict == BROKEN
    assert finding.sampled.broken
    assert finding.why.startswith("seen: ")


def test_a_contract_is_believed_until_something_speaks_against_it() -> None:
    idiom = BY_CODE["l.append(x)"]
    finding = examine(idiom, seconds=0.2, seed=1)
    assert finding.verdict == BY_CONTRACT
    schedules, here = finding.schedules, finding.here
    found = Finding(idiom, schedules, here, Samples(1000, 1))
    assert found.verdict == BROKEN
    assert found.why == "seen: 1 of 1,000 samples, though promised: [1] [2]"
    assert Finding(idiom, schedules, here, Samples(1000, 0, "it crashed")).verdict == BROKEN
    failing, _ = explore_idiom(BY_CODE["self.n += 1"])
    assert Finding(idiom, failing, failing, Samples(1000, 0)).verdict == BROKEN
    assert Finding(idiom, failing, schedules, Samples(1000, 0)).verdict == BY_ACCIDENT
    no_contract = BY_CODE["sorted(l)"]
    assert Finding(no_contract, schedules, here, Samples(1000, 0)).verdict == BY_ACCIDENT


def test_an_unexpected_exception_is_not_a_pass() -> None:
    table = Table()

    @table.idiom("raise", contract="none")
    class Raises:
        def a(self) -> None:
            raise LookupError("surprise")

        b = a

        def holds(self, a: None, b: None) -> bool:
            return True

    finding = examine(table[0], seconds=0.2, seed=1)
    assert finding.verdict == BROKEN
    assert "surprise" in finding.why


def test_a_crash_stays_in_its_own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    idiom = BY_CODE["next(generator)"]
    assert idiom.crashes
    sampled = sample_idiom(idiom, seconds=0.2, seed=1)
    assert sampled.samples or sampled.trouble is not None
    monkeypatch.setattr(sys, "executable", "/bin/false")
    broken = sample_idiom(idiom, seconds=0.2, seed=1)
    assert broken.trouble == "the interpreter crashed (exit status 1)"
    schedules, here = explore_idiom(BY_CODE["next(count)"])
    assert Finding(idiom, schedules, here, broken).verdict == BROKEN


# The command


def test_the_command_prints_verdicts_and_what_to_use_instead(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "self.n", "--seconds", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "AtomicInt.inc()" in out
    assert "self.n = f(self.n)" in out
    assert "BROKEN" in out
    assert "ATOMIC BY CONTRACT" in out
    assert all(len(line) <= survey.WIDTH for line in out.splitlines())
    assert "STORE_ATTR" not in out


def shown_bytecode(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--only", code, "--seconds", "0.1", "--bytecode"]) == 0
    return capsys.readouterr().out


def test_the_bytecode_is_shown_on_request_with_the_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown_bytecode("self.top = max(self.top, x)", capsys)
    assert "STORE_ATTR" in out
    assert "BROKEN" in out
    assert "Broken by schedule" in out
    assert "1 preemption" in out


@pytest.mark.skipif(not GIL, reason="without the GIL each schedule of bytecodes can come")
def test_what_cannot_come_here_is_not_said_to_break_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing breaks it on this interpreter, but a schedule does: once, both sentences were printed."""
    out = shown_bytecode("self.flags |= bit", capsys)
    assert "nothing breaks it on this interpreter" in out
    assert "Broken by" not in out
    assert "On a version that switches between these bytecodes, which this one does not,\nschedule" in out


def test_what_no_schedule_breaks_is_said_to_be_broken_by_c_code() -> None:
    idiom = BY_CODE["l.sort()"]
    schedules, here = explore_idiom(idiom)
    assert "No schedule of bytecodes breaks it" in survey.details(
        Finding(idiom, schedules, here, Samples(100, 1))
    )
    assert "schedule" not in survey.details(Finding(idiom, schedules, here, Samples(100, 0)))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "d.setdefault(key, value)", "--seconds", "0.2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["interpreter"].startswith("CPython")
    assert [row["idiom"] for row in found["idioms"]] == [
        "d.setdefault(key, value)",
        "d.setdefault(key, value), keys with own __eq__",
    ]
    first, second = found["idioms"]
    assert first["verdict"] == BY_CONTRACT
    assert first["schedules_complete"]
    assert first["breaking_schedule"] is None
    assert second["verdict"] == BY_ACCIDENT
    assert second["samples"] > 0
    assert (first["page"], second["page"]) == (SAFE, PARTLY)


def test_patterns_select() -> None:
    assert select(None) == list(IDIOMS)
    assert [idiom.code for idiom in select("n += 1  (*")] == [
        "n += 1  (global)",
        "n += 1  (nonlocal)",
        "n += 1  (local)",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "nonsense"],
        *(["--seconds", wrong] for wrong in ("0", "-1", "x", "inf", "-inf", "nan", "1e300", "")),
        ["--what"],
        ["--try", "nothing"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


# Users' own idioms

MINE = """
import os
import sys
import threading


class Claim:
    code = "if not self.owner: self.owner = me"
    instead = "AtomicRef.compare_and_set(None, me)"
    note = "two owners"

    def __init__(self):
        self.owner = None

    def _claim(self, name):
        if not self.owner:
            self.announce()
            self.owner = name
        return self.owner

    def announce(self):
        print("claiming")

    def a(self):
        return self._claim("a")

    def b(self):
        return self._claim("b")

    def holds(self, a, b):
        return a == b


class Locked(Claim):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()

    def _claim(self, name):
        with self.lock:
            return super()._claim(name)


class Raising(Claim):
    raises = (KeyError,)

    def _claim(self, name):
        raise KeyError(name)

    def holds(self, a, b):
        return isinstance(a, KeyError) and isinstance(b, KeyError)


class Anything(Claim):
    def holds(self, a, b):
        return True


class Crashing(Anything):
    def a(self):
        if threading.current_thread() is not threading.main_thread() and sys.argv[0] == "-c":
            os.abort()


class NotEvenAlone(Claim):
    def holds(self, a, b):
        return a != b


class Surprised(Claim):
    def a(self):
        raise LookupError("surprise")


class Half:
    def a(self):
        pass


class BadRaises(Claim):
    raises = KeyError


class Fickle(Anything):
    times = 0

    def a(self):
        Fickle.times += 1
        if Fickle.times < 4:
            self.owner = self.owner
            self.owner = self.owner
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_idioms.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_idioms"
    sys.modules.pop("my_idioms", None)


def tried(spelled: str, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    assert main(["--try", spelled, "--seconds", "0.5", "--json", *more]) == 0
    out = capsys.readouterr().out
    (found,) = json.loads(out[out.index("{") :])["idioms"]
    return found


def test_an_idiom_of_ones_own_is_convicted_or_not(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = tried(f"{mine}:Claim", capsys)
    assert found["verdict"] == BROKEN
    assert found["idiom"] == "if not self.owner: self.owner = me"
    assert found["instead"] == "AtomicRef.compare_and_set(None, me)"
    assert found["breaking_schedule"]
    for name in ("Locked", "Raising"):
        found = tried(f"{mine}:{name}", capsys)
        assert found["verdict"] == BY_ACCIDENT, found
        assert found["schedules_complete"]
        assert found["samples"] > 0, "it is sampled in a process of its own"


def test_one_that_crashes_the_interpreter_leaves_a_report(
    mine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tried(f"{mine}:Crashing", capsys)
    assert found["verdict"] == BROKEN
    assert "the interpreter crashed (signal 6)" in found["why"]


def test_one_that_hangs_leaves_a_report(
    mine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "SECONDS_OF_GRACE", -0.45)
    found = tried(f"{mine}:Locked", capsys)
    assert found["why"] == "seen: the threads hang"


def test_the_current_folder_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here_it_is.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert find("here_it_is:Claim").note == "two owners"
    del sys.modules["here_it_is"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("my_idioms", "expected module:Class"),
        ("nowhere_to_be_found:Claim", "No module named"),
        ("tests.subjects.unimportable:Cell", "the import raised ZeroDivisionError: division"),
        ("my_idioms:Missing", "has no attribute 'Missing'"),
        ("my_idioms:Half", "b is missing"),
        ("my_idioms:BadRaises", "expected raises to be a tuple of exceptions"),
        ("my_idioms:NotEvenAlone", r"with b run after a, in one thread, holds\('a', 'a'\) is false"),
        ("my_idioms:Surprised", "raised LookupError: surprise"),
    ],
)
def test_what_cannot_be_tried_is_refused(
    what: str, message: str, mine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=message):
        find(what)
    with pytest.raises(SystemExit) as caught:
        main(["--try", what])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_one_that_remembers_earlier_runs_is_refused(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--try", f"{mine}:Fickle", "--seconds", "0.2"])
    assert caught.value.code == 2
    assert "the result depends on more than the order of the threads" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "bench", "idioms"])
@pytest.mark.parametrize("wrong", ["inf", "nan", "0", "-3", "1e300", "soon"])
def test_no_command_takes_seconds_that_are_none(
    command: str, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        atomicx_command([command, f"--seconds={wrong}"])
    assert caught.value.code == 2
    assert f"expected a number of seconds above 0, got {wrong!r}" in capsys.readouterr().err


def test_an_interrupt_ends_it_with_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = survey.sample_idiom

    def interrupted(idiom: Idiom, seconds: float, seed: Any = None) -> Samples:
        if idiom.code == "n += 1  (nonlocal)":
            raise KeyboardInterrupt
        return real(idiom, seconds, seed)

    monkeypatch.setattr(survey, "sample_idiom", interrupted)
    assert main(["--only", "n += 1", "--seconds", "0.2"]) == 130
    captured = capsys.readouterr()
    assert "n += 1  (global)" in captured.out
    assert "interrupted: 1 of" in captured.err


def test_a_report_of_nothing_still_says_what_it_does_not_claim() -> None:
    assert "Samples that find nothing prove nothing." in " ".join(as_text([]).split())
