#!/usr/bin/env bash
# A newcomer's walk, timed: README's first command in a fresh clone, a worker on real servers, a notebook pushed to
# Kaggle (a stand-in for its server on this machine; nothing leaves it).
#
#   scripts/walk.sh [DIR]      DIR keeps clone, books, graphs and logs; without it they lie in a temporary folder
#
# Walks what is committed. Prints the seconds of each step as a table at the end; stops what it started, also when a
# step fails (exit 1). Nothing lies in the checkout afterwards. Settings of kgnb in the environment are left out, so
# that no server of yours is touched. Downloads are in the steps named so; the rest needs no network.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
WORK=$(realpath -m "${1:-$(mktemp -d "${TMPDIR:-/tmp}/kgnb-walk.XXXXXX")}")
KEEP=${1:+yes}
LOG=$WORK/log.txt
CLONE=$WORK/kgnb
BIN=$CLONE/.venv/bin
LLM_PID=
STEP="begin"
ROWS=()

for name in $(compgen -e); do
  case $name in
    KGNB_PYTHON | KGNB_NEO4J_VERSION) ;;
    KG_* | KGNB_* | REDIS_* | DB_* | NEO4J_* | OPENAI_* | ANTHROPIC_* | KAGGLE_* | XDG_CONFIG_HOME) unset "$name" ;;
  esac
done
export KGNB_SERVICES_DIR=$WORK/services

finish() {
  local code=$?
  [[ -z $LLM_PID ]] || kill "$LLM_PID" 2>/dev/null || true
  [[ ! -d $KGNB_SERVICES_DIR ]] || "$CLONE/scripts/services.sh" stop 2>/dev/null || true
  if ((code != 0)); then
    tail -n 30 "$LOG" >&3
    echo "walk: failed at: $STEP" >&3
    code=1
  fi
  [[ -n $KEEP ]] || rm -rf "$WORK"
  exit "$code"
}

# step WHAT COMMAND…: runs it, its words in the log, and notes the seconds.
step() {
  local began=$EPOCHREALTIME seconds
  STEP=$1
  echo "walk: $STEP" >&2
  printf '\n--- %s\n' "$STEP" >>"$LOG"
  "${@:2}" >>"$LOG" 2>&1 </dev/null
  seconds=$(awk "BEGIN {printf \"%.1f\", $EPOCHREALTIME - $began}")
  ROWS+=("$seconds"$'\t'"$STEP")
}

check() { [[ -s $1 ]] || { echo "$1 is missing or empty"; return 1; }; }

# ---------------------------------------------------------------- README's first command

a_graph() {
  (cd "$CLONE" && bash scripts/demo.sh)
  check "$CLONE/kgnb-data-demo/graph.html"
  (cd "$CLONE" && .venv/bin/kgnb names 三国演义 --top 3 && .venv/bin/kgnb cost && .venv/bin/kgnb status)
}

build_again() {
  "$BIN/kgnb" build "$BOOK" --title 三国演义 --author 罗贯中 --provider rules --data "$WORK/again" -o "$WORK/graph.html"
  check "$WORK/graph.html"
}

# ---------------------------------------------------------------- a worker on real servers

use_servers() {
  set -a
  # shellcheck source=/dev/null
  source "$KGNB_SERVICES_DIR/env"
  KGNB_DATA=$WORK/node
  set +a
}

# An OpenAI-compatible server that costs nothing; 0.3 s an answer.
start_llm() {
  local url
  "$BIN/python" -m kgnb.llm.dryrun >"$WORK/llm" 2>>"$LOG" &
  LLM_PID=$!
  for _ in {1..100}; do
    [[ ! -s $WORK/llm ]] || break
    sleep 0.1
  done
  url=$(head -n 1 "$WORK/llm")
  [[ $url == http* ]]
  export OPENAI_BASE_URL=$url OPENAI_API_KEY=dry-run OPENAI_MODEL=dryrun KGNB_PROVIDER_NAME=dryrun
}

work() {
  "$BIN/kgnb" submit "$BOOK" --title 三国演义 --author 罗贯中 --provider dryrun
  "$BIN/kgnb" worker --drain --slots 20
}

in_neo4j() {
  "$BIN/kgnb" status
  "$BIN/python" - <<'PY'
import os
import sys

from neo4j import GraphDatabase

login = os.environ["NEO4J_USER"], os.environ["NEO4J_PASSWORD"]
asked = "MATCH (n) WITH labels(n)[0] AS label, count(*) AS found RETURN label, found ORDER BY label"
with GraphDatabase.driver(os.environ["NEO4J_URI"], auth=login) as driver:
    found = {label: count for label, count in driver.execute_query(asked).records}
print("Neo4j:", found)
sys.exit(found.get("Chapter") != 120 or found.get("Character", 0) < 100)
PY
}

# ---------------------------------------------------------------- Kaggle

install_kaggle() { (cd "$CLONE" && "$BIN/python" -m pip install --quiet '.[embedded,kaggle]'); }

push() {
  mkdir -p "$WORK/home"
  "$BIN/python" "$CLONE/tests/support/kaggle_stub.py" "$WORK/home" \
    "$BIN/kgnb" kaggle push "$BOOK" --set KG_WORKERS_PER_PROVIDER=4 -o "$WORK/kaggle-output"
  check "$WORK/kaggle-output/kgnb-report.html"
}

# ---------------------------------------------------------------- the walk

mkdir -p "$WORK"
chmod 755 "$WORK" # MariaDB has a user of its own
[[ ! -e $CLONE ]] || { echo "walk: $CLONE is there already: give another folder" >&2; exit 2; }
: >"$LOG"
exec 3>&2 # a step that fails leaves with its words still going to the log
trap finish EXIT
trap 'exit 1' INT TERM

step "git clone" git clone --quiet "$ROOT" "$CLONE"
step "README: bash scripts/demo.sh, to graph.html (with downloads)" a_graph
BOOK=$CLONE/kgnb-data-demo/三国演义.txt
step "  of these the book to its graph, installed: kgnb build" build_again
step "scripts/services.sh start, the first time (with downloads)" "$CLONE/scripts/services.sh" start
step "  stopped" "$CLONE/scripts/services.sh" stop
step "  started again" "$CLONE/scripts/services.sh" start
use_servers
step "a stand-in for an LLM: python -m kgnb.llm.dryrun" start_llm
step "kgnb submit, kgnb worker --drain: 120 chapters, 20 slots" work
step "  the graph is in Neo4j" in_neo4j
step "pip install '.[embedded,kaggle]' (with downloads)" install_kaggle
step "kgnb kaggle push, followed to its output" push

printf '\n%8s  %s\n' seconds step
printf '%s\n' "${ROWS[@]}" | awk -F '\t' '{printf "%8s  %s\n", $1, $2}'
awk -v all="$SECONDS" 'BEGIN {printf "%8d  all\n", all}'
