#!/usr/bin/env bash
# Question 21: does the log that was restored equal the one that was published, and do the tables equal the log?
#
#   ops/audit/questions/21-restored.sh [marketplace option …]
#
# Run it after every restore. Ends with 8 when anything differs, and says what.
set -euo pipefail

"${MARKETPLACE_BIN:-marketplace}" audit verify "$@"
"${MARKETPLACE_BIN:-marketplace}" projections check "$@"
"${MARKETPLACE_BIN:-marketplace}" replay --quiet "$@"
