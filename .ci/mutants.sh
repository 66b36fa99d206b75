#!/usr/bin/env bash
# Shows that the checks can fail: each bug of the catalogue is planted in a copy of the tree, and the layer that
# claims it must catch it. About six minutes.
. "$(dirname "$0")/lib.sh"

copy "$work/mutants"
cd "$work/mutants"
free=$(free_threaded)
"$free" -m venv .venv
# What the tests need, without atomicx: a mutant is tested in its own tree.
mapfile -t needed < <("$free" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["test"], sep="\n")')
.venv/bin/python -m pip install -qq "$hypothesis_313t" "${needed[@]}"
job mutants .venv/bin/python tests/mutants/gate.py --jobs "$parallel"
finish
