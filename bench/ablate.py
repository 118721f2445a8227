"""What each piece of evidence about names is worth: ``python bench/ablate.py en|zh [SHARED]`` → ABLATION.md.

Each is left out in turn, the weights are learnt anew, and each book is scored with weights of the other
books; shown is how the means change. So are the rules that are no learnt evidence (``SWITCHES``) and, with
``--lists``, the word lists: each is switched off in a fresh Python. What raises no mean by 0.002 may go.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import io
import multiprocessing
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import learn_names
from learn_names import ROOT, GoldBook, Language, books_of, cross_validate, language, learn, quick_judge

from kgnb.extract.word_lists import read_word_lists


def nothing(*_: object, **__: object) -> tuple[()]:
    """A rule that finds nothing."""
    return ()


def nobody(*_: object, **__: object) -> bool:
    """A rule that says no."""
    return False


def none_of(*_: object, **__: object) -> set[str]:
    """A rule that finds no word."""
    return set()


def no_table(*_: object, **__: object) -> dict[str, str]:
    """A rule that finds nothing of any word."""
    return {}


def no_text(*_: object, **__: object) -> str:
    """A rule that finds no name."""
    return ""


SWITCHES: dict[str, dict[str, tuple[str, Callable[..., Any]]]] = {
    "en": {
        "stated names": ("links.stated_names", nothing),
        "who answers to a name": ("links.answering", nothing),
        "wives by their husbands": ("links.told_wives", nothing),
        "nicknames.txt and short forms": ("links.by_nicknames", nothing),
        "patronymics": ("links.by_patronymics", nothing),
        "ranks alone": ("links.by_ranks", nothing),
        "conversations": ("conversations.Conversations.are_two", nobody),
        "only cited": ("resolver.is_only_cited", nobody),
        "nobody in particular": ("resolver._is_anybody", nobody),
        "introduced in words": ("names.is_introduced", nobody),
        "called in speech": ("names.NameClassifier._is_addressed", nobody),
        "families": ("people._is_family", nobody),
        "beside places": ("people._beside_places", lambda *_: set[str]()),
        "exclamations": ("names._is_exclamation", nobody),
        "pages of short forms": ("vetoes._is_elsewhere", nobody),
        "other words": ("vetoes._other_words", nobody),
        "ladies after their husbands": ("vetoes.after_husband", lambda _: None),
    },
    "zh": {
        "introductions": ("clauses.introduced", no_table),
        "candidates.headed": ("candidates._headed", none_of),
        "candidates.familiar": ("candidates._familiar", none_of),
        "candidates.cohesive_bigrams": ("names.cohesive_bigrams", none_of),
        "names.favour": ("names.NameClassifier._favour", nobody),
        "names.favour_families": ("names.NameClassifier._favour_families", nobody),
        "names.is_unknown": ("names.NameClassifier._is_unknown", nobody),
        "names.is_name": ("names.NameClassifier._is_name", nobody),
        "names.is_shared_beginning": ("names.NameClassifier._is_shared_beginning", nobody),
        "names.is_fragment": ("names.NameClassifier.is_fragment", nobody),
        "names.is_extension": ("names.NameClassifier._is_extension", nobody),
        "names.adds_surname": ("names.NameClassifier._adds_surname", nobody),
        "names.given_names": ("names.NameClassifier.given_names", no_table),
        "names.addresses": ("names.NameClassifier.addresses", no_table),
        "name_evidence.place_penalty": ("name_evidence._place_penalty", nobody),
        "name_evidence.grammar_penalty": ("name_evidence._grammar_penalty", nobody),
        "name_evidence.word_penalty": ("name_evidence.word_penalty", nobody),
        "name_evidence.fixed_phrase_penalty": ("name_evidence.fixed_phrase_penalty", nobody),
        "name_evidence.has_unlikely_end": ("name_evidence.has_unlikely_end", nobody),
        "name_evidence.acts_as_person": ("names.acts_as_person", nobody),
        "surnames.form_score": ("name_evidence.form_score", nobody),
        "links.longer_forms": ("links._longer_forms", nothing),
        "links.nicknames": ("links._nicknames", nothing),
        "links.with_heads": ("links._with_heads", nothing),
        "links.with_surnames": ("links._with_surnames", nothing),
        "statements": ("statements.Statements.read", nothing),
        "statements.courtesy_names": ("statements.Statements._courtesy_names", nothing),
        "statements.epithets": ("statements.Statements._epithets", nothing),
        "statements.quoted": ("statements.Statements._quoted", nothing),
        "statements.proper_names": ("statements.Statements._proper_names", nothing),
        "statements.ranks": ("statements.Statements._ranks", nothing),
        "statements.conferred": ("statements.Statements._conferred", nothing),
        "statements.topic": ("statements.Statements._topic", no_text),
        "address_links.characters_with_titles": ("people.characters_with_titles", no_table),
        "address_links.shared_titles": ("people.shared_titles", none_of),
        "address_links.nearest": ("address_links._nearest", nothing),
        "address_links.bare_titles": ("address_links._bare_titles", nothing),
        "address_links.elders": ("address_links._elders", nothing),
        "address_links.apposed": ("address_links._apposed", nothing),
        "names of which none is within another": ("pair_evidence._differ", nobody),
    },
}
"""What is switched off → the function in kgnb.extract.LANG, and what takes its place."""

MEASURES = ("recall", "precision", "merged", "false_merges")


def means_without(books: Sequence[GoldBook], parts: Language, names: Sequence[str]) -> dict[str, float]:
    """Means of the books with weights of these pieces of evidence, learnt from the others."""
    with contextlib.redirect_stdout(io.StringIO()):
        return cross_validate(books, parts, names, show=False)


def means_with(lang: str, shared: Path, off: str) -> dict[str, float]:
    """Means with a rule, or a word list of this name, switched off; for a Python of its own."""
    learn_names.JUDGE = quick_judge(shared)
    if off in SWITCHES[lang]:
        path, instead = SWITCHES[lang][off]
        module, *inner, name = path.split(".")
        owner = functools.reduce(getattr, inner, importlib.import_module(f"kgnb.extract.{lang}.{module}"))
        setattr(owner, name, instead)
    elif off:
        word_lists = importlib.import_module("kgnb.extract.word_lists")
        read = word_lists.read_word_lists
        vars(word_lists)["read_word_lists"] = lambda of: read(of) | {off: frozenset()}
    parts = language(lang)
    books = books_of(lang, [shared / "data" / "novels"], parts)
    return means_without(books, parts, learn(books, parts))


def row(name: str, found: dict[str, float], whole: dict[str, float]) -> str:
    """A line of the table: how the means change."""
    line = f"| without {name} | {' | '.join(f'{found[m] - whole[m]:+.4f}' for m in MEASURES)} |"
    print(line, flush=True)
    return line


def main() -> None:
    """Writes the table of a language."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lang", choices=["zh", "en"])
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--lists", action="store_true", help="also each word list")
    args = parser.parse_args()
    learn_names.JUDGE = quick_judge(args.shared)
    parts = language(args.lang)
    books = books_of(args.lang, [args.shared / "data" / "novels"], parts)
    names = learn(books, parts)
    whole = means_without(books, parts, names)
    lines = [f"| all | {' | '.join(f'{whole[m]:.4f}' for m in MEASURES)} |"]
    off = [*SWITCHES[args.lang], *(sorted(read_word_lists(args.lang)) if args.lists else ())]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        changed = pool.imap(functools.partial(means_with, args.lang, args.shared), off)
        lines += [row(name, found, whole) for name, found in zip(off, changed, strict=True)]
    for name in names:
        lines.append(row(name, means_without(books, parts, [n for n in names if n != name]), whole))
    columns = f"{len(books)} books, each with weights of the others | {' | '.join(MEASURES)}"
    write(args.lang, columns, lines)


def write(part: str, columns: str, lines: Sequence[str]) -> None:
    """Put the table of a part, five columns, into ABLATION.md."""
    path = ROOT / "bench" / "ABLATION.md"
    old = path.read_text("utf-8") if path.exists() else ""
    kept = [one for one in re.findall(r"(?ms)^## .*?(?=^## |\Z)", old) if not one.startswith(f"## {part}\n")]
    head = (
        "# What each piece of evidence is worth\n\nWritten by `bench/ablate.py` and `bench/ablate_ties.py`.\n"
    )
    new = "\n".join([f"## {part}\n", f"| {columns} |", "|---" * 5 + "|", *lines]) + "\n"
    path.write_text("\n".join([head, *sorted([*(one.strip() + "\n" for one in kept), new])]), "utf-8")


if __name__ == "__main__":
    main()
