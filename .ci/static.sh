#!/usr/bin/env bash
# What can be said without running the code: format and lint, types and stubs, docstrings, and whether the
# documents' figures and plots are those of the results files. About a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/static"
cd "$work/static"
"$(interpreter 3.13)" -m venv .venv
# Pinned: a newer checker that finds more is a change of its own. The extra nodejs brings the Node.js that
# pyright runs on; without it the first run would download one.
checkers=("ruff==0.17.*" "mypy==2.4.*" "pyright[nodejs]==1.1.414")
ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[benchmarks,test,typing]" "${checkers[@]}"
rm -r build    # no source of ours
export PATH=$PWD/.venv/bin:$PATH

job ruff-check ruff check .
job ruff-format ruff format --check .
job mypy mypy --strict
job stubtest python -m mypy.stubtest atomicx
job pyright pyright
job docstrings python tools/docstrings.py --check
job figures python -m benchmarks quote --check
job plots python -m benchmarks plot --check
finish
