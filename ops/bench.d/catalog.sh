# shellcheck shell=bash
# Search, facets and pages over 10,000 models with 100,000 versions, at the 95th of a hundred times, beside bare SQL; `--short`.
#
# What is measured and how: ops/bench.d/service/catalog.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger:$OPS_ROOT/ops/faults.d/service" "$VENV/bin/python" \
    "$OPS_ROOT/ops/bench.d/service/catalog.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}
