# shellcheck shell=bash
# What every script here shares: words on the terminal, time, the run directory, deadlines.
# Sourced, never run. A script sources only this file; it brings the others along.

OPS_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
OPS_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/model-marketplace"
RUN_DIRECTORY=""
RUN_SUCCEEDED=false

say() { printf '▸ %s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }

# Ends the script. What is running is stopped by the EXIT trap, which also names the logs.
fail() {
  printf '✗ %s\n' "$*" >&2
  exit 1
}

# Milliseconds since some fixed moment, for durations only.
now_ms() { local t="${EPOCHREALTIME/[.,]/}"; printf '%s' "$((t / 1000))"; }

# duration_since START_MS: "3 m 52 s", "4.2 s" or "80 ms".
duration_since() {
  local ms=$(($(now_ms) - $1))
  if ((ms < 1000)); then
    printf '%d ms' "$ms"
  elif ((ms < 60000)); then
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
  else
    printf '%d m %02d s' $((ms / 60000)) $((ms / 1000 % 60))
  fi
}

STEP_NAMES=()
STEP_TIMES=()

# timed NAME COMMAND…: says what it does, does it, says how long it took, in one line. For commands that say little.
timed() {
  printf '▸ %s … ' "$1"
  measured "$@" || return $?
  printf '%s\n' "${STEP_TIMES[-1]}"
}

# timed_aloud NAME COMMAND…: the same for a command with much to say.
timed_aloud() {
  say "$1 …"
  measured "$@" || return $?
  say "$1: ${STEP_TIMES[-1]}"
}

# measured NAME COMMAND…: only keeps the time, for print_times.
measured() {
  local name=$1 start status=0
  shift
  start=$(now_ms)
  "$@" || status=$?
  STEP_NAMES+=("$name")
  STEP_TIMES+=("$(duration_since "$start")")
  ((status == 0)) || printf '\n✗ %s: failed with status %d after %s\n' "$name" "$status" "${STEP_TIMES[-1]}" >&2
  return "$status"
}

print_times() {
  local i
  say "time of each part"
  for i in "${!STEP_NAMES[@]}"; do
    printf '  %-12s %s\n' "${STEP_TIMES[$i]}" "${STEP_NAMES[$i]}"
  done
}

# Everything a script writes lies in one directory that user postgres may pass through: a private cluster started
# by root runs under that user.
make_run_directory() {
  RUN_DIRECTORY="$(mktemp -d "${TMPDIR:-/tmp}/model-marketplace-$1.XXXXXX")"
  chmod 0711 "$RUN_DIRECTORY"
  mkdir "$RUN_DIRECTORY/logs"
}

# shellcheck source=ops/lib/packages.sh
source "$OPS_ROOT/ops/lib/packages.sh"
# shellcheck source=ops/lib/processes.sh
source "$OPS_ROOT/ops/lib/processes.sh"
# shellcheck source=ops/lib/python.sh
source "$OPS_ROOT/ops/lib/python.sh"
# shellcheck source=ops/lib/mlflow.sh
source "$OPS_ROOT/ops/lib/mlflow.sh"
# shellcheck source=ops/lib/s3.sh
source "$OPS_ROOT/ops/lib/s3.sh"
# shellcheck source=ops/lib/swift.sh
source "$OPS_ROOT/ops/lib/swift.sh"
# shellcheck source=ops/lib/database.sh
source "$OPS_ROOT/ops/lib/database.sh"
# shellcheck source=ops/lib/measure.sh
source "$OPS_ROOT/ops/lib/measure.sh"
# shellcheck source=ops/lib/schedules.sh
source "$OPS_ROOT/ops/lib/schedules.sh"
# shellcheck source=ops/lib/product.sh
source "$OPS_ROOT/ops/lib/product.sh"
