"""Forms of address of a Chinese book (何公, 明哥, 行者), linked with those who may be meant and are near."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, compress
from typing import NamedTuple, Protocol

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.links import MOSTLY, ByForm, Link, Persons
from kgnb.extract.zh.name_evidence import FEW
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.surnames import (
    called_by,
    given_of,
    head_of,
    is_full,
    is_role,
    surname_of,
    title_of,
    titled_surname,
)

NEAR = 800
"""Most characters between a form of address and its nearest bearer."""
RIVALS = 3
"""Most bearers of a surname with whom a form of address is compared: the nearest ones."""

_ELDERS = {
    "老太太 老祖宗 老夫人 太夫人 老太君": ("老太太", "老夫人", "太夫人", "太君", "母"),
    "姨太太": ("姨妈", "姨母", "姨太太"),
    "老太爷 老爷子 老太公": ("老太爷", "老爷子", "老太公"),
}
"""What all call the eldest of a house, and what ends the name by which the text tells of that one: 顾母."""
_NOT_GIVEN = (
    words.BEFORE_KIN
    | words.RANKED
    | words.MODIFIERS
    | words.DETERMINERS
    | words.NEVER_IN_NAMES
    | words.UNLIKELY_NAME_ENDS
)
_GIVEN_TITLES = tuple(words.TITLES_AFTER_GIVEN)
_RANKED_TITLES = (*_GIVEN_TITLES, *(rank + t for rank in words.RANKED for t in _GIVEN_TITLES if t != "儿"))


class Votes(NamedTuple):
    """Names of those who may be meant by a form of address, and at how many of its places each is nearest."""

    bearers: frozenset[str]
    nearest: Counter[str]


class Located(Protocol):
    """A book's names and where they stand."""

    @property
    def accepted(self) -> Mapping[str, int]:
        """Persons' names → occurrences."""

    @property
    def given(self) -> Set[str]:
        """Given names without surname (子安) and courtesy names (字)."""

    @property
    def offsets(self) -> Mapping[str, array[int]]:
        """Name or form of address → its offsets in the text, ascending."""

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Name → names that surely belong to the same person, itself among them; a lone name has only
        itself."""

    @property
    def candidates(self) -> Sequence[str]:
        """All names and forms of address that occur."""

    @property
    def votes(self) -> dict[str, Votes]:
        """Form of address → votes for the persons that it may mean; :func:`by_place` fills it."""


def characters_with_titles(classifier: NameClassifier, named: Iterable[str]) -> dict[str, list[str]]:
    """Return form of address → names that it may mean by a character of the given name.

    A form is a character and a title (明哥, 云二爷) or the character twice (明明): {"明哥": ["张明"]}. Only
    forms that begin as frequent pairs of characters do; surnames, roles and common words are left out.
    """
    bearers, surnames = defaultdict[str, list[str]](list), set(words.SURE_SURNAMES)
    for name in named:
        if name[1:] in words.TITLES_AFTER_GIVEN:
            bearers[name[0]].append(name)
        elif not (titled_surname(name) or head_of(name) or name.endswith(_GIVEN_TITLES)):
            surnames.add(surname_of(name))
            for char in dict.fromkeys(given_of(name)):
                bearers[char].append(name)
    for char in surnames | _NOT_GIVEN:
        bearers.pop(char, None)
    starts = defaultdict[str, list[str]](list)
    for title in _RANKED_TITLES:
        starts[title[0]].append(title)
    pairs = [(char, start) for char in bearers for start in starts]
    counts = classifier.bigrams.counts(char + start for char, start in pairs)
    often = [pair for pair, n in zip(pairs, counts, strict=True) if n >= FEW]
    found = {char + title: bearers[char] for char, start in often for title in starts[start]}
    for char in bearers:
        twice = classifier.candidates.get(char * 2)
        if twice and twice.speaks and classifier.common_words.get(char * 2, 0.0) < 2:
            found[char * 2] = bearers[char]  # not 静静, 快快, 渐渐
    common = classifier.common_words.keys() | classifier.known_places
    return {form: names for form, names in found.items() if not (is_role(form) or form in common)}


def titles_of(classifier: NameClassifier, persons: Persons) -> Iterator[str]:
    """Yield forms of address to look up, with repetitions: surnames with a title, however rare (何公), and
    titles that may mean one person by themselves (公).
    """
    yield from (form for form in classifier.addresses(persons) if title_of(form))
    yield from (title for name in persons for title in (title_of(name), head_of(name)) if len(title) > 1)
    yield from " ".join(_ELDERS).split()
    bearers = Counter(map(surname_of, filter(is_full, persons)))
    surnames = sorted(words.SURE_SURNAMES & bearers.keys())
    forms = [prefix + surname for surname in surnames for prefix in "老小" if len(surname) == 1]
    counts = classifier.bigrams.counts(form[:2] for form in forms)
    yield from (form for form in compress(forms, counts) if called_by(form))


def by_place(people: Located, found: ByForm, characters: Mapping[str, Sequence[str]]) -> Iterator[Link]:
    """Yield links between each form of address (何公, 明哥) and the names near it in the text that it may
    mean.

    ``characters``: result of :func:`characters_with_titles`; ``found``: links by form. Fills
    ``people.votes``.
    """
    bearers = defaultdict[str, list[str]](list)
    for name in people.candidates:
        if surname_of(name) and is_full(name) and name not in people.given:  # 国太 is no 国
            bearers[surname_of(name)].append(name)
    for form, names in characters.items():
        if len(people.offsets[form]) >= (1 if form in people.accepted else FEW):
            own = [n for n in names if n[1:] not in words.TITLES_AFTER_GIVEN]
            yield from _nearest(people, form, own or names, "名与称")
    for form in [name for name, at in people.offsets.items() if at and called_by(name) and not is_role(name)]:
        if called_by(form) in words.SURE_SURNAMES or form not in characters:
            yield from _nearest(people, form, bearers[called_by(form)], "姓与称")
    for form in found.courtesy:
        short = [name for name in bearers[surname_of(form)] if len(given_of(name)) == 1]
        yield from _nearest(people, form, short, "姓与互斥")
    yield from chain(_bare_titles(people), _elders(people), _apposed(people))


def _nearest(people: Located, form: str, names: Iterable[str], kind: str) -> Iterator[Link]:
    """Yield links with those who may be meant and are nearest to the form."""
    bearers = frozenset(n for name in names for n in people.groups[name] if people.offsets[n]) - {form}
    if not bearers:
        return
    places = sorted((at, name) for name in bearers for at in people.offsets[name])
    nearest = Counter[str]()
    for at in people.offsets[form]:
        k = bisect_left(places, (at, ""))
        place, name = min(places[max(0, k - 1) : k + 1], key=lambda found: abs(found[0] - at))
        nearest[name] += abs(place - at) <= NEAR
    people.votes[form] = Votes(bearers, +nearest)
    persons = len({min(people.groups[name]) for name in bearers})
    best = sorted(+nearest, key=lambda name: (-nearest[name], name))[:RIVALS]
    for name in best or (bearers if persons == 1 else ()):
        yield Link(form, name, kind, 1 / persons)


def _bare_titles(people: Located) -> Iterator[Link]:
    """Yield a link between a title alone (行者) and the name (王行者) with at least 80 % of the occurrences
    of all names with this title, if the title is as frequent as the name.
    """
    bearers = defaultdict[str, Counter[str]](Counter)
    for name in people.candidates:
        for title in {title_of(name), head_of(name)} & people.offsets.keys():
            bearers[title][name] += len(people.offsets[name])
    for title, names in bearers.items():
        ((name, n),) = names.most_common(1)
        if len(people.offsets[title]) >= n >= 0.8 * names.total():
            yield Link(title, name, "称号", n / names.total())


def _elders(people: Located) -> Iterator[Link]:
    """Yield links between words for a family's eldest (老太太, 老祖宗) and the two most frequent names of
    elders (何老太太, 顾母).
    """
    for titles, ends in _ELDERS.items():
        called = (n for n in people.accepted if n.removeprefix(called_by(n) or surname_of(n)) in ends)
        mentions = Counter({name: len(people.offsets[name]) for name in called})
        for name, n in mentions.most_common(2):
            found = (title for title in titles.split() if people.offsets[title])
            yield from (Link(title, name, "长辈", n / max(1, mentions.total())) for title in found)


def _before_full_names(people: Located) -> Iterator[tuple[str, Counter[str]]]:
    """Yield titles with the full names right behind them: 县令何恭."""
    fulls = (n for n in people.accepted if surname_of(n) in words.SURE_SURNAMES)
    fulls = (n for n in fulls if n not in people.given and n[-1] not in words.RANK_ENDS)
    starts = {at: full for full in fulls for at in people.offsets[full]}
    for title in people.accepted:
        if (not surname_of(title) or title[-1] in words.RANK_ENDS) and not titled_surname(title):
            ends = (at + len(title) for at in people.offsets[title])
            if after := Counter(starts[end] for end in ends if end in starts):
                yield title, after


def _apposed(people: Located) -> Iterator[Link]:
    """Yield links between a title and a full name directly beside it (县令何恭, 何恭何县令), for names that
    follow the title often enough.
    """
    for title, after in _before_full_names(people):
        for name, n in after.most_common(2):
            often = title[-1] in words.RANK_ENDS or n >= 0.05 * people.accepted[title]
            if n >= 2 and often:
                yield Link(title, name, "同位", min(1.0, n / after.total() + 0.3))
    fulls = [name for name in people.accepted if is_full(name)]
    ends = {at + len(name): name for name in fulls for at in people.offsets[name]}
    for title in filter(titled_surname, people.offsets):
        beside = {ends[at] for at in people.offsets[title] if at in ends}
        same = (name for name in beside if surname_of(name) == titled_surname(title))
        yield from (Link(title, name, "同位") for name in same)


def shared_titles(people: Located) -> set[str]:
    """Return the titles that the text puts before the full names of several people (魏主曹睿, 魏主曹芳 →
    魏主): they are no one person's name.
    """
    return {
        title
        for title, after in _before_full_names(people)
        if after.most_common(1)[0][1] < MOSTLY * after.total()
        and after.total() >= max(3, 0.08 * people.accepted[title])
    }
