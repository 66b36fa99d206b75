#!/usr/bin/env bash
# The tests in builds that report hidden errors: a debug build (assertions, reference totals), AddressSanitizer with
# UndefinedBehaviorSanitizer, and ThreadSanitizer under an interpreter that is itself built with it. The silence of a
# sanitizer proves nothing by itself, so each first has to report the bugs planted in tests/native/planted.c.
# About six minutes alone.
. "$(dirname "$0")/lib.sh"

python=.venv/bin/python    # runs the tests

# Left out here, in addition to one_run: tests that use the cells as others do, or use none. The matrix runs them.
elsewhere=(
  tests/test_core.py                         # independent of Python: a layer of its own, with its own sanitizers
  tests/verify tests/bench                   # tools in Python, which use the cells in the usual way
  tests/test_{cookbook,documentation}.py     # programs that use the cells in the usual way
  tests/test_typing.py
)

# install FOLDER PYTHON [REQUIREMENT...]: makes a fresh copy of the tree with a .venv, and changes to it.
install() {
  copy "$work/sanitizers/$1"
  cd "$work/sanitizers/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test]" "${@:3}"
}

# plant COMPILER FLAG...: builds the planted bugs as planted.so in the current folder.
plant() {
  local include
  include=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
  "$@" -std=c11 -g -O1 -fPIC -shared "-I$include" tests/native/planted.c -o planted.so
}

# fires BUG MESSAGE: runs the planted bug, which must fail its process with that message.
fires() {
  local output
  if output=$("$python" -c "import planted; planted.$1()" 2>&1); then
    echo "the planted bug $1 passed"; return 1
  fi
  grep -q "$2" <<<"$output" || { echo "the planted bug $1 was not reported as '$2':"; echo "$output"; return 1; }
  echo "ok: the planted $1 was reported: $2"
}

# silent LABEL PYTEST-ARGUMENT...: the tests must pass without a report. A report ends the process at once; for a
# race, it sets the exit status at the end instead. Nothing is captured, so that the report can be read here.
# Only the C module is tested: the twin has no C code.
silent() {
  local path ignored=()
  for path in "${elsewhere[@]}"; do
    [ -e "$path" ] || die "to be left out, but not there: $path"
    ignored+=(--ignore "$path")
  done
  export ATOMICX_PURE=0
  echo "::: $1"
  # The deselected test builds its own module, without a sanitizer.
  bash .ci/tests.sh "$python" -s -o faulthandler_timeout=900 --hypothesis-profile brief \
    -m "not one_run" "${ignored[@]}" --deselect tests/shared/test_cells.py::test_where_atomics_take_a_lock "${@:2}"
}

debug_build() {
  install debug "$1" "$hypothesis_313t"
  .venv/bin/python -c 'import sys; assert "d" in sys.abiflags, sys.abiflags'
  .venv/bin/python .ci/identity.py 3.13t 0
  silent "3.13t, debug build"
}

address() {
  local flags="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
  CC=gcc ATOMICX_CFLAGS="$flags -g -O1" LDFLAGS=$flags install address "$1"
  # shellcheck disable=SC2086
  plant gcc $flags
  LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
  # CPython leaks at exit by design; the tests count what atomicx leaks. CPython's small-object allocator would
  # hide from the sanitizer that objects were freed.
  export LD_PRELOAD PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
  fires past_the_end "heap-buffer-overflow"
  fires after_free "heap-use-after-free"
  fires undefined "signed integer overflow"
  # These count blocks of the allocator that is switched off here, or references, which sanitizers cannot see. The debug
  # build and the matrix count them.
  local counting="blocks_and_references_stay_flat or lasting_things_keep_their_counts or leaks_nothing"
  silent "3.13, AddressSanitizer and UndefinedBehaviorSanitizer" -k "not ($counting)"
}

# The interpreter under ThreadSanitizer is too slow for installing, so the release build does that; both have the same
# ABI. Only the stress tests run: in the others no two threads meet.
thread() {
  CC=clang-19 ATOMICX_CFLAGS="-fsanitize=thread -g" LDFLAGS=-fsanitize=thread install thread "$1" "$hypothesis_313t"
  plant clang-19 -fsanitize=thread
  python=$2
  PYTHONPATH=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  export ATOMICX_STRESS=4    # races run four times as long, since only a tenth as much happens in them
  export PYTHONPATH TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp:die_after_fork=0"
  fires race "data race"
  silent "3.13t, ThreadSanitizer" tests/stress
}

gil=$(interpreter 3.13)
debug=$(free_threaded --debug)
free=$(free_threaded)
tsan=$(free_threaded --tsan)
# The longest first, alongside the two others.
job debug-build debug_build "$debug"
job address address "$gil"
job thread thread "$free" "$tsan"
finish
