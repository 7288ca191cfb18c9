# shellcheck shell=bash
# Sixteen writers with rollbacks, pauses before the commit and killed connections, over one and many workspaces, and a tail.
#
# The long form of a test of Tests/LedgerTests (ConcurrencyTests.swift, which says what is checked): as many rounds for
# each writer as the first argument says.

WRITER_ROUNDS=600

measure() {
  local output="$RUN_DIRECTORY/logs/writers.log"
  need_swift
  need_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}"
  timed "building the tests" build_everything
  timed "16 writers, ${1:-$WRITER_ROUNDS} calls each, over 1 and over 8 workspaces" write_and_kill "$output" "${1:-$WRITER_ROUNDS}" ||
    fail "the writers did not survive; all that was said: $output"
  grep '^writers: ' "$output"
  figures "$("$PYTHON" "$OPS_ROOT/ops/faults.d/writers.py" <"$output")"
}

write_and_kill() { LEDGER_WRITER_ROUNDS=$2 swift_test --filter LedgerTests.ConcurrencyTests >"$1" 2>&1; }
