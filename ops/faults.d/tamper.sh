# shellcheck shell=bash
# What a superuser of the database, or whoever can write to storage, does to the log; `audit verify` has to name each; `--short`, `--seed N`.
#
# The manipulations, and how each is judged: ops/faults.d/audit/tamper.py.

measure() { python_over_cluster audit/tamper.py "$@"; }
