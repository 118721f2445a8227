"""Places and organizations of a Chinese book, by the endings of their names and by their neighbours."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Container, Mapping

from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.names import NameClassifier

_ORG_ENDS = tuple(words.ORG_ENDS)
# The east gate, inside the town, somebody's camp: places without a name (江东, 河北, 汉中 are names).
_GENERIC = re.compile(
    "[东西南北]{2}|[东西南北前后左右大小正]门|正[东西南北]|城[东西南北]|.寨"
    "|[城庙院店村寨楼宫府营庄街屋房殿门江山湖海桥园][里外中前后上下边旁间]|[城庙院店村寨楼宫府营海]内"
)


def places(classifier: NameClassifier, persons: set[str]) -> dict[str, tuple[str, array[int]]]:
    """Return name → (kind, offsets) of the places and organizations; kind is "Location" or "Organization".

    ``persons``: names of persons, which are no places.
    """
    text, bigrams, told = classifier.text, classifier.bigrams, classifier.told
    known, common = classifier.known_places - persons, classifier.common_words
    formed = {w for w in told.like_places if _can_be_name(w, persons) and (w in known or w not in common)}
    likely = (known | _without_fragments(formed, told.like_places)) - words.GENERIC_PLACES
    wanted = {word for word in likely if not _GENERIC.fullmatch(word)}
    offsets: dict[str, array[int]] = defaultdict(lambda: array("I"))
    left: dict[str, Counter[str]] = defaultdict(Counter)
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for start, word in bigrams.find_all(wanted):
        offsets[word].append(start)
        left[word][text[start - 1 : start]] += 1
        right[word][text[start + len(word) : start + len(word) + 1]] += 1
    found = {}
    for word, at in offsets.items():
        kind, count = kind_of(word), len(at)
        vague = word not in known and word[-1] in words.AMBIGUOUS_PLACE_ENDS
        if count < told.least_of_place or _is_piece(word, right[word], offsets, vague=vague):
            continue
        share = 0.15 if word in known else 0.5 if vague else 0.25
        is_place = _follows_prepositions(left[word], count, share)
        if is_place or (kind == "Organization" and _is_organization(word, left[word], right[word], count)):
            found[word] = kind, at
    return found


def kind_of(name: str) -> str:
    """Return "Organization" if a name of three or more characters ends like one (天机阁), else "Location"
    (剑阁).
    """
    return "Organization" if name.endswith(_ORG_ENDS) and len(name) > 2 else "Location"


def _without_fragments(formed: set[str], counts: Mapping[str, int]) -> set[str]:
    """Return ``formed`` without pieces of longer names (城大学) and names with a chance neighbour in front
    (连天玄宗).
    """
    dropped = set()
    for word in formed:
        for size in range(2, len(word)):
            short = word[-size:]
            if short in formed:
                dropped.add(word if counts[short] > 2.5 * counts[word] else "")
                dropped.add(short if counts[word] >= 0.7 * counts[short] else "")
    return formed - dropped


def _is_piece(word: str, right: Mapping[str, int], places: Container[str], *, vague: bool) -> bool:
    """Return whether mostly one character follows that makes another word of the end: 上梁|山, 头观|看.

    ``vague``: whether the end is mostly another word than a place's.
    """
    char, n = max(right.items(), key=lambda i: (i[1], i[0]))
    another = word[1:] + char in places and word + char not in places
    verb = vague and char.isalpha() and char not in words.LOCALIZERS  # not 白云观里
    return n >= 0.6 * sum(right.values()) and (another or verb)


def _can_be_name(word: str, persons: set[str]) -> bool:
    """Return whether no part of the word speaks against a place's name: grammar, a verb of motion in front, a
    person.
    """
    if word in persons or word[0] in words.DETERMINERS or word[0] in words.BEFORE_PLACE:
        return False
    if not persons.isdisjoint((word[:2], word[:3], word[1:], word[2:])):
        return False
    end = next((n for n in (3, 2) if word[-n:] in words.LONG_PLACE_ENDS and len(word) > n), 1)
    return not set(word) & words.NEVER_IN_NAMES and not set(word[:-end]) & words.UNLIKELY_NAME_ENDS


def _follows_prepositions(left: Mapping[str, int], count: int, share: float) -> bool:
    """Return whether at least ``share`` of ``count`` occurrences follow a preposition of place, with two
    different neighbours or more.
    """
    return sum(n for c, n in left.items() if c in words.BEFORE_PLACE) >= share * count and len(left) >= 2


def _is_organization(word: str, left: Mapping[str, int], right: Mapping[str, int], count: int) -> bool:
    """Return whether the characters before the word vary, and words for its people or deeds follow often
    enough.
    """
    if word[0] in words.GENERIC_ORG_HEADS or len(left) < 3 or max(left.values()) >= 0.7 * count:
        return False
    share = 0.2 if word[-2:] in words.LONG_PLACE_ENDS or word[-3:] in words.LONG_PLACE_ENDS else 0.3
    return sum(n for c, n in right.items() if c in words.AFTER_ORG) >= share * count
