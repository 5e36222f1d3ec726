#!/usr/bin/env bash
# Print the path of the pinned uv, which pip installs once into .venv-uv. Usage: "$(requirements/uv.sh)" pip install ...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pinned=$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/uv.lock)
uv=$PWD/.venv-uv/bin/uv

if [ "$("$uv" --version 2>/dev/null | cut -d' ' -f2)" != "$pinned" ]; then
    python=${PYTHON:-python3}
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        "$python" -m venv --clear .venv-uv >&2
        .venv-uv/bin/python -m pip install -qq --no-deps --require-hashes -r requirements/uv.lock >&2
    elif uv=$(command -v uv); then
        : # a machine without python3-venv, whose owner has uv
    else
        printf "Python's venv is missing; install it: sudo apt-get install python3-venv\n" >&2
        exit 1
    fi
fi
printf '%s\n' "$uv"
