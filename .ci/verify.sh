#!/usr/bin/env bash
# `python -m atomicx verify` at its full length: by the command in the README as it stands there, and without the GIL.
# Status 0 and PASS. One at a time, since what it watches is two threads on two cores. And a few of the broken and of the
# correct cells, given to it as subjects; `make subjects` is for all. About three minutes.
. "$(dirname "$0")/lib.sh"

# verify VERSION COMMAND: in a copy of the tree, where the command installs into .venv and verifies.
# Status 3 is INCONCLUSIVE, a control that stayed silent, as it may on a busy machine: more time, once.
verify() {
  copy "$work/verify/$1"
  cd "$work/verify/$1"
  echo "\$ $2"
  timeout --kill-after=30 900 bash -euc "$2" >verdict ||
    { (($? == 3)) && timeout --kill-after=30 300 .venv/bin/python -m atomicx verify --seconds 120 >verdict; }
  cat verdict
  grep -q "^PASS" verdict
  .venv/bin/python .ci/identity.py "$1" 0
}

# subjects VERSION: where verify has installed into .venv.
subjects() {
  cd "$work/verify/$1"
  timeout --kill-after=30 900 .venv/bin/python -m tests.subjects --short --seconds 10
}

command=$(readme main)
newcomers=$(python3 -c 'import sys; print("{}.{}".format(*sys.version_info))')    # whichever comes first on PATH
free=$(free_threaded)
job "verify-$newcomers" verify "$newcomers" "$command"
finish
job verify-3.13t verify 3.13t "${command/#python3/$free}"
finish
job "subjects-$newcomers" subjects "$newcomers"
finish
job subjects-3.13t subjects 3.13t
finish
