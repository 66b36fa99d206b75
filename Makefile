# The entry point for anyone who works on atomicx. Each target is one command; .ci/run lists and explains the layers.
LAYERS := $(shell .ci/run --list)
.PHONY: help setup quick lint fast check format site subjects endurance $(LAYERS)

help:
	@echo "make setup       an environment in .venv with all that is needed, and the hook for commits"
	@echo "make quick       lint and fast at once: less than five minutes, without root"
	@echo "make lint        the hook's checks, over all files"
	@echo "make fast        the tests with the C module, without those that take long"
	@echo "make check       every layer, as the project is checked before a change lands"
	@echo "make LAYER       one of: $(LAYERS)"
	@echo "make format      formats the Python and the C files"
	@echo "make subjects    gives every broken and every correct cell of tests/subjects to verify: a table of verdicts"
	@echo "make endurance   10,000 workers that come and go in a segment, killed, interrupted and forked; subjects with 20 seeds, 20 runs of verify: hours"
	@echo "make site        builds the documents as a site, in site/, with the extra docs"

PYTHON ?= python3
quick lint fast format site: export PATH := $(CURDIR)/.venv/bin:$(PATH)

setup:
	$(PYTHON) -m venv .venv
	ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install --editable ".[checkers,cli,docs,opentelemetry,prometheus,test,typing]"
	.venv/bin/pre-commit install

quick:
	$(MAKE) --no-print-directory --jobs=2 lint fast

lint:
	pre-commit run --all-files

# What takes long stays out: the schedules of the core, the verifier, races, programs in processes of their own, and other
# libraries. So do the runs with the twin, apart from the tests that compare it with the C module. `python -m pytest`
# runs all of it.
LONG := tests/test_core.py tests/verify tests/stress tests/lifecycle tests/integrations
fast:
	ATOMICX_PURE=0 python -m pytest $(LONG:%=--ignore=%)

check:
	.ci/run

$(LAYERS):
	.ci/run $@

format:
	python3 -m ruff format .
	python3 -m ruff check --fix .
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

subjects:
	$(PYTHON) -m tests.subjects

endurance:
	PYTHONPATH=tests $(PYTHON) -m shared.endurance 10000
	$(PYTHON) -m tests.subjects.endurance

site:
	python3 -m sphinx -q -b html -W --keep-going -d build/doctrees docs site
	python3 tools/check_site.py site
