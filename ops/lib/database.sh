# shellcheck shell=bash
# A private PostgreSQL for measurements and fault tests: its own data directory, a unix socket, no port.

CLUSTER_READY_DEADLINE_MS=30000
CLUSTERS=()
CLUSTER_CONNINFO=""

# as_database_user COMMAND…: PostgreSQL refuses to run as root; root hands over to user postgres.
as_database_user() {
  if ((EUID == 0)); then
    setpriv --reuid postgres --regid postgres --clear-groups env --chdir=/ "$@"
  else
    "$@"
  fi
}

# start_cluster NAME [setting=value…]: its address is in CLUSTER_CONNINFO; it is stopped when the script ends.
start_cluster() {
  local name=$1 data="$RUN_DIRECTORY/$1" log="$RUN_DIRECTORY/logs/$1.log" setting options=() initdb
  shift
  mkdir -m 0700 "$data"
  ((EUID != 0)) || chown postgres: "$data"
  initdb=$(pg_program initdb)
  as_database_user "$initdb" --pgdata="$data" --auth=trust --username=postgres --encoding=UTF8 --locale=C \
    --no-sync >"$log" 2>&1 || fail "initdb failed; all it said: $log"
  for setting in "$@"; do options+=(-c "$setting"); done
  # shellcheck disable=SC2034
  CLUSTERS+=("$data")
  ON_STOP+=(stop_clusters)
  run_cluster "$data" "$log" "${options[@]}"
  CLUSTER_CONNINFO="host=$data user=postgres dbname=postgres"
  wait_until "$CLUSTER_READY_DEADLINE_MS" cluster_answers "$data" ||
    fail "PostgreSQL in $data did not start; its log: $log"
}

run_cluster() {
  local data=$1 log=$2 command
  shift 2
  command=("$(pg_program postgres)" -D "$data" -k "$data" -c listen_addresses= "$@")
  ((EUID != 0)) || command=(setpriv --reuid postgres --regid postgres --clear-groups env --chdir=/ "${command[@]}")
  spawn "$log" "${command[@]}"
}

cluster_answers() { "$(pg_program pg_isready)" --quiet --host="$1"; }

stop_clusters() {
  local data
  for data in "${CLUSTERS[@]}"; do
    [[ ! -e "$data/postmaster.pid" ]] || stop_cluster "$data"
  done
  CLUSTERS=()
}
