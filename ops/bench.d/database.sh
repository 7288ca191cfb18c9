# shellcheck shell=bash
# What one connection to this machine's PostgreSQL can do: single inserts with and without waiting for the disk.
#
# The floor under every other figure. The baseline is the same cluster with synchronous_commit on.

DATABASE_SECONDS=5

measure() {
  local on off
  need_packages "${PACKAGES_RUN[@]}"
  start_cluster database shared_buffers=256MB
  psql "$CLUSTER_CONNINFO" -q -c 'create table floor (n bigint generated always as identity primary key, data text)'
  echo "insert into floor (data) values (repeat('x', 200));" >"$RUN_DIRECTORY/insert.sql"
  on=$(inserts_per_second on)
  off=$(inserts_per_second off)
  printf 'single inserts, one connection: %s/s waiting for the disk, %s/s not waiting\n' "$on" "$off"
  figures "$("$PYTHON" -c 'import json, sys
on, off = map(float, sys.argv[1:])
print(json.dumps({"bench": "database", "figures": [{"name": "single-insert-async-commit", "ours": off, "baseline": on,
  "unit": "inserts/s", "ratio": round(off / on, 2), "goal": 1.0, "met": off >= on}]}))' "$on" "$off")"
}

inserts_per_second() {
  PGOPTIONS="-c synchronous_commit=$1" "$(pg_program pgbench)" --no-vacuum --time="$DATABASE_SECONDS" --client=1 \
    --file="$RUN_DIRECTORY/insert.sql" "$CLUSTER_CONNINFO" 2>>"$RUN_DIRECTORY/logs/pgbench.log" |
    sed -n 's/^tps = \([0-9]*\).*/\1/p'
}
