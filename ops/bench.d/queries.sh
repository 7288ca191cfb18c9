# shellcheck shell=bash
# The questions of ops/queries over a million events and a hundred thousand versions: times, and scans that throw away what they read; `--short`.
#
# What is measured and how: ops/bench.d/ledger/queries.py.

measure() {
  local size=full
  [[ "${1:-}" != --short ]] || size=short
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/queries.py" "$RUN_DIRECTORY/ledger" "$size"
}
