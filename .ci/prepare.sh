#!/usr/bin/env bash
# Installs what the other layers need and a new machine lacks: clang 19 with its sanitizers, valgrind, qemu, wrk,
# redis-server, free-threaded 3.13 in three builds, and the root with 3.14 and 3.15. Seconds if they are installed,
# else about eleven minutes.
. "$(dirname "$0")/lib.sh"

missing=()
command -v clang-19 >/dev/null || missing+=(clang-19)
command -v llvm-symbolizer-19 >/dev/null || missing+=(llvm-19)
[ -d /usr/lib/llvm-19/lib/clang/19/lib ] || missing+=(libclang-rt-19-dev)
command -v gcc >/dev/null || missing+=(build-essential)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v wrk >/dev/null || missing+=(wrk)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
command -v redis-server >/dev/null || missing+=(redis-server)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# Each of the tools calls apt-get, which refuses to run twice at once: this wrapper waits for its turn.
mkdir "$work/bin"
printf '#!/bin/sh\nexec flock "%s" "%s" "$@"\n' "$work/apt.lock" "$(command -v apt-get)" >"$work/bin/apt-get"
chmod +x "$work/bin/apt-get"
export PATH=$work/bin:$PATH

root() {
  forky
  # The root's package lists may have expired; the packages that they name still exist.
  in_forky "$work" bash -euc 'command -v herd7 >/dev/null || {
    echo "installing herdtools7 in the forky root"
    apt-get -q -o Acquire::Check-Valid-Until=false update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends herdtools7 >/dev/null
  }'
}

# The longest first; all at once, since configuring and installing keep only one core busy each.
job prepare-3.13t-tsan free_threaded --tsan
job prepare-3.13t free_threaded
job prepare-3.13t-debug free_threaded --debug
job prepare-forky root
finish

for version in "${gil_versions[@]}"; do
  path=$(interpreter "$version")
  "$path" -VV
done
for flavour in "" --debug --tsan; do
  path=$(free_threaded $flavour)
  "$path" -VV
done
for version in "${forky_versions[@]}"; do in_forky "$work" "python$version" -VV; done
gcc --version | head -n 1
clang-19 --version | head -n 1
in_forky "$work" gcc --version | head -n 1
