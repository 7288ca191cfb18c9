# shellcheck shell=bash
# One file of 5 GB, beside curl, tee and sha256sum: from a plain file server, from and into MLflow, into S3, through a kill; `--short`: 200 MB.
#
# What is measured and how: ops/bench.d/transfer/stream.py. Needs four times the size on the disk.

measure() {
  local bytes=5000000000 rounds=5
  [[ "${1:-}" != --short ]] || { bytes=200000000 rounds=3; }
  need_packages "${PACKAGES_RUN[@]}" curl
  need_venvs mlflow3 s3
  release_build
  start_cluster ledger jit=off
  launch_mlflow3 source
  launch_mlflow3 destination
  start_s3_servers
  await_mlflow source && local source=$MLFLOW_URL
  await_mlflow destination && local destination=$MLFLOW_URL
  mkdir -p "$RUN_DIRECTORY/s3/rclone/exports"
  venv s3
  figures_of env PYTHONDONTWRITEBYTECODE=1 "AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY_ID" \
    "AWS_SECRET_ACCESS_KEY=$S3_SECRET_ACCESS_KEY" "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/transfer/stream.py" "$MARKETPLACE_BIN" \
    "$RUN_DIRECTORY" "$CLUSTER_CONNINFO" "$source" "$destination" "$S3_RCLONE_URL" "$bytes" "$rounds"
}
