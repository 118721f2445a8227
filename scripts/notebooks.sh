#!/usr/bin/env bash
# quickstart, worker and explore as single files that need no checkout: each carries kgnb's wheel.
#
#   scripts/notebooks.sh [DIR [--pypi]]   writes them to DIR (dist/notebooks); a release attaches them.
#                                         --pypi: once this version is there, they install it in one line
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
if [[ -z ${KGNB_PYTHON:-} ]]; then
  make_venv .venv
  .venv/bin/python -m pip install --quiet '.[embedded]' 'hatchling>=1.25'
fi
PYTHONPATH=$PWD "${KGNB_PYTHON:-.venv/bin/python}" scripts/notebooks.py "${1:-dist/notebooks}" "${@:2}"
