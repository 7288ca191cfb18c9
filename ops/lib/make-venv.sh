#!/usr/bin/env bash
# make-venv.sh PYTHON DIRECTORY REQUIREMENTS: run under a lock. A directory without its mark was left by a script that
# was interrupted; it is made anew.
set -euo pipefail

python=$1 directory=$2 requirements=$3
[[ ! -e "$directory/.complete" ]] || exit 0
rm -rf "$directory"
"$python" -m venv "$directory"
"$directory/bin/pip" install --disable-pip-version-check --no-input --progress-bar off --requirement "$requirements"
touch "$directory/.complete"
