# shellcheck shell=bash
# Sealing, verifying, proving, the past asked for and made again, beside hashing the same bytes, COPY and bare SQL; `--million`, `--short`.
#
# What is measured and how: ops/bench.d/ledger/audit.py. Needs 30 GB on the disk; `--million` 6, `--short` 2.

measure() {
  local size=full
  case "${1:-}" in
    --short | --million) size=${1#--} ;;
  esac
  need_packages "${PACKAGES_RUN[@]}" openssl
  need_venvs bench
  release_build
  start_cluster ledger shared_buffers=1GB max_wal_size=8GB checkpoint_timeout=30min jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" "$OPS_ROOT/ops/bench.d/ledger/audit.py" "$MARKETPLACE_BIN" \
    "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$size"
}
