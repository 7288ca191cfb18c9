# shellcheck shell=bash
# Importing 50 models of 1 MB, beside mlflow-export-import and a bare threaded loop of the same requests; `--short`.
#
# What is measured and how: ops/bench.d/transfer/beside.py.

measure() { measure_copy import "$@"; }

# shellcheck source=ops/bench.d/transfer/servers.sh
source "$OPS_ROOT/ops/bench.d/transfer/servers.sh"
