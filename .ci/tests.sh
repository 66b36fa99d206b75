#!/usr/bin/env bash
# Runs pytest: tests.sh PYTHON PYTEST-ARGUMENT...
#
# The tests of threads are samples: they have to catch a cell that is broken on purpose, and on a busy machine the
# time may not suffice. So failed tests, and only those, get a second attempt, and the digest of the run names them as
# FLAKY: a reader sees it, and a failure that repeats stays a failure. A crash gets no second attempt.
set -uo pipefail
python=$1; shift
timeout --kill-after=30 1500 "$python" -m pytest "$@" && exit 0
status=$?
((status == 1)) || exit "$status"
echo "::: a second attempt at what failed"
timeout --kill-after=30 1500 "$python" -m pytest --last-failed --last-failed-no-failures none "$@" || exit
echo "FLAKY what failed above passed at the second attempt"
