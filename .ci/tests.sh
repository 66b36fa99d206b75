#!/usr/bin/env bash
# Runs pytest: tests.sh PYTHON PYTEST-ARGUMENT...
#
# The tests of threads are samples: a cell that is broken on purpose has to be caught, and on a busy machine may
# not be in the time there is. So what failed, and nothing else, gets a second attempt, and is named as FLAKY in
# the digest of the run: a reader sees it, and a failure that repeats stays one. A crash gets none.
set -uo pipefail
python=$1; shift
timeout --kill-after=30 1500 "$python" -m pytest "$@" && exit 0
status=$?
((status == 1)) || exit "$status"
echo "::: a second attempt at what failed"
timeout --kill-after=30 1500 "$python" -m pytest --last-failed --last-failed-no-failures none "$@" || exit
echo "FLAKY what failed above passed at the second attempt"
