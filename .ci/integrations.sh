#!/usr/bin/env bash
# The tests that need an extra, with the extra: on 3.11 with the oldest supported release, on free-threaded 3.13 with
# the newest. Elsewhere they are skipped by name; here nothing may be missing. Then prometheus_client's own tests, from
# that release, without and with install(), with and without a segment. About four minutes.
. "$(dirname "$0")/lib.sh"

with_extras() {    # VERSION PYTHON REQUIREMENT...
  copy "$work/integrations/$1"
  cd "$work/integrations/$1"
  "$2" -m venv .venv
  ATOMICX_REQUIRE_C=1 .venv/bin/python -m pip install -qq ".[test,opentelemetry,prometheus]" "${@:3}"
  .venv/bin/python .ci/identity.py "$1" 0
  echo "::: $1, the integrations"
  ATOMICX_REQUIRE_INTEGRATIONS=1 bash .ci/tests.sh .venv/bin/python -o faulthandler_timeout=600 \
    tests/integrations tests/test_documentation.py
  echo "::: $1, prometheus_client's own tests"
  librarys_own
}

librarys_own() {
  local version
  version=$(.venv/bin/python -c 'from importlib.metadata import version; print(version("prometheus_client"))')
  .venv/bin/python -m pip download -qq --no-deps --no-binary :all: --dest library "prometheus_client==$version"
  tar -xzf library/*.tar.gz -C library --strip-components=1 --wildcards '*/tests'
  .venv/bin/python tests/integrations/librarys_own.py library
}

free=$(free_threaded)
exporter=opentelemetry-exporter-otlp-proto-http    # brings the SDK of the same release
job integrations-3.13t with_extras 3.13t "$free" "$hypothesis_313t" "$exporter"
job integrations-3.11 with_extras 3.11 "$(interpreter 3.11)" "prometheus_client==0.20.*" "$exporter==1.21.*"
finish
