#!/usr/bin/env bash
# Makes .venv with python 3.11 (or newer) and installs the pinned packages and lowtex into it. Called by the Makefile.
# PYTHON names the interpreter to use, PIP_ARGS adds options to pip (an index with CPU builds of torch, say).
set -euo pipefail
cd "$(dirname "$0")/.."
good='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

if .venv/bin/python -c "$good" >/dev/null 2>&1 && .venv/bin/python -m pip --version >/dev/null 2>&1; then
    echo "setup: .venv is there ($(.venv/bin/python --version)); bringing it in step with requirements.lock"
else
    found=
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 python; do
        if "$candidate" -c "$good" >/dev/null 2>&1; then found=$candidate; break; fi
    done
    if [ -z "$found" ]; then
        echo "setup: no usable python. lowtex needs python 3.11 or newer with its venv module:" >&2
        echo "  Debian, Ubuntu: apt install python3.11 python3.11-venv; conda: conda env create -f environment.yml;" >&2
        echo "  or name an interpreter: make $(printf '%s' "${MAKECMDGOALS:-reproduce}") PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    version=$("$found" --version)
    echo "setup: making .venv with $found ($version)"
    case $version in
        *" 3.11."*) ;;
        *) echo "setup: note: the pinned packages were tested with python 3.11, this is another" ;;
    esac
    "$found" -m venv --clear .venv
fi

count=$(grep -c '==' requirements.lock)
echo "setup: installing $count pinned packages (about 2 GB on disk; the first time this takes some minutes)"
# shellcheck disable=SC2086
.venv/bin/python -m pip install --disable-pip-version-check --no-input ${PIP_ARGS:-} --requirement requirements.lock |
    awk '!/^(Requirement already|Looking in|  Using cached|  Downloading .*metadata)/ { print "  " $0; fflush() }'
echo "setup: installing lowtex itself, in place"
PYTHONWARNINGS=ignore .venv/bin/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation --editable .
.venv/bin/python -c 'import lowtex' || { echo "setup: lowtex was installed but cannot be imported" >&2; exit 1; }
echo "setup: done in $SECONDS s, $(du -sh .venv | cut -f1) in .venv"
