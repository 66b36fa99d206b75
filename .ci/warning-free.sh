#!/usr/bin/env bash
# Compiles each C source in the given folders of csrc, and a planted warning, which must be an error:
#
#   warning-free.sh "FOLDER..." COMPILER [FLAG...]     warning-free.sh "core binding" gcc -I/usr/include/python3.14
#
# Runs from the top of a tree, also in the forky root.
set -euo pipefail
shopt -s nullglob
folders=$1; shift
object=$(mktemp --suffix=.o)    # zig cannot write to /dev/null
trap 'rm -f "$object" "$object.c"' EXIT
compile() {
  "$@" -std=c11 -O2 -Icsrc/core -Icsrc/binding -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -c -o "$object"
}
for folder in $folders; do
  paths=(csrc/"$folder"/*.c)
  ((${#paths[@]})) || { echo "no source in csrc/$folder"; exit 1; }
  for path in "${paths[@]}"; do compile "$@" "$path"; done
  echo "ok: ${#paths[@]} sources of csrc/$folder"
done
echo 'int planted(void) { int never_used; return 0; }' >"$object.c"
if compile "$@" "$object.c" 2>/dev/null; then echo "the planted warning went unnoticed"; exit 1; fi
