#!/usr/bin/env bash
# The C sources compile without a warning: with gcc and clang 19 against the headers of every interpreter, and with
# the gcc of the forky root against those of 3.14 and 3.15, for these two also as free-threaded builds, which have no
# interpreter here. The core also compiles alone, without Python, and so does the header of the C API, as C and as C++,
# with the whole of Python.h and with the limited API. About a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/compile"
cd "$work/compile"

# The same for the header that other extensions include. The interpreter's own headers may warn in an old standard.
cat >header.sh <<'SCRIPT'
set -euo pipefail
compile() {    # STANDARD COMPILER FLAG...: a source on standard input
  local language=c
  [[ $1 != *++* ]] || language=c++
  "${@:2}" -x "$language" -std="$1" -Isrc/atomicx/include -Wall -Wextra -Wshadow -Wpedantic -Werror -fsyntax-only -
}
for standard in c99 c11 c17 c++11 c++17 c++20; do
  compile "$standard" "$@" <<<'#include "atomicx.h"'
  if compile "$standard" "$@" <<<$'#include "atomicx.h"\nint planted(void) { int never_used; return 0; }' 2>/dev/null
  then echo "the planted warning went unnoticed in $standard"; exit 1; fi
done
SCRIPT

declare -A headers=()
for version in "${gil_versions[@]}"; do headers[$version]=$(interpreter "$version"); done
headers[3.13t]=$(free_threaded)
for name in "${!headers[@]}"; do
  headers[$name]=-I$("${headers[$name]}" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
done
# Debian's pyconfig.h includes one from a folder of the architecture; the rest of it belongs to the wrong C library.
usr=$(forky)/usr/include
for version in "${forky_versions[@]}"; do headers[$version]="-I$usr/python$version -idirafter $usr"; done

for compiler in gcc clang-19; do
  for serialized in 0 1; do
    job "$compiler, the core alone, AX_SERIALIZED=$serialized" \
      bash .ci/warning-free.sh core "$compiler" "-DAX_SERIALIZED=$serialized"
  done
  for name in "${!headers[@]}"; do
    case $name in
      3.14 | 3.15) [ "$compiler" = clang-19 ] || continue ;;
    esac
    # shellcheck disable=SC2086
    job "$compiler, $name" bash .ci/warning-free.sh "core binding" "$compiler" ${headers[$name]}
  done
  for name in "${!headers[@]}"; do
    system=${headers[$name]/#-I/-isystem }
    # shellcheck disable=SC2086
    job "$compiler, the header of the C API, $name" bash header.sh "$compiler" $system
    [ "$name" != 3.13t ] || continue    # its headers have no limited API
    # shellcheck disable=SC2086
    job "$compiler, the header of the C API, $name, limited API" \
      bash header.sh "$compiler" -DPy_LIMITED_API=0x030A0000 $system
  done
done
for version in "${forky_versions[@]}"; do
  include=-I/usr/include/python$version
  job "gcc of forky, $version" in_forky "$PWD" bash .ci/warning-free.sh "core binding" gcc "$include"
  job "gcc of forky, ${version}t" \
    in_forky "$PWD" bash .ci/warning-free.sh "core binding" gcc "$include" -DPy_GIL_DISABLED=1
  # shellcheck disable=SC2086
  job "clang-19, ${version}t" \
    bash .ci/warning-free.sh "core binding" clang-19 ${headers[$version]} -DPy_GIL_DISABLED=1
  # shellcheck disable=SC2086
  job "clang-19, the header of the C API, ${version}t" \
    bash header.sh clang-19 ${headers[$version]/#-I/-isystem } -DPy_GIL_DISABLED=1
done
finish
