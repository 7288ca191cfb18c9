# shellcheck shell=bash
# The servers and environments of `ops/bench export` and `ops/bench import`: MLflow 2.22 at both ends, where the other tool
# works. Its importer writes to the artifact store itself, and finds no path
# in the source of a proxied version, so both its ends keep artifacts on their own disk for the import,
# under no folder named artifacts.

measure_copy() {
  local what=$1 models=50 rounds=9
  [[ "${2:-}" != --short ]] || { models=6 rounds=2; }
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs mlflow2 peer
  release_build
  start_cluster ledger jit=off
  launch_mlflow2 source --gunicorn-opts=--access-logfile=-
  launch_mlflow2 destination --gunicorn-opts=--access-logfile=-
  local name
  for name in direct direct-source; do
    launch_mlflow2 "$name" --gunicorn-opts=--access-logfile=- --no-serve-artifacts \
      --default-artifact-root "$RUN_DIRECTORY/$name/store"
  done
  await_mlflow source && local source=$MLFLOW_URL
  await_mlflow destination && local destination=$MLFLOW_URL
  await_mlflow direct && local direct=$MLFLOW_URL
  await_mlflow direct-source && local direct_source=$MLFLOW_URL
  venv peer
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$OPS_ROOT/ops/bench.d/transfer/beside.py" "$what" "$MARKETPLACE_BIN" \
    "$RUN_DIRECTORY" "$CLUSTER_CONNINFO" "$source" "$destination" "$direct" "$direct_source" "$VENV/bin" "$models" "$rounds"
}
