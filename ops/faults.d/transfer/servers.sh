# shellcheck shell=bash
# What ops/faults kill, network and disk start: one MLflow as the source, one as the marketplace, a PostgreSQL; and how
# they end, with the evidence kept when anything did not survive.

FAULT_CLUSTER="ledger"
FAULT_SETTINGS=(fsync=off)

start_fault_servers() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs mlflow3
  release_build
  start_cluster "$FAULT_CLUSTER" "${FAULT_SETTINGS[@]}"
  launch_mlflow3_workspaces source
  launch_mlflow3_workspaces marketplace
  await_mlflow source && SOURCE_URL=$MLFLOW_URL
  await_mlflow marketplace && TARGET_URL=$MLFLOW_URL
}

# What the program exports into a bucket lies in rclone's folder, where it can be harmed and read past the server.
start_fault_bucket() {
  need_venvs s3
  start_rclone
  export S3_RCLONE_URL AWS_ACCESS_KEY_ID="$S3_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY="$S3_SECRET_ACCESS_KEY"
}

# measure_faults NAME [argument…]: runs ops/faults.d/transfer/NAME.py. It stands on the client and the program of the
# measurements of ops/bench.
measure_faults() {
  local name=$1
  shift
  figures_of env PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$OPS_ROOT/ops/bench.d/transfer" \
    "$PYTHON" "$OPS_ROOT/ops/faults.d/transfer/$name.py" \
    "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/$FAULT_CLUSTER" "$SOURCE_URL" "$TARGET_URL" "$@"
  all_survived || {
    keep_figures faults "$name"
    fail "not everything survived; what happened and how to have it again is said above"
  }
}

all_survived() {
  "$PYTHON" -c 'import json, sys
sys.exit(any(each["survived"] < each["tried"] for each in json.load(open(sys.argv[1]))["figures"]))' \
    "$RUN_DIRECTORY/figures.json"
}
