#!/usr/bin/env bash
# The C core as shipped, without Python: every schedule of its programs up to the stated bounds, the explorer's
# own self-test, the core under ThreadSanitizer, every bound of exponential buckets, and the core's orderings under
# the RC11 memory model with herd7. About a minute.
. "$(dirname "$0")/lib.sh"

copy "$work/core"
cd "$work/core"
python=$(interpreter 3.13)

herd() {
  in_forky "$PWD/tests/core/litmus" sh -c 'herd7 -model rc11.cat *.litmus' >observed
  "$python" tests/core/run.py herd observed
}

job core-explore "$python" tests/core/run.py explore --deep
job core-self-test "$python" tests/core/run.py explore --self-test
job core-threads "$python" tests/core/run.py threads
job core-table "$python" tests/core/run.py table
job core-sections "$python" tests/core/run.py sections
job core-bounds "$python" tests/core/run.py bounds
job core-herd herd
finish
