#!/usr/bin/env bash
# Question 19: a copy, for people and for programs, that can be verified without this software.
#
#   ops/audit/questions/19-copy.sh MODEL FOLDER [marketplace option …]
#
# Writes FOLDER/MODEL.zip, the evidence of one model with a summary to read, and FOLDER/ledger.log, the whole log; both hold or
# go with verify.py, which needs Python alone.
set -euo pipefail

main() {
  local model=$1 folder=$2
  shift 2
  mkdir -p "$folder"
  "${MARKETPLACE_BIN:-marketplace}" audit bundle "$model" "$folder/${model//\//-}.zip" "$@"
  "${MARKETPLACE_BIN:-marketplace}" audit export "$folder/ledger.log" "$@"
  cp "$(dirname "${BASH_SOURCE[0]}")/../verify.py" "$folder"
  # One of the log's keys has signed it; others may be former ones.
  local key
  while IFS= read -r key; do
    if "${PYTHON:-python3}" "$folder/verify.py" "$folder/ledger.log" "$key"; then return; fi
  done < <("${MARKETPLACE_BIN:-marketplace}" audit keys "$@")
  exit 8
}

[[ $# -ge 2 ]] || {
  sed -n '2,/^set/p' "$0" | sed '$d' >&2
  exit 2
}
main "$@"
