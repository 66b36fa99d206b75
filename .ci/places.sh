# Layers that run at the same time share the cores: a job takes a place when it starts and leaves it when it ends. The
# places that are free are bytes in a pipe, which the processes of a run inherit; `parallel` is their number.
parallel=${ATOMICX_CI_JOBS:-$(nproc)}
if [ -z "${ATOMICX_CI_PLACES:-}" ]; then
  mkfifo "$ATOMICX_CI_WORK/places"
  exec {ATOMICX_CI_PLACES}<>"$ATOMICX_CI_WORK/places"
  rm "$ATOMICX_CI_WORK/places"
  export ATOMICX_CI_PLACES
  printf '%*s' "$parallel" '' >&"$ATOMICX_CI_PLACES"
fi

take_place() { read -rN 1 -u "$ATOMICX_CI_PLACES" _; }
leave_place() { printf ' ' >&"$ATOMICX_CI_PLACES"; }
