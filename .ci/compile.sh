#!/usr/bin/env bash
# The C sources compile without a warning: by gcc and clang 19 against the headers of every interpreter, by
# the gcc of the forky root against those of 3.14 and 3.15, these two also as free-threaded builds, which
# have no interpreter here; and the core alone, which knows no Python. Less than a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/compile"
cd "$work/compile"

# Compiles each source, and a planted warning, which must be an error.
cat >warning-free.sh <<'SCRIPT'
set -euo pipefail
shopt -s nullglob
folders=$1; shift
compile() {
  "$@" -std=c11 -O2 -Icsrc/core -Icsrc/binding -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -c -o /dev/null
}
for folder in $folders; do
  paths=(csrc/"$folder"/*.c)
  ((${#paths[@]})) || { echo "no source in csrc/$folder"; exit 1; }
  for path in "${paths[@]}"; do compile "$@" "$path"; done
done
if compile "$@" -x c - <<<'int planted(void) { int never_used; return 0; }' 2>/dev/null; then
  echo "the planted warning went unnoticed"; exit 1
fi
SCRIPT

declare -A headers=()
for version in "${gil_versions[@]}"; do headers[$version]=$(interpreter "$version"); done
headers[3.13t]=$(free_threaded)
for name in "${!headers[@]}"; do
  headers[$name]=-I$("${headers[$name]}" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
done
# Debian's pyconfig.h includes one in a folder of the architecture; all else there is the wrong C library's.
usr=$(forky)/usr/include
for version in "${forky_versions[@]}"; do headers[$version]="-I$usr/python$version -idirafter $usr"; done

for compiler in gcc clang-19; do
  for serialized in 0 1; do
    job "$compiler, the core alone, AX_SERIALIZED=$serialized" \
      bash warning-free.sh core "$compiler" "-DAX_SERIALIZED=$serialized"
  done
  for name in "${!headers[@]}"; do
    case $name in
      3.14 | 3.15) [ "$compiler" = clang-19 ] || continue ;;
    esac
    # shellcheck disable=SC2086
    job "$compiler, $name" bash warning-free.sh "core binding" "$compiler" ${headers[$name]}
  done
done
for version in "${forky_versions[@]}"; do
  include=-I/usr/include/python$version
  job "gcc of forky, $version" in_forky "$PWD" bash warning-free.sh "core binding" gcc "$include"
  job "gcc of forky, ${version}t" \
    in_forky "$PWD" bash warning-free.sh "core binding" gcc "$include" -DPy_GIL_DISABLED=1
  # shellcheck disable=SC2086
  job "clang-19, ${version}t" \
    bash warning-free.sh "core binding" clang-19 ${headers[$version]} -DPy_GIL_DISABLED=1
done
finish
