"""Scores the rules' names against gold lists: ``python bench/quality.py [SHARED] [--show] [--pairs N]``, or
with ``--noisy`` those of finished graphs whose replies err (noisy_replies.py).

SHARED holds ``eval_characters.py`` and ``data/novels`` (default: ``../shared`` beside the checkout); ``--text
FILE --lang zh|en`` measures a book without a gold list instead. One row a book: recall, precision, merged,
false merges; relations; seconds and speed of the whole run, start-up included, and its peak memory.

Each book is read by a fresh Python that is set up as kgnb's worker processes are on two processors: the
pre-scan in it and its forks, then half of the chapters there and half in a fork of it. Seconds run from
before that Python's start until its last relation is there; memory is the sum of two processes' peaks.
kgnb's bytecode is written first, as pip does.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import json
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import noisy_replies
from one_book import chapters_of

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


if TYPE_CHECKING:
    from kgnb.core.labels import Lang
    from kgnb.graph.model import Graph


def judge_of(shared: Path) -> ModuleType:
    """The shared evaluation script as a module."""
    spec = importlib.util.spec_from_file_location("eval_characters", shared / "eval_characters.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no eval_characters.py in {shared}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the run of one book, in a Python of its own ---


def burnt() -> float:
    """Processor seconds of all this process's children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run_book(path: Path, lang: Lang) -> dict[str, Any]:
    """What one_book.py finds in a fresh Python; ``all_s`` is the time until its result, its start included,
    ``cpu_s`` the processor time of its processes, which a busy machine changes less."""
    began, before = time.perf_counter(), burnt()
    command = [sys.executable, str(ROOT / "bench" / "one_book.py"), str(path), lang]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # the run is over; what follows is only carried here
        took = time.perf_counter() - began
        payload = child.stdout.read()
    if child.returncode:
        raise SystemExit(child.returncode)
    found: dict[str, Any] = pickle.loads(payload)
    return found | {"all_s": took, "cpu_s": burnt() - before}


# --- the report ---


def row(name: str, length: int, found: dict[str, Any], score: dict[str, Any]) -> dict[str, object]:
    """One book's row."""
    return {
        "book": name,
        "chars": length,
        **{k: score.get(k) for k in ("recall", "precision", "merged", "false_merges")},
        "relations": sum(len(x.relations) for x in found["extractions"]),
        "scan_s": round(found["scan_s"], 2),
        "all_s": round(found["all_s"], 2),
        "cpu_s": round(found["cpu_s"], 2),
        "chars_per_s": round(length / found["all_s"]),
        "peak_mb": round(found["kib"] / 1024),
    }


def score_of(
    gold: dict[str, Any], found: dict[str, Any], text: str, judge: ModuleType, *, show: bool
) -> dict[str, Any]:
    """What the evaluation script says."""
    predicted = [
        {"name": e.name, "aliases": list(e.aliases), "mentions": e.mentions}
        for e in found["names"]
        if e.kind == "Character"
    ]
    result, detail = judge.score(gold, predicted, text, 100 if gold["lang"] == "zh" else 30)
    if show:
        for what, items in detail.items():
            print(f"  {what}: {items}")
    return dict(result)


def means_of(rows: Sequence[dict[str, Any]], langs: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each language with the means of its scores, and the sum of its false merges."""
    found = []
    for lang in dict.fromkeys(langs):
        mine = [row for row, of in zip(rows, langs, strict=True) if of == lang]
        mean: dict[str, Any] = {
            "book": f"mean {lang}",
            "false_merges": sum(r["false_merges"] or 0 for r in mine),
        }
        for key in ("recall", "precision", "merged", "pairs", "family", "exact", "false_family"):
            values = [row[key] for row in mine if row.get(key) is not None]
            mean[key] = round(sum(values) / len(values), 3) if values else None
        found.append(mean)
    return found


def relation_scores(path: Path, found: dict[str, Any], shared: Path) -> dict[str, Any]:
    """What ``eval_relations.py`` says of the finished graph, for a book with gold relations.

    Of nodes with as many of a gold person's names it takes the lowest id, hence that in the most chapters.
    """
    graph = graph_of(found)
    chapters = {ref: int(str(node.properties.get("count", 0))) for ref, node in graph.nodes.items()}
    ranked = sorted(graph.nodes, key=lambda ref: (-chapters[ref], ref))
    ids = {ref: f"{number:09}" for number, ref in enumerate(ranked)}
    nodes = [
        {"id": ids[n.ref], "label": n.label, "name": n.properties.get("name", ""), "properties": n.properties}
        for n in graph.nodes.values()
    ]
    edges = [{"source": ids[e.source], "target": ids[e.target], "type": e.type} for e in graph.edges.values()]
    gold = path.parent.parent / f"{path.stem}.gold.json"
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"nodes": nodes, "edges": edges}, file, ensure_ascii=False)
        file.flush()
        command = [sys.executable, str(shared / "eval_relations.py"), str(gold), file.name]
        score = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {key: score[key] for key in ("pairs", "family", "exact", "false_family")}


def graph_of(found: dict[str, Any]) -> Graph:
    """The finished graph of a book's extractions."""
    from kgnb.core.model import RULES, Chapter, Novel, TaskConfig
    from kgnb.graph.model import ExtractionRow, RecordRow
    from kgnb.graph.project.projection import novel_builder

    chapters, rows = [], []
    for i, extraction in enumerate(found["extractions"], 1):
        chapters.append(Chapter(i, 1, i, "", 1))
        rows.append(RecordRow(ExtractionRow(1, 1, i, i, "", "", extraction, RULES, "", 1)))
    return novel_builder(Novel(1, ""), chapters, rows, found["names"], TaskConfig()).graph()


def pairs_of(found: dict[str, Any]) -> list[tuple[str, str, str, int, int]]:
    """(one, other, types, strength, chapters) of the finished graph's pairs of characters, closest first."""
    graph = graph_of(found)
    pairs: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for edge in graph.edges.values():
        (label, a), (other, b) = edge.source, edge.target
        if label == other == "Character":
            one, two = sorted((a, b))
            how = int(str(edge.properties["strength"])), int(str(edge.properties["count"])), edge.type
            pairs.setdefault((one, two), []).append(how)
    ranked = []
    for (one, two), edges in pairs.items():
        edges.sort(key=lambda e: (-e[1], e[2]))
        strength, count = max((s, n) for s, n, _ in edges)
        ranked.append((one, two, ", ".join(t for _, _, t in edges), strength, count))
    return sorted(ranked, key=lambda p: (-p[3], -p[4], p[0], p[1]))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--show", action="store_true", help="also what was missed and what is wrong")
    parser.add_argument(
        "--pairs", type=int, default=0, metavar="N", help="also the N strongest pairs of each book"
    )
    parser.add_argument("--text", type=Path, help="a book without a gold list; needs --lang")
    parser.add_argument("--lang", choices=["zh", "en"])
    parser.add_argument("--noisy", action="store_true", help="persons from a model's replies that err")
    args = parser.parse_args()
    compileall.compile_dir(ROOT / "kgnb", quiet=2)
    if args.text:
        books = [(args.text, {"lang": args.lang or "zh"})]
    else:
        golds = sorted((args.shared / "data" / "novels").glob("*.gold.json"))
        if not golds:
            raise SystemExit(
                f"no *.gold.json under {args.shared}/data/novels: name the folder that holds data/"
            )
        loaded = [(g, json.loads(g.read_text(encoding="utf-8"))) for g in golds]
        books = [(g.parent / "text" / g.name.replace(".gold.json", ".txt"), gold) for g, gold in loaded]
    if args.noisy:
        noisy_replies.print_tables(books, judge_of(args.shared), chapters_of)
        return
    rows = []
    lang: Lang
    for path, gold in books:
        lang = "zh" if gold["lang"] == "zh" else "en"
        text, found = path.read_text(encoding="utf-8"), run_book(path, lang)
        known = "characters" in gold
        score = score_of(gold, found, text, judge_of(args.shared), show=args.show) if known else {}
        rows.append(row(path.stem, len(text), found, score))
        if gold.get("relations"):
            rows[-1] |= relation_scores(path, found, args.shared)
        for a, b, types, strength, count in pairs_of(found)[: args.pairs]:
            print(f"  {a} – {b} | {types} | {strength} | {count}")
    print(" | ".join(columns := list(dict.fromkeys(key for one_row in rows for key in one_row))))
    for one_row in [*rows, *means_of(rows, [gold["lang"] for _, gold in books])]:
        print(" | ".join("-" if (v := one_row.get(key)) is None else str(v) for key in columns))


if __name__ == "__main__":
    main()
