#!/usr/bin/env bash
# Question 9: was an entry altered, removed, moved or put in since a checkpoint that somebody kept?
#
#   ops/audit/questions/09-unaltered.sh CHECKPOINT [marketplace option …]
#
# CHECKPOINT is a file: what lay at log/checkpoint on some day. It is compared with the published one of its size, the log of
# that size is proven to be the beginning of the newest, and every event is recomputed. Ends with 8 when anything differs.
set -euo pipefail

main() {
  local kept=$1 size said newest status=0
  shift
  size=$(sed -n 2p "$kept")
  if [[ ! $size =~ ^[1-9][0-9]*$ ]]; then
    printf '%s is no checkpoint: its second line is no size\n' "$kept" >&2
    exit 2
  fi
  said=$("${MARKETPLACE_BIN:-marketplace}" audit verify --output json "$@") || status=$?
  if ((status != 0)); then
    printf '%s\n' "$said"
    exit "$status"
  fi
  newest=$("${PYTHON:-python3}" -c 'import json, sys; print(json.load(sys.stdin)["newest_size"])' <<<"$said")
  said=$("${MARKETPLACE_BIN:-marketplace}" audit consistency "$size" "$newest" --output json "$@") || status=$?
  # 2: there is no published checkpoint of that size any more. That storage is away says nothing of what was kept.
  if ((status == 2 || status == 8)); then
    printf 'the log of %s events that the kept checkpoint is of is not the beginning of the published one\n' "$size"
    exit 8
  fi
  ((status == 0)) || exit "$status"
  "${PYTHON:-python3}" -c 'import json, sys
proof, kept = json.load(sys.stdin), open(sys.argv[1]).read()
if proof["earlier"].split("\n\n")[0] != kept.split("\n\n")[0]:
    print("the published checkpoint of that size has another root than the one that was kept")
    sys.exit(8)
print("positions 1 to " + kept.split("\n")[1] + " are what they were, as the first of " + proof["later"].split("\n")[1])
' "$kept" <<<"$said"
}

[[ $# -ge 1 ]] || {
  sed -n '2,/^set/p' "$0" | sed '$d' >&2
  exit 2
}
main "$@"
