"""Capitalised phrases of an English book that may be persons' names, with what stands beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.patronymics import is_given_and_patronymic
from kgnb.extract.en.vocabulary import key
from kgnb.extract.word_search import trie_pattern

_HONORIFIC, _ABBREVIATED = (
    trie_pattern(w.capitalize() for w in titles) for titles in (words.HONORIFICS, words.ABBREVIATED)
)
_CAPITAL = "[A-ZÀ-ÖØ-Þ]"
_CAPITALISED = (
    rf"(?:[MO]'|[Dd]'|{_CAPITAL}-|{_CAPITAL}[a-z]{{1,3}}(?={_CAPITAL}))?{_CAPITAL}[a-zà-ÿ]+(?:'[A-Z][a-z]+)?(?!'[a-z]{{2}}|[a-zà-ÿ])(?:-{_CAPITAL}?[a-zà-ÿ]+)*"
    rf"|\b{_CAPITAL}'[a-z]{{3,}}|\b{_CAPITAL}\.(?= ?[A-Z](?:[a-z]|\. ?[A-Z][a-z]))"
)
_PARTICLE = "of|de|du|des|della|la|le|von|van|der|den|the|del|di|da|bin|ibn"
PARTICLES = frozenset(_PARTICLE.split("|"))
_PHRASE = re.compile(
    rf"(?={_CAPITAL}|d')"  # most places are no name's: see that at once
    rf"(?:(?:{_ABBREVIATED}\.|{_HONORIFIC}\b) ){{0,2}}"
    rf"(?:(?<=\. )(?:(?:{_PARTICLE}) ){{1,2}})?(?:{_CAPITALISED})"  # Mme. de Brissac
    rf"(?: (?:(?:{_PARTICLE}) ){{0,2}}(?:{_ABBREVIATED}\.(?= [A-Z])|{_CAPITALISED})){{0,4}}"
)
_WORD = re.compile(r"[A-Za-zÀ-ÖØ-ÿ]+(?:'[A-Za-z]+)?")
_COMPOUND = re.compile(r"[A-Za-zÀ-ÖØ-ÿ]+(?:-[A-Za-zÀ-ÖØ-ÿ]+)+")
# Behind a word that is drawn out: Soo--oop.
_DRAWL = re.compile(r"[-–—]+([a-z])\1")
FIRST_PARTICLES = PARTICLES - {"of", "the"}
"""Particles that may begin a surname behind a title: Miss de Vere, not the Duke of Brayton."""
SAINTS = frozenset(("st", "saint"))
OPENING_MARKS = frozenset(".!?\":;-(\n[*'")
_WITHIN_SENTENCE = re.compile(rf"{_CAPITAL}(?<=[a-z,;] .)[a-zà-ÿ]+")
_SAYS = re.compile(rf'" (?:{words.SPEECH_VERB}) ({_CAPITAL}[a-zà-ÿ]+)')
_SPEECH_BEFORE = words.SPEECH_VERBS - {"called"}  # a thing called Ferndene does not speak
_TITLES = words.HONORIFICS - SAINTS
_SPLITTING = _TITLES - {"m"}  # John M. Dale
_ODD_SURNAMES = words.MONTHS | words.SURNAMES_OF_PLACES
_ROYAL = frozenset(("king", "queen", "prince", "princess", "duke"))
_NAMED_AFTER_KINGS = words.STREET_ENDS | frozenset(("island", "islands", "county", "squares", "streets"))
FIRST_NAMES = words.FEMALE_NAMES | words.MALE_NAMES
_INITIALS = re.compile(rf"{_CAPITAL}\. ?{_CAPITAL}\.")
_STYLE_NAMES, _YOUR = words.STYLES & FIRST_NAMES, ("your ", "his ", "her ")  # Grace; not Your Grace
SURE_SPEECHES = 3
"""Least number of ``" said Word`` that make a candidate of a word that is no name in other books: Sunday,
Bah."""
SPEECH_REACH = 50
"""Characters before and behind a name with an article in which a quotation mark must stand, if its bearer is
a speaker."""
PART = 1 << 18
"""Number of characters whose words are counted at a time."""
PHRASES = 1 << 14
"""Most capitalised phrases whose names are cached; a long novel has as many."""


@dataclass(slots=True)
class Candidate:
    """A capitalised phrase that may be a person's name, with the evidence.

    ``offsets``: of all occurrences; ``before`` and ``after``: neighbouring word or mark, in lower case →
    occurrences; ``score``: log odds and bonuses, above 0 for a likely person.
    """

    name: str
    offsets: list[int] = field(default_factory=list)
    before: Counter[str] = field(default_factory=Counter)  # words
    after: Counter[str] = field(default_factory=Counter)
    articles: int = 0  # occurrences after an article
    indefinite: int = 0  # of these, after a or an
    speaks: int = 0  # occurrences beside a verb of speech
    stated: bool = False  # whether a phrase or a call shows that it is a person's name
    score: float = 0.0

    @property
    def count(self) -> int:
        """Number of occurrences in the book."""
        return len(self.offsets)


def usual_title(word: str) -> str:
    """Return the title ``word`` in lower case without a full stop, or the usual title of the same meaning.

    "Mr." → "mr"; "Monsieur" → "mr"; "Madame" → "mrs"; "Captain" → "captain".
    """
    return words.SAME_TITLES.get(key(word), key(word))


def is_titled(name: str) -> bool:
    """Return whether ``name`` is an honorific and at least one more word.

    "Mr. Dale" and "Aunt Jane" → True; "Tom Dale", "Admiral", "St. Paul" (a church), "Doctor of Divinity" and
    "Prince Edward Island" → False.
    """
    first, _, rest = name.partition(" ")
    if key(first) in _ROYAL and key(rest.split(" ")[-1]) in _NAMED_AFTER_KINGS:
        return False
    if key(first) in ("doctor", "professor") and rest.startswith("of "):
        return False  # the Doctor of Divinity
    return bool(rest) and key(first) in _TITLES


class Candidates:
    """All capitalised phrases of a text that may be names.

    ``found``: name → candidate; ``tokens``: string between spaces → occurrences; ``lower``: word without a
    capital → occurrences.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = token_counts(text)
        self.lower = Counter[str]()
        for token, n in self.tokens.items():
            compounds = _COMPOUND.findall(token) if "-" in token else ()
            for word in (*_WORD.findall(token), *compounds):
                if word[0].islower():
                    self.lower[word] += n
        self._has_quotes = '"' in text
        self._within_sentence = Counter(_WITHIN_SENTENCE.findall(text))
        said = Counter(_SAYS.findall(text))
        spoken = {key(w) for w, n in said.items() if n >= SURE_SPEECHES and self._is_proper(w)}
        named = (spoken - words.GENERIC - words.HONORIFICS) | _STYLE_NAMES
        self._no_names = words.ABBREVIATED | words.NOT_NAMES - named
        self.found: dict[str, Candidate] = {}
        names_in = lru_cache(maxsize=PHRASES)(self._names_in)
        for match in _PHRASE.finditer(text):
            at = match.start()
            if _DRAWL.match(text, match.end()):
                continue
            # Where a sentence or a quotation begins any word has a capital.
            opening = at == 0 or text[max(0, at - 2) : at].rstrip(" ")[-1:] in OPENING_MARKS
            word, _, rest = match[0].partition(" ")
            if key(word) in _STYLE_NAMES and text[max(0, at - 5) : at].lower().endswith(_YOUR):
                at += len(match[0]) - len(rest)
            else:
                rest = match[0]
            for name, offset in names_in(rest, opening):
                self._add(name, at + offset)

    def _is_proper(self, word: str) -> bool:
        """Return whether at least half as many occurrences have a capital within a sentence as have none
        anywhere."""
        inside = self._within_sentence[word]
        return inside > 0 and inside >= 0.5 * self.lower[word.lower()]

    def _names_in(self, phrase: str, opening: bool) -> list[tuple[str, int]]:
        """Return (name, offset in ``phrase``) of each name in a phrase, without words at both ends that
        belong to no name; [] if nothing is left.

        ``opening``: whether the phrase begins a sentence or speech, where any word has a capital.
        """
        parts = phrase.split(" ")
        while parts and not self._can_begin(parts, opening):
            parts, opening = parts[1:], False
        if len(parts) > 2 and parts[1] in ("le", "la") and words.SAME_TITLES.get(key(parts[0])):
            parts = parts[2:]  # M. le Cardinal Fesch; M. le Curé is as good as the Curé
            if len(parts) == 1 and key(parts[0]) not in words.RANKS:
                return []
        start = len(phrase) - len(" ".join(parts))
        while (
            parts
            and (parts[-1] in PARTICLES or (self._is_no_name(parts[-1]) and not _is_surname(parts)))
            and not (len(parts) == 1 and key(parts[0]) in words.RANKS)
        ):
            parts = parts[:-1]
        if len(" ".join(parts)) < 2:
            return []
        return [(name, start + offset) for name, offset in _split_at_honorifics(parts)]

    def _is_no_name(self, word: str) -> bool:
        """Return whether a word is in the list of words that are no names, or all its parts are: Sunday,
        Aye-aye."""
        return key(word) in self._no_names or all(part in self._no_names for part in key(word).split("-"))

    def _can_begin(self, parts: list[str], opening: bool) -> bool:
        """Return whether the first of a name's words may begin a person's name. ``opening``: it begins a
        sentence, so that its capital proves nothing.
        """
        word = parts[0]
        if word in PARTICLES:
            return False
        if key(word) in words.HONORIFICS:
            named = len(parts) > 1 and parts[1] not in ("of", "the") and parts[:2] != ["Lady", "Day"]
            return named or key(word) in words.RANKS
        if key(word) in words.MONTHS and len(parts) > 1 and not opening:
            return True  # May Harland
        initials = bool(parts[1:] and _INITIALS.match(" ".join(parts[:2])))
        if initials and word == "A.":
            return True  # A. J. Finch, and a letter; not I. T. Finch came
        if self._is_no_name(word) or key(word) in words.ENDEARMENTS or key(word) in words.SPEECH_VERBS:
            return False
        if not opening or self._is_proper(word) or initials:
            return True
        unused = self.lower[word.lower()] == 0
        if unused and is_given_and_patronymic(parts):
            return True
        # "Overhearing Stone, he": before another capital only a known first name is taken for a first name.
        unknown = len(parts) > 1 and key(word) not in FIRST_NAMES
        return not unknown and unused

    def _add(self, name: str, at: int) -> None:
        text, end = self.text, at + len(name)
        candidate = self.found.get(name)
        if candidate is None:
            candidate = self.found[name] = Candidate(name)
        candidate.offsets.append(at)
        before = text[max(0, at - 16) : at].replace("\n", "\n ").split(" ")
        after = text[end : end + 16].split(" ", 2)
        if len(before) > 3 and before[-2].istitle() and before[-2].lower() in words.EPITHETS:
            del before[-2]  # in the Old Pasture
        quoted = before[-1] in ("'", '"')  # the "Swallow", a ship
        previous = before[-2] if len(before) > 1 and (not before[-1] or quoted) else '"'
        article = previous.lower().strip('"') in ("the", "a", "an")
        if article:
            candidate.articles += 1
            candidate.indefinite += previous[-1:].lower() != "e"
            previous = before[-3] if len(before) > 2 else ""
        elif quoted:
            previous = '"'
        elif previous == "of" and len(before) > 2 and before[-3].lower() in words.BEFORE_OF_PLACE:
            previous = "at"  # the town of Brayton
        verb = before[-3] if previous in words.EPITHETS and len(before) > 2 else previous
        following = after[0] or (after[1] if len(after) > 1 else "")
        if following[:1] != "'" and not following[:1].isalnum():
            following = following[:1]  # a mark, whatever comes behind it
        if not previous[-1:].isalnum():
            previous = previous[-1:]
        previous, following = previous.lower(), following.lower()
        behind = following.rstrip(",.:;") in words.SPEECH_VERBS
        # Not the policeman on the Ridge said.
        speaks = verb.lower() in _SPEECH_BEFORE or (behind and previous not in words.BEFORE_PLACE)
        if speaks and article and self._has_quotes:  # the Rabbit; but the ship Arrow returned to harbour
            speaks = '"' in text[max(0, at - SPEECH_REACH) : end + SPEECH_REACH]
        candidate.speaks += speaks
        candidate.before[previous] += 1
        candidate.after[following] += 1


def _is_surname(parts: list[str]) -> bool:
    """Return whether the last word, a month, a country or an adverb, is a surname here: Mr. March, Jack
    Holland, Parson Firstly."""
    before, last = key(parts[-2]) if len(parts) > 1 else "", key(parts[-1])
    titled = before in _TITLES
    return (titled and last.endswith("ly")) or (last in _ODD_SURNAMES and (titled or before in FIRST_NAMES))


def _split_at_honorifics(parts: list[str]) -> Iterable[tuple[str, int]]:
    """Yield (name, offset) of each name in the words of a phrase, cut before honorifics: "Jane Mrs. Long"
    holds two."""
    cuts = [
        i
        for i in range(1, len(parts))
        if (i < len(parts) - 1 or key(parts[i - 1]) in FIRST_NAMES)  # not the Hollow King
        and key(parts[i]) in _SPLITTING
        and key(parts[i - 1]) not in words.HONORIFICS
        and parts[i - 1] not in PARTICLES
    ]
    for begin, end in pairwise([0, *cuts, len(parts)]):
        yield " ".join(parts[begin:end]), sum(len(part) + 1 for part in parts[:begin])


def token_counts(text: str) -> Counter[str]:
    """Return string between spaces → occurrences, counting :data:`PART` characters at a time to
    bound memory."""
    counts, start = Counter[str](), 0
    while start <= len(text):
        end = text.find(" ", start + PART)
        end = end if end >= 0 else len(text)
        counts.update(text[start:end].split(" "))
        start = end + 1
    return counts


def place_share(candidate: Candidate) -> float:
    """Return the share, 0 to 1, of a candidate's occurrences right behind a word that precedes places ("at",
    "reached")."""
    return sum(n for w, n in candidate.before.items() if w in words.BEFORE_PLACE) / candidate.count
