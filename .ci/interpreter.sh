#!/usr/bin/env bash
# The matrix for one interpreter: installs the tree in the current folder and tests it, with the C module
# and with the twin. It runs inside the forky root too, so it needs nothing but this folder and pip.
#
#   interpreter.sh VERSION PYTHON [REQUIREMENT...]     interpreter.sh 3.14 /usr/bin/python3.14
set -euo pipefail
version=$1 python=$2; shift 2
[ -x "$python" ] || { echo "error: no interpreter for $version at '$python'"; exit 1; }

"$python" -m venv .venv
# A build that falls back to the twin would make half of the matrix mean nothing: ATOMICX_REQUIRE_C.
ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test]" "$@"
# What asks for no backend by itself runs under both settings, unless it is marked one_run: it uses no cell. The core
# knows no Python: its tests have a layer of their own.
for pure in 0 1; do
  marked=()
  ((pure)) && marked=(-m "not one_run")
  export ATOMICX_PURE=$pure
  .venv/bin/python .ci/identity.py "$version" "$pure"
  echo "::: $version, ATOMICX_PURE=$pure"
  bash .ci/tests.sh .venv/bin/python -o faulthandler_timeout=300 --ignore tests/test_core.py "${marked[@]}"
done
