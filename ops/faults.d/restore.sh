# shellcheck shell=bash
# A base backup and archived write-ahead log, restored to moments of the past; the log comes back to what was published; `--short`, `--seed N`.
#
# What is restored, and what has to hold: ops/faults.d/audit/restore.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  RESTORE_ARCHIVE="$RUN_DIRECTORY/archive"
  mkdir -m 0700 "$RESTORE_ARCHIVE"
  ((EUID != 0)) || chown postgres: "$RESTORE_ARCHIVE"
  start_cluster ledger jit=off wal_level=replica archive_mode=on \
    "archive_command=test ! -f $RESTORE_ARCHIVE/%f && cp %p $RESTORE_ARCHIVE/%f"
  venv bench
  # Restored servers belong to the same account, and are stopped by whoever started them.
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger" "$VENV/bin/python" \
    "$OPS_ROOT/ops/faults.d/audit/restore.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$RESTORE_ARCHIVE" \
    "$(dirname "$(pg_program pg_ctl)")" "$@"
}
