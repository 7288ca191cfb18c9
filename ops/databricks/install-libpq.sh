#!/usr/bin/env bash
# Init script of the cluster: the one library that the program needs besides those of every Linux.
set -euo pipefail
ldconfig -p | grep -q 'libpq\.so\.5' && exit 0
apt-get update
apt-get install --yes --no-install-recommends libpq5
