# shellcheck shell=bash
# The service asked by whoever may not, from the outside: each is refused, and told nothing.
#
# What is tried: ops/faults.d/service/auth.py.

measure() { python_over_cluster service/auth.py "$@"; }
