"""The explorer's page as of a chapter: whether it shows what the graph until that chapter has.

    python bench/explorer_at.py BOOK.txt … [--chapters 10] [--show 5]

Each book is built by the rules. At chapters spread over the book three graphs are compared: the page's
model (in chromium), the projection until the chapter, and the graph of a book that was cut off after it. Each
row counts by reason class what the first two, and the last two, have apart:

    short form     a name that stands inside another one that is read already counts as known
    own two names  a tie between two names that turn out to be one person's
    later refuted  a tie that later chapters contradict: the whole book doesn't have it
    called         the same person with the same names, called by another of them
    known to one   cut off, the name scan finds too little of a name, or takes a word for one
    divided        cut off, the name scan divides the names among persons otherwise
    chapters       the names are the same, chapters are not: a short name stands for another person in some
    of such        a tie of a person that is one of the three before
    ties           read among other names: the names that a sentence's rules know differ

People are the same where they share a name that nobody else has; ties are compared under the first's names.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kit import argument_parser

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph
from tests.support.browser import chromium
from tests.support.explorer_walk import STATE, Reader, Walked, built

Key = tuple[str, ...]
View = dict[Key, Any]
"""(name) → aliases and chapters; (source, type, target) → strength and chapters."""


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("books", nargs="+", type=Path)
    parser.add_argument("--chapters", type=int, default=10)
    parser.add_argument("--show", type=int, default=0)
    args = parser.parse_args()
    for path in args.books:
        for browser in chromium():
            for row, found in compared(browser, path, args.chapters):
                print(" | ".join(f"{key} {value}" for key, value in row.items()), flush=True)
                for one in found[: args.show]:
                    print("   ", one)


def compared(browser: Any, path: Path, count: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """A row for each of ``count`` chapters of the book, and its differences in words."""
    with tempfile.TemporaryDirectory() as folder:
        one = built(path, Path(folder))
        whole, book, last = view_of(one.book.graph()), one.book, len(one.texts)
        reader = Reader(browser, one.page)
        for number in sorted({max(1, last * i // count) for i in range(1, count + 1)}):
            at, page = view_of(book.at(number).graph()), view_of_page(reader, number)
            first, second = differences(page, at, whole), differences(at, cut(one, path, number), whole)
            row = {"book": path.stem, "chapter": number, "people and ties": len(at)}
            row |= {"page/at": counted(first), "at/cut": counted(second)}
            yield row, [f"{reason}: {text}" for reason, text in (*first, *second)]


def counted(found: list[tuple[str, str]]) -> dict[str, int]:
    """Reason class → how many."""
    return dict(Counter(reason for reason, _ in found))


def cut(one: Walked, path: Path, number: int) -> View:
    """The graph of the first chapters as a book of their own."""
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / path.name
        short.write_text("\n\n".join(one.texts[:number]), "utf-8")
        try:
            return view_of(built(short, Path(folder)).book.graph())
        except subprocess.CalledProcessError as error:
            raise SystemExit(error.stderr) from error


def _key(source: str, kind: str, target: str) -> Key:
    if kind in SYMMETRIC_RELATIONS:
        source, target = sorted((source, target))
    return source, kind, target


def view_of(graph: Graph) -> View:
    """People and ties of a graph."""
    people = (node for node in graph.nodes.values() if node.label == "Character")
    view: View = {
        (n.text("name"),): (sorted(n.texts("aliases")), sorted(n.numbers("chapters"))) for n in people
    }
    for edge in filter(is_tie, graph.edges.values()):
        key = _key(edge.source[1], edge.type, edge.target[1])
        view[key] = int(edge.number("strength")), sorted(edge.numbers("chapters"))
    return view


def view_of_page(reader: Reader, number: int) -> View:
    """People and ties of the page's model at a chapter."""
    state = reader.page.evaluate(STATE, number - 1)
    view: View = {(name,): (sorted(aliases), chapters) for name, aliases, chapters in state["people"]}
    return view | {_key(a, kind, b): (strength, seen) for a, kind, b, strength, seen in state["ties"]}


def differences(one: View, other: View, whole: View) -> list[tuple[str, str]]:
    """(reason class, what differs) of all that the views have apart."""
    other, called = _under_names_of(one, other)
    found = [("called", f"{mine} / {theirs}") for theirs, mine in sorted(called.items())]
    people: list[Key] = [key for key in {**one, **other} if len(key) == 1]
    apart: dict[Key, str] = {key: _of_person(key, one, other) for key in people}
    for key in sorted(one.keys() | other.keys(), key=lambda key: (len(key), key)):
        if one.get(key) != other.get(key):
            text = f"{' '.join(key)}: {one.get(key)} / {other.get(key)}"
            found.append((apart[key] if len(key) == 1 else _of_tie(key, apart, whole), text))
    return found


def _under_names_of(one: View, other: View) -> tuple[View, dict[str, str]]:
    """``other`` under the names that ``one`` calls people by; its name → that of ``one`` where they
    differ."""
    mine = {form: key[0] for key in one if len(key) == 1 for form in (key[0], *one[key][0])}
    called: dict[str, str] = {}
    for key in [key for key in other if len(key) == 1]:
        bearers = {mine[form] for form in (key[0], *other[key][0]) if form in mine}
        name = bearers.pop() if len(bearers) == 1 else key[0]
        if name != key[0] and (name,) not in other and name not in called.values():
            called[key[0]] = name
    made: View = {}
    for known, facts in other.items():
        first, *rest = (called.get(known[0], known[0]), *known[1:])
        if rest:
            made[_key(first, rest[0], called.get(rest[1], rest[1]))] = facts
        else:
            made[(first,)] = sorted({known[0], *facts[0]} - {first}), facts[1]
    return made, called


def _of_person(key: Key, one: View, other: View) -> str:
    """The reason class of a person; "" where the views agree."""
    mine, others = one.get(key), other.get(key)
    if mine == others:
        return ""
    if mine is None or others is None:
        names, rest = {*key, *(mine or others or [()])[0]}, other if others is None else one
        there = {form for k in rest if len(k) == 1 for form in (k[0], *rest[k][0])}
        return "divided" if names & there else "known to one"
    apart, known = {*mine[0]} ^ {*others[0]}, {*key, *mine[0], *others[0]}
    if not apart:
        return "chapters"
    inside = all(any(form in name and form != name for name in known) for form in apart)
    return "short form" if inside and mine[1] == others[1] else "divided"


def _of_tie(key: Key, apart: Mapping[Key, str], whole: View) -> str:
    """The reason class of a tie."""
    bearers = {_bearer(end, whole) for end in (key[0], key[2])}
    if len(bearers) == 1 and None not in bearers:
        return "own two names"
    if any(apart.get((end,)) not in ("", "short form", None) for end in (key[0], key[2])):
        return "of such"
    return "ties" if key in whole or key[1] == "KNOWS" else "later refuted"


def _bearer(name: str, whole: View) -> Key | None:
    people = (key for key in whole if len(key) == 1)
    return next((key for key in people if name == key[0] or name in whole[key][0]), None)


if __name__ == "__main__":
    main()
