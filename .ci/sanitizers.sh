#!/usr/bin/env bash
# The tests where a slip is loud: a debug build (assertions, reference totals), AddressSanitizer with
# UndefinedBehaviorSanitizer, ThreadSanitizer under an interpreter that is itself built with it. A sanitizer
# that says nothing proves nothing, so each first has to report the bugs planted in tests/native/planted.c.
# About nine minutes.
. "$(dirname "$0")/lib.sh"

python=.venv/bin/python    # which runs the tests

# Left out here, beside what is marked one_run: tests that use the cells as others do, or use none. The matrix has them.
elsewhere=(
  tests/test_core.py                         # the core knows no Python: a layer of its own, with its own sanitizers
  tests/verify tests/bench                   # tools in Python, which use the cells as everybody does
  tests/test_{cookbook,documentation}.py     # programs that use the cells as everybody does
  tests/test_typing.py
)

# install FOLDER PYTHON [REQUIREMENT...]: a fresh copy of the tree with a .venv; becomes the current folder.
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

# silent LABEL PYTEST-ARGUMENT...: the tests pass without a report. A report ends the process at once, or, of
# a race, gives it a status of its own at its end; and no capturing, so that the report can be read here. Of
# the C module alone: the twin has no C code.
silent() {
  local path ignored=()
  for path in "${elsewhere[@]}"; do
    [ -e "$path" ] || die "to be left out, but not there: $path"
    ignored+=(--ignore "$path")
  done
  export ATOMICX_PURE=0
  echo "::: $1"
  # The test that is deselected builds a module of its own, without a sanitizer.
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
  # CPython leaks at exit by design; what atomicx leaks, the tests count. Its small-object allocator would
  # hide the ends of objects from the sanitizer.
  export LD_PRELOAD PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
  fires past_the_end "heap-buffer-overflow"
  fires after_free "heap-use-after-free"
  fires undefined "signed integer overflow"
  # These count blocks of the allocator that is switched off here, or references, which no sanitizer sees: the debug
  # build and the matrix count them.
  local counting="blocks_and_references_stay_flat or lasting_things_keep_their_counts or leaks_nothing"
  silent "3.13, AddressSanitizer and UndefinedBehaviorSanitizer" -k "not ($counting)"
}

# The interpreter that ThreadSanitizer watches is too slow to install with, so the release build does that; the
# two have one ABI. Only the stress tests: the others have no two threads that meet.
thread() {
  CC=clang-19 ATOMICX_CFLAGS="-fsanitize=thread -g" LDFLAGS=-fsanitize=thread install thread "$1" "$hypothesis_313t"
  plant clang-19 -fsanitize=thread
  python=$2
  PYTHONPATH=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  export ATOMICX_STRESS=4    # races go on for so many times as long: one tenth as much happens in them
  export PYTHONPATH TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp:die_after_fork=0"
  fires race "data race"
  silent "3.13t, ThreadSanitizer" tests/stress
}

gil=$(interpreter 3.13)
debug=$(free_threaded --debug)
free=$(free_threaded)
tsan=$(free_threaded --tsan)
# The longest first, and the two others beside it.
job debug-build debug_build "$debug"
job address address "$gil"
job thread thread "$free" "$tsan"
finish
