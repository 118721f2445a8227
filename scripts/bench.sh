#!/usr/bin/env bash
# Every benchmark in one table, side by side: embedded engines and real servers. The last one: bench/RESULTS.md.
#
#   scripts/bench.sh [--quick] [--only WORD] [--peers]
#
# Makes .venv-bench, which holds kgnb and nothing it doesn't need (memory is measured), and with --peers
# .venv-bench-peers for the programs that it is compared with. Starts the real servers and stops those that it
# started; a server that can't be had leaves its column empty. KGNB_BENCH_PYTHON and KGNB_BENCH_PEERS name Pythons
# to use as they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh

PYTHON=${KGNB_BENCH_PYTHON:-}
if [[ -z $PYTHON ]]; then
  make_venv .venv-bench
  .venv-bench/bin/python -m pip install --quiet --editable '.[embedded]'
  PYTHON=.venv-bench/bin/python
fi
if [[ " $* " == *" --peers "* && -z ${KGNB_BENCH_PEERS:-} ]]; then
  make_venv .venv-bench-peers
  for peer in lightrag-hku 'neo4j-graphrag[openai]' langchain-experimental langchain-openai; do
    .venv-bench-peers/bin/python -m pip install --quiet "$peer" || echo "bench: no $peer" >&2
  done
  .venv-bench-peers/bin/python -m pip install --quiet --editable '.[embedded]'
  export KGNB_BENCH_PEERS=.venv-bench-peers/bin/python
fi

if ! scripts/services.sh status >/dev/null 2>&1; then
  trap 'scripts/services.sh stop' EXIT
fi
scripts/services.sh start >/dev/null || echo "bench: not every server can be had" >&2
set -a
# shellcheck source=/dev/null
source "${KGNB_SERVICES_DIR:-.services}/env"
set +a
"$PYTHON" bench/table.py "$@"
