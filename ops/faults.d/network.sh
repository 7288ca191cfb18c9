# shellcheck shell=bash
# Wires reset, dark, slow or lying, PostgreSQL and MLflow killed and back, under a running sync; `--short`, `--only NAME`.
#
# The faults: ops/faults.d/transfer/network.py.

measure() {
  start_fault_servers
  measure_faults network "${MLFLOW_GROUP[source]}" "${MLFLOW_GROUP[marketplace]}" "$(dirname "$(pg_program pg_ctl)")" "$@"
}

# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
