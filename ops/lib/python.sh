# shellcheck shell=bash
# Python environments, kept in the user's cache and shared by every script and clone. An environment is known by the
# digest of its requirements and of the interpreter: other requirements make another one, a half-built one is built anew.

PYTHON_MINOR_MIN=10
PYTHON_MINOR_MAX=13
PYTHON=""
VENV_LOCK_DEADLINE_S=1800

python_fits() {
  "$1" -c "import sys; sys.exit(not $PYTHON_MINOR_MIN <= sys.version_info.minor <= $PYTHON_MINOR_MAX)" 2>/dev/null
}

# Finds an interpreter that can make environments; Debian keeps `ensurepip` in a package of its own.
find_python() {
  [[ -z "$PYTHON" ]] || return 0
  local candidate
  for candidate in "${MARKETPLACE_PYTHON:-}" python3.11 python3 /usr/bin/python3 python3.12 python3.10; do
    if [[ -z "$candidate" ]] || ! command -v "$candidate" >/dev/null || ! python_fits "$candidate"; then
      continue
    fi
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      PYTHON=$(command -v "$candidate")
      return
    fi
  done
  need_packages python3 python3-venv
  PYTHON=/usr/bin/python3
  python_fits "$PYTHON" || fail "Python 3.$PYTHON_MINOR_MIN to 3.$PYTHON_MINOR_MAX is needed; set MARKETPLACE_PYTHON to one"
}

# venv NAME: the directory of the environment of ops/python/requirements-NAME.txt is in VENV.
VENV=""
venv() {
  local requirements="$OPS_ROOT/ops/python/requirements-$1.txt" key
  find_python
  key=$({ "$PYTHON" -c 'import sys; print(sys.version, sys.prefix)'; cat "$requirements"; } | sha256sum)
  VENV="$OPS_CACHE/venv-$1-${key:0:12}"
}

# need_venvs NAME…: makes the environments that are not there yet, side by side.
need_venvs() {
  local name pid missing=()
  for name in "$@"; do
    venv "$name"
    [[ -e "$VENV/.complete" ]] || missing+=("$name")
  done
  if ((${#missing[@]} > 0)); then
    timed "making Python environments: ${missing[*]}" make_venvs "${missing[@]}"
  else
    say "Python environments $*: already there"
  fi
  for pid in "${VENVS_BEGUN[@]}"; do stop_group "$pid"; done
  VENVS_BEGUN=()
}

VENVS_BEGUN=()

# begin_venvs NAME…: begins to make those that are not there yet while the caller goes on, with what compiling leaves of the
# processors. need_venvs waits for them.
begin_venvs() {
  local name
  mkdir -p "$OPS_CACHE"
  for name in "$@"; do
    venv "$name"
    [[ ! -e "$VENV/.complete" ]] || continue
    spawn "$VENV.log.begun" nice flock --timeout "$VENV_LOCK_DEADLINE_S" "$OPS_CACHE/venv-$name.lock" \
      bash "$OPS_ROOT/ops/lib/make-venv.sh" "$PYTHON" "$VENV" "$OPS_ROOT/ops/python/requirements-$name.txt"
    VENVS_BEGUN+=("$LAST_PID")
  done
}

make_venvs() {
  local name pids=() i
  mkdir -p "$OPS_CACHE"
  for name in "$@"; do
    venv "$name"
    spawn "$VENV.log" flock --timeout "$VENV_LOCK_DEADLINE_S" "$OPS_CACHE/venv-$name.lock" \
      bash "$OPS_ROOT/ops/lib/make-venv.sh" "$PYTHON" "$VENV" "$OPS_ROOT/ops/python/requirements-$name.txt"
    pids+=("$LAST_PID")
  done
  for i in "${!pids[@]}"; do
    if ! wait "${pids[$i]}"; then
      venv "${@:$i+1:1}"
      tail -n 20 "$VENV.log" >&2
      fail "the Python environment could not be made; all that was said: $VENV.log"
    fi
    stop_group "${pids[$i]}"
  done
}

# A port that nobody listens on, chosen by the kernel.
free_port() {
  "$PYTHON" -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])'
}
