#!/usr/bin/env bash
# The tests on every interpreter that is promised, each with the C module and with the twin.
# About 15 minutes. An interpreter that is missing fails the layer.
. "$(dirname "$0")/lib.sh"

here() {    # VERSION PYTHON [REQUIREMENT...]
  copy "$work/matrix/$1"
  cd "$work/matrix/$1"
  bash .ci/interpreter.sh "$@"
}

in_root() {    # VERSION
  copy "$work/matrix/$1"
  in_forky "$work/matrix/$1" bash .ci/interpreter.sh "$1" "/usr/bin/python$1"
}

free=$(free_threaded)
forky >/dev/null
job matrix-3.13t here 3.13t "$free" "$hypothesis_313t"
for version in "${forky_versions[@]}"; do job "matrix-$version" in_root "$version"; done
for version in "${gil_versions[@]}"; do job "matrix-$version" here "$version" "$(interpreter "$version")"; done
finish
