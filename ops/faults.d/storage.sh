# shellcheck shell=bash
# A thousand damages to exports in a folder and in a bucket, each of which a check has to name; `--short`, `--seed N`.
#
# The damages, and how each is judged: ops/faults.d/transfer/storage.py.

measure() {
  need_venvs s3
  start_fault_servers
  start_bucket_server
  measure_faults storage "$BUCKET_URL" "$@"
}

# moto holds objects in memory and takes any signature, so that a script can do harm behind our back.
start_bucket_server() {
  local port
  venv s3
  port=$(free_port)
  spawn "$RUN_DIRECTORY/logs/moto.log" "$VENV/bin/moto_server" --host 127.0.0.1 --port "$port"
  await_s3 moto "$port"
  BUCKET_URL="http://127.0.0.1:$port"
}

# shellcheck source=ops/lib/s3.sh
source "$OPS_ROOT/ops/lib/s3.sh"
# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
