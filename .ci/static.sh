#!/usr/bin/env bash
# What can be checked without running the code: format and lint, types and stubs, docstrings, the workflows, which
# wheels would be built, that each mutant still applies, and that the figures and plots in the documents match the
# results files. Under a minute.
. "$(dirname "$0")/lib.sh"

install() {
  "$1" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[benchmarks,checkers,test,typing]"
  rm -r build    # generated, so not to be checked
}

copy "$work/static"
cd "$work/static"
job static-install install "$(interpreter 3.13)"
finish
export PATH=$PWD/.venv/bin:$PATH

job ruff-check ruff check .
job ruff-format ruff format --check .
job clang-format find benchmarks csrc examples src tests -name '*.[ch]' -exec clang-format --dry-run -Werror {} +
job workflows check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
job issue-forms check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/{bug,feature}.yml
job dependabot check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
job zizmor zizmor --offline --no-progress --pedantic .github
job pre-commit pre-commit validate-config
job identifiers python .ci/identifiers.py
job mutants-apply python tests/mutants/gate.py --list
job mypy mypy --strict
job stubtest python -m mypy.stubtest atomicx
job pyright pyright
job docstrings python tools/docstrings.py --check
job figures python -m benchmarks quote --check
job plots python -m benchmarks plot --check
finish
