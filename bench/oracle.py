"""Gold novels through a perfect LLM: how far the graph is from the true one.

    KGNB_EVAL_DATA=FOLDER python bench/oracle.py [--nodes] [--show 5] [BOOK …]

FOLDER holds ``NAME.gold.json`` and ``text/NAME.txt``. The LLM answers each chunk with exactly the gold people
that stand in it and ties that it makes up for them. One row for each way to answer and each name table:

    items      one for each form that stands in the chunk, or one for each person
    names      spelt as in the gold list, or as in the text, found whatever their case
    table      the name table: none, or the pre-scan's
    people     gold characters that were answered
    ties       their relations
    off        missing, doubled and mixed up characters, missing aliases
    strict     the same, when also a name that is another node's own has to be among the aliases
    ties_off   missing, doubled and wrong relations, events and appearances
    s          seconds of the projection

``--nodes`` sends all books through real processes instead, on the embedded engines: one node in order, and
three nodes in random order; the two graphs have to be the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kgnb.book.reader import read_book
from kgnb.extract import name_scan
from tests.support.oracle import Oracle, Seen, Truth, load, problems, settled
from tests.support.oracle_run import LIMIT, Library, in_order, on_three_nodes

PLACED = ("no tie", "wrong tie", "twice", "strength", "events", "appears")


def main() -> int:
    args = arguments()
    folder = Path(os.environ.get("KGNB_EVAL_DATA") or "")
    golds = [g for g in sorted(folder.glob("*.gold.json")) if not args.books or _name(g) in args.books]
    if not os.environ.get("KGNB_EVAL_DATA") or not golds:
        raise SystemExit(
            "no *.gold.json: let KGNB_EVAL_DATA name a folder with NAME.gold.json and text/NAME.txt"
        )
    rows = on_nodes(golds) if args.nodes else (row for gold in golds for row in pure(gold))
    bad = 0
    for number, (row, found) in enumerate(rows):
        if not number:
            print(" | ".join(row))
        print(" | ".join(map(str, row.values())), flush=True)
        for one in found[: args.show]:
            print(f"    {one}")
        bad += len(found)
    return 1 if bad else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", nargs="*", help="names of the books (default: all)")
    parser.add_argument("--nodes", action="store_true", help="through real processes")
    parser.add_argument("--show", type=int, default=5, help="problems shown of each row")
    return parser.parse_args()


Row = tuple[dict[str, Any], list[str]]


def pure(gold: Path) -> Iterator[Row]:
    """One book's rows, projected in this process."""
    people, lang = load(gold)
    chapters = [(c.number, c.text) for c in read_book(_text(gold)).chapters]
    tables = {"none": [], "scan": name_scan.scan(chapters, lang)}
    cases: list[tuple[Literal["form", "person"], Literal["gold", "text"]]]
    cases = [("form", "gold"), ("person", "gold"), ("form", "text")]
    for per, spelling in cases[: 3 if lang == "en" else 2]:
        oracle = Oracle(people, lang, per=per, spelling=spelling)
        rows, truth = oracle.rows(chapters, LIMIT)
        for table, entries in tables.items():
            began = time.perf_counter()
            graph = settled(rows, entries)
            took = time.perf_counter() - began
            yield (
                {"book": _name(gold), "items": per, "names": spelling, "table": table}
                | _figures(Seen.of_graph(graph), oracle, truth)
                | {"s": round(took, 2)},
                problems(Seen.of_graph(graph), oracle, truth),
            )


def on_nodes(golds: Iterable[Path]) -> Iterator[Row]:
    """All books' rows from real nodes."""
    library = Library()
    for gold in golds:
        library.add(_text(gold), Oracle(*load(gold)))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        one = in_order(Path(folder) / "one", library)
        middle = time.perf_counter()
        three, done = on_three_nodes(Path(folder) / "three", library)
        took = {"one_s": round(middle - began), "three_s": round(time.perf_counter() - middle)}
    print("chapters of each node:", [len(chapters) for chapters in done])
    for own, graph, other in zip(library.books, one, three, strict=True):
        seen = Seen.of_export(graph)
        found = problems(seen, own.oracle, own.truth)
        yield (
            {"book": own.file.stem} | _figures(seen, own.oracle, own.truth) | {"same": graph == other} | took,
            found if graph == other else [*found, "three nodes made another graph"],
        )


def _figures(seen: Seen, oracle: Oracle, truth: Truth) -> dict[str, Any]:
    found = [problems(seen, oracle, truth, strict=strict) for strict in (False, True)]
    people = [[one for one in some if not one.startswith(PLACED)] for some in found]
    return {
        "people": len(truth.people),
        "ties": len(truth.ties),
        "off": len(people[0]),
        "strict": len(people[1]),
        "ties_off": len(found[0]) - len(people[0]),
    }


def _name(gold: Path) -> str:
    return gold.name.removesuffix(".gold.json")


def _text(gold: Path) -> Path:
    return gold.parent / "text" / f"{_name(gold)}.txt"


if __name__ == "__main__":
    sys.exit(main())
