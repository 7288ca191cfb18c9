# shellcheck shell=bash
# Rebuilding the projections, and the catalog as of a position, beside bare SQL for the same rows; `--short` for a quick look.
#
# The data, the baseline and the goals: ops/bench.d/ledger/rebuild.py.

measure() {
  local size=full
  [[ "${1:-}" != --short ]] || size=short
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/rebuild.py" \
    "$RUN_DIRECTORY/ledger" "$size"
}
