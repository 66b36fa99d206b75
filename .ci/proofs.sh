#!/usr/bin/env bash
# The contracts of the C core, proved for all arguments by the bounded model checker ESBMC, in a separate environment
# with the one wheel that tests/proofs/requirements.txt pins by its hash; then the planted faults, each of which has
# to make its proof fail. Under a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/proofs"
cd "$work/proofs"

install() {
  "$1" -m venv .venv
  .venv/bin/python -m pip install -qq --require-hashes --no-deps -r tests/proofs/requirements.txt
}

job proofs-install install "$(interpreter 3.13)"
finish
job proofs .venv/bin/python tests/proofs/run.py --jobs "$parallel"
finish
job proofs-faults .venv/bin/python tests/proofs/run.py --faults --jobs "$parallel"
finish
