# The front door for who works on atomicx. Each target is one command; the layers are explained in .ci/run.
.PHONY: help check format site prepare front static docs compile portable core matrix integrations examples sanitizers mutants verify speed

help:
	@echo "make check       every layer, as the project is checked before a change lands"
	@echo "make LAYER       one of: prepare front static docs compile portable core matrix integrations examples sanitizers mutants verify speed"
	@echo "make format      formats the Python files"
	@echo "make site        builds the documents as a site, in site/, with the extra docs"

check:
	.ci/run

prepare front static docs compile portable core matrix integrations examples sanitizers mutants verify speed:
	.ci/run $@

format:
	python3 -m ruff format .
	python3 -m ruff check --fix .

site:
	python3 -m sphinx -q -b html -W --keep-going -d build/doctrees docs site
	python3 tools/check_site.py site
