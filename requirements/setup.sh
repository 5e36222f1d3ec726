#!/usr/bin/env bash
# Makes .venv (pipeline) and .venv-airflow from the locks, and Airflow's database. Run it as often as you like:
# what is done already is recognised by a stamp, and what a killed run left half-done is made anew.
# Usage: requirements/setup.sh     PYTHON=/path/to/python3.12 names another Python (3.11 to 3.13).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$PWD
var=${PMRS_VAR:-$here/var}
log=$var/logs/setup.log
# A caller's own Python settings must not leak into the environments.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 UV_NO_PROGRESS=1 UV_PYTHON_INSTALL_DIR=$here/.python
# cron and containers run in the POSIX locale, in which a folder called "é" cannot be named
export LC_ALL=C.UTF-8

die() { printf 'setup: %s\n' "$*" >&2; exit 1; }
say() { printf 'setup: %s\n' "$*"; }

# logged WHAT COMMAND...: the command's output goes to the log; if it fails, the log's tail says why.
logged() {
    local what=$1 started=$SECONDS; shift
    printf 'setup: %s ... ' "$what"
    printf '\n== %s: %s\n' "$what" "$*" >>"$log"
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        printf 'failed\n'
        tail -n 15 "$log" >&2
        die "$what failed; the whole output is in $log. Mend the cause and run it again: it goes on from here."
    fi
    printf '%d s\n' $((SECONDS - started))
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# Python 3.11 to 3.13: PYTHON's, one on the PATH, else one that uv fetches.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if fits "$candidate"; then "$candidate" -c 'import sys; print(sys.executable)'; return; fi
    done
    [ -z "${PYTHON:-}" ] || die "PYTHON names $PYTHON, which is not a Python of 3.11, 3.12 or 3.13."
    "$uv" python install 3.12 >>"$log" 2>&1 &&
        "$uv" python find --managed-python 3.12 2>>"$log" ||
        die "Python 3.11, 3.12 or 3.13 is missing, and none could be fetched ($log says why); install it: sudo apt-get install python3 python3-venv"
}

# pip and uv read different settings: where an operator has given pip a mirror, uv uses it too.
share_mirror() {
    local mirror=${PIP_INDEX_URL:-}
    [ -n "$mirror" ] || mirror=$(.venv-uv/bin/python -m pip config get global.index-url 2>/dev/null) || true
    [ -z "$mirror" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$mirror}
}

check_machine() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "this needs Linux on x86-64, and this is $(uname -s) on $(uname -m)."
    local glibc
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2) || true
    [ -n "$glibc" ] || die "this needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04 or later), and there is none here."
    [ "$(printf '%s\n2.35\n' "$glibc" | sort -V | head -n 1)" = 2.35 ] ||
        die "this needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04 or later), and this is $glibc."
}

check_tools() {
    local tool
    for tool in git make; do
        command -v $tool >/dev/null || die "$tool is missing; install it: sudo apt-get install $tool"
    done
    "$python" -c 'import ctypes; ctypes.CDLL("libcurl.so.4")' 2>/dev/null ||
        die "libcurl.so.4, which the embedded MongoDB needs, is missing; install it: sudo apt-get install libcurl4"
}

check_disk() {
    local free
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free" -ge 5 ] || die "$here has $free GiB free, and 5 are needed (10 where torch comes with CUDA); make room."
    [ "$free" -ge 12 ] || say "note: $free GiB free; where torch is served with CUDA, set-up takes up to 10 of them."
}

# What is begun is not made yet. A link is taken away as a link: what it points to is another's.
begun() { if [ -L "$1" ]; then rm "$1"; else rm -f "$1/.stamp"; fi; }

# stamp_of FILES...: what an environment was made of: the files, the Python, and the place (a venv cannot be moved).
stamp_of() { { cat "$@"; "$python" -V; printf '%s' "$here"; } | sha256sum | cut -c1-64; }

current() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

install() {
    local env=$1; shift
    share_mirror
    "$uv" pip install --python "$env/bin/python" "$@"
}

# By pip, which also reads a machine's own wheels of torch, and without hashes (torch.in says why).
install_torch() {
    local pins
    pins=$(mktemp)
    sed -n 's/^\([a-zA-Z0-9_.-]*==[^ ;]*\).*/\1/p' requirements/pipeline.lock >"$pins"
    .venv/bin/python -m pip install -r requirements/torch.in -c "$pins"
    rm -f "$pins"
}

make_pipeline() {
    local stamp
    stamp=$(stamp_of requirements/pipeline.lock requirements/torch.in)
    if ! current .venv/.stamp "$stamp"; then
        check_disk
        begun .venv
        logged "pipeline environment (.venv), new" "$uv" venv --quiet --clear --seed --python "$python" .venv
        logged "pipeline packages, some 100" install .venv --no-deps --require-hashes -r requirements/pipeline.lock
        logged "torch" install_torch
        check_mongod
        printf '%s\n' "$stamp" >.venv/.stamp
    fi
    stamp=$(stamp_of pyproject.toml .venv/.stamp)
    if ! current .venv/.stamp-pmrs "$stamp"; then
        logged "the pmrs command" install .venv --no-deps --no-build-isolation -e .
        printf '%s\n' "$stamp" >.venv/.stamp-pmrs
    fi
}

compile_kernels() {
    local stamp
    stamp=$(stamp_of .venv/.stamp models/als_kernel.py)
    if ! current .venv/.stamp-kernels "$stamp"; then
        .venv/bin/python -m jobs.cli.compile_kernels >"$var/logs/kernels.log" 2>&1 </dev/null
        printf '%s\n' "$stamp" >.venv/.stamp-kernels
    fi
}

check_mongod() {
    local missing
    missing=$(ldd .venv/lib/python3.*/site-packages/fiftyone/db/bin/mongod | awk '/not found/ {print $1; exit}')
    case "$missing" in
    "") ;;
    libcurl*) die "the embedded MongoDB misses $missing; install it: sudo apt-get install libcurl4" ;;
    libssl* | libcrypto*) die "the embedded MongoDB misses $missing; install it: sudo apt-get install libssl3" ;;
    *) die "the embedded MongoDB misses the shared library $missing; install the package that has it (apt-file search $missing)." ;;
    esac
}

make_airflow() {
    local stamp
    stamp=$(stamp_of requirements/airflow.lock)
    if ! current .venv-airflow/.stamp "$stamp"; then
        check_disk
        begun .venv-airflow
        logged "Airflow environment (.venv-airflow), new" "$uv" venv --quiet --clear --python "$python" .venv-airflow
        logged "Airflow packages, some 140" install .venv-airflow --no-deps --require-hashes -r requirements/airflow.lock
        printf '%s\n' "$stamp" >.venv-airflow/.stamp
    fi
    stamp=$(stamp_of .venv-airflow/.stamp)
    if ! current "$var/airflow/.stamp" "$stamp" || [ ! -s "$var/airflow/airflow.db" ]; then
        logged "Airflow's database" .venv/bin/python -m jobs.cli.airflow
        printf '%s\n' "$stamp" >"$var/airflow/.stamp"
    fi
}

check_machine
mkdir -p "$var/logs"
# Two set-ups at once would clear each other's work: the second waits.
exec 9>"$var/logs/setup.lock"
flock 9
uv=$(requirements/uv.sh) || exit 1
python=$(find_python)
check_tools
make_pipeline
# compiled once per environment, while Airflow is installed
compile_kernels 9>&- &
compiling=$!
trap 'kill "$compiling" 2>/dev/null || true' EXIT
make_airflow
wait "$compiling" || die "the kernels of librosa and ALS could not be compiled; $var/logs/kernels.log says why."
