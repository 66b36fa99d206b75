#!/usr/bin/env bash
# The examples, with what they need from PyPI and from Debian (Cython, redis-server, wrk), prefork servers whose workers
# are killed, and shared cells over numpy arrays; with and without the GIL. The web frameworks are tried with the GIL
# only. In the other layers these tests are skipped by name. About three minutes.
. "$(dirname "$0")/lib.sh"

examples() {    # VERSION PYTHON EXTRA [REQUIREMENT...]
  copy "$work/examples/$1"
  cd "$work/examples/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test,$3]" "${@:4}"
  .venv/bin/python .ci/identity.py "$1" 0
  echo "::: examples, $1"
  [ "$3" != frameworks ] || export ATOMICX_REQUIRE_FRAMEWORKS=1
  ATOMICX_REQUIRE_EXAMPLES=1 bash .ci/tests.sh .venv/bin/python tests/examples tests/shared/test_cells.py
}

free=$(free_threaded)
with_gil=$(interpreter 3.11)
job examples-3.13t examples 3.13t "$free" servers "$hypothesis_313t"    # numpy no longer has wheels for it
job examples-3.11 examples 3.11 "$with_gil" frameworks numpy    # which brings the examples' packages too
finish
