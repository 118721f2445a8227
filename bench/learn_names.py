"""Learns what evidence about names weighs: ``python bench/learn_names.py en|zh [SHARED] [--write]``.

Reads all books with gold lists under SHARED/data/novels (default: ``../shared`` beside the checkout; further
folders of ``*.gold.json`` with ``text/*.txt`` by ``--more``). Pairs of persons are those that the resolver
compares; gold says which of them are one (pairs that it doesn't know are left out). A logistic regression
with L2 penalty learns the weights, first from single names, then also from clusters met with these weights
(Ross et al. 2011, AISTATS); name_priors.toml has those that are set by hand, and what the penalty pulls
others to. Printed: scores of each book with weights learnt from the others, then the weights learnt from all,
which ``--write`` writes into kgnb/extract/LANG/data/weights.toml. Needs numpy.

The committed Chinese weights were learnt from more books (see their file); ``--write`` replaces them.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from one_book import chapters_of
from quality import judge_of

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kgnb.extract.pairs import Resolver  # noqa: E402
from kgnb.extract.weighing import Weights, measure  # noqa: E402

Names = tuple[str, ...]
UNKNOWN = 0.3
"""Weight of a pair of which gold knows one side only, as two persons."""
PENALTY = 0.1
"""Inverse strength of the L2 penalty."""
SAME_IN_OTHER_WORDS = {
    "en": frozenset(("nickname", "initial", "same_full", "patronymic")),
    "zh": frozenset(("字", "号", "译名", "绰号")),
}
"""Links of names that may well be one person's if gold has one of them only."""
PRIORS = ROOT / "bench" / "name_priors.toml"
LEAST = 0.01
"""Weights nearer to 0 are left out."""
ROUNDS = 2
WIVES = re.compile(r"(?:Mrs|Mme|Madame|Lady)\b")


@dataclass
class GoldBook:
    """A book with its gold list."""

    title: str
    text: str
    gold: dict[str, Any]
    people: Any
    met: dict[tuple[Names, Names], dict[str, float]] = field(default_factory=dict)
    links: dict[tuple[Names, Names], Any] = field(default_factory=dict)
    """The two names that link the persons of a pair: pairs of one link are met again and again."""

    def __post_init__(self) -> None:
        self.judge = JUDGE
        self._full: dict[str, set[str]] = defaultdict(set)
        self._bare: dict[str, set[str]] = defaultdict(set)
        self._surnames = set[str]()
        self._words: dict[str, set[str]] = defaultdict(set)
        lang = self.gold["lang"]
        for main, more in self.gold["characters"].items():
            for name in {main, *more["aliases"]}:
                self._full[JUDGE.full(name, lang)].add(main)
                self._words[main].update(JUDGE.bare(name, lang).split(" "))
                if " " in (bare := JUDGE.bare(name, lang)) or bare != JUDGE.full(name, lang):
                    self._surnames.add(bare.split(" ")[-1])
                if JUDGE.bare(name, lang) == JUDGE.full(name, lang):
                    self._bare[JUDGE.bare(name, lang)].add(main)

    def owners(self, name: str) -> set[str]:
        """Whom a name may mean: by the whole name, else without its honorific: no wife's full name, and no
        surname, which others may bear with it."""
        lang = self.gold["lang"]
        bare = JUDGE.bare(name, lang)
        taken = WIVES.match(name) if " " in bare else bare in self._surnames
        plain = bare == JUDGE.full(name, lang) or not taken
        known = self._full.get(JUDGE.full(name, lang)) or (self._bare.get(bare) if plain else None)
        return known or self._by_parts(bare, name)

    def _by_parts(self, bare: str, name: str) -> set[str]:
        """Who alone bears the first word of a full name that gold lacks, and its last if any."""
        first, _, rest = bare.partition(" ")
        found = self._bare.get(first, set()) if rest and not WIVES.match(name) else set()
        last = rest.split(" ")[-1]
        words = {w for main in found for w in self._words[main]}
        own = last in words or (last in self._surnames and not words & self._surnames)
        return found if len(found) == 1 and own else set()

    def label(self, one: Names, other: Names) -> tuple[int, float] | None:
        """(whether they are one, weight), or None where gold doesn't say."""
        mine, theirs = self._person(one), self._person(other)
        if not mine and not theirs:
            return None
        if not mine or not theirs:  # gold has the full names of its persons, but not all their short ones
            unlike = self.links[one, other][0] not in SAME_IN_OTHER_WORDS[self.gold["lang"]]
            return (0, UNKNOWN) if unlike and self._is_full(other if mine else one) else None
        if mine.isdisjoint(theirs):
            return 0, 1.0
        return (1, 1.0) if mine == theirs and len(mine) == 1 else None

    def _is_full(self, names: Names) -> bool:
        if self.gold["lang"] == "en":
            return any(" " in JUDGE.bare(name, "en") for name in names)
        return any(len(name) > 2 for name in names)

    def _person(self, names: Names) -> set[str]:
        votes: Counter[str] = Counter()
        ambiguous = set[str]()
        for name in names:
            found = self.owners(name)
            if len(found) == 1:
                votes.update(dict.fromkeys(found, self.people.index.counts[name]))
            ambiguous |= found
        return {votes.most_common(1)[0][0]} if votes else ambiguous


def quick_judge(shared: Path) -> Any:
    """The judge, which counts a name in a book once."""
    judge = judge_of(shared)
    judge.counter = lru_cache(maxsize=256)(judge.counter)  # type: ignore[attr-defined]
    return judge


@dataclass(frozen=True)
class Language:
    """What the learner asks of a language."""

    people: Callable[[str], Any]
    resolver: Resolver[Any]
    normalise: Callable[[str], str]
    fixed: Mapping[str, float]
    """Weights set by hand."""
    pulled: Mapping[str, float]
    """What the penalty pulls a weight to, in log odds."""


def language(lang: str) -> Language:
    """The language's parts."""
    resolver = importlib.import_module(f"kgnb.extract.{lang}.resolver")
    priors = tomllib.loads(PRIORS.read_text("utf-8"))[lang]
    return Language(
        resolver.people_of,
        resolver.RESOLVER,
        importlib.import_module(f"kgnb.extract.{lang}.sentences").normalise,
        priors.get("set", {}),
        priors.get("pulled", {}),
    )


def predicted(persons: Iterable[Any], people: Any) -> list[dict[str, Any]]:
    """Persons as the judge reads them."""
    count = people.index.count
    return [{"name": p.name, "aliases": p.names, "mentions": count(p.names)} for p in persons]


def books_of(lang: str, folders: Iterable[Path], parts: Language) -> list[GoldBook]:
    """All books of the language with gold."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.gold.json")):
            gold = json.loads(path.read_text(encoding="utf-8"))
            if gold["lang"] != lang or "characters" not in gold:
                continue
            text = (folder / "text" / path.name.replace(".gold.json", ".txt")).read_text(encoding="utf-8")
            chapters = [parts.normalise(chapter) for _, chapter in chapters_of(text)]
            people = parts.people("\n".join(chapters))
            found.append(GoldBook(path.name.removesuffix(".gold.json"), text, gold, people))
    return found


def fit(books: Iterable[GoldBook], parts: Language, names: Sequence[str]) -> Weights:
    """Weights from all pairs met in the books.

    What the penalty holds is how far a weight is from its prior: in log odds where there is a prior, else in
    log odds per standard deviation of the evidence.
    """
    rows, labels, weights = [], [], []
    for book in books:
        told = {pair: found for pair in book.met if (found := book.label(*pair))}
        alike = Counter((book.links[pair], told[pair][0]) for pair in told)
        for pair, (label, weight) in told.items():
            rows.append([book.met[pair].get(name, 0.0) for name in names])
            labels.append(label)
            weights.append(weight / alike[book.links[pair], label] ** 0.5)
    table = np.array(rows)
    scale = table.std(axis=0)
    scale[(scale == 0) | [name in parts.pulled for name in names]] = 1.0
    prior = np.array([parts.fixed.get(name, parts.pulled.get(name, 0.0)) for name in names])
    free = [k for k, name in enumerate(names) if name not in parts.fixed]
    bias, slopes = regression((table / scale)[:, free], np.array(labels), np.array(weights), table @ prior)
    slope_of = prior.copy()
    slope_of[free] += slopes / scale[free]
    named = zip(names, map(float, slope_of), strict=True)
    learnt = {name: round(w, 3) for name, w in named if abs(w) >= LEAST}
    return {"bias": round(float(bias), 3)} | learnt


def regression(table: Any, labels: Any, weights: Any, offset: Any) -> tuple[float, Any]:
    """Bias and slopes of a logistic regression with L2 penalty on the slopes (Newton's method)."""
    design = np.hstack([np.ones((len(table), 1)), table])
    ridge = np.eye(design.shape[1]) / PENALTY
    ridge[0, 0] = 1e-6
    found = np.zeros(design.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(design @ found + offset, -30, 30)))
        gradient = design.T @ (weights * (labels - chance)) - ridge @ found
        curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        found += step
        if np.abs(step).max() < 1e-6:
            return found[0], found[1:]
    raise SystemExit("the regression doesn't converge: priors too far from what the books show")


def meet(book: GoldBook, parts: Language, weights: Weights | None, without: str = "") -> Any:
    """Cluster the book with the weights, keeping all pairs met; without weights, only single names."""
    if weights is None:
        for one, other in book.people.links:
            keep(book, parts, parts.resolver.pair((one,), (other,), book.people))
        return None

    def log_odds(pair: Any) -> float:
        values = keep(book, parts, pair)
        return weights["bias"] + sum(weights.get(n, 0.0) * v for n, v in values.items() if n != without)

    return parts.resolver.clusters(book.people, log_odds)


def keep(book: GoldBook, parts: Language, pair: Any) -> dict[str, float]:
    """Measure a pair, once."""
    key = (pair.full.names, pair.short.names)
    if key not in book.met:
        book.met[key] = measure(parts.resolver.evidence, pair)
        book.links[key] = pair.best_link
    return book.met[key]


def score(book: GoldBook, persons: Sequence[Any]) -> dict[str, Any]:
    """What the judge says of the persons found."""
    top = 100 if book.gold["lang"] == "zh" else 30
    found, detail = JUDGE.score(book.gold, predicted(persons, book.people), book.text, top)
    wrong = {name for name, _ in detail["wrongly joined"]}
    return dict(found) | {"detail": detail | {"why": [p.reasons for p in persons if p.name in wrong]}}


def learn(books: Sequence[GoldBook], parts: Language) -> list[str]:
    """Fill the pairs met; return the names of the evidence: the kinds of links, then the functions."""
    for book in books:
        meet(book, parts, None)
    functions = [f.__name__ for f in parts.resolver.evidence]
    linked = {kind for book in books for kinds in book.people.links.values() for kind in kinds}
    names = [*sorted(linked.union(parts.fixed, parts.pulled).difference(functions)), *functions]
    for _ in range(ROUNDS):
        weights = fit(books, parts, names)
        for book in books:
            meet(book, parts, weights)
    return names


def cross_validate(
    books: Sequence[GoldBook], parts: Language, names: Sequence[str], show: bool
) -> dict[str, float]:
    """Scores of each book with weights of the others; the means."""
    total: dict[str, list[float]] = defaultdict(list)
    for book in books:
        weights = fit([b for b in books if b is not book], parts, names)
        found = score(book, parts.resolver.persons(book.people, meet(book, parts, weights)))
        print(book.title, {k: found[k] for k in ("recall", "precision", "merged", "false_merges")})
        if show:
            for what, items in found["detail"].items():
                print(f"  {what}: {items}")
        for key in ("recall", "precision", "merged", "false_merges"):
            if found[key] is not None:
                total[key].append(found[key])
    means = {k: round(sum(v) / len(v), 4) for k, v in total.items()}
    print("mean", means, "false", sum(total["false_merges"]))
    return means


def origin(name: str, parts: Language) -> str:
    """A remark on where a weight that isn't learnt from the books alone comes from."""
    if name in parts.fixed:
        return "  # set by hand"
    return f"  # pulled to {parts.pulled[name]:g}" if name in parts.pulled else ""


def write(lang: str, table: str, weights: Weights, parts: Language, books: Sequence[GoldBook]) -> None:
    """Put the weights of a table into the language's file."""
    path = ROOT / "kgnb" / "extract" / lang / "data" / "weights.toml"
    old = path.read_text("utf-8") if path.exists() else ""
    kept = [one for one in re.findall(r"(?m)^\[.*\n(?:\w.*\n)*", old) if not one.startswith(f"[{table}]")]
    how = f"learnt from {len(books)} books; what is set by hand or pulled: bench/{PRIORS.name}"
    head = f"# Written by bench/learn_names.py: {how}.\n"
    lines = [f"[{table}]", *(f"{name} = {value}{origin(name, parts)}" for name, value in weights.items())]
    path.write_text("\n".join([head, *kept, *lines]) + "\n", "utf-8")


def main() -> None:
    """Learns, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lang", choices=["zh", "en"])
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--more", type=Path, action="append", default=[], help="a further folder of books")
    parser.add_argument("--write", action="store_true", help="write the weights learnt from all books")
    parser.add_argument("--show", action="store_true", help="also what was missed and what is wrong")
    args = parser.parse_args()
    global JUDGE
    JUDGE = quick_judge(args.shared)
    parts = language(args.lang)
    books = books_of(args.lang, [args.shared / "data" / "novels", *args.more], parts)
    names = learn(books, parts)
    cross_validate(books, parts, names, args.show)
    weights = fit(books, parts, names)
    for name in ["bias", *names]:
        print(f"{weights.get(name, 0.0):7.3f} {name}{origin(name, parts)}")
    if args.write:
        write(args.lang, "pairs", weights, parts, books)


JUDGE: Any = None

if __name__ == "__main__":
    main()
