# shellcheck shell=bash
# 64 clients that append single events over HTTP, beside pgbench into a bare table and an event store from PyPI; `--short`.
#
# What is measured and how: ops/bench.d/service/clients.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}" wrk
  need_venvs bench
  release_build
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off max_connections=200
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger:$OPS_ROOT/ops/faults.d/service" "$VENV/bin/python" \
    "$OPS_ROOT/ops/bench.d/service/clients.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$(pg_program pgbench)" "$@"
}
