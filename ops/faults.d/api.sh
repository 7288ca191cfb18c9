# shellcheck shell=bash
# The service attacked by schemathesis from the description that it serves, half an hour, all checks; `--short`, `--seconds N`, `--seed N`.
#
# What is expected of it: ops/faults.d/service/api.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs service
  release_build
  start_cluster ledger jit=off
  venv service
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger" "$VENV/bin/python" \
    "$OPS_ROOT/ops/faults.d/service/api.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$VENV/bin/schemathesis" "$@"
}
