# shellcheck shell=bash
# A night over 65 workspaces of 30 models: the first sync, a quiet one beside 65 bare curl searches, one after 20 promotions; `--short`.
#
# What is measured and checked: ops/bench.d/transfer/scan.py.

measure() {
  local workspaces=65 models=30
  [[ "${1:-}" != --short ]] || { workspaces=6 models=5; }
  need_packages "${PACKAGES_RUN[@]}" curl
  need_venvs mlflow3
  release_build
  start_cluster ledger jit=off
  launch_mlflow3_workspaces sources
  launch_mlflow3 marketplace
  await_mlflow sources && local sources=$MLFLOW_URL
  await_mlflow marketplace && local target=$MLFLOW_URL
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$OPS_ROOT/ops/bench.d/transfer/scan.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" \
    "$CLUSTER_CONNINFO" "$sources" "$target" "$workspaces" "$models"
}
