#!/usr/bin/env bash
# The front door, as a newcomer meets it: the two commands in the README's first code block, taken from
# there, each in a fresh copy of the tree. About four minutes.
. "$(dirname "$0")/lib.sh"

mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$top/README.md")
((${#commands[@]} == 2)) || die "the README's first block should hold two commands, not ${#commands[@]}"
main=${commands[0]} tests=${commands[1]}
[[ $main == *"-m atomicx verify" ]] || die "not the main job: $main"
[[ $tests == *"-m pytest" ]] || die "not the tests: $tests"

in_copy() {    # FOLDER COMMAND
  copy "$work/front/$1"
  cd "$work/front/$1"
  echo "\$ $2"
  echo "::: the README's command ($1)"
  timeout --kill-after=30 1500 bash -euc "$2"
}

# Status 3 is INCONCLUSIVE, a control that stayed silent, as it may on a busy machine: more time, once.
main_job() {
  in_copy main "$main" || { (($? == 3)) && .venv/bin/python -m atomicx verify --seconds 120; }
}

tests_job() {
  in_copy tests "$tests" || { (($? == 1)) && bash .ci/tests.sh .venv/bin/python --last-failed; }
}

job front-tests tests_job
finish
job front-main main_job    # alone: it measures what threads do to each other
finish
