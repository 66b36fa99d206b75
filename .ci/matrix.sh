#!/usr/bin/env bash
# The tests, with the exact command from the README; then on every supported interpreter, each with the C module and
# with the twin. The README's command has already run all of them with the C module, and on the interpreter that it
# takes only the twin is left. A missing interpreter fails the layer.
. "$(dirname "$0")/lib.sh"

as_a_newcomer() {    # VERSION COMMAND; a second attempt as in tests.sh
  copy "$work/matrix/newcomer"
  cd "$work/matrix/newcomer"
  echo "\$ $2"
  echo "::: the README's command"
  local status=0
  timeout --kill-after=30 1500 bash -euc "$2" || status=$?
  .venv/bin/python .ci/identity.py "$1" 0
  ((status == 1)) || return "$status"
  timeout --kill-after=30 1500 .venv/bin/python -m pytest --last-failed --last-failed-no-failures none
  echo "FLAKY what failed above passed at the second attempt"
}

here() {    # VERSION PYTHON [REQUIREMENT...]
  copy "$work/matrix/$1"
  cd "$work/matrix/$1"
  [ "$1" != "$newcomers" ] || export ATOMICX_CI_BACKENDS=1
  bash .ci/interpreter.sh "$@"
}

in_root() {    # VERSION
  copy "$work/matrix/$1"
  in_forky "$work/matrix/$1" bash .ci/interpreter.sh "$1" "/usr/bin/python$1"
}

command=$(readme tests)
newcomers=$(newcomers_version)
free=$(free_threaded)
forky >/dev/null
job matrix-3.13t here 3.13t "$free" "$hypothesis_313t"
job matrix-newcomer as_a_newcomer "$newcomers" "$command"
for version in "${forky_versions[@]}"; do job "matrix-$version" in_root "$version"; done
for version in "${gil_versions[@]}"; do job "matrix-$version" here "$version" "$(interpreter "$version")"; done
finish
