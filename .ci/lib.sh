# Shared by the layers: where the tools are, how a layer copies the tree, and how its jobs run.
#
# A layer is one script that can be called alone: it sources this file, starts its jobs and ends with
# `finish`. Nothing here writes into the checkout: every job works on its own copy.
set -euo pipefail
shopt -s inherit_errexit

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$top/tools
pyenv_versions=${PYENV_ROOT:-$HOME/.pyenv}/versions
gil_versions=(3.10 3.11 3.12 3.13)
forky_versions=(3.14 3.15)
hypothesis_313t=hypothesis==6.155.7    # the newest that installs on 3.13t without a Rust toolchain

# A layer called alone makes and removes its working folder; .ci/run makes one for all layers.
own_work=
if [ -z "${ATOMICX_CI_WORK:-}" ]; then
  own_work=$(mktemp -d)
  export ATOMICX_CI_WORK=$own_work
fi
work=$ATOMICX_CI_WORK
. "$top/.ci/places.sh"
logs=$work/logs
closing=$work/closing    # "what ran: pytest's closing line", one line per test run
pytest_closes='^(=+ )?(no tests ran|[0-9]+ [a-z]+(, [0-9]+ [a-z]+)*) in [0-9.]+s'
mkdir -p "$logs"
touch "$closing"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1

die() { echo "error: $*" >&2; exit 1; }

# copy FOLDER: copies the working tree, without what git ignores.
copy() {
  mkdir -p "$1"
  (cd "$top" && git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' path; do [ ! -e "$path" ] || printf '%s\0' "$path"; done |
    tar --null --files-from=- -cf -) | tar -xf - -C "$1"
}

# readme main|tests: prints the README's command for the main job or for the tests; its first block has these two.
readme() {
  local commands
  mapfile -t commands < <(awk '/^```sh$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$top/README.md")
  ((${#commands[@]} == 2)) || die "the README's first block should hold two commands, not ${#commands[@]}"
  [[ ${commands[0]} == *"-m atomicx verify" ]] || die "not the main job: ${commands[0]}"
  [[ ${commands[1]} == *"-m pytest" ]] || die "not the tests: ${commands[1]}"
  case $1 in
    main) echo "${commands[0]}" ;;
    tests) echo "${commands[1]}" ;;
    *) die "the README has no command called $1" ;;
  esac
}

# newcomers_version: prints the version that the README's commands get, which is whichever comes first on PATH.
newcomers_version() { python3 -c 'import sys; print("{}.{}".format(*sys.version_info))'; }

# interpreter VERSION: prints the path of a GIL build on this machine (from pyenv, or on PATH).
interpreter() {
  local path
  for path in "$pyenv_versions/$1".*/bin/python "$(command -v "python$1" || true)"; do
    if [ -x "$path" ] && [ "$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$1" ]
    then echo "$path"; return; fi
  done
  die "there is no Python $1 on this machine, and the matrix needs it"
}

# free_threaded [--debug|--tsan]: prints the path of python3.13t; builds it if it is missing.
free_threaded() { "$tools/python-ft" "$@"; }

# forky: prints the path of the root that has 3.14 and 3.15.
forky() { "$tools/python-forky"; }

# in_forky FOLDER COMMAND...: runs the command in the root, in FOLDER, which is bound there as /src. The
# mounts live in the command's own namespace: they end with it, and jobs do not see each other's mounts.
in_forky() {
  local folder=$1; shift
  unshare --mount bash -euc '
    root=$1 folder=$2; shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    mount --bind "$folder" "$root/src"
    for file in /etc/resolv.conf /etc/hosts; do
      [ ! -e "$file" ] || [ ! -e "$root$file" ] || mount --bind "$file" "$root$file"
    done
    exec chroot "$root" env -C /src PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR= "$@"
  ' in_forky "$(forky)" "$folder" "$@"
}

# job NAME COMMAND...: starts the command, with its output in a log, as soon as one of the places is free.
declare -A running=() began=()
failures=()
end() {    # PROCESS: ends it and all its descendants; stops it first, so that it starts no more of them
  local child
  kill -STOP "$1" 2>/dev/null || return 0
  for child in $(ps -o pid= --ppid "$1"); do end "$child"; done
  kill -KILL "$1" 2>/dev/null || true
}
tidy() {
  local pid
  for pid in "${!running[@]}"; do end "$pid"; done
  [ -z "$own_work" ] || rm -rf "$own_work"
}
trap tidy EXIT
trap 'exit 143' TERM INT HUP
job() {
  local name=$1; shift
  while ((${#running[@]} >= parallel)); do reap; done
  take_place
  set -m    # its own process group: a signal to ours does not reach the job, and tidy ends all of it
  (trap leave_place EXIT; "$@") >"$logs/$name.log" 2>&1 </dev/null &
  set +m
  running[$!]=$name began[$!]=$SECONDS
}

# reap: waits for one job; prints how long it took, and its log if it failed, else the log's digest.
reap() {
  local pid='' status=0 name log
  wait -n -p pid "${!running[@]}" || status=$?
  name=${running[$pid]} log=$logs/${running[$pid]}.log
  if ((status == 0)); then
    printf -- '--- %s: ok in %d s\n' "$name" $((SECONDS - began[$pid]))
    digest "$log"
  else
    failures+=("$name")
    printf -- '--- %s: FAILED (status %d) in %d s; its log:\n' "$name" "$status" $((SECONDS - began[$pid]))
    tail -n 400 "$log"
    printf -- '--- end of the log of %s\n' "$name"
  fi
  # A job announces each test run with `::: what runs`; its closing line is kept for the end of the whole run.
  awk -v closes="$pytest_closes" '/^::: / { what = substr($0, 5) }
    $0 ~ closes { gsub(/^=+ | =+$/, ""); print what ": " $0 }' "$log" >>"$closing"
  unset "running[$pid]" "began[$pid]"
}

# digest LOG: prints what matters in a green run: what was skipped, how each test run closed, each `ok:` line.
digest() {
  grep -E "^(SKIPPED|XFAIL|XPASS|FAILED|FLAKY|ok:) |$pytest_closes" "$1" || tail -n 1 "$1"
}

# finish: waits for the rest, and fails if any job failed.
finish() {
  while ((${#running[@]})); do reap; done
  ((${#failures[@]} == 0)) || die "failed: $(printf '%s; ' "${failures[@]}")"
}
