# shellcheck shell=bash
# Wires reset, dark, slow or lying, PostgreSQL and MLflow killed and back, under a running sync; `--short`, `--only NAME`.
#
# The faults: ops/faults.d/transfer/network.py.

# A crash of PostgreSQL must not depend on what the system has not written yet, so these cases write as a real server does.
measure() {
  FAULT_SETTINGS=(fsync=on)
  start_fault_servers
  measure_faults network "${MLFLOW_GROUP[source]}" "${MLFLOW_GROUP[marketplace]}" "$(dirname "$(pg_program pg_ctl)")" "$@"
}

# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
