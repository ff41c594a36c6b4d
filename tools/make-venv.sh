#!/bin/sh
# Makes .venv with plain venv and pip, or mends it, and installs what is named (`.` or `.[dev]`) at the versions
# of constraints.txt. usage: tools/make-venv.sh REQUIREMENT
set -eu

cd "$(dirname "$0")/.."
usable='import sys, pip; sys.exit(sys.version_info < (3, 12))'

if ! .venv/bin/python -c "$usable" >/dev/null 2>&1; then
    python=$(sh tools/find-python.sh)
    echo "Making .venv with $python"
    "$python" -m venv --clear .venv
fi

echo "Installing $1 into .venv (once; a minute or two)"
log=.venv/install.log
if ! .venv/bin/python -m pip install --no-input --progress-bar off --disable-pip-version-check \
    --constraint constraints.txt --editable "$1" >"$log" 2>&1; then
    grep -E '^ *ERROR|depends on|The user requested' "$log" | tail -n 12 >&2
    echo "ChargeSentinel could not be installed into .venv (the whole story: $log). The first time needs a" \
        "package index within reach; run make again." >&2
    exit 2
fi
