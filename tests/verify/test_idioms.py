"""The verdicts on ordinary Python operations, and the command that prints them."""

import json
import sys
from typing import Any

import pytest

from atomicx.verify.idioms import survey
from atomicx.verify.idioms.idiom import Idiom, Table
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

GIL = survey.gil_enabled()
BY_CODE = {idiom.code: idiom for idiom in IDIOMS}

# What the explorer must say of them, whatever the interpreter: bytecodes are all that it goes by.
NEVER_BREAKS = {
    *("n += 1  (local)", "x, y = y, x  (locals)", "with lock: self.n += 1", "self.x = value", "next(count)"),
    *("d[key] = value", "d.setdefault(key, value)", "d.pop(key, None)", "d.update(other)", "list(d)"),
    *("l.append(x)", "l.extend(other)", "l.pop()", "self.l += [x]", "sorted(l)", "len(l), x in l, l[i]"),
    *("s.add(x)", "deque.append(x), deque.popleft()", "queue.put(x), queue.get()"),
    "d.setdefault(key, value), keys with own __eq__",
}
# With a call between the read and the write, every version switches there.
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


def test_the_table_is_what_it_should_be() -> None:
    assert len(BY_CODE) == len(IDIOMS) >= 35
    assert set(BY_CODE) >= NEVER_BREAKS | BREAKS_EVERYWHERE
    for idiom in IDIOMS:
        assert idiom.contract or idiom.instead or idiom.note, f"{idiom.code} helps nobody"
        assert len(idiom.code) < survey.CODE_WIDTH


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
    """Otherwise the program would be wrong, and the verdict about nothing."""
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
    assert Finding(idiom, schedules, here, Samples(1000, 1)).verdict == BROKEN
    assert Finding(idiom, schedules, here, Samples(1000, 0, "it crashed")).verdict == BROKEN
    failing, _ = explore_idiom(BY_CODE["self.n += 1"])
    assert Finding(idiom, failing, failing, Samples(1000, 0)).verdict == BROKEN
    assert Finding(idiom, failing, schedules, Samples(1000, 0)).verdict == BY_ACCIDENT
    no_contract = BY_CODE["s.add(x)"]
    assert Finding(no_contract, schedules, here, Samples(1000, 0)).verdict == BY_ACCIDENT


def test_an_exception_nobody_expected_is_no_pass() -> None:
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
    assert all(len(line) <= 120 for line in out.splitlines())
    assert "STORE_ATTR" not in out


def test_the_bytecode_is_shown_on_request_with_the_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "self.n += 1", "--seconds", "0.1", "--bytecode"]) == 0
    out = capsys.readouterr().out
    assert "STORE_ATTR" in out
    assert "Broken by schedule" in out
    assert "1 preemption" in out


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


def test_patterns_select() -> None:
    assert select(None) == list(IDIOMS)
    assert [idiom.code for idiom in select("n += 1  (*")] == [
        "n += 1  (global)",
        "n += 1  (nonlocal)",
        "n += 1  (local)",
    ]


@pytest.mark.parametrize(
    "arguments", [["--only", "nonsense"], ["--seconds", "0"], ["--seconds", "x"], ["--what"]]
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().out == ""


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
    assert "prove\nnothing" in as_text([])
