#!/usr/bin/env bash
# The site: built with warnings as errors, from the docstrings of the C module, and every link in it followed. Planted
# mistakes show that a warning is an error. Under a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/docs"
cd "$work/docs"

install() {
  "$1" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[docs]"
  rm -r build
  .venv/bin/python -c 'import atomicx; assert atomicx.backend == "c", atomicx.backend'
}

site() {    # FOLDER
  .venv/bin/python -m sphinx -q -b html -W --keep-going -d doctrees docs "$1"
}

build() {
  site "$1"
  .venv/bin/python tools/check_site.py "$1"
}

# Plants three kinds of mistakes; the build has to fail with an error that names each of them.
mistakes() {
  local warning
  printf '\n%s\n' "[nowhere](guarantees.md#nowhere)" >>docs/faq.md
  echo "# Forgotten" >docs/forgotten.md
  rm docs/changes.md
  if site "$1" >"$1.log" 2>&1; then die "the site was built with mistakes in it"; fi
  for warning in myst.xref_missing toc.not_included toc.not_readable; do
    grep -F "[$warning]" "$1.log" || { cat "$1.log"; die "a mistake was not seen: $warning"; }
  done
  echo "ok: a link to nowhere, a page out of the navigation and a missing page are errors"
}

job docs-install install "$(interpreter 3.13)"
finish
job docs-site build "$work/docs-site"
finish
job docs-mistakes mistakes "$work/docs-mistakes"
finish
