"""What is known of the persons of an English book: titles, sex, surnames, and who keeps apart from whom."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kgnb.extract.alias_evidence import People, Stands
from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.names import Span, key

_SENTENCE_END = re.compile(r"[.!?](?=[\s\"])|\n")
_ABBREVIATED = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Rev)\.$")
_PRONOUN = re.compile(r"\b(he|him|his|himself|she|her|hers|herself)\b", re.IGNORECASE)
_MILITARY = words.RANKS & words.NEUTRAL
WINDOW = 1500


@dataclass(frozen=True, slots=True)
class Parts:
    """A name taken apart."""

    titles: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def first(self) -> str:
        """The first word after the titles."""
        return self.rest[0] if self.rest else ""

    @property
    def last(self) -> str:
        """The last word; of Mr. Wentworth of Monkford the one before the place."""
        named = self.rest[: self.rest.index("of")] if "of" in self.rest[1:] else self.rest
        return named[-1] if named else ""


def split(name: str) -> Parts:
    """Titles and the words after them."""
    parts = name.split(" ")
    n = 0
    while n < len(parts) - 1 and key(parts[n]) in words.HONORIFICS:
        n += 1
    if len(parts) == 1 and key(parts[0]) in words.RANKS:
        return Parts((key(parts[0]),), ())
    return Parts(tuple(key(p) for p in parts[:n]), tuple(parts[n:]))


class Bearers:
    """The names of one book and what tells their bearers apart. ``spans`` are the accepted persons."""

    def __init__(self, text: str, spans: Mapping[str, Span]) -> None:
        self.text = text
        self.spans = {n: s for n, s in spans.items() if not _family(n, s, spans)}
        self.parts = {n: split(n) for n in self.spans}
        self.people = People(self.spans)
        ends = [
            m.start()
            for m in _SENTENCE_END.finditer(text)
            if not _ABBREVIATED.search(text, max(0, m.start() - 5), m.start() + 1)
        ]
        self.stands = Stands(self.people, {n: s.at for n, s in self.spans.items()}, ends, WINDOW)
        self.order = sorted(self.spans, key=lambda n: (-self.spans[n].count, n))
        self._gender: dict[str, str] = {}
        self.dropped: set[str] = set()
        self._begin: dict[str, list[str]] = defaultdict(list)  # first word after the titles → names
        self._end: dict[str, list[str]] = defaultdict(list)  # last word → names
        for name in self.order:
            if self.parts[name].rest:
                self._begin[self.parts[name].first].append(name)
                self._end[self.parts[name].last].append(name)

    def _roots(self, names: Iterable[str], name: str) -> list[str]:
        """The persons of ``names`` who are not ``name``'s already and may be by their sex."""
        roots = dict.fromkeys(self.people.root(n) for n in names)
        return [r for r in roots if r != self.people.root(name) and self._agree(name, r)]

    def _apart(self, name: str, roots: list[str], *, strict: bool = False, unsure: float = 0.0) -> str:
        """The root whose person may be ``name``'s: never beside it in a sentence; empty if unclear."""
        if not roots:
            return ""
        if len(roots) == 1:
            limit = 0.35 if strict else 0.6
            return roots[0] if self.stands.ratio(name, roots[0], unsure) < limit else ""
        judged = sorted((self.stands.ratio(name, r, max(0.2, unsure)), i, r) for i, r in enumerate(roots))
        if judged[0][0] < 0.3 and (not strict or judged[1][0] > 0.3):
            return judged[0][2]
        return ""

    def _same_surname(self, one: str, other: str) -> bool:
        lasts = [
            {self.parts[n].last for n in self.people.names_of(w) if len(self.parts[n].rest) > 1}
            for w in (one, other)
        ]
        return bool(lasts[0] & lasts[1])

    def _is_surname(self, word: str, name: str) -> bool:
        """Whether others bear ``word`` as their last name."""
        mine = self.people.root(name)
        return any(
            p.last == word
            and (len(p.rest) > 1 or {"mr", "mrs"} & set(p.titles))
            and self.people.root(n) != mine
            for n, p in self.parts.items()
        )

    def _size(self, name: str) -> int:
        return sum(self.spans[n].count for n in self.people.names_of(name))

    def _titles(self, name: str) -> set[str]:
        names = self.people.names_of(name)
        if len(names) == 1:
            return set(self.parts[name].titles)
        seen: Counter[str] = Counter()
        for one in names:
            for title in self.parts[one].titles:
                seen[title] += self.spans[one].count
        least = 0.02 * self._size(name)  # what is said once in jest is no title
        return {t for t, n in seen.items() if n >= least}

    def _wife(self, one: str, other: str) -> bool:
        return ("mrs" in self.parts[one].titles) != ("mrs" in self.parts[other].titles)

    def _agree(self, one: str, other: str) -> bool:
        """Whether what is known of both persons' sex is no contradiction."""
        a, b = self.gender(one), self.gender(other)
        return not a or not b or a == b

    def gender(self, name: str) -> str:
        """ "m", "f" or "": by title, else by the pronouns that follow the person's names."""
        titles = self._titles(name)
        if titles & words.FEMALE:
            return "f"
        if titles & words.MALE:
            return "m"
        if titles & _MILITARY:
            return ""  # the pronouns around them are often those of whom they look at
        firsts = {self.parts[n].first.lower() for n in self.people.names_of(name)}
        if firsts & words.FEMALE_NAMES and not firsts & words.MALE_NAMES:
            return "f"
        if firsts & words.MALE_NAMES and not firsts & words.FEMALE_NAMES:
            return "m"
        root = "\x00".join(self.people.names_of(name))
        if root not in self._gender:
            self._gender[root] = self._by_pronouns(self.people.names_of(name))
        return self._gender[root]

    def _by_pronouns(self, names: Iterable[str]) -> str:
        seen: Counter[str] = Counter()
        for name in names:
            for at in self.spans[name].at[:200]:
                match = _PRONOUN.search(self.text, at + len(name), at + len(name) + 60)
                if match:
                    seen["f" if match[1].lower().startswith(("she", "her")) else "m"] += 1
        if seen.total() < 4:
            return ""
        best, n = seen.most_common(1)[0]
        return best if n >= 0.7 * seen.total() else ""

    def _the_miss(self, name: str, roots: list[str]) -> str:
        """Of the daughters whom no "Miss Mary" tells apart the only one, or the one who is mostly about."""
        reach = sorted(((self.stands.reach(name, r), r) for r in roots), reverse=True)
        clear = len(reach) == 1 or (len(reach) > 1 and reach[0][0] >= 3 * reach[1][0])
        if not clear or self.stands.ratio(name, reach[0][1], 0.0, least=3.0) >= 2.5:
            return ""
        return reach[0][1]

    def _by_far(self, roots: list[str]) -> bool:
        """Whether the first is the only one, or far more about than the others: Sherlock, not Mycroft."""
        return len(roots) == 1 or self._size(roots[0]) >= 4 * self._size(roots[1])

    def _told_apart(self, name: str, root: str) -> bool:
        """Whether the person has a form of his own, Miss Lucy, Mr. Frank Churchill: a younger one, to whom
        the bare title and surname do not belong."""
        titles, surname = self.parts[name].titles, self.parts[name].last
        if titles == ("mr",) and not any("mrs" in self.parts[n].titles for n in self._end[surname]):
            return False  # no married couple bears the name: Mr. Holmes is Mr. Sherlock Holmes
        if titles not in (("miss",), ("mr",)):
            return False
        formal = 0.0 if titles == ("miss",) else 1.0  # Miss Augusta Hawkins, when she is first heard of
        own = sum(
            self.spans[n].count * (2.0 if len(self.parts[n].rest) == 1 else formal)
            for n in self.people.names_of(root)
            if self.parts[n].titles == titles and n != name
        )
        return own > 0.08 * self.spans[name].count

    def _unlikely(self, titles: tuple[str, ...], other: str) -> bool:
        """Whether a rank would go to a lady who never bears it: General Tilney is not Eleanor."""
        return (
            set(titles) <= _MILITARY and self.gender(other) == "f" and not set(titles) & self._titles(other)
        )


def clash(one: Iterable[str], other: Iterable[str]) -> bool:
    """Titles that one person does not bear together: Captain and Mr, Mrs and Miss."""
    a, b = set(one), set(other)
    return bool(a and b and not a & b)


def _family(name: str, span: Span, spans: Mapping[str, Span]) -> bool:
    """The Bennets, the Lucases: a family, not a person."""
    last = name.split(" ")[-1]
    if not last.endswith("s") or span.the < 0.4 * span.count:
        return False
    singular = {last[:-1], last[:-2]}
    return any(n.split(" ")[-1] in singular for n in spans)
