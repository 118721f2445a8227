"""Two names of a Chinese book that may be one person's: what links them, before anybody weighs it.

By their form (子安 and 何子安), by what the text says, and, of forms of address (何公, 明哥), by who of those
that may be meant is near.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, pairwise
from typing import TYPE_CHECKING, NamedTuple

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.candidates import Candidate
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.statements import Statement, Statements
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

if TYPE_CHECKING:
    from kgnb.extract.zh.people import People

Kinds = dict[str, float]
"""Kind of link → how good a one it is, up to 1."""
Persons = Mapping[str, Candidate]

NEAR = 800
"""Most characters between a form of address and its nearest bearer."""
FEW = 3
"""Fewest mentions of a nickname before its bearer, and of a character with a title."""
WORD = 1.5
"""Weight of a word from which on it is no given name that doesn't look like one."""
LONGER_FORMS = 6
"""Fewest mentions of a longer form of a name."""
LONGEST = 5
"""Characters of the longest nickname."""
SIGNIFICANT = 2.5
"""Least log-likelihood of a nickname's appositions against names that follow at random, in nats (p < 0.1);
words of two characters, which are many, need twice that."""
RIVALS = 3
"""Most bearers of a surname with whom a form of address is compared: the nearest ones."""
MOSTLY = 0.6
"""Share of a title's places before names that are one person's, of a title that is nobody else's."""

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


class Link(NamedTuple):
    """That two names may be one person's; ``value``: how good a link of its kind it is, up to 1."""

    one: str
    other: str
    kind: str
    value: float = 1.0


class Votes(NamedTuple):
    """Names of those who may be meant by a form of address, and at how many of its places each is nearest."""

    bearers: frozenset[str]
    nearest: Counter[str]


@dataclass
class ByForm:
    """What names tell by their form and by the text's own words."""

    links: list[Link] = field(default_factory=list)
    given: set[str] = field(default_factory=set)
    """Given and courtesy names."""
    of_many: set[str] = field(default_factory=set)
    """Ranks that are conferred on several people."""
    courtesy: dict[str, str] = field(default_factory=dict)
    """Surname + what may be a courtesy name → that."""


def by_form(text: str, classifier: NameClassifier, persons: Persons) -> ByForm:
    """Return the links of names that need no look at passages."""
    found = ByForm()
    counts = _Counts(text, classifier, persons)
    _stated(found, text, classifier, counts)
    _with_surnames(found, classifier, persons, counts)
    found.links += (Link(full, alias, "译名") for full, alias in classifier.foreign.joins(persons))
    found.links += (Link(n, n + "儿", "儿") for n in persons if n + "儿" in classifier.candidates)
    found.links += _with_heads(classifier, persons, counts)
    found.links += _longer_forms(text, classifier, persons)
    found.links += _nicknames(text, classifier, persons)
    return found


class _Counts(dict[str, int]):
    """A name's occurrences; the bigram counts spare most searches."""

    def __init__(self, text: str, classifier: NameClassifier, persons: Persons) -> None:
        super().__init__({name: found.count for name, found in persons.items()})
        self._text, self._bigrams = text, classifier.bigrams

    def __missing__(self, name: str) -> int:
        n = min(self._bigrams.counts(a + b for a, b in pairwise(name)), default=0)
        if n and len(name) > 2:
            n = sum(self._text.startswith(name, at) for at in self._bigrams.offsets((name[:2],)))
        self[name] = n
        return n


def _stated(found: ByForm, text: str, classifier: NameClassifier, counts: _Counts) -> None:
    """What the text states; a courtesy name goes to one bearer: who is called by it with his surname, or is
    mentioned most."""
    told = Counter(Statements(text, counts, classifier.told.titled).read())
    classifier.bigrams.find(name[:2] for said in told for name in (said.full, said.alias))

    def weight(said: Statement) -> tuple[int, int, str]:
        surname = surname_of(said.full)
        return counts[surname + said.alias] if surname else 0, counts[said.full], said.full

    claims = defaultdict[tuple[str, str], list[Statement]](list)
    for said in told:
        if counts[said.full] and counts[said.alias]:
            claims[said.alias, said.how].append(said)
    for (alias, how), several in claims.items():
        if how == "封" and len(several) > 1:
            found.of_many.add(alias)
            continue
        if how != "字":
            total = sum(told[said] for said in several)
            found.links += (Link(said.full, alias, how, told[said] / total) for said in several)
            continue
        full = max(several, key=weight).full
        found.links.append(Link(full, alias, how))
        found.given.add(alias)
        form = surname_of(full) + alias
        if form != alias and counts[form]:
            found.links += (Link(full, form, how), Link(form, alias, "姓"))


def _with_surnames(found: ByForm, classifier: NameClassifier, persons: Persons, counts: _Counts) -> None:
    """何子安 and 子安, whether or not the latter looks like a name by itself."""
    longer = defaultdict[str, list[str]](list)
    for name in persons:
        if surname_of(name) and len(given_of(name)) >= 2:
            longer[given_of(name)].append(name)
    likely = classifier.given_names(persons)
    for given, fulls in longer.items():
        found.given.add(given)
        for full in fulls if len(fulls) == 1 else ():  # a given name of two families is neither's
            word = classifier.common_words.get(given, 0.0) >= WORD
            if given in persons or (likely.get(full) == given and not word):
                found.links.append(Link(full, given, "姓" if given in persons else "名"))
    addresses = {form: bare for form, bare in classifier.addresses(persons).items() if not title_of(form)}
    totals = Counter[str]()
    for form, bare in addresses.items():
        totals[bare] += counts[form]
    told = any(link.kind == "字" for link in found.links)
    for form, bare in addresses.items():
        n, alone = counts[form], counts[bare] - totals[bare]
        share = n / max(1, n + alone)
        often = n >= 0.7 * totals[bare] and share >= (0.02 if n >= 5 else 0.05) and alone >= 2
        if often and (told or bare in persons) and bare not in words.TITLES:
            found.links.append(Link(form, bare, "姓"))
            found.given.add(bare)
            if told:  # else 何恭 and 何子安 are kin
                found.courtesy[form] = bare


def _with_heads(classifier: NameClassifier, persons: Persons, counts: _Counts) -> Iterator[Link]:
    """青云 and 青云大仙, 守田老汉 and 何守田: a name and the same with a head."""
    fulls, longer = defaultdict[str, list[str]](list), defaultdict[str, Counter[str]](Counter)
    for full in persons:
        if surname_of(full):
            fulls[given_of(full)].append(full)
    for name, candidate in classifier.candidates.items():
        head = head_of(name)
        stem = name.removesuffix(head)
        if not head or len(stem) < 2 or head in words.MARRIED:
            continue
        if name in persons and head not in words.WIFE_TITLES:
            yield from (Link(full, name, "名头", 1 / len(fulls[stem])) for full in fulls.get(stem, ()))
        if name in persons or (stem in persons and candidate.count >= 0.05 * counts[stem]):
            longer[stem][name] = candidate.count
    for stem, names in longer.items():
        for name, n in names.most_common(1):
            titled = titled_surname(stem) or given_of(name) in words.TITLES_AFTER_SURNAME
            if n >= MOSTLY * names.total() and not titled and _is_stem(stem, n, classifier, persons, counts):
                yield Link(name, stem, "头", n / names.total())


def _is_stem(stem: str, n: int, classifier: NameClassifier, persons: Persons, counts: _Counts) -> bool:
    """Whether what is left of a name without its head may be one."""
    if stem in persons or stem in classifier.known_places:
        return stem in persons
    candidate = classifier.candidates.get(stem)
    likely = candidate is not None and candidate.score > 0
    return counts[stem] >= n + 2 and (likely or n >= 0.3 * counts[stem])


def _longer_forms(text: str, classifier: NameClassifier, persons: Persons) -> Iterator[Link]:
    """紫阳真君 and 真君, 狸七戒 and 七戒: a name behind what stands before hardly anything else, or hardly
    before other names."""
    found = list(classifier.bigrams.find_all(persons))
    mentions = Counter(name for _, name in found)
    likely: dict[str, Link] = {}
    for size in (1, 2):
        forms = Counter([text[at - size : at + len(name)] for at, name in found if at >= size])
        everywhere = Counter[str]()
        for form, n in forms.items():
            everywhere[form[:size]] += n
        for form, n in forms.items():
            before, name = form[:size], form[size:]
            if n < LONGER_FORMS or not _can_precede(before, name):
                continue
            char = classifier.frequency(before) * len(text)
            total = classifier.bigrams.count(before) if size == 2 else char
            by_others = (everywhere[before] - n + 0.5) / (mentions.total() - mentions[name] + 1)
            own = n >= 0.3 * everywhere[before] and n / mentions[name] > 7 * by_others
            if own or n >= 0.5 * total:
                likely[form] = Link(form, name, "全称", n / max(n, total))
    for form, candidate in classifier.with_neighbours(likely).items():
        if classifier.left_score(candidate) >= 0:
            yield likely[form]


def _can_precede(word: str, name: str) -> bool:
    """Whether the word may be part of a longer name."""
    if not is_han(word) or word[0] in words.DETERMINERS - words.NUMERALS:
        return False
    if word in words.MODIFIERS | words.FAMILIAR_PREFIXES or word[-1] == name[-1]:
        return False  # 小青冥 and 假青冥 may be somebody else, and 猫儿狗儿 are two
    if len(word) == 1 and surname_of(name) and not titled_surname(name):
        return False
    return words.NEVER_IN_NAMES.isdisjoint(word) and word[-1] not in words.UNLIKELY_NAME_ENDS - {"上"}


def _nicknames(text: str, classifier: NameClassifier, persons: Persons) -> Iterator[Link]:
    """铁臂熊王虎: a word that stands before one person's name only, more often than that name's share of all
    names explains (a log-likelihood ratio, Dunning 1993), and alone as a name does."""
    fulls = [name for name in persons if surname_of(name)]
    places, bearers = array("I"), list[str]()
    for at, name in classifier.bigrams.find_all(fulls):
        places.append(at)
        bearers.append(name)
    mentions = Counter(bearers)
    for size in range(2, LONGEST + 1):
        before = [text[at - size if at > size else 0 : at] for at in places]
        everywhere, pairs = Counter(before), Counter(zip(before, bearers, strict=True))
        likely = {
            pair: n
            for pair, n in pairs.items()
            if n >= max(FEW, 0.8 * everywhere[pair[0]]) and _can_be_nickname(pair[0], classifier, persons)
        }
        alone = classifier.with_neighbours(word for word, _ in likely)
        for (word, who), n in likely.items():
            surprise = n * math.log(mentions.total() / mentions[who]) if len(mentions) > 1 else math.inf
            sure = surprise >= SIGNIFICANT * (2 if size == 2 else 1) and n < alone[word].count
            if sure and classifier.left_score(alone[word]) >= -0.3:
                yield Link(who, word, "绰号", math.sqrt(n / alone[word].count))
        # Most places end here: a longer word before a name is no more frequent than its end.
        often = [everywhere[word] >= FEW for word in before]
        places, bearers = array("I", compress(places, often)), list(compress(bearers, often))


def _can_be_nickname(word: str, classifier: NameClassifier, persons: Persons) -> bool:
    """Whether no part of the word is a name, a word for many people or grammar."""
    if not is_han(word) or not words.NEVER_IN_NAMES.isdisjoint(word) or word[-2:] in words.GENERIC:
        return False
    if (
        word[0] in words.NEVER_FIRST
        or word[-1] in words.HOUSE_ENDS | words.UNLIKELY_NAME_ENDS - words.NUMERALS
    ):
        return False
    if word in persons and is_full(word):
        return False
    parts = {word[a:b] for a in range(len(word)) for b in range(a + 2, len(word) + 1)} - {word}
    known = word in classifier.common_words or word in classifier.known_places
    return parts.isdisjoint(persons) and (len(word) > 2 or not known)


# --- forms of address: whose they are, the passages tell ---


def characters_with_titles(classifier: NameClassifier, named: Iterable[str]) -> dict[str, list[str]]:
    """Return a character and a title (明哥, 云二爷), or it twice (明明) → names that have the character."""
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
    """Yield surnames with a title, however rare, and the titles that may stand for somebody by themselves."""
    yield from (form for form in classifier.addresses(persons) if title_of(form))
    yield from (title for name in persons for title in (title_of(name), head_of(name)) if len(title) > 1)
    yield from " ".join(_ELDERS).split()
    bearers = Counter(map(surname_of, filter(is_full, persons)))
    surnames = sorted(words.SURE_SURNAMES & bearers.keys())
    forms = [prefix + surname for surname in surnames for prefix in "老小" if len(surname) == 1]
    counts = classifier.bigrams.counts(form[:2] for form in forms)
    yield from (form for form in compress(forms, counts) if called_by(form))


def by_place(people: People, found: ByForm, characters: Mapping[str, Sequence[str]]) -> Iterator[Link]:
    """Yield the links of forms of address with those who may be meant."""
    bearers = defaultdict[str, list[str]](list)
    for name in people.candidates:
        if surname_of(name) and is_full(name):
            bearers[surname_of(name)].append(name)
    for form, names in characters.items():
        if len(people.offsets[form]) >= (1 if form in people.accepted else FEW):
            own = [n for n in names if n[1:] not in words.TITLES_AFTER_GIVEN]
            yield from _nearest(people, form, own or names, "名与称")
    for form in [name for name, at in people.offsets.items() if at and called_by(name)]:
        if called_by(form) in words.SURE_SURNAMES or form not in characters:
            yield from _nearest(people, form, bearers[called_by(form)], "姓与称")
    for form in found.courtesy:
        short = [name for name in bearers[surname_of(form)] if len(given_of(name)) == 1]
        yield from _nearest(people, form, short, "姓与互斥")
    yield from chain(_bare_titles(people), _elders(people), _apposed(people))


def _nearest(people: People, form: str, names: Iterable[str], kind: str) -> Iterator[Link]:
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


def _bare_titles(people: People) -> Iterator[Link]:
    """行者 and 王行者, where hardly anybody else has that title."""
    bearers = defaultdict[str, Counter[str]](Counter)
    for name in people.candidates:
        for title in {title_of(name), head_of(name)} & people.offsets.keys():
            bearers[title][name] += len(people.offsets[name])
    for title, names in bearers.items():
        ((name, n),) = names.most_common(1)
        if len(people.offsets[title]) >= n >= 0.8 * names.total():
            yield Link(title, name, "称号", n / names.total())


def _elders(people: People) -> Iterator[Link]:
    """老太太 and 老祖宗 are 顾母 or 何老太太, if the book has one."""
    for titles, ends in _ELDERS.items():
        called = (n for n in people.accepted if n.removeprefix(called_by(n) or surname_of(n)) in ends)
        mentions = Counter({name: len(people.offsets[name]) for name in called})
        for name, n in mentions.most_common(2):
            found = (title for title in titles.split() if people.offsets[title])
            yield from (Link(title, name, "长辈", n / max(1, mentions.total())) for title in found)


def _before_full_names(people: People) -> Iterator[tuple[str, Counter[str]]]:
    """Yield titles with the full names right behind them: 县令何恭."""
    fulls = (n for n in people.accepted if surname_of(n) in words.SURE_SURNAMES)
    fulls = (n for n in fulls if n not in people.given and n[-1] not in words.RANK_ENDS)
    starts = {at: full for full in fulls for at in people.offsets[full]}
    for title in people.accepted:
        if (not surname_of(title) or title[-1] in words.RANK_ENDS) and not titled_surname(title):
            ends = (at + len(title) for at in people.offsets[title])
            if after := Counter(starts[end] for end in ends if end in starts):
                yield title, after


def _apposed(people: People) -> Iterator[Link]:
    """县令何恭: a title and whom it stands before; one name before another twice in a book is a list of two,
    but for a rank."""
    for title, after in _before_full_names(people):
        for name, n in after.most_common(2):
            often = title[-1] in words.RANK_ENDS or n >= 0.05 * people.accepted[title]
            if n >= 2 and often:
                yield Link(title, name, "同位", min(1.0, n / after.total() + 0.3))


def shared_titles(people: People) -> set[str]:
    """Return titles that the text gives to several people (魏主曹睿, 魏主曹芳): names of nobody."""
    return {
        title
        for title, after in _before_full_names(people)
        if after.most_common(1)[0][1] < MOSTLY * after.total()
        and after.total() >= max(3, 0.08 * people.accepted[title])
    }
