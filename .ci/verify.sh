#!/usr/bin/env bash
# `python -m atomicx verify` at its full length: with the exact command from the README, and without the GIL. It must end
# with status 0 and PASS. The two run one at a time, since verify watches two threads on two cores. Then a few of the
# broken and of the correct cells as its subjects, with and without the GIL at the same time: a busy machine must not
# change a verdict. `make subjects` runs all of them. About three minutes.
. "$(dirname "$0")/lib.sh"

# verify VERSION COMMAND: runs the command in a copy of the tree, where it installs into .venv and verifies.
# Status 3 is INCONCLUSIVE: a control was not caught, as can happen on a busy machine. It gets more time, once.
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

# subjects VERSION: runs the subjects where verify has installed into .venv.
subjects() {
  cd "$work/verify/$1"
  timeout --kill-after=30 900 .venv/bin/python -m tests.subjects --short
}

command=$(readme main)
newcomers=$(newcomers_version)
free=$(free_threaded)
job "verify-$newcomers" verify "$newcomers" "$command"
finish
job verify-3.13t verify 3.13t "${command/#python3/$free}"
finish
job "subjects-$newcomers" subjects "$newcomers"
finish
job subjects-3.13t subjects 3.13t
finish
