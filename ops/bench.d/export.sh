# shellcheck shell=bash
# Exporting 50 models of two versions of 1 MB, beside mlflow-export-import and a bare threaded loop of the same requests; `--short`.
#
# What is measured and how: ops/bench.d/transfer/beside.py.

measure() { measure_copy export "$@"; }

# shellcheck source=ops/bench.d/transfer/servers.sh
source "$OPS_ROOT/ops/bench.d/transfer/servers.sh"
