#!/usr/bin/env bash
# `python -m atomicx verify` at its full length, without the GIL and with it: status 0 and PASS. One at a
# time, since what it watches is two threads on two cores. About a minute.
. "$(dirname "$0")/lib.sh"

verify() {    # VERSION PYTHON
  copy "$work/verify/$1"
  cd "$work/verify/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq .
  .venv/bin/python .ci/identity.py "$1" 0
  # Status 3 is INCONCLUSIVE, a control that stayed silent, as it may on a busy machine: more time, once.
  timeout --kill-after=30 300 .venv/bin/python -m atomicx verify >verdict ||
    { (($? == 3)) && timeout --kill-after=30 300 .venv/bin/python -m atomicx verify --seconds 120 >verdict; }
  cat verdict
  grep -q "^PASS" verdict
}

free=$(free_threaded)
with_gil=$(interpreter 3.11)
job verify-3.13t verify 3.13t "$free"
finish
job verify-3.11 verify 3.11 "$with_gil"
finish
