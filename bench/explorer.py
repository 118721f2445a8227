"""The explorer: weight of the page, first paint, frames per second, search, and book.at() chapter by chapter.

    python bench/explorer.py BOOK.txt … [--people 5000]

The book is built by the rules. First paint is chromium's; a frame is a step of a pan or a zoom at 300 drawn
people, counted over two seconds; a keystroke is the page's own answer to a name typed on, in a made-up
book of ``--people`` people; at() is its whole graph as of each chapter, after the first.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import argument_parser

from kgnb.graph.book_history import book_history
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.render.explorer import page as explorer
from tests.support.browser import chromium
from tests.support.explorer_walk import Reader, built

PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
MANY = "m => { m.value = 300; m.dispatchEvent(new Event('input')) }"
FRAMES = """kind => new Promise(done => {
  const cy = document.getElementById('graph')._cyreg.cy, started = performance.now();
  let frames = 0;
  function step() {
    const passed = performance.now() - started;
    if (passed > 2000) { done(frames / passed * 1000); return; }
    frames += 1;
    if (kind === 'pan') cy.panBy({ x: frames % 40 < 20 ? 6 : -6, y: 3 * Math.sign(Math.sin(frames / 9)) });
    else cy.zoom({ level: 0.6 + 0.4 * Math.abs(Math.sin(frames / 30)), renderedPosition: { x: 40, y: 30 } });
    requestAnimationFrame(step);
  }
  requestAnimationFrame(step);
})"""
KEYS = """text => Array.from(text).map((_, i) => {
  const box = document.getElementById('search'), started = performance.now();
  box.value = text.slice(0, i + 1);
  box.dispatchEvent(new Event('input'));
  return performance.now() - started;
})"""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("books", nargs="+", type=Path)
    parser.add_argument("--people", type=int, default=5000)
    args = parser.parse_args()
    for browser in chromium():
        for path in args.books:
            print(path.stem, measured(browser, path), flush=True)
        print(args.people, "people, ms a keystroke (most):", keystroke(browser, args.people))


def measured(browser: Any, path: Path) -> dict[str, Any]:
    """The figures of a book."""
    with tempfile.TemporaryDirectory() as folder:
        one = built(path, Path(folder))
        reader = Reader(browser, one.page)
        paint = reader.page.evaluate(PAINT)
        reader.page.eval_on_selector("#many", MANY)
        reader.page.wait_for_timeout(500)
        found = {"MB": round(one.page.stat().st_size / 1e6, 2), "first paint ms": round(paint)}
        found |= {f"{kind} frames/s": round(reader.page.evaluate(FRAMES, kind)) for kind in ("pan", "zoom")}
        reader.close()
        book, times = one.book, list[float]()
        for number in range(1, len(one.texts) + 1):
            started = time.perf_counter()
            book.at(number).graph()
            times.append(1000 * (time.perf_counter() - started))
        rest = times[1:] or times
        return found | {"at() ms, median": round(statistics.median(rest)), "most": round(max(rest))}


def keystroke(browser: Any, count: int) -> float:
    """Milliseconds of the slowest letter of a name that is typed."""
    graph = Graph()
    for number in range(count):
        facts: dict[str, Any] = {"name": f"Person Number {number}", "chapters": [1], "count": 1}
        graph.nodes["Character", facts["name"]] = GraphNode("Character", facts["name"], facts)
        if number:
            ends = ("Character", facts["name"]), ("Character", f"Person Number {number // 3}")
            tie: dict[str, Any] = {"chapters": [1], "count": 1, "strength": 3, "extracted_by": "rule"}
            edge = GraphEdge(ends[0], "KNOWS", ends[1], tie)
            graph.edges[edge.ref] = edge
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "many.html"
        page.write_text(explorer.html(graph, book_history(graph, (), {}), title="many"), "utf-8")
        reader = Reader(browser, page)
        slowest = float(max(reader.page.evaluate(KEYS, "Person Number 4999")))
        reader.close()
    return round(slowest, 1)


if __name__ == "__main__":
    main()
