"""What an English chapter tells of two with a pronoun for one of them: "she married Mr. Dale", "Ann taught
him his letters"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kgnb.extract.en.antecedents import antecedent_of
from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.en.kinship import NAMED, Statement
from kgnb.extract.en.roles import ROLES
from kgnb.extract.en.speakers import Referent
from kgnb.extract.en.stated_names import is_unreal
from kgnb.extract.patterns import Mention
from kgnb.extract.word_search import occurrences

_WHEN = (
    "(?:(?:just|lately|already|since|now|once|then|soon|at last|afterwards|finally|secretly|privately|always"
    "|also|deeply|madly|first|so|much|desperately|quite) )*"
)
_WHOM = "(?:(?:old|young|little|poor|the|that|our|this) )*$"
_HAVE = "(?:'d|'s|'ve| had| has| have)"
_BE = "(?:'m|'s|'re| am| is| are| was| were|(?:'d| had| has| have) been| got| became)"
_HE = r"(?<![\w'])([Hh]e|[Ss]he|I)"


class _Deed(NamedTuple):
    """``noun``: what who does it is to the other, ``is_his``: or what the other is to him."""

    noun: str
    he_does: re.Pattern[str]
    does_him: re.Pattern[str]
    is_his: bool = False


def _deed(noun: str, verbs: str, *, never: str = "", is_his: bool = False) -> _Deed:
    """``never``: what doesn't follow "him" or the name."""
    he_does = re.compile(rf"{_HE}{verbs} {_WHOM}")
    does_him = re.compile(rf"(?:, who)?{verbs} (him|her|me)(?! (?:{never or '$'})\b)(?=\W)")
    return _Deed(noun, he_does, does_him, is_his)


_SPOUSE = _deed(
    "spouse",
    rf"(?:(?:{_HAVE}|) {_WHEN}married|{_BE} {_WHEN}(?:(?:married|engaged) to|(?:going |engaged )?to marry)"
    r"|(?: will|'ll) marry)",
    never=r"to|and|off|[a-z]+ (?:to|off)",
)
_TEACHER = _deed(
    "teacher",
    rf"(?:{_HAVE}|) {_WHEN}taught",
    never=r"(?:a|another) lesson|better|otherwise|that|what|how|not|manners|to (?:be|fear|hate|love)",
)
_LOVER = _deed("lover", rf"(?:{_BE}|{_HAVE}? (?:fallen|fell)) {_WHEN}in love with", is_his=True)
_SIGNS = {
    "marr": _SPOUSE,
    "ngaged": _SPOUSE,
    "taught": _TEACHER,
    "in love with": _LOVER,
    " friend": None,
}
"""Words one of which stands in all that the patterns here match, and the deed that they may tell, None of
friendship; each costs a search of every text."""
_HE_AND = re.compile(rf"{_HE} and $")
_AND_HE = re.compile(r" and (he|she|I)(?= )")
_THEY_WERE = re.compile(
    rf"(?: were| are|'re|(?: had| have) been| got| became| remained) {_WHEN}"
    r"(?:(married|engaged(?! (?:in|on|upon|with)\b))"
    r"|(?:(?:the )?(?:old|good|great|fast|close|best|dear|bosom|firm)(?: of)? )*friends)\b"
    r"(?! (?:of|with|again)\b)"
)
_MARRIAGE_OF = re.compile(r"\b(?:[Tt]he|this) marriage (?:of|between) $")
_WITH = re.compile(r" (?:and|to|with) (?:the )?")
_MARRIAGE_TO = re.compile(r"(?:'s?| s) marriage (?:to|with) (?:the )?")
_SUPPOSED = re.compile(
    r"\b(?:fanc(?:y|ied)|th(?:ink|ought)|imagined?|believed?|expect(?:ed)?|heard|rumou?red|reported|feared|afraid)\b"
    r"[^.;!?]*$"
)
_BEST_FRIEND = re.compile(
    r"\b[Yy]ou(?:'re| are| were|'ve been| have been) (?:about )?(?:the|a|my) (?:[a-z]+ ){0,2}friend"
    r" I(?:'ve)? (?:ever )?(?:have|had|got)\b"
)
_REACH = 50
"""Characters before a name in which the words that tell of it begin."""


def deeds(persons: ChapterPersons) -> Iterator[Statement]:
    """Yield husbands and wives, also those to be, teachers, lovers and friends, one item for each time that
    the text tells it."""
    told = {(noun, start, end): (one, other) for noun, one, other, start, end in _told(persons)}
    for (noun, start, end), (one, other) in told.items():
        mine, his = one.mention.entry, other.mention.entry
        genders = {persons.gender(mine), persons.gender(his)}
        alike = noun == "spouse" and len(genders) == 1 and "" not in genders
        unreal = is_unreal(persons.text, start, end) or _is_supposed(persons.text, start, end)
        if not alike and not unreal:
            weight = NAMED * one.weight * other.weight
            yield Statement(his.name, ROLES[noun], mine.name, weight, start, end, noun)


def _is_supposed(text: str, start: int, end: int) -> bool:
    """Whether somebody only believes that they will marry."""
    return " marry" in text[start:end] and bool(_SUPPOSED.search(text, max(0, start - _REACH), start))


_Told = tuple[str, Referent, Referent, int, int]
"""Noun, who is so, to whom, start and end of the words."""


def _told(persons: ChapterPersons) -> Iterator[_Told]:
    """What is told of those who are named near a sign, and of whom a pronoun beside the name means."""
    for sign, deed in _SIGNS.items():
        places = list(occurrences(persons.text, (sign,)))
        near = (persons.between(at - _REACH, at + _REACH) for at in places)
        for mention in {m.start: m for mentions in near for m in mentions}.values():
            if deed:
                yield from _told_with(mention, deed, persons)
            if deed in (_SPOUSE, None):
                yield from _told_of_both(mention, persons)
        if deed is None:
            yield from _best_friends(places, persons)


def _best_friends(places: Iterable[int], persons: ChapterPersons) -> Iterator[_Told]:
    """You are the best friend I have."""
    for at in places:
        if persons.text.startswith(" friend I", at) and (
            match := _BEST_FRIEND.search(persons.text, max(0, at - _REACH), at + _REACH)
        ):
            speaker = antecedent_of("my", match.start(), persons)
            if speaker and (hearer := persons.speakers.addressee(match.start())):
                yield "friend", hearer, speaker, *match.span()


def _told_with(mention: Mention, deed: _Deed, persons: ChapterPersons) -> Iterator[_Told]:
    text, name, (_, _, start, end) = persons.text, mention.entry.name, mention
    named = Referent(mention, 1.0)
    he = deed.he_does.search(text, max(0, start - _REACH), start)
    if he and (found := antecedent_of(he[1], he.start(1), persons, name)):
        ends = (named, found) if deed.is_his else (found, named)
        yield deed.noun, *ends, he.start(), end
    him = deed.does_him.match(text, end)
    if him and (found := antecedent_of(him[1], him.start(1), persons, name)):
        ends = (found, named) if deed.is_his else (named, found)
        yield deed.noun, *ends, start, him.end()


def _told_of_both(mention: Mention, persons: ChapterPersons) -> Iterator[_Told]:
    """She and Tom were married; Tom and she were friends; Tom's marriage to Ann."""
    text, (_, _, start, end) = persons.text, mention
    before, named = max(0, start - _REACH), Referent(mention, 1.0)
    he = _AND_HE.match(text, end) or _HE_AND.search(text, before, start)
    were = _THEY_WERE.match(text, max(end, he.end())) if he else None
    if he and were and (found := antecedent_of(he[1], min(start, he.start(1)), persons, mention.entry.name)):
        yield "spouse" if were[1] else "friend", named, found, min(start, he.start()), were.end()
    to = _MARRIAGE_TO.match(text, end)
    if to is None and _MARRIAGE_OF.search(text, before, start):
        to = _WITH.match(text, end)
    if to and (other := persons.starting_at(to.end())):
        yield "spouse", named, Referent(other, 1.0), start, other.end
