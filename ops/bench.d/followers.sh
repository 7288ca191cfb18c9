# shellcheck shell=bash
# Ten thousand followers who wait, some who do not read, and how long an event takes to them; `--short`.
#
# What is measured and how: ops/bench.d/service/followers.py.

measure() {
  need_packages "${PACKAGES_RUN[@]}"
  need_venvs bench
  release_build
  start_cluster ledger jit=off
  ulimit -n "$(ulimit -H -n)"
  venv bench
  figures_of env PYTHONDONTWRITEBYTECODE=1 "PYTHONPATH=$OPS_ROOT/ops/bench.d/ledger:$OPS_ROOT/ops/faults.d/service" "$VENV/bin/python" \
    "$OPS_ROOT/ops/bench.d/service/followers.py" "$MARKETPLACE_BIN" "$RUN_DIRECTORY" "$RUN_DIRECTORY/ledger" "$@"
}
