"""Scores the rules' names against gold lists: ``python bench/quality.py [SHARED] [--show]``.

SHARED holds ``eval_characters.py`` and ``data/novels`` (default: ``../shared`` beside the checkout).
One row a book: recall, precision, merged, false merges; seconds of the pre-scan and of the chapters; speed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import sys
import time
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

HEADING = re.compile(
    r"^\s*(?:第[〇零一二三四五六七八九十百千\d]+[回章节卷].*|CHAPTER\s+[IVXLC\d]+\.?.*|Chapter\s+[IVXLC\d]+\.?.*)$",
    re.M,
)


def chapters_of(text: str) -> list[tuple[int, str]]:
    """(number, text) by plain heading lines."""
    starts = [m.end() for m in HEADING.finditer(text)] or [0]
    ends = [*(m.start() for m in HEADING.finditer(text)), len(text)][-len(starts) :]
    return [(i, text[a:b]) for i, (a, b) in enumerate(zip(starts, ends, strict=True), 1)]


def judge_of(shared: Path) -> ModuleType:
    """The shared evaluation script as a module."""
    spec = importlib.util.spec_from_file_location("eval_characters", shared / "eval_characters.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no eval_characters.py in {shared}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure(gold_file: Path, judge: ModuleType, *, show: bool) -> dict[str, object]:
    """One book's row."""
    from kgnb.extract import names, rules

    gold = json.loads(gold_file.read_text(encoding="utf-8"))
    name = gold_file.name.removesuffix(".gold.json")
    text = (gold_file.parent / "text" / f"{name}.txt").read_text(encoding="utf-8")
    chapters, top = chapters_of(text), 100 if gold["lang"] == "zh" else 30
    start = time.perf_counter()
    entries = names.scan(chapters, gold["lang"])
    scanned = time.perf_counter()
    extractions = [rules.extract(t, lang=gold["lang"], names=entries) for _, t in chapters]
    done = time.perf_counter()
    predicted = [
        {"name": e.name, "aliases": list(e.aliases), "mentions": e.mentions}
        for e in entries
        if e.kind == "Character"
    ]
    result, detail = judge.score(gold, predicted, text, top)
    if show:
        for what, items in detail.items():
            print(f"  {what}: {items}")
    return {
        "book": name,
        "chars": len(text),
        **{k: result[k] for k in ("recall", "precision", "merged", "false_merges")},
        "relations": sum(len(x.relations) for x in extractions),
        "scan_s": round(scanned - start, 2),
        "extract_s": round(done - scanned, 2),
        "chars_per_s": round(len(text) / (done - start)),
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--show", action="store_true", help="also what was missed and what is wrong")
    args = parser.parse_args()
    golds = sorted((args.shared / "data" / "novels").glob("*.gold.json"))
    if not golds:
        raise SystemExit(f"no *.gold.json under {args.shared}/data/novels: name the folder that holds data/")
    judge = judge_of(args.shared)
    rows = [measure(g, judge, show=args.show) for g in golds]
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join("-" if v is None else str(v) for v in row.values()))


if __name__ == "__main__":
    main()
