# shellcheck shell=bash
# Eight workers at once on the same 200 models beside one: each exported and imported exactly once, and sooner; `--short`.
#
# What is measured and checked: ops/bench.d/transfer/workers.py.

# As many as an MLflow server starts by itself. One is kept busy by a single worker, and then bounds any number of them.
MLFLOW_PROCESSES=4

measure() {
  local workers=8 workspaces=10 models=20 rounds=3
  [[ "${1:-}" != --short ]] || { workers=4 workspaces=3 models=8 rounds=1; }
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs mlflow3
  release_build
  start_cluster ledger jit=off
  # Each worker sends a server six requests at a time, and logging takes two connections at once.
  MLFLOW_SERVER_ENVIRONMENT=("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=$((workers * 12))")
  launch_mlflow3_workspaces sources --workers "$MLFLOW_PROCESSES"
  launch_mlflow3_workspaces marketplace --workers "$MLFLOW_PROCESSES"
  MLFLOW_SERVER_ENVIRONMENT=()
  await_mlflow sources && local sources=$MLFLOW_URL
  await_mlflow marketplace && local target=$MLFLOW_URL
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$OPS_ROOT/ops/bench.d/transfer/workers.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" \
    "$CLUSTER_CONNINFO" "$workers" "$workspaces" "$models" "$rounds" "$sources" "$target"
}
