# shellcheck shell=bash
# The built program: called as a user calls it, and its private PostgreSQL stopped again.

MARKETPLACE_BIN="${MARKETPLACE_BIN:-}"
MARKETPLACE_CONFIG=""

# marketplace ARGUMENTS…: shows the command as a user would type it, then runs it.
marketplace() {
  printf '\n$ marketplace %s\n' "$*"
  run_and_leave "$MARKETPLACE_BIN" --config "$MARKETPLACE_CONFIG" "$@"
}

# A private PostgreSQL outlives the command that started it, so it is stopped by the program, or by pg_ctl.
stop_private_database() {
  local data="$RUN_DIRECTORY/data/postgres/data"
  [[ -e "$data/postmaster.pid" ]] || return 0
  if [[ -x "$MARKETPLACE_BIN" ]] &&
    "$MARKETPLACE_BIN" --config "$MARKETPLACE_CONFIG" database stop >>"$RUN_DIRECTORY/logs/database-stop.log" 2>&1 &&
    [[ ! -e "$data/postmaster.pid" ]]; then
    return
  fi
  stop_cluster "$data"
}

# stop_cluster DATA_DIRECTORY: pg_ctl refuses to run as root, so it runs as the directory's owner.
stop_cluster() {
  local data=$1 owner command
  owner=$(stat --format=%U "$data")
  command=("$(pg_program pg_ctl)" stop --pgdata="$data" --mode=fast --wait --silent)
  if ((EUID == 0)); then
    command=(setpriv --reuid "$owner" --regid "$(id --group "$owner")" --clear-groups env --chdir=/ "${command[@]}")
  fi
  "${command[@]}" >>"$RUN_DIRECTORY/logs/database-stop.log" 2>&1 || warn "PostgreSQL in $data did not stop"
}

# pg_program NAME: Debian keeps the server's programs out of PATH; the newest version is taken.
pg_program() {
  local directory
  directory=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
  if [[ -x "$directory/$1" ]]; then
    printf '%s/%s' "$directory" "$1"
  else
    command -v "$1" || fail "$1 of PostgreSQL was not found"
  fi
}
