# shellcheck shell=bash
# A million events published as Delta tables, and folded by Spark: times beside what reading and writing alone take, rows beside PostgreSQL's; `--short`, `--seed N`.
#
# What is measured and how: ops/bench.d/ledger/publish.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}" "${PACKAGES_SPARK[@]}"
  need_venvs lakehouse
  release_build
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv lakehouse
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/publish.py" "$MARKETPLACE_BIN" \
    "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}
