#!/usr/bin/env bash
# Shows that the checks can fail: each bug of the catalogue is planted in a copy of the tree, and the layer that
# claims it must catch it. About six minutes.
. "$(dirname "$0")/lib.sh"

copy "$work/mutants"
cd "$work/mutants"
free=$(free_threaded)
"$free" -m venv .venv
ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test]" "$hypothesis_313t"
.venv/bin/python -m pip uninstall -qqy atomicx-cells    # a mutant is tested in its own tree
job mutants .venv/bin/python tests/mutants/gate.py --jobs "$parallel"
finish
