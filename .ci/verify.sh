#!/usr/bin/env bash
# `python -m atomicx verify` at its full length, without the GIL and with it: status 0 and PASS. One at a
# time, since what it watches is two threads on two cores. About N minutes.
. "$(dirname "$0")/lib.sh"

verify() {    # VERSION PYTHON
  copy "$work/verify/$1"
  cd "$work/verify/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq .
  .venv/bin/python .ci/identity.py "$1" 0
  timeout --kill-after=30 300 .venv/bin/python -m atomicx verify | tee verdict
  grep -q "^PASS" verdict
}

free=$(free_threaded)
with_gil=$(interpreter 3.11)
job verify-3.13t verify 3.13t "$free"
finish
job verify-3.11 verify 3.11 "$with_gil"
finish
