#!/usr/bin/env bash
# Other systems and processors, as far as one machine can test them. Compiled without a warning: the core for Linux
# on eight processors, macOS and Windows; the binding for macOS, Windows and ARM64; and the Visual C++ backend, by
# clang in the role of Visual C++. Run under qemu: the core for ARM64, for 32-bit ARM, and for s390x, which is
# big-endian. Run here: the Visual C++ backend, with its intrinsics built from gcc's. Takes seconds; on a new machine,
# where zig first compiles a C library for each processor, about three minutes of one core.
. "$(dirname "$0")/lib.sh"

for tool in qemu-aarch64 qemu-arm qemu-s390x clang-19; do
  command -v "$tool" >/dev/null || die "no $tool: .ci/run prepare"
done
copy "$work/portable"
cd "$work/portable"
python=$(interpreter 3.13)
zig="$PWD/.venv/bin/python -m ziglang cc"
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')

install() {
  "$python" -m venv .venv
  .venv/bin/python -m pip install -qq ziglang==0.17.1 setuptools
}

# A platform without 64-bit atomics gets a module with the GIL, and must be refused without it.
refused() {
  bash .ci/warning-free.sh core "$@" -DAX_SERIALIZED=1
  if bash .ci/warning-free.sh core "$@" -DAX_SERIALIZED=0 2>said; then echo "it compiles without the GIL"; exit 1; fi
  grep -q "64-bit atomics must be lock-free" said || { cat said; exit 1; }
  echo "ok: refused without the GIL"
}

compiled() {    # TARGET...: compiles the core, with the GIL and without it
  local target
  for target in "$@"; do
    echo "$target"
    # shellcheck disable=SC2086
    for serialized in 0 1; do bash .ci/warning-free.sh core $zig -target "$target" -DAX_SERIALIZED=$serialized; done
  done
}

binding() {    # TARGET... -- FLAG...
  local targets=()
  while [ "$1" != -- ]; do targets+=("$1"); shift; done
  shift
  for target in "${targets[@]}"; do
    echo "$target"
    # shellcheck disable=SC2086
    bash .ci/warning-free.sh binding $zig -target "$target" "$@"
  done
}

# Without __clang__ the headers assume that the compiler is Visual C++. clang lacks one of its intrinsics.
msvc_compiled() {
  mkdir msvc
  local declarations='void *memcpy(void *, const void *, size); void *memset(void *, int, size);
int memcmp(const void *, const void *, size);'
  echo "typedef unsigned __int64 size; $declarations" >msvc/string-64.h
  echo "typedef unsigned int size; $declarations" >msvc/string-32.h
  echo 'unsigned __int64 __ldar64(unsigned __int64 volatile *);' >msvc/ldar.h
  local processor bits
  for processor in x86_64 aarch64 i686; do
    [ "$processor" = i686 ] && bits=32 || bits=64
    mkdir "msvc/$processor"
    cp "msvc/string-$bits.h" "msvc/$processor/string.h"
    echo "$processor"
    bash .ci/warning-free.sh core clang-19 "--target=$processor-pc-windows-msvc" -ffreestanding -U__clang__ \
      -isystem "msvc/$processor" -include msvc/ldar.h -Wpedantic -Wno-language-extension-token
  done
}

msvc_run() {    # PROCESSOR, as Visual C++ calls it
  CC=gcc "$python" tests/core/run.py machine \
    --flags="-g -fsanitize=thread -Itests/core/msvc -D_M_$1 -DAX_ATOMIC_BACKEND=\"ax_atomic_msvc.h\""
}

emulated() {    # TARGET EMULATOR
  CC="$zig -target $1" "$python" tests/core/run.py machine --flags=-static --under "$2"
}

job portable-install install
finish
job aarch64-run emulated aarch64-linux-musl qemu-aarch64
job s390x-run emulated s390x-linux-musl qemu-s390x
job arm-run emulated arm-linux-musleabihf qemu-arm
for processor in X64 IX86 ARM64; do job "msvc-run-$processor" msvc_run "$processor"; done
job msvc-compiled msvc_compiled
job linux-compiled compiled {x86_64,aarch64,x86,riscv64,powerpc64le,powerpc64,s390x}-linux-musl \
  arm-linux-musleabihf {x86_64,aarch64}-linux-gnu
job macos-compiled compiled {x86_64,aarch64}-macos
job windows-compiled compiled {x86_64,aarch64,x86}-windows-gnu
job macos-binding binding aarch64-macos aarch64-linux-gnu -- -isystem "$headers"
job windows-binding binding x86_64-windows-gnu -- -isystem tests/core/windows -isystem "$headers"
# shellcheck disable=SC2086
job powerpc-refused refused $zig -target powerpc-linux-musleabi
finish
