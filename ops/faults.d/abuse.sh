# shellcheck shell=bash
# The service under abuse: slow clients, floods, large and deep bodies, SIGKILL under load; it stays up or comes back, nothing is lost; `--short`.
#
# What is tried: ops/faults.d/service/abuse.py.

measure() { python_over_cluster service/abuse.py "$@"; }
