# shellcheck shell=bash
# A registry that lies: paths that climb out, listings and bodies without end, sizes, redirects, sources, names; `--short`, `--only NAME`.
#
# The lies: ops/faults.d/transfer/hostile.py.

measure() {
  start_fault_servers
  measure_faults hostile "$@"
}

# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
