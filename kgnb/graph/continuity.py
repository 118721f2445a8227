"""Continuity errors: two statements of a book that can't both be true.

Only statements of the text about a person by name count, outside quotation marks; the frames are in
``data/continuity.toml``. A name that two persons share is ignored.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kgnb.book.headings import number_of
from kgnb.core.labels import Lang, language_of
from kgnb.extract.evidence_quote import EVIDENCE_CHARS
from kgnb.extract.word_search import trie_pattern
from kgnb.graph.model import Graph, NodeKey

PARENTS = 2
"""Most parents that a child has."""

_QUOTED = re.compile('“[^”]*(?:”|$)|「[^」]*(?:」|$)|"[^"\\n]*"?')
_QUOTED_OVER_LINES = re.compile(_QUOTED.pattern.replace('[^"\\n]*', '(?:[^"\\n]|\\n(?!\\s*\\n))*'))
"""Speeches: a paragraph may leave its quote open. The latter where empty lines divide the paragraphs."""
_ENDS = re.compile(r"[。！？!?\n]|\.(?=\s)")
_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
]
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80}


class Statement(NamedTuple):
    """A chapter's statement about a person: chapter number, the sentence, and a number in it (0 without
    any).
    """

    chapter: int
    quote: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two statements that contradict each other.

    ``kind``: "parents", "each_other", "after_death" or "age". ``facts``: key of the kind's text → entity or
    number. ``quotes``: (chapter number, sentence) of each statement.
    """

    kind: str
    facts: Mapping[str, NodeKey | int]
    quotes: tuple[tuple[int, str], ...]


def contradictions(graph: Graph, texts: Iterable[tuple[int, str]] = ()) -> list[Contradiction]:
    """Return the contradictions of a book, in the order of their chapters.

    From ``graph``: a child of three parents, two persons who are each other's parent. From ``texts``,
    (chapter number, text): speech in a chapter after the one of the death, an age lower than in an earlier
    chapter.
    """
    stated = _statements(graph, texts, ("death", "speech", "age"))
    found = [*_parents(graph), *_after_death(stated), *_ages(stated)]
    return sorted(found, key=lambda one: ([chapter for chapter, _ in one.quotes], one.kind))


# --- from the graph


def _parents(graph: Graph) -> Iterator[Contradiction]:
    """Yield children of more than two parents, and pairs of persons who are each other's parent."""
    chapters = {node.key: number for number, node in graph.chapters()}
    parents: defaultdict[NodeKey, dict[NodeKey, tuple[int, str]]] = defaultdict(dict)
    for edge in graph.edges.values():
        if edge.type == "PARENT_OF" and edge.text("evidence"):
            number = chapters.get(str(int(edge.number("chapter_id"))), 0)
            parents[edge.target][edge.source] = number, edge.text("evidence")
    for child, known in parents.items():
        if len(known) > PARENTS:
            yield Contradiction("parents", {"child": child, "n": len(known)}, tuple(sorted(known.values())))
        for parent, said in known.items():
            if child < parent and (other := parents.get(parent, {}).get(child)):
                facts: dict[str, NodeKey | int] = {"a": child, "b": parent}
                yield Contradiction("each_other", facts, tuple(sorted((said, other))))


# --- from the texts

_Statements = Mapping[str, Mapping[NodeKey, list[Statement]]]


def _after_death(stated: _Statements) -> Iterator[Contradiction]:
    """Yield the persons who speak in a chapter after the one of their death."""
    for person, deaths in stated["death"].items():
        died = deaths[0]
        spoke = next((one for one in stated["speech"].get(person, ()) if one.chapter > died.chapter), None)
        if spoke:
            facts: dict[str, NodeKey | int] = {"who": person, "died": died.chapter, "spoke": spoke.chapter}
            yield Contradiction("after_death", facts, (died[:2], spoke[:2]))


def _ages(stated: _Statements) -> Iterator[Contradiction]:
    """Yield the persons whose age is lower in a later statement."""
    for person, ages in stated["age"].items():
        for index, later in enumerate(ages):
            older = next((one for one in ages[:index] if one.number > later.number), None)
            if older:
                facts: dict[str, NodeKey | int] = {
                    "who": person,
                    "older": older.number,
                    "younger": later.number,
                }
                yield Contradiction("age", facts, (older[:2], later[:2]))
                break


def deaths(graph: Graph, texts: Iterable[tuple[int, str]]) -> dict[NodeKey, Statement]:
    """Return person → the first statement of the person's death in the ``texts``, (chapter number, text)."""
    return {person: said[0] for person, said in _statements(graph, texts, ("death",))["death"].items()}


def _statements(graph: Graph, texts: Iterable[tuple[int, str]], kinds: Sequence[str]) -> _Statements:
    """Return kind of statement → person → statements in the order of the text."""
    names = _names(graph)
    found: dict[str, dict[NodeKey, list[Statement]]] = {kind: {} for kind in kinds}
    frames = cache(lambda lang: _frames(lang, names, kinds))
    for chapter, text in texts if names else ():
        lang = language_of(text)
        told = (_QUOTED_OVER_LINES if "\n\n" in text else _QUOTED).sub(_masked, text)
        for kind, frame in frames(lang):
            for match in frame.finditer(told):
                number = number_in_words(match.groupdict().get("number") or "")
                if kind != "age" or number:
                    said = Statement(chapter, _sentence(text, match.start("name"), match.end()), number)
                    found[kind].setdefault(names[match["name"]], []).append(said)
    return found


def _names(graph: Graph) -> dict[str, NodeKey]:
    """Return name → its only bearer, for names of two characters or more."""
    bearers: defaultdict[str, set[NodeKey]] = defaultdict(set)
    for node in graph.nodes.values():
        if node.label == "Character":
            for name in (node.text("name"), node.text("base_name"), *node.texts("aliases")):
                bearers[name].add(node.ref)
    return {name: next(iter(refs)) for name, refs in bearers.items() if len(name) > 1 and len(refs) == 1}


def _masked(quoted: re.Match[str]) -> str:
    """Return the quoted text with everything but quotation marks and newlines blanked, in the same length."""
    return re.sub('[^“”「」"\\n]', " ", quoted[0])


def _sentence(text: str, start: int, end: int) -> str:
    """Return the sentence around a statement, cut to the length of a quote."""
    begin = max((m.end() for m in _ENDS.finditer(text, max(0, start - EVIDENCE_CHARS), start)), default=start)
    stop = _ENDS.search(text, max(end - 1, start), start + EVIDENCE_CHARS)
    return " ".join(text[begin : stop.end() if stop else end].split()).lstrip("”」")


def number_in_words(word: str) -> int:
    """Return the value of digits, a Chinese or Roman numeral or an English number word; 0 for any other word.

    "37", 三十七, "XXXVII" and "thirty-seven" give 37.
    """
    if word and (known := number_of(word)) is not None:
        return known
    tens, _, ones = word.partition("-")
    found = _TENS.get(tens) or (_ONES.index(tens) if tens in _ONES else 0)
    return found + (_ONES.index(ones) if found and ones in _ONES else 0)


def _frames(
    lang: Lang, names: Mapping[str, NodeKey], kinds: Sequence[str]
) -> list[tuple[str, re.Pattern[str]]]:
    """Return (kind, pattern) of the frames of ``kinds``, with all ``names`` in place of {name}."""
    data = tomllib.loads((Path(__file__).parent / "data" / "continuity.toml").read_text("utf-8"))[lang]
    who = f"(?P<name>{trie_pattern(names)})"
    frames = [(kind, frame) for kind in kinds for frame in data[kind]]
    return [
        (kind, re.compile(frame.replace("{name}", who).replace("{number}", data["number"])))
        for kind, frame in frames
    ]
