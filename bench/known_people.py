"""A fake model that knows a book's people, and errs about their names as LLMs do.

It lists whom a passage names, each under the name that the passage uses most, and relates people who share a
sentence. Its errors are drawn by hash from passage, person and seed: a repeated prompt gets the same reply.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from kgnb.extract.word_search import trie_pattern

GENERIC_WORDS = {
    "zh": "老爷 夫人 将军 大人 少年 那汉子 小厮 兄弟 父亲 妇人 老者 此人 贤弟 主人".split(),  # noqa: SIM905
    "en": ["the captain", "that boy", "the girl", "my dear", "that fellow", "the lady", "his friend"],
}
"""Words of which a noisy model gives one as an alias."""
RELATION_IN = 3
"""One in so many sentences with two people gives a relation."""
_SENTENCE = re.compile(r"[^。！？!?\n.]+[。！？!?.]*")


@dataclass(frozen=True, slots=True)
class NameErrors:
    """How a model errs about names, as probabilities (0-1).

    ``alias_recall``: for each further name of a listed person that the passage has, that it is listed;
    ``wrong_alias`` and ``generic``: for each listed person, that another person's name, or a word for many
    people, is among its aliases.
    """

    alias_recall: float = 1.0
    wrong_alias: float = 0.0
    generic: float = 0.0


@dataclass(frozen=True, slots=True)
class KnownPeople:
    """Answers for one book: ``names``: a person's best-known name → all its names."""

    names: Mapping[str, tuple[str, ...]]
    lang: str
    pattern: re.Pattern[str]
    person_of: Mapping[str, str]
    errors: NameErrors = NameErrors()
    seed: int = 0

    @classmethod
    def of(cls, gold: Mapping[str, Any], errors: NameErrors = NameErrors(), seed: int = 0) -> Self:
        """From a gold list: ``{"lang": "zh", "characters": {name: {"aliases": [...]}}}``."""
        names = {
            name: (name, *sorted({*known["aliases"]} - {name})) for name, known in gold["characters"].items()
        }
        person_of = {form: name for name in reversed(names) for form in names[name]}
        expression = trie_pattern(person_of)
        if gold["lang"] != "zh":
            expression = rf"(?<!\w){expression}(?!\w)"
        return cls(names, gold["lang"], re.compile(expression), person_of, errors, seed)

    def answer(self, text: str) -> str:
        """The reply for ``text``: the JSON object that kgnb's prompts ask for."""
        if self.lang != "zh":
            text = " ".join(text.split())  # names are broken over lines
        used: dict[str, Counter[str]] = defaultdict(Counter)
        for form in self.pattern.findall(text):
            used[self.person_of[form]][form] += 1
        called = {person: max(forms, key=lambda f: (forms[f], f)) for person, forms in used.items()}
        drawn = _Draws(f"{self.seed}\n{text}")
        characters = [
            {"name": called[person], "aliases": list(self._aliases(person, forms, called, drawn))}
            for person, forms in used.items()
        ]
        relations = list(self._relations(text, called))
        return json.dumps({"characters": characters, "relations": relations}, ensure_ascii=False)

    def _aliases(
        self, person: str, used: Counter[str], called: Mapping[str, str], drawn: _Draws
    ) -> Iterator[str]:
        """The aliases listed for a person: those that the passage has and its best-known name, or errors."""
        for form in self.names[person]:
            known = form in used or form == person
            if known and form != called[person] and drawn.number(person, form) < self.errors.alias_recall:
                yield form
        others = [other for other in called if other != person]
        if others and drawn.number(person, "wrong") < self.errors.wrong_alias:
            forms = self.names[drawn.choice(others, person, "whose")]
            yield drawn.choice(forms, person, "which")
        if drawn.number(person, "generic") < self.errors.generic:
            yield drawn.choice(GENERIC_WORDS[self.lang], person, "word")

    def _relations(self, text: str, called: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for match in _SENTENCE.finditer(text):
            sentence = match.group().strip()
            persons = (self.person_of[form] for form in self.pattern.findall(sentence))
            people = list(dict.fromkeys(called[person] for person in persons if person in called))
            if len(people) > 1 and _Draws(sentence).number() * RELATION_IN < 1:
                yield {"source": people[0], "target": people[1], "type": "KNOWS", "evidence": sentence[:30]}


class _Draws:
    """Numbers that depend on a key and a few words only."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()

    def number(self, *words: str) -> float:
        """From 0 up to 1."""
        digest = hashlib.blake2b("\n".join(words).encode(), key=self._key, digest_size=8).digest()
        return int.from_bytes(digest) / 2**64

    def choice(self, items: Sequence[str], *words: str) -> str:
        """One of the items."""
        return items[int(self.number(*words) * len(items))]
