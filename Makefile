# The front door for who works on atomicx. Each target is one command; the layers are explained in .ci/run.
.PHONY: help check format prepare front static compile core matrix integrations examples sanitizers mutants verify speed

help:
	@echo "make check       every layer, as the project is checked before a change lands"
	@echo "make LAYER       one of: prepare front static compile core matrix integrations examples sanitizers mutants verify speed"
	@echo "make format      formats the Python and the C files"

check:
	.ci/run

prepare front static compile core matrix integrations examples sanitizers mutants verify speed:
	.ci/run $@

format:
	python3 -m ruff format .
	python3 -m ruff check --fix .
	git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i
