# shellcheck shell=bash
# Appending to the ledger beside a bare insert, a copy and the PyPI package eventsourcing; `--short` for a quick look.
#
# The contenders, the events and the goals: ops/bench.d/ledger/append.py.

measure() {
  local size=full
  [[ "${1:-}" != --short ]] || size=short
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off max_connections=100
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/append.py" \
    "$RUN_DIRECTORY/ledger" "$size"
}
