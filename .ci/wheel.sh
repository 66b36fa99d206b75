#!/usr/bin/env bash
# A wheel for one interpreter, from sdist.tar.gz in the current folder. It also runs inside the forky root, so it
# needs only this folder and pip.
#
#   wheel.sh build PYTHON PLACE...                           builds in each of these folders, into its folder dist
#   wheel.sh test PYTHON VERSION COMMAND [REQUIREMENT...]    installs wheelhouse/*.whl, and runs the command
set -euo pipefail
what=$1 python=$2; shift 2
umask 022    # a wheel keeps the permissions of its files

build() {    # PLACE...
  local place
  "$python" -m venv builder
  builder/bin/python -m pip install -qq "build==1.6.*" "setuptools>=77"
  for place; do
    mkdir -p "$place"
    tar -xf sdist.tar.gz --strip-components=1 --touch -C "$place"
    ATOMICX_REQUIRE_C=1 builder/bin/python -m build --wheel --no-isolation "$place" >"$place.log" 2>&1 ||
      { cat "$place.log"; return 1; }
  done
}

test_installed() {    # VERSION COMMAND [REQUIREMENT...]
  local wheel
  wheel=$(echo wheelhouse/*.whl)
  "$python" -m venv empty
  empty/bin/python -m pip install -qq --no-index --no-deps "$wheel"
  empty/bin/python identity.py "$1" 0
  empty/bin/python -m pip install -qq "$wheel[test]" "${@:3}"
  # As cibuildwheel does it: in a folder that has the tests, but not the package's sources.
  mkdir tested
  cp -r one/tests one/pyproject.toml tested
  cd tested
  echo "::: the wheel for $1, installed"
  PATH=$PWD/../empty/bin:$PATH ATOMICX_PURE=0 bash -euc "$2"
}

case $what in
  build) build "$@" ;;
  test) test_installed "$@" ;;
  *) echo "error: build or test, not $what" >&2; exit 2 ;;
esac
