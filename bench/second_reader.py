"""What rules, a model that errs, both, and a model that only assists find of a book's people.

``python bench/second_reader.py [SHARED] [--books NAME,NAME]`` prints recall, precision, merged aliases and
false merges against the gold lists. The model is known_people.py's: it errs about aliases but invents nobody,
so its precision alone is an upper bound.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import quality
from known_people import KnownPeople, NameErrors
from noisy_replies import SCORES, extraction_of, persons_of
from one_book import chapters_of

MODELS = ((1.0, 0.0, 0.0), (0.6, 0.05, 0.06), (0.3, 0.2, 0.3))
"""Alias recall, wrong aliases, generic aliases."""
BOOKS = "Persuasion,luotuoxiangzi,TheSunAlsoRises,Emma,TheSignOfTheFour"


def measure(shared: Path, book: str) -> None:
    """Print one book's rows."""
    from kgnb.extract import name_scan, rules
    from kgnb.extract.second_reader import unsure_passages, with_rules

    gold = json.loads((shared / "data" / "novels" / f"{book}.gold.json").read_text("utf-8"))
    text, lang = (shared / "data" / "novels" / "text" / f"{book}.txt").read_text("utf-8"), gold["lang"]
    chapters, judge = chapters_of(text), quality.judge_of(shared)
    names = name_scan.scan(chapters, lang)
    found = [rules.extract(part, lang=lang, names=names, chapter=number) for number, part in chapters]
    asked = [unsure_passages(part, own, names, lang) for (_, part), own in zip(chapters, found, strict=True)]

    def tell(way: str, people: Sequence[dict[str, Any]]) -> None:
        score, _ = judge.score(gold, people, text, 100 if lang == "zh" else 30)
        print(book, way, *(score[what] for what in SCORES), sep=" | ", flush=True)

    print(book, "share asked by an assistant", round(sum(map(len, asked)) / len(text), 3), sep=" | ")
    listed = [{"name": one.name, "aliases": list(one.aliases)} for one in names if one.kind == "Character"]
    tell("rules", listed)
    for errors in MODELS:
        answer = KnownPeople.of(gold, NameErrors(*errors)).answer
        alone = [extraction_of(part, lang, answer) for _, part in chapters]
        both = [with_rules(own, reply) for own, reply in zip(found, alone, strict=True)]
        helped = [
            with_rules(own, extraction_of(part, lang, answer)) if part else own
            for part, own in zip(asked, found, strict=True)
        ]
        for way, rows in (("alone", alone), ("with rules", both), ("assists", helped)):
            tell(f"{errors} {way}", persons_of(chapters, names, rows)[0])


def main() -> None:
    """Prints the rows of each book."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shared", nargs="?", type=Path, default=quality.ROOT.parent / "shared")
    parser.add_argument("--books", default=BOOKS)
    args = parser.parse_args()
    for book in args.books.split(","):
        measure(args.shared, book)


if __name__ == "__main__":
    main()
