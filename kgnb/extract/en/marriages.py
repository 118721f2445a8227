"""Marriages and engagements that an English chapter tells with a pronoun: "she married Mr. Dale"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgnb.extract.en.antecedents import antecedent_of
from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.en.kinship import NAMED, Statement
from kgnb.extract.en.roles import ROLES
from kgnb.extract.en.speakers import Referent
from kgnb.extract.en.stated_names import is_unreal
from kgnb.extract.patterns import Mention

_WHEN = "(?:(?:just|lately|already|since|now|once|then|soon|at last|afterwards|finally|secretly|privately) )?"
_WHOM = "(?:(?:old|young|poor|the|that|our|this) )*$"
_HAVE = "(?:(?:'d|'s|'ve| had| has| have) )"
_BE = "(?:'m|'s|'re| am| is| are| was| were|(?:'d| had| has| have) been| got| became)"
_MARRIES = (
    rf"(?:(?:{_HAVE}| ){_WHEN}(?:married|wedded|wed)"
    rf"|{_BE} {_WHEN}(?:(?:married|wedded|engaged|betrothed|affianced) to|(?:going |engaged )?to marry)"
    r"|(?: will|'ll) marry)"
)
_HE_MARRIES = re.compile(rf"(?<![\w'])([Hh]e|[Ss]he|I){_MARRIES} {_WHOM}")
_MARRIES_HIM = re.compile(rf"(?:, who)?{_MARRIES} (him|her|me)(?! (?:to|and|off|[a-z]+ (?:to|off))\b)(?=\W)")
_HE_AND = re.compile(r"(?<![\w'])([Hh]e|[Ss]he|I) and $")
_AND_HE = re.compile(r" and (he|she|I)(?= )")
_WERE_MARRIED = re.compile(
    rf"(?: were| are|'re|(?: had| have) been| got) {_WHEN}(?:married|engaged(?! (?:in|on|upon|with)\b))"
)
_MARRIAGE_OF = re.compile(r"\b(?:[Tt]he|this) (?:marriage|wedding) (?:of|between) $")
_WITH = re.compile(r" (?:and|to|with) (?:the )?")
_MARRIAGE_TO = re.compile(r"(?:'s?| s) marriage (?:to|with) (?:the )?")
_SUPPOSED = re.compile(
    r"\b(?:fanc(?:y|ied)|th(?:ink|ought)|imagined?|believed?|expect(?:ed)?|heard|rumou?red|reported|feared|afraid)\b"
    r"[^.;!?]*$"
)
_REACH = 60
"""Characters before a name in which the words that tell of its marriage begin."""


def marriages(persons: ChapterPersons) -> Iterator[Statement]:
    """Yield husbands and wives, also those to be, one item for each time that the text tells it."""
    for mention in persons.people:
        for start, end, other in _told_with(mention, persons):
            one = mention.entry
            genders = {persons.gender(one), persons.gender(other.mention.entry)}
            alike = len(genders) == 1 and "" not in genders
            supposed = is_unreal(persons.text, start, end) or _is_supposed(persons.text, start, end)
            if one.name != other.mention.entry.name and not alike and not supposed:
                names = other.mention.entry.name, ROLES["spouse"], one.name
                yield Statement(*names, NAMED * other.weight, start, end, "spouse")


def _is_supposed(text: str, start: int, end: int) -> bool:
    """Whether somebody only believes that they will marry."""
    return " marry" in text[start:end] and bool(_SUPPOSED.search(text, max(0, start - _REACH), start))


def _told_with(mention: Mention, persons: ChapterPersons) -> Iterator[tuple[int, int, Referent]]:
    """Start, end and the other person of each marriage told beside this name."""
    text, (_, _, start, end) = persons.text, mention
    before = max(0, start - _REACH)
    married = _HE_MARRIES.search(text, before, start)
    both = _HE_AND.search(text, before, start) if married is None and _WERE_MARRIED.match(text, end) else None
    if told := married or both:
        yield from _of_pronoun(told[1], told.start(1), (told.start(), end), mention, persons)
    if him := _MARRIES_HIM.match(text, end):
        yield from _of_pronoun(him[1], him.start(1), (start, him.end()), mention, persons)
    if (and_he := _AND_HE.match(text, end)) and (were := _WERE_MARRIED.match(text, and_he.end())):
        yield from _of_pronoun(and_he[1], start, (start, were.end()), mention, persons)
    to = _MARRIAGE_TO.match(text, end) or (
        _WITH.match(text, end) if _MARRIAGE_OF.search(text, before, start) else None
    )
    if to and (other := persons.starting_at(to.end())):
        yield start, other.end, Referent(other, 1.0)


def _of_pronoun(
    word: str, offset: int, span: tuple[int, int], mention: Mention, persons: ChapterPersons
) -> Iterator[tuple[int, int, Referent]]:
    pronoun = {"him": "his", "me": "my", "i": "my"}.get(word.lower(), word)
    if found := antecedent_of(pronoun, offset, persons, mention.entry.name):
        yield *span, found
