#!/usr/bin/env bash
# Installs what the other layers need and a new machine lacks: clang 19 with its sanitizers, valgrind, qemu, wrk,
# free-threaded 3.13 in three builds, and the root with 3.14 and 3.15. Seconds where they are there, else about 15 minutes.
. "$(dirname "$0")/lib.sh"

for tool in python-ft python-forky; do
  [ -x "$tools/$tool" ] || die "no $tools/$tool: the folder shared belongs beside the checkout"
done
missing=()
command -v clang-19 >/dev/null || missing+=(clang-19)
command -v llvm-symbolizer-19 >/dev/null || missing+=(llvm-19)
[ -d /usr/lib/llvm-19/lib/clang/19/lib ] || missing+=(libclang-rt-19-dev)
command -v gcc >/dev/null || missing+=(build-essential)
command -v valgrind >/dev/null || missing+=(valgrind)
command -v wrk >/dev/null || missing+=(wrk)
command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
if ((${#missing[@]})); then
  echo "installing ${missing[*]}"
  apt-get -q update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# The root's package lists may have outlived their date; what they name is still there.
in_forky "$work" bash -euc 'command -v herd7 >/dev/null || {
  echo "installing herdtools7 in the forky root"
  apt-get -q -o Acquire::Check-Valid-Until=false update >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends herdtools7 >/dev/null
}'

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
