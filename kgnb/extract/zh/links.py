"""Two names of a Chinese book that may be one person's: what links them, before anybody weighs it.

By their form (子安 and 何子安) and by what the text says; of forms of address (何公, 明哥), see
:mod:`.address_links`.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, pairwise
from typing import NamedTuple

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.candidates import Candidate
from kgnb.extract.zh.name_evidence import FEW, OFTEN
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.statements import Statement, Statements
from kgnb.extract.zh.surnames import (
    given_of,
    head_of,
    is_full,
    is_role,
    surname_of,
    title_of,
    titled_surname,
)

Kinds = dict[str, float]
"""Kind of link → how good a one it is, up to 1."""
Persons = Mapping[str, Candidate]

WORD = 1.5
"""Weight of a word from which on it is no given name that doesn't look like one."""
LONGEST = 5
"""Characters of the longest nickname."""
SIGNIFICANT = 2.5
"""Least log-likelihood of a nickname's appositions against names that follow at random, in nats (p < 0.1);
words of two characters, which are many, need twice that."""
MOSTLY = 0.6
"""Share of a title's places before names that are one person's, of a title that is nobody else's."""


OWN_SURNAME = 0.15
"""Least share of a form with a surname before a name that seems to have one: 何云舒."""


class Link(NamedTuple):
    """That two names may be one person's; ``value``: how good a link of its kind it is, up to 1."""

    one: str
    other: str
    kind: str
    value: float = 1.0


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
    """Return the links between names of one person that the names' forms or the text's own words show: 字,
    surname with title, transliterated parts, 儿, nicknames.
    """
    found = ByForm()
    counts = _Counts(text, classifier, persons)
    _stated(found, text, classifier, counts)
    _with_surnames(found, classifier, persons, counts)
    found.links += (Link(full, alias, "译名") for full, alias in classifier.foreign.joins(persons))
    found.links += (Link(n, n + "儿", "儿") for n in persons if n + "儿" in classifier.candidates)
    found.links += _with_heads(classifier, persons, counts)
    found.links += _longer_forms(text, classifier, persons, found.given)
    found.links += _nicknames(text, classifier, persons)
    found.links += _surnames_with_nicknames(found.links, persons)
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
    told = Counter(Statements(text, counts).read())
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
    families = words.SURE_SURNAMES.intersection(map(surname_of, persons))
    alone = classifier.with_neighbours(longer)
    for given, fulls in longer.items():
        found.given.add(given)
        often = {char for char, n in alone[given].left.items() if n >= OFTEN}
        shared = len(families & often - {surname_of(fulls[0])}) > 0 if given in persons else False
        for full in fulls if len(fulls) == 1 and not shared else ():  # of two families: neither's
            word = classifier.common_words.get(given, 0.0) >= WORD
            if given in persons or (likely.get(full) == given and not word):
                found.links.append(Link(full, given, "姓" if given in persons else "名"))
    _with_courtesy_names(found, classifier, persons, counts)


def _with_courtesy_names(
    found: ByForm, classifier: NameClassifier, persons: Persons, counts: _Counts
) -> None:
    """何子安 and 子安 in a book that tells courtesy names: stated or not, if the latter stands as a name."""
    addresses = {form: bare for form, bare in classifier.addresses(persons).items() if not title_of(form)}
    totals = Counter[str]()
    for form, bare in addresses.items():
        totals[bare] += counts[form]
    stated = {link.other for link in found.links if link.kind == "字"}
    for form, bare in addresses.items():
        n, alone = counts[form], counts[bare] - totals[bare]
        share = n / max(1, n + alone)
        often = n >= 0.7 * totals[bare] and share >= (0.02 if n >= 5 else 0.05) and alone >= 2
        # A name that begins with a surname itself seldom takes another: 于 of 于袁绍 is a preposition.
        often = often and (bare[0] not in words.COMMON_SURNAMES or share >= OWN_SURNAME)
        title = bare in words.TITLES or bare in words.COMPOUND_SURNAMES  # 司徒 of 王司徒 is an office
        sure = form in persons or form[:2] in words.COMPOUND_SURNAMES
        unsaid = stated and sure and _stands_as_name(bare, form, classifier, counts)
        if often and not title and (bare in persons or bare in stated or unsaid):
            found.links.append(Link(form, bare, "姓"))
            found.given.add(bare)
            if stated:  # else 何恭 and 何子安 are kin
                found.courtesy[form] = bare


def _stands_as_name(bare: str, form: str, classifier: NameClassifier, counts: _Counts) -> bool:
    """Return whether the characters before a given name without its surname are those before names."""
    alone = classifier.with_neighbours([bare])[bare]
    alone.left[form[-len(bare) - 1]] -= counts[form]
    return classifier.left_score(alone) >= (0.3 if bare in classifier.common_words else -0.3)


def _with_heads(classifier: NameClassifier, persons: Persons, counts: _Counts) -> Iterator[Link]:
    """Yield links between a name and the same name with a head noun: 青云 and 青云大仙, 何守田 and
    守田老汉.
    """
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
    """Return whether the rest of a name without its head noun may be a name itself."""
    if stem in persons or stem in classifier.known_places:
        return stem in persons
    candidate = classifier.candidates.get(stem)
    likely = candidate is not None and candidate.score > 0
    return counts[stem] >= n + 2 and (likely or n >= 0.3 * counts[stem])


def _longer_forms(
    text: str, classifier: NameClassifier, persons: Persons, given: Collection[str]
) -> Iterator[Link]:
    """Yield links between a name and a longer form of it: 真君 and 紫阳真君. The characters in front are
    hardly ever elsewhere.
    """
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
            if n < 2 * FEW or before in persons or before in given or not _can_precede(before, name):
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
    """Return whether a word may be the beginning of a longer form of the name."""
    if not is_han(word) or word[0] in words.DETERMINERS - words.NUMERALS:
        return False
    if word in words.MODIFIERS | words.FAMILIAR_PREFIXES or word[-1] == name[-1]:
        return False  # 小青冥 and 假青冥 may be somebody else, and 猫儿狗儿 are two
    if len(word) == 1 and surname_of(name) and not titled_surname(name):
        return False
    return words.NEVER_IN_NAMES.isdisjoint(word) and word[-1] not in words.UNLIKELY_NAME_ENDS - {"上"}


def _nicknames(text: str, classifier: NameClassifier, persons: Persons) -> Iterator[Link]:
    """Yield links between a nickname and the one full name that it precedes (铁臂熊王虎), by a log-likelihood
    ratio (Dunning 1993).
    """
    fulls = [name for name in persons if surname_of(name)]
    places, bearers = array("I"), list[str]()
    for at, name in classifier.bigrams.find_all(fulls):
        places.append(at)
        bearers.append(name)
    mentions = Counter(bearers)
    found: dict[tuple[str, str], tuple[int, int]] = {}
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
            if sure and classifier.left_score(alone[word]) >= (0 if size == 2 else -0.2):  # not 擒获
                found[who, word] = n, alone[word].count
        # Most places end here: a longer word before a name is no more frequent than its end.
        often = [everywhere[word] >= FEW for word in before]
        places, bearers = array("I", compress(places, often)), list(compress(bearers, often))
    for (who, word), (n, total) in found.items():
        if not any(
            w == who and longer.endswith(word, 1) and 2 * m >= n for (w, longer), (m, _) in found.items()
        ):
            yield Link(who, word, "绰号", math.sqrt(n / total))


def _surnames_with_nicknames(links: Sequence[Link], persons: Persons) -> Iterator[Link]:
    """Yield links between a full name and its surname with characters of its nickname, in their order: 王英
    (矮脚虎) and 王矮虎.
    """
    nicknames = defaultdict[str, list[tuple[str, str]]](list)
    for full, nickname, kind, _ in links:
        if kind in ("号", "绰号"):
            nicknames[surname_of(full)].append((full, nickname))
    for name in persons:
        given = given_of(name)
        for full, nickname in nicknames[surname_of(name)] if len(given) > 1 else ():
            rest = iter(nickname)
            if all(char in rest for char in given):
                yield Link(full, name, "号")


def _can_be_nickname(word: str, classifier: NameClassifier, persons: Persons) -> bool:
    """Return whether no part of the word is a name, a word for many people or grammar."""
    if not is_han(word) or not words.NEVER_IN_NAMES.isdisjoint(word) or word[-2:] in words.GENERIC:
        return False
    if is_role(word) or is_role(word[1:]) or is_role(word[:2]):  # 贼臣, 副先锋, 大圣吩咐
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
