# shellcheck shell=bash
# No room left in the store, under PostgreSQL and for scratch files, and then room again; `--short`, `--only NAME`.
#
# The faults: ops/faults.d/transfer/disk.py. The small file systems are mounted in a mount namespace of our own, which
# takes root; nobody else sees them, and they end with it.

SMALL_STORAGE="48m"
SMALL_DATABASE="320m"
SMALL_SCRATCH="1m"
FAULTS_IN_NAMESPACE="${FAULTS_IN_NAMESPACE:-}"

measure() {
  if [[ -z "$FAULTS_IN_NAMESPACE" ]]; then
    measure_in_namespace "$@"
    return
  fi
  mount_small storage "$SMALL_STORAGE"
  mount_small database "$SMALL_DATABASE"
  mount_small scratch "$SMALL_SCRATCH"
  mkdir -p "$RUN_DIRECTORY/logs/small/database"
  FAULT_CLUSTER="small/database/ledger"
  FAULT_SETTINGS+=(max_wal_size=64MB)
  start_fault_servers
  ON_STOP+=(unmount_small)
  measure_faults disk "$(dirname "$(pg_program pg_ctl)")" "$@"
}

measure_in_namespace() {
  if ! unshare --mount --propagation private mount -t tmpfs tmpfs "$RUN_DIRECTORY" 2>/dev/null; then
    fail "mounting a small file system takes root and the right to mount, which this user does not have: nothing was tried"
  fi
  release_build
  figures_of env FAULTS_IN_NAMESPACE=1 MARKETPLACE_BIN="$MARKETPLACE_BIN" \
    unshare --mount --propagation private "$OPS_ROOT/ops/faults" disk "$@"
}

mount_small() {
  mkdir -p "$RUN_DIRECTORY/small/$1"
  chmod 0711 "$RUN_DIRECTORY/small"
  mount -t tmpfs -o "size=$2,mode=0711" tmpfs "$RUN_DIRECTORY/small/$1"
}

unmount_small() { umount --lazy "$RUN_DIRECTORY"/small/*; }

# shellcheck source=ops/faults.d/transfer/servers.sh
source "$OPS_ROOT/ops/faults.d/transfer/servers.sh"
