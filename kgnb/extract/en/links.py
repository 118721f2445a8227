"""Links: pairs of names of an English book that may be one person's, and why (blocking: only these are
compared)."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.candidates import FIRST_NAMES
from kgnb.extract.en.couples import told_wives
from kgnb.extract.en.patronymics import patronymic
from kgnb.extract.en.people import People
from kgnb.extract.en.persons import ON_PAGES, NameParts
from kgnb.extract.en.stated_names import stated_names
from kgnb.extract.en.vocabulary import key
from kgnb.extract.en.vocatives import answering
from kgnb.extract.name_index import WINDOW
from kgnb.extract.pairs import Kinds

Link = tuple[str, str, str]
"""Two names and the kind of their link, such as "surname"."""
MAX_NAMESAKES = 30
"""Most names sharing a word that are compared with each other, the most frequent first; novels have less than
half as many."""
MIN_BEGINNING = 3
"""Least letters that a short form and the longer first name have in common at the beginning."""


def with_links(people: People) -> People:
    """Set ``people.links`` to :func:`links_of` and return ``people``, the same object."""
    people.links = links_of(people)
    return people


def links_of(people: People) -> Mapping[tuple[str, str], Kinds]:
    """Return (name, name) → kinds of links between the two, from all five sources; names of a pair are
    sorted.

    For the names Mr. Dale and Tom Dale: {("Mr. Dale", "Tom Dale"): {"titled_surname": 1.0}}.
    """
    found: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for source in (by_words, by_nicknames, by_patronymics, by_ranks, by_text):
        for one, other, kind in source(people):
            if one != other:
                found[min(one, other), max(one, other)][kind] = 1.0
    return found


def by_words(people: People) -> Iterator[Link]:
    """Yield (name, name, kind) for names that share a first or last word or a place; the kinds are those of
    :func:`shared_words`."""
    bearing: dict[str, list[str]] = defaultdict(list)
    for name in sorted(people.parts, key=lambda n: (-people.index.counts[n], n)):
        parts = people.parts[name]
        for word in {parts.first, parts.last, parts.place} - {"", "of"}:
            bearing[word.lower()].append(name)
    for names in bearing.values():
        for one, other in combinations(names[:MAX_NAMESAKES], 2):
            kind = shared_words(people.parts[one], people.parts[other])
            if kind:
                yield one, other, kind


def shared_words(one: NameParts, other: NameParts) -> str:
    """Return the kind of link between two names that share a word; "" if no shared word may make them one
    person's.

    Kinds of a full name (first name and surname) and a single word: "first_name", "surname",
    "titled_first_name" and "titled_surname" if the single word has a title, "of_place". Of two single words:
    "same_word" (both have titles), "bare_word". Of two full names: "same_full", "initial", "of_place".

    >>> shared_words(split_name("Mr. Dale"), split_name("Tom Dale"))
    'titled_surname'
    >>> shared_words(split_name("Anne"), split_name("Anne Harland"))
    'first_name'
    >>> shared_words(split_name("Ann Pell"), split_name("Tom Pell"))
    ''
    """
    if one.is_full and other.is_full:
        return _shared_by_full(one, other)
    if not one.is_full and not other.is_full:
        alike = one.first.lower() == other.first.lower()
        return "" if not alike else "same_word" if one.titles and other.titles else "bare_word"
    full, alone = (one, other) if one.is_full else (other, one)
    titled = "titled_" if alone.titles else ""
    if alone.first.lower() == full.first.lower() and not full.is_after_husband:
        return titled + "first_name"
    if alone.first == full.last:
        return titled + "surname"
    return "of_place" if alone.first == full.place else ""


def _shared_by_full(one: NameParts, other: NameParts) -> str:
    """Return the kind of link between two full names: "same_full", "initial", "of_place"; "" for none."""
    if "of" in (one.first, other.first):
        return "of_place" if one.place and one.place == other.place else ""
    if one.is_after_husband != other.is_after_husband:
        return ""
    lasts = one.last.lower() == other.last.lower()
    if one.first.lower() == other.first.lower():
        return "same_full" if lasts else ""
    initial = one.has_initial or other.has_initial
    return "initial" if lasts and initial and one.first[0] == other.first[0] else ""


def by_nicknames(people: People) -> Iterator[Link]:
    """Yield (name, name, "nickname") for a short and a long form of a first name: Lizzy and Elizabeth Dale.

    Two full names of different surnames are not yielded.
    """
    by_first: dict[str, list[str]] = defaultdict(list)
    for name, parts in people.parts.items():
        if parts.first and parts.first != "of" and not parts.is_after_husband:
            by_first[parts.first].append(name)
    firsts = sorted(by_first)
    for short in firsts:
        for long in long_forms(short, firsts):
            for one, other in product(
                by_first[short][:MAX_NAMESAKES], by_first.get(long, ())[:MAX_NAMESAKES]
            ):
                a, b = people.parts[one], people.parts[other]
                if not (a.is_full and b.is_full and a.last != b.last):
                    yield one, other, "nickname"


def long_forms(short: str, firsts: list[str]) -> set[str]:
    """Return the first names that ``short`` may be short for; an empty set if there are none.

    By the list of nicknames (Lizzy → Elizabeth), by an ending "-y" or "-ie" taken off (Hucky → Huck), and by
    the first letters if exactly one name in ``firsts`` begins with them. ``firsts``: first names of the book,
    sorted. The result may contain forms that the book does not have.

    >>> "Elizabeth" in long_forms("Lizzy", []), "Zenobiana" in long_forms("Zenny", ["Zenny", "Zenobiana"])
    (True, True)
    """
    longs = {long.capitalize() for long in words.NICKNAMES.get(short.lower(), ())}
    stem = short.removesuffix("y").removesuffix("ie")
    stems = {stem, stem[:-1]} if stem[-1:] == stem[-2:-1] else {stem}
    if key(short) not in FIRST_NAMES:  # Clara is not Clarabel
        for begin in stems:
            first, last = (bisect_right(firsts, begin + end) for end in ("", "\uffff"))
            longer = {name for name in firsts[first:last] if name[:-2].startswith(begin)} - {short}
            if len(begin) >= MIN_BEGINNING and len(longer) == 1:
                longs |= longer
    if stem != short and len(stem) >= MIN_BEGINNING:
        known = [sex for sex in (words.FEMALE_NAMES, words.MALE_NAMES) if key(short) in sex]
        longs |= {s for s in stems if not known or any(key(s) in sex for sex in known)}
    return longs - {short}


def by_patronymics(people: People) -> Iterator[Link]:
    """Yield (name, name, "patronymic") for names with the same first name and father, in any spelling:
    Ivan Petrovich and Ivan Petrovitch Dolin. A patronymic alone (Petrovich) is linked with all names
    that have it."""
    named: dict[object, list[str]] = defaultdict(list)
    alone: dict[object, list[str]] = defaultdict(list)
    for name, parts in people.parts.items():
        if parts.has_patronymic:
            named[parts.first, patronymic(parts.rest[1])].append(name)
            alone[patronymic(parts.rest[1])].append(name)
        elif len(parts.rest) == 1 and not parts.titles and (father := patronymic(name)):
            alone[father].append(name)
    for names in (*named.values(), *alone.values()):
        for one, other in combinations(names[:MAX_NAMESAKES], 2):
            a, b = people.parts[one], people.parts[other]
            if not (
                a.is_full and b.is_full and (a.first != b.first or (a.last and b.last and a.last != b.last))
            ):
                yield one, other, "patronymic"


def by_ranks(people: People) -> Iterator[Link]:
    """Yield (rank, name, "rank") for a rank alone and each name that contains the rank: Admiral and Admiral
    Dale."""
    bearers: dict[str, list[str]] = defaultdict(list)
    for name, parts in people.parts.items():
        for title in parts.titles if parts.rest else ():
            bearers[title].append(name)
    for name, parts in people.parts.items():
        for title in parts.titles[:1] if not parts.rest else ():
            for bearer in bearers[title]:
                yield name, bearer, "rank"


def by_text(people: People) -> Iterator[Link]:
    """Yield (name, name, kind) for links that the text states or shows.

    Kinds: "stated" (Mr. Dale, alias Moss), "married" (a bride and the Mrs. of her husband's surname),
    "answers" (a called name and the name of the speaker who answers), "wife" (Mrs. Dale and a woman on the
    same pages who has a husband).
    """
    for one, other, is_married in stated_names(people.text, people.index.mentions):
        if not is_married:
            yield one, other, "stated"
        elif people.person((other,)).sex == "f":
            yield from ((wife, other, "married") for wife in _wives_of(people, one, other))
    for called, answerer, _ in answering(people.paragraphs, people.index.offsets, str):
        yield called, answerer, "answers"
    yield from _wives(people)


def _wives_of(people: People, husband: str, bride: str) -> Iterator[str]:
    """Yield each name Mrs. + surname of ``husband`` whose middle occurrence is behind that of ``bride``."""
    middle = {n: at[len(at) // 2] for n, at in people.index.offsets.items()}
    his = people.parts[husband]
    for name, parts in people.parts.items():
        named = parts.first in (his.first, his.last) and parts.last == his.last != ""
        if parts.titles == ("mrs",) and named and middle[bride] < middle[name]:
            yield name


def _wives(people: People) -> Iterable[Link]:
    """Yield (Mrs. Dale, woman, "wife") for the woman on Mrs. Dale's pages, called by first name only, of
    whose husband the text speaks near a man named Dale more often than of any other woman's husband."""
    told = told_wives(people.text, people.index.mentions, lambda name: people.person((name,)).sex == "f")
    beside: dict[str, Counter[str]] = defaultdict(Counter)  # surname → women
    for at, woman in told:
        if len(people.parts[woman].rest) == 1 and not people.parts[woman].titles:
            near = {*people.named_between(at - WINDOW, at + WINDOW)}
            men = [people.parts[n] for n in near if people.person((n,)).sex == "m"]
            for surname in {p.last for p in men if p.is_full or p.titles} - {""}:
                beside[surname][woman] += 1
    for wife, parts in people.parts.items():
        if "mrs" not in parts.titles or not (parts.is_after_husband or not parts.is_full):
            continue
        women = Counter(
            {
                woman: n
                for woman, n in beside.get(parts.last, Counter[str]()).items()
                if people.index.coverage((wife,), (woman,)) >= ON_PAGES
                and not people.keep_company((wife,), (woman,), 0.6)
            }
        )
        (best, most), *others = women.most_common(2) or [("", 0)]
        if best and not (others and others[0][1] == most):
            yield wife, best, "wife"
