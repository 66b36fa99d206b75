#!/usr/bin/env bash
# The matrix for one interpreter: installs the tree in the current folder and tests it, with the C module
# and with the twin. It also runs inside the forky root, so it needs only this folder and pip.
#
#   interpreter.sh VERSION PYTHON [REQUIREMENT...]     interpreter.sh 3.14 /usr/bin/python3.14
set -euo pipefail
version=$1 python=$2; shift 2
[ -x "$python" ] || { echo "error: no interpreter for $version at '$python'"; exit 1; }

"$python" -m venv .venv
# ATOMICX_REQUIRE_C: a build that falls back to the twin would make half of the matrix meaningless.
ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test]" "$@"
# Tests that do not choose a backend themselves run under both settings, unless they are marked one_run: those use no
# cell. The core is independent of Python, so its tests have a layer of their own.
# ATOMICX_CI_BACKENDS says which of the two, if not both.
for pure in ${ATOMICX_CI_BACKENDS:-0 1}; do
  marked=()
  ((pure)) && marked=(-m "not one_run")
  export ATOMICX_PURE=$pure
  .venv/bin/python .ci/identity.py "$version" "$pure"
  echo "::: $version, ATOMICX_PURE=$pure"
  bash .ci/tests.sh .venv/bin/python -o faulthandler_timeout=300 --ignore tests/test_core.py "${marked[@]}"
done
