# shellcheck shell=bash
# A million lines appended by `events append --from`, beside COPY of the same rows into a bare table; killed, and repeated; `--short`.
#
# What is measured and how: ops/bench.d/ledger/ingest.py.

measure() {
  local size=full
  [[ "${1:-}" != --short ]] || size=short
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/ingest.py" "$MARKETPLACE_BIN" \
    "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$size"
}
