# shellcheck shell=bash
# What a superuser of the database, or whoever can write to storage, does to the log; `audit verify` has to name each; `--short`, `--seed N`.
#
# The manipulations, and how each is judged: ops/faults.d/audit/tamper.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  start_cluster ledger jit=off
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger" "$VENV/bin/python" \
    "$OPS_ROOT/ops/faults.d/audit/tamper.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}
