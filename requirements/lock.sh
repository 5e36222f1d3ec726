#!/usr/bin/env bash
# Renew the locks after a change of a .in file: `make locks`. A pin that still satisfies its .in file is kept; delete its lines
# from the lock to take the newest release. Both locks are universal (Python 3.11 to 3.13) and carry the hash of every file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
compile() {
    "$(./uv.sh)" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command 'make locks' "$@"
}
compile --excludes excludes.txt --overrides overrides.txt pipeline.in -o pipeline.lock
compile airflow.in -o airflow.lock
