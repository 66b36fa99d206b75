#!/usr/bin/env bash
# The instructions of every hot operation, counted by callgrind with and without the GIL: no operation may exceed
# its committed count. Under a minute.
. "$(dirname "$0")/lib.sh"

command -v valgrind >/dev/null || die "no valgrind: .ci/run prepare"

speed() {    # VERSION PYTHON
  copy "$work/speed/$1"
  cd "$work/speed/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq . "setuptools>=77"
  .venv/bin/python .ci/identity.py "$1" 0
  timeout --kill-after=30 600 .venv/bin/python -m benchmarks count --check
}

free=$(free_threaded)
with_gil=$(interpreter 3.13)
job speed-3.13 speed 3.13 "$with_gil"
job speed-3.13t speed 3.13t "$free"
finish
