# shellcheck shell=bash
# Kills in the middle of `publish`: the tables stay readable, no row is there twice, and at the end they equal PostgreSQL; `--short`, `--seed N`.
#
# What is done, and how it is judged: ops/faults.d/lakehouse/publish.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}" "${PACKAGES_SPARK[@]}" openssl
  need_venvs lakehouse s3
  release_build
  start_cluster ledger jit=off
  start_s3_servers
  venv lakehouse
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger" "$VENV/bin/python" \
    "$OPS_ROOT/ops/faults.d/lakehouse/publish.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}
