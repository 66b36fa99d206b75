"""`python -m atomicx verify`: its verdicts, its exit statuses, and what it prints."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

import atomicx
from atomicx.__main__ import main
from atomicx._terminal import draw, has_rich
from atomicx.verify.sampling import engine
from atomicx.verify.sampling.noise import BATCH
from atomicx.verify.sampling.programs import Program
from atomicx.verify.selfcheck import campaign, cli, report, trials
from atomicx.verify.selfcheck.campaign import Campaign
from atomicx.verify.selfcheck.catalogue import INT, ROWS, Control, Row
from atomicx.verify.selfcheck.subject import find
from atomicx.verify.selfcheck.trials import RULE_OF_THREE, Trial, Verdict

EXCHANGES = Program("x = 0", ("a = x.exchange(1)", "b = x.exchange(2)"), "z = x.load()")


class Deaf:
    """Wrong at once, with and without other threads, so that no run needs luck to see it."""

    def __init__(self, value=0):
        self.value = value

    def inc(self):
        self.value += 1

    def exchange(self, value):
        return -1

    def load(self):
        return self.value


class Raising(Deaf):
    def exchange(self, value):
        raise RuntimeError("borrowed already")


def row(name, control=Deaf, hidden=lambda: None, program=EXCHANGES):
    return Row(f"int-{name}", INT, program, Control("deaf", lambda: control), hidden)


PASSES, SILENT = row("passes"), row("silent", control=INT.make)
HIDDEN = row("hidden", hidden=lambda: "nothing to see")


@pytest.fixture
def verify(monkeypatch, capsys):
    """Run `verify` in this process over these rows; return the exit status and what it printed."""

    def run(*arguments, rows=(PASSES,), kinds=()):
        monkeypatch.setattr(cli, "ROWS", rows)
        monkeypatch.setattr(cli, "KINDS", kinds)
        status = main(["verify", "--seconds", "0.2", *arguments])
        return status, capsys.readouterr().out

    return run


# A subject runs in a process of its own, which imports this module by its name.
HERE = f"{__name__}:"


# Verdicts


def test_pass(verify):
    status, text = verify()
    assert status == 0
    assert "PASS: 1 PASS\n" in text
    assert report.NOT_CLAIMED in text


def made_of(cell, each):
    """Make a trial of the row with these cells."""
    return Trial(each, dataclasses.replace(INT.access, make=cell), 11)


def test_fail_shows_the_outcomes_and_how_to_run_it_again():
    whole = Campaign([made_of(Deaf, PASSES)], 0.2, silent)
    whole.run()
    text = report.Report(whole, 11, None, verbose=False).as_text()
    assert whole.exit_status == 1
    assert "int-passes: FAIL: forbidden outcomes came" in text
    assert "a=-1 b=-1 z=0" in text and "FORBIDDEN" in text
    assert "python -m atomicx verify --only int-passes --seed 11 --seconds 0.2" in text
    assert "FAIL: 1 FAIL\n" in text


def test_fail_when_an_actor_raises():
    trial = made_of(Raising, PASSES)
    trial.run_subject(0.2)
    assert trial.verdict is Verdict.FAIL
    assert "RuntimeError: borrowed already" in trial.reason


def test_fail_when_the_cell_cannot_be_read(monkeypatch):
    def fails(self):
        raise RuntimeError("gone")

    monkeypatch.setattr(Deaf, "load", fails)
    trial = made_of(Deaf, PASSES)
    trial.run_subject(0.2)
    assert trial.verdict is Verdict.FAIL
    assert "RuntimeError: gone" in trial.reason


def test_inconclusive_when_the_control_is_silent(verify):
    status, text = verify(rows=(PASSES, SILENT))
    assert status == 3
    assert "int-silent: INCONCLUSIVE: the control stayed silent" in text
    assert "INCONCLUSIVE: 1 PASS, 1 INCONCLUSIVE" in text
    assert "What to do: " in text


def test_a_silent_control_gets_up_to_three_times_the_time():
    trial = Trial(SILENT, INT.access)
    begun = time.monotonic()
    Campaign([trial], 0.1, silent).run()
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.control.seconds > 0.1, "no more time than everything else"
    assert time.monotonic() - begun < 30


def test_a_silent_control_on_one_cpu_is_not_applicable(monkeypatch):
    monkeypatch.setattr(trials, "cores", lambda: [0])
    whole = Campaign([Trial(each, INT.access) for each in (SILENT, PASSES)], 0.2, silent)
    whole.run()
    assert [trial.verdict for trial in whole.trials] == [Verdict.NOT_APPLICABLE, Verdict.PASS]
    assert whole.exit_status == 0


def test_a_failure_outweighs_a_silent_control():
    whole = Campaign([made_of(Deaf, SILENT), Trial(SILENT, INT.access)], 0.2, silent)
    whole.run()
    assert whole.exit_status == 1


def test_inconclusive_when_the_samples_are_too_few():
    class Counted:
        def __init__(self, samples, caught=0):
            self.samples, self.caught, self.failure = samples, caught, None
            self.forbidden = {"wrong": caught} if caught else {}

    def verdict(subject, control):
        return Trial(PASSES, INT.access, subject=subject, controls={PASSES.name: control}).verdict

    control = Counted(2000, caught=2)
    assert verdict(Counted(RULE_OF_THREE * 1000), control) is Verdict.PASS
    assert verdict(Counted(RULE_OF_THREE * 1000 - 1), control) is Verdict.INCONCLUSIVE
    assert verdict(Counted(10**9), Counted(10**9)) is Verdict.INCONCLUSIVE
    assert verdict(Counted(10**9, caught=1), control) is Verdict.FAIL


def test_what_is_hidden_is_named_and_does_no_harm(verify):
    status, text = verify(rows=(PASSES, HIDDEN))
    assert status == 0
    assert "int-hidden: NOT OBSERVABLE: nothing to see" in text


def test_a_run_in_which_nothing_passed_is_not_a_pass(verify):
    assert verify(rows=(HIDDEN,))[0] == 3


def test_the_broken_cell_of_the_package_fails():
    """A split exchange is found with real threads and the real catalogue."""
    broken = find("atomicx.verify.selfcheck.controls:SplitInt")
    whole = Campaign([Trial(exchange_row(), broken.access, 1)], 60, silent)
    whole.run()
    assert whole.verdict is Verdict.FAIL and whole.exit_status == 1


def test_the_control_of_the_package_is_caught():
    trial = Trial(exchange_row(), INT.access)
    while trial.lacks_control:
        trial.run_control(1.0)
    assert trial.control.forbidden


def exchange_row():
    return next(row for row in ROWS if row.name == "int-exchange")


def silent(share, trial):
    pass


# A campaign


def test_a_row_with_a_rare_fault_goes_on_where_the_machine_was_too_busy(monkeypatch):
    for is_subject in (True, False):
        trial = Trial(dataclasses.replace(PASSES, least=3000), INT.access)
        # As if there had been no time left after the first round.
        whole = Campaign([trial], 30, silent, stop_when_caught=is_subject)
        monkeypatch.setattr(whole, "_more_samples", lambda _: None)
        whole.run()
        assert (trial.samples >= 3000) is is_subject
        assert trial.samples < 3000 + 2 * BATCH


def test_no_turn_for_a_rare_fault_is_longer_than_all_the_available_time(monkeypatch):
    """Else the parent would take it for a hang, and convict a cell that is only slow."""
    turns = []

    class Slow:
        least, samples, verdict = 5 * BATCH, 0, Verdict.PASS

        def run_subject(self, seconds, samples):
            assert samples == self.least - self.samples
            turns.append(seconds)
            self.samples += BATCH

    whole = Campaign([], 30, silent, stop_when_caught=True)
    whole._started = 0.0
    monkeypatch.setattr(campaign, "time", SimpleNamespace(perf_counter=lambda: sum(turns)))
    whole._least_samples([Slow()], 90)
    assert turns == [30, 30, 30]


def test_every_row_gets_its_turn_and_progress_goes_up():
    told = []
    rows = [row(str(number)) for number in range(5)]
    made = [Trial(each, INT.access) for each in rows]
    Campaign(made, 0.5, lambda share, trial: told.append((share, trial.row.name))).run()
    assert [name for _, name in told][:5] == [each.name for each in rows]
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert all(0 <= share <= 1 for share, _ in told)
    assert {trial.verdict for trial in made} == {Verdict.PASS}


def test_ctrl_c_keeps_what_there_is():
    def progress(share, trial):
        if trial is made[1]:
            raise KeyboardInterrupt

    made = [Trial(each, INT.access) for each in (PASSES, SILENT)]
    whole = Campaign(made, 0.5, progress)
    whole.run()
    assert whole.exit_status == 130
    assert [trial.verdict for trial in made] == [Verdict.PASS, Verdict.NOT_RUN]
    assert "stopped by Ctrl-C; 1 PASS, 1 NOT RUN" in report.Report(whole, 1, None, False).verdict_line()


@pytest.fixture
def sigint_handler():
    """Yield signal.signal for SIGINT, and undo it at the end."""
    previous = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, previous)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send to a child there")
def test_ctrl_c_prints_what_there_is_and_exits_with_130(sigint_handler):
    # These rows are sampled: it reports the first one when its threads are about to start.
    command = [sys.executable, "-m", "atomicx", "verify", "--seconds", "60", "--only", "int-*"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A child inherits that a signal is ignored, as SIGINT is in a shell's background jobs.
    sigint_handler(signal.default_int_handler)
    with subprocess.Popen(command, env={**os.environ, "PYTHONUNBUFFERED": "1"}, **pipes) as child:
        assert any("int-" in line for line in child.stderr)
        child.send_signal(signal.SIGINT)
        text, errors = child.communicate()
    assert child.returncode == 130
    assert "stopped by Ctrl-C" in text and "int-add" in text
    assert "Traceback" not in errors


# Programs that raise the signal while they are made into a test, a moment that Ctrl-C rarely hits by itself:
# as a start value, and between the functions that a program is turned into.
RAISE = "__import__('signal').raise_signal(2)"
INTERRUPTED = {
    "start value": f"Program({f'x = {RAISE}'!r}, ()).outcomes(lambda value: value)",
    "functions": f"Program('x = 0', (), {f'pass{chr(10)}{RAISE}'!r}).litmus('', lambda: int, {{}})",
}


def run_as_module(folder, source):
    """Run it as the command is: only then does the interpreter end by a signal that it has noted."""
    (folder / "interrupted.py").write_text(source)
    command = [sys.executable, "-m", "interrupted"]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True)


@pytest.mark.skipif(sys.platform == "win32", reason="a process there does not end by a signal")
@pytest.mark.parametrize("made", INTERRUPTED)
def test_ctrl_c_while_a_program_is_made_is_caught_like_any_other(tmp_path, sigint_handler, made):
    sigint_handler(signal.default_int_handler)
    done = run_as_module(
        tmp_path,
        "import sys\nfrom atomicx.verify.sampling.programs import Program\n"
        f"try:\n    {INTERRUPTED[made]}\nexcept KeyboardInterrupt:\n    sys.exit(130)\n",
    )
    assert done.returncode == 130


# What a command does with an interrupt that comes while it executes text: it lets it out, or returns 130.
COMMANDS = {
    "raises": f"exec({RAISE!r})",
    "returns": f"try: exec({RAISE!r})\n    except KeyboardInterrupt: return 130",
}


@pytest.mark.skipif(sys.platform == "win32", reason="a process there does not end by a signal")
@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_while_text_is_executed_ends_a_command_with_130(tmp_path, sigint_handler, command):
    sigint_handler(signal.default_int_handler)
    done = run_as_module(
        tmp_path,
        f"import sys\nfrom atomicx import __main__\n\ndef main():\n    {COMMANDS[command]}\n"
        "__main__.main = main\nsys.exit(__main__._run())\n",
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


# The command line


def test_list(verify):
    status, text = verify("--list", rows=ROWS)
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == ["row", *(row.name for row in ROWS)]
    status, text = verify("--list", "--json", rows=ROWS)
    assert [entry["name"] for entry in json.loads(text)] == [row.name for row in ROWS]


def test_only(verify):
    _, text = verify("--list", "--only", "ref-*", rows=ROWS)
    assert {line.split("-")[0] for line in text.splitlines()[1:]} == {"ref"}
    _, text = verify("--list", "--only", "witness", rows=ROWS)
    assert {"int-witness", "ref-failure-witness"} <= {line.split()[0] for line in text.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--only", "nothing"], "no row matches 'nothing'"),
        (["--seconds", "0"], "expected a number of seconds above 0, got '0'"),
        (["--seconds", "inf"], "expected a number of seconds above 0, got 'inf'"),
        (["--seconds", "x"], "expected a number of seconds above 0, got 'x'"),
        (["--seed", "x"], "invalid int value"),
        (["--subject", "nowhere"], "expected package:factory, got 'nowhere'"),
        (["--subject", "no_such_package:Thing"], "No module named 'no_such_package'"),
        (["--subject", "tests.subjects.unimportable:Cell"], "the import raised ZeroDivisionError: division"),
        (["--subject", "json:nothing"], "has no attribute 'nothing'"),
        (["--subject", "json:loads"], "json:loads(0) raised TypeError"),
        (["--subject", "builtins:str"], "expected a cell with at least one of load, store"),
        (
            ["--subject", "tests.subjects.correct_cells:LockRef", "--kind", "histogram"],
            "cannot make a histogram",
        ),
        (["--subject", "tests.subjects.correct_cells:LockRef", "--kind", "mutex"], "invalid choice: 'mutex'"),
        (["--kind", "int"], "--kind and --wraps need --subject"),
        (["--wraps"], "--kind and --wraps need --subject"),
    ],
)
def test_usage_errors(capsys, arguments, complaint):
    with pytest.raises(SystemExit) as ended:
        main(["verify", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_without_a_command_it_lists_them(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.partition("COMMAND\n")[2].splitlines()] == [
        *("info", "verify", "bench", "segment", "idioms"),
    ]
    assert max(map(len, said.splitlines())) <= 80


def test_the_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"atomicx {atomicx.__version__}\n")


def test_json(verify):
    status, text = verify("--json", "--seed", "4", rows=(PASSES, SILENT, HIDDEN))
    told = json.loads(text)
    assert status == told["exit_status"] == 3
    assert (told["seed"], told["verdict"], told["interrupted"]) == (4, "INCONCLUSIVE", False)
    passed, silent, hidden = told["rows"]
    assert passed["verdict"] == "PASS"
    assert passed["program"] == str(EXCHANGES)
    assert passed["bound"] == RULE_OF_THREE / passed["result"]["samples"]
    assert sum(each["samples"] for each in passed["result"]["outcomes"]) == passed["result"]["samples"]
    assert passed["control"]["forbidden"] > 0
    assert silent["control"]["forbidden"] == 0
    assert (hidden["verdict"], hidden["reason"], hidden["result"]) == (
        "NOT OBSERVABLE",
        "nothing to see",
        None,
    )


def test_json_of_a_failure():
    whole = Campaign([made_of(Deaf, PASSES)], 0.2, silent)
    whole.run()
    told = json.loads(json.dumps(report.Report(whole, 1, None, False).as_json()))
    (failed,) = told["rows"]
    assert (told["exit_status"], failed["verdict"], failed["bound"]) == (1, "FAIL", None)
    assert failed["result"]["outcomes"][0]["grade"] == "forbidden"


def test_verbose_shows_every_outcome(verify):
    _, text = verify("--verbose")
    assert str(EXCHANGES) in text and "one after the other" in text
    assert "a=-1 b=-1 z=0" in text


def test_progress_goes_to_stderr(monkeypatch, capsys):
    monkeypatch.setattr(cli, "ROWS", (PASSES,))
    monkeypatch.setattr(cli, "KINDS", ())
    main(["verify", "--seconds", "0.1", "--json"])
    told = capsys.readouterr()
    assert "int-passes" in told.err
    json.loads(told.out)


def test_the_seed_decides_the_noise_of_every_turn(monkeypatch, verify):
    seeds = []

    def run(test, *, seed, **options):
        seeds.append(seed)
        return engine.run(test, seed=seed, **options)

    monkeypatch.setattr(trials, "run", run)
    verify("--seed", "9")
    first = seeds[:2]
    seeds.clear()
    verify("--seed", "9")
    assert first == seeds[:2] == ["9 int-passes control 1", "9 int-passes subject 2"]


def test_drawn_by_rich_where_it_is_installed(capsys):
    if not has_rich():
        pytest.skip("rich, the extra cli, is not installed")
    made = [Trial(each, INT.access, hidden=each.hidden()) for each in (PASSES, SILENT, HIDDEN)]
    whole = Campaign(made, 0.2, silent)
    whole.run()
    shown = report.Report(whole, 1, None, verbose=False)
    draw(shown.lines(200))
    text = capsys.readouterr().out
    assert "int-passes" in text and shown.verdict_line() in text
