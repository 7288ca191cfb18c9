# shellcheck shell=bash
# Processes: each is started as the leader of a process group of its own, remembered, and ended with its whole
# group when the script ends, however it ends. Only what was started here is ever signalled.

STOP_DEADLINE_MS=15000
POLL_PAUSE_S=0.05

GROUPS_RUNNING=()
LAST_PID=0
ON_STOP=()

# spawn LOG COMMAND…: starts COMMAND with output to LOG. Its group is in LAST_PID. A leader of our own stands before
# COMMAND, because some servers do not end their children when they end; should the script be killed outright, the
# kernel tells the leader, and the leader tells the group.
GROUP_LEADER='trap "trap - TERM; kill -TERM 0" TERM; env --default-signal=INT,QUIT "$@" & wait "$!"'

spawn() {
  local log=$1
  shift
  setsid setpriv --pdeathsig TERM bash -c "$GROUP_LEADER" leader "$@" >>"$log" 2>&1 </dev/null &
  LAST_PID=$!
  GROUPS_RUNNING+=("$LAST_PID")
}

run_in_group() {
  setsid setpriv --pdeathsig TERM env "--default-signal=INT,QUIT" "$@" &
  LAST_PID=$!
  GROUPS_RUNNING+=("$LAST_PID")
}

# run COMMAND…: like running COMMAND, but a signal to the script ends it at once, with everything it started.
run() {
  local status=0 pid
  run_in_group "$@"
  pid=$LAST_PID
  wait "$pid" || status=$?
  stop_group "$pid"
  return "$status"
}

# run_and_leave COMMAND…: the same for a command that may leave a process running on purpose, as one that starts a
# private PostgreSQL does.
run_and_leave() {
  local status=0 pid
  run_in_group "$@"
  pid=$LAST_PID
  wait "$pid" || status=$?
  forget_group "$pid"
  return "$status"
}

forget_group() {
  local left=() other
  for other in "${GROUPS_RUNNING[@]}"; do
    [[ "$other" == "$1" ]] || left+=("$other")
  done
  GROUPS_RUNNING=("${left[@]}")
}

# True while any process of the group lives; one that has ended but was not collected yet does not count.
group_is_alive() {
  local stat fields
  kill -0 -- "-$1" 2>/dev/null || return 1
  for stat in /proc/[0-9]*/stat; do
    { read -r fields <"$stat"; } 2>/dev/null || continue
    # shellcheck disable=SC2086
    set -- "$1" ${fields##*) }
    [[ "$4" == "$1" && "$2" != [ZX] ]] && return 0
  done
  return 1
}

# wait_until DEADLINE_MS COMMAND…: polls a condition; false when the deadline passes first.
wait_until() {
  local deadline=$(($(now_ms) + $1))
  shift
  until "$@"; do
    (($(now_ms) < deadline)) || return 1
    sleep "$POLL_PAUSE_S"
  done
}

group_is_gone() { ! group_is_alive "$1"; }

# stop_group PID: asks the group to end, waits for it, and insists when the deadline passes.
stop_group() {
  local pid=$1
  if group_is_alive "$pid"; then
    kill -TERM -- "-$pid" 2>/dev/null || true
    if ! wait_until "$STOP_DEADLINE_MS" group_is_gone "$pid"; then
      kill -KILL -- "-$pid" 2>/dev/null || true
      wait_until "$STOP_DEADLINE_MS" group_is_gone "$pid" || warn "process group $pid did not end"
    fi
  fi
  wait "$pid" 2>/dev/null || true
  forget_group "$pid"
}

# Everything is asked to end before any is waited for, so that stopping takes as long as the slowest.
stop_all() {
  local pid command
  for command in "${ON_STOP[@]}"; do "$command" || true; done
  ON_STOP=()
  for pid in "${GROUPS_RUNNING[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in "${GROUPS_RUNNING[@]}"; do stop_group "$pid"; done
}

# The EXIT trap of every script: stop, then say where the logs are, or clean up after success.
finish() {
  local status=$?
  trap '' INT TERM
  trap - EXIT
  stop_all
  if [[ -n "$RUN_DIRECTORY" && -d "$RUN_DIRECTORY" ]]; then
    if $RUN_SUCCEEDED && [[ "${KEEP_RUN_DIRECTORY:-}" != 1 ]]; then
      rm -rf "$RUN_DIRECTORY"
    elif $RUN_SUCCEEDED; then
      say "kept: $RUN_DIRECTORY"
    else
      warn "logs and data of this run: $RUN_DIRECTORY"
    fi
  fi
  exit "$status"
}

stop_on_exit() {
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Stays until a signal comes or one of the servers ends by itself.
wait_for_signal() {
  wait -n "${GROUPS_RUNNING[@]}" || true
  fail "a server ended by itself; its log is in $RUN_DIRECTORY/logs"
}

# expect_success PID WHAT LOG_NAME: waits for a spawned command and ends the script if it failed.
expect_success() {
  local log="$RUN_DIRECTORY/logs/$3.log"
  if ! wait "$1"; then
    tail -n 20 "$log" >&2
    fail "$2 failed; its log: $log"
  fi
  stop_group "$1"
}
