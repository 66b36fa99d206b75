"""Asserts that cibuildwheel, as pyproject.toml configures it, would build the promised wheels and no others.

It needs cibuildwheel, and runs on any system, since it builds nothing.
"""

import subprocess
import sys

INTERPRETERS = ["cp310", "cp311", "cp312", "cp313", "cp314", "cp314t", "cp315", "cp315t"]
# How cibuildwheel names a platform and an architecture, and the tags of the wheels for them.
TARGETS = {
    ("linux", "x86_64"): ["manylinux_x86_64", "musllinux_x86_64"],
    ("linux", "aarch64"): ["manylinux_aarch64", "musllinux_aarch64"],
    ("macos", "x86_64"): ["macosx_x86_64"],
    ("macos", "arm64"): ["macosx_arm64"],
    ("windows", "AMD64"): ["win_amd64"],
    ("windows", "ARM64"): ["win_arm64"],
}


def identifiers(platform: str, architecture: str) -> set[str]:
    command = [sys.executable, "-m", "cibuildwheel", "--print-build-identifiers"]
    command += ["--platform", platform, "--archs", architecture]
    return set(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def main() -> int:
    failed = 0
    for (platform, architecture), tags in TARGETS.items():
        promised = {f"{interpreter}-{tag}" for interpreter in INTERPRETERS for tag in tags}
        found = identifiers(platform, architecture)
        print(f"{'ok' if found == promised else 'FAILED'}: {len(found)} wheels for {platform} {architecture}")
        for name in sorted(promised ^ found):
            print(f"  {name}: {'promised, and not built' if name in promised else 'built, and not promised'}")
        failed += found != promised
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
