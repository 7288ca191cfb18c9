# shellcheck shell=bash
# SIGKILL or SIGTERM at every step of export, import and follow; `--signal TERM`, `--rounds N`, `--short`, `--only "NAME" MOMENT`, `--storage s3`.
#
# What a step is, and what is done at each: ops/faults.d/transfer/kill.py.

measure() {
  start_fault_servers
  if [[ " $* " =~ " --storage"[=\ ]"s3 " ]]; then
    start_fault_bucket
  fi
  measure_faults kill "$@"
}

# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
