"""What an English chapter says of kin, masters and friends: "his sister Jane", "Jane's father".

Every statement has a noun that says what one is to another (:mod:`.roles`) and its possessor. The bearer is
named beside it, or is who has the possessor's surname and can be it, or who stands nearby.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.antecedents import antecedent_of, subject_before
from kgnb.extract.en.chapter_persons import ChapterPersons, fits_family
from kgnb.extract.en.roles import ROLES, Role
from kgnb.extract.en.speakers import Referent
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention
from kgnb.extract.word_search import trie_pattern

NAMED = 2.0
"""Weight of a statement that names the bearer beside the noun."""
BY_SURNAME = 1.0
"""Weight of one whose bearer has the surname and stands in a sentence nearby."""
CALLED = 0.35
"""How sure it is that who calls Aunt Cicely so is her nephew or niece."""
SPOKEN_OF = 0.2
"""How sure it is that who only speaks of her is."""
PRIEST = {"father": 0.5, "mother": 0.5}
"""What is left of a weight if somebody is called so, as priests and nuns are too."""
FAR = 0.85
"""Weight of one whose bearer has the surname and stands elsewhere in the chapter."""
TOGETHER = 0.8
"""How sure it is that "their" means the two who are named together before."""
NEARBY = 0.45
"""Weight of one whose bearer stands nearby, and no surname contradicts."""
INTRODUCED = 0.65
"""Weight of one whose bearer is named for the first time in the chapter right after it: her brother trod on
her hem. "Tom, you ox," she said."""
LAST_NAMED = 0.6
"""How sure it is that the "he" of "He's my brother" is the man named last."""
MAX_POSSESSIVE = 60
"""Characters before a noun in which its possessive, or "had two", is looked for."""
MAX_POSSIBLE = 40
"""Persons nearby and of the family, at most, among whom the bearer of a noun without a name is looked for."""

_NOUN = trie_pattern(ROLES)
_CALLED_BY_FIRST_NAME = ("brother", "sister", "son", "daughter")  # where there is one: Mr. Dale is older
_ADJECTIVE = "|".join(sorted(words.BEFORE_KIN))
_PRONOUN = r"(?<![\w'])(?:[Hh]is|[Hh]er|[Mm]y|[Oo]ur|[Yy]our|[Tt]heir)"
_POSSESSOR = rf"{_PRONOUN}|'s?| s|, whose"  # some texts have lost their apostrophes
_POSSESSIVE = re.compile(rf"({_POSSESSOR}) (?:(?:{_ADJECTIVE}),? (?:and )?)*$")
_IN_CAPITALS = (noun.capitalize() for noun, role in ROLES.items() if role.kin)
_ANY_NOUN = trie_pattern([*ROLES, *_IN_CAPITALS])  # as older texts write: to her Sister Ann
_KIN = re.compile(rf" ({_ANY_NOUN})(s?)(?![\w-])(?!'s? [A-Za-z-]*\b{_NOUN}\b)")
_AND_NOUN = re.compile(rf" (?:and|or) ({_NOUN})(s?)(?![\w-])")  # her father and mother
_DENIED = re.compile(r"\b(?:not|never|no longer|(?:is|are|was|were)n't) $")  # not: hadn't his father come?
_HAS = re.compile(
    r"(?:\b([Hh]e|[Ss]he)|, who|) (?:had|has|with|bore|left|bore (?:him|her)) "
    rf"(?:an?|one|two|three|four|five|several) (?:(?:{_ADJECTIVE}|grown) )*$"
)
# A pattern that begins with one set of characters skips all others quickly.
_CALLED_KIN = re.compile(
    r"[PMDFGAUpmdg](?=[aounr])(?<![\w'-].)(?:(?<=[Pp])apa|(?<=P)(?:a|op)|(?<=[Mm])(?:amma|ama|ummy|um|ommy|om)|(?<=M)a"
    r"|(?<=[Dd])(?:addy|ad)|(?<=F)ather|(?<=M)other|(?<=A)unt(?:ie|y)?|(?<=U)ncle"
    r"|(?<=[Gg])ra(?:nd(?:mamma|ma|papa|pa|mother|father|dad)|nny|mps|n))(?![\w-])(?! [A-Z])"
)
_OWNED = re.compile(r"(?:\b(?i:my|his|her|our|your|their|the|a)|'s) $")
_LIST_BEFORE = re.compile(r"(?:,? and |, )$")
_KIN_TITLE = re.compile(r"(Aunt|Auntie|Uncle|Cousin) ")
_AND = re.compile(r" and ")
_JOIN = re.compile(
    r"(?: and (?:neighbou?r|partner|colleague|companion|ally|heir|patron|adviser|assistant))?"
    r"(?:,? (?:who |that )?(?:(?:was|is|were|are) )?(?:named|called) "
    r"|'s names? (?:was|is|were|are) "
    r"|[.;] (?:[Hh]is|[Hh]er|[Tt]heir) names? (?:was|were) |,? (?:(?:the )?(?:late|poor|old|dear|little) )?)"
)
_JOIN_IS = re.compile(r" (?:was|is|were|are|had been) ")  # her brother was Tom; not: was Tom's guest
_LIST = re.compile(r",? and |, ")
_COPULA = re.compile(
    r"(?:,| \(| ?--?| ?—|(?:, who)? (?:was|is|were|are|became|being|had been|as))"
    r"(?: (?:now|also|only|not only"
    r"|(?:one|the (?:eldest|oldest|youngest|elder|younger|second|third|last|first)) of"
    r"|not (?:his|her|my|our|your|their|[A-Z][^,.;!?]{1,24}'s?) [a-z-]+,? but))? ?$"
)
_PRONOUN_IS = re.compile(
    r"(?<![\w'])(?:([Hh]e|[Ss]he)(?:'s| is| was| became)|([Yy]ou)(?:'re| are| were)|(I)(?:'m| am| was))"
    rf"(?: (?:now|only|also|just))? (?:(?:my|his|her|your|our|the|an?) )?(?:(?:{_ADJECTIVE}),? )*$"
)
_APPOSED = re.compile(r'(?![,.;!?-]+")[,.;:!?)"\n]|$')
_THE = re.compile(rf"\b[Tt]he (?:(?:{_ADJECTIVE}),? )*$")
_OF = re.compile(r" (?:of|to) (?:(?:the|that|our|poor|late) )*")
_GENITIVE = re.compile("'s?(?!\\w)")
_INTRODUCING = re.compile(
    r"\b(?:(?:this|here)(?: is|'s)|meet|introduce(?: you to)?|present) $", re.IGNORECASE
)
_CLOSED = re.compile(r"[,.;:!?)\"\n]|$| (?:was|is|had|who|and|of|in|at|to)\b")
_DASH = re.compile(r" ?(?:-|—)")
_ENDS = {"(": re.compile(r"\)"), "-": _DASH, "—": _DASH, ",": _CLOSED}
"""What ends an apposition, by how it begins."""


Tie = tuple[str, str, str]
"""Source, type, target of a relation."""


class Statement(NamedTuple):
    """``bearer`` is ``possessor``'s ``role``; ``start`` and ``end``: offsets of the words that say it.

    Not ``alone``: only one of the bearers that the same words may mean is.
    """

    possessor: str
    role: Role
    bearer: str
    weight: float
    start: int
    end: int
    noun: str
    alone: bool = True

    @property
    def tie(self) -> Tie:
        """What it says as a relation; the names of a symmetric one are sorted."""
        ends = (self.bearer, self.possessor) if self.role.inverted else (self.possessor, self.bearer)
        source, target = sorted(ends) if self.role.type in SYMMETRIC_RELATIONS else ends
        return source, self.role.type, target

    @property
    def pair(self) -> frozenset[str]:
        """The two persons."""
        return frozenset((self.possessor, self.bearer))


class _Phrase(NamedTuple):
    """A noun of kin in the text, without its possessor."""

    start: int
    end: int
    noun: str
    plural: bool


def statements(persons: ChapterPersons) -> Iterator[Statement]:
    """Yield what the chapter says, one item for each occurrence."""
    text = persons.text
    for match in _KIN.finditer(text):
        if match[1][0].isupper() and persons.starting_at(match.start(1)):
            continue  # Sister Agatha
        if before := _possessive(text, match.start(1)):
            yield from _of_possessed(match, before, persons)
            continue
        phrase = _phrase(match.start(1), match)
        yield from _of_owner(phrase, persons)
        yield from _of_whom(phrase, persons)
        yield from _among_siblings(phrase, persons)
    for match in _CALLED_KIN.finditer(text):
        if not _OWNED.search(text, max(0, match.start() - 7), match.start()):
            yield from _of_bare_noun(match, persons)
    for mention in persons.people:
        if title := _KIN_TITLE.match(mention.form):
            yield from _of_kin_title(mention, title[1].lower().removesuffix("ie"), persons)
        elif _CALLED_KIN.fullmatch(mention.form):
            yield from _of_narrators_kin(mention, persons)


def _of_possessed(
    match: re.Match[str], possessive: re.Match[str], persons: ChapterPersons
) -> Iterator[Statement]:
    """Jane's brother, his father and mother; not: Tom is not her brother."""
    start = possessive.start()
    denied = _DENIED.search(persons.text, max(0, start - 12), start)
    my_child = ROLES[match[1].lower()].name == "child" and possessive[1].lower() in ("my", "our", "your")
    if denied or my_child:
        return  # "my child" is said to anybody
    owners = _owners(possessive, persons)
    for phrase in _nouns(start, match) if owners else ():
        for owner in owners:
            yield from _of_phrase(phrase, owner, persons)
        if len(owners) == 2:
            yield from _between_owners(phrase, owners, persons)


def _of_kin_title(bearer: Mention, noun: str, persons: ChapterPersons) -> Iterator[Statement]:
    """Aunt Cicely is the aunt of who calls her so, and my Aunt Cicely mine."""
    owners: list[Referent] = []
    if before := _possessive(persons.text, bearer.start):
        owners = _owners(before, persons)
    elif persons.paragraphs.in_speech(bearer.start) and (caller := persons.speakers.speaker(bearer.start)):
        called = persons.paragraphs.is_called(bearer.start, bearer.end)
        owners = [caller._replace(weight=caller.weight * (CALLED if called else SPOKEN_OF))]
    for owner, weight in owners:
        names = owner.entry.name, ROLES[noun], bearer.entry.name
        yield Statement(*names, NAMED * weight, bearer.start, bearer.end, noun)


def _of_narrators_kin(bearer: Mention, persons: ChapterPersons) -> Iterator[Statement]:
    """Whom who tells the chapter calls Pa, Granny or Mother."""
    before, noun = _possessive(persons.text, bearer.start), bearer.form.lower()
    theirs = before is not None and before[1].lower() != "my"
    teller = None if theirs else antecedent_of("my", bearer.start, persons)
    if teller is None or persons.paragraphs.in_speech(bearer.start):
        return
    names = teller.mention.entry.name, ROLES[noun], bearer.entry.name
    yield Statement(*names, NAMED * teller.weight * PRIEST.get(noun, 1.0), bearer.start, bearer.end, noun)


def _of_owner(phrase: _Phrase, persons: ChapterPersons) -> Iterator[Statement]:
    """Mr. Dale had two daughters, Ann and Jane."""
    role, start = ROLES[phrase.noun], phrase.start
    bearers = list(_named_after(phrase, role, persons))
    has = _HAS.search(persons.text, max(0, start - MAX_POSSESSIVE), start) if bearers else None
    if has is None:
        return
    named = persons.ending_at(has.start())
    owner = antecedent_of(has[1], has.start(), persons) if has[1] else named and Referent(named, 1.0)
    if owner is None:
        return
    for bearer in bearers:
        names = owner.mention.entry.name, role, bearer.entry.name
        yield Statement(*names, NAMED * owner.weight, owner.mention.start, bearer.end, phrase.noun)


def _of_bare_noun(match: re.Match[str], persons: ChapterPersons) -> Iterator[Statement]:
    """Of "Papa is ill," said Jane, or "Yes, papa," said Jane: her father."""
    start, end, noun = match.start(), match.end(), match[0].lower()
    said = persons.speakers.speaker(start) if persons.paragraphs.in_speech(start) else None
    if said is None:
        return
    role, called = ROLES[noun], persons.paragraphs.is_called(start, end)
    if not called:
        yield from _unnamed(_Phrase(start, end, noun, plural=False), said, role, persons)
        return
    child, bearer = said.mention.entry, persons.speakers.answerer(start, role.gender)
    if bearer is None:
        return
    parent = bearer.mention.entry
    if fits_family(persons.facts(parent), persons.facts(child), role.name) is not False:
        weight = NAMED * said.weight * bearer.weight * PRIEST.get(noun, 1.0)
        yield Statement(child.name, role, parent.name, weight, start, end, noun)


def _between_owners(phrase: _Phrase, owners: list[Referent], persons: ChapterPersons) -> Iterator[Statement]:
    """What "Jane and Mary … their brother" says of the two: sisters; Tom and Ann's son: a couple."""
    (one, weight), (other, _) = owners
    role = ROLES[phrase.noun]
    if role.name in ("son", "daughter", "child"):
        if {persons.gender(one.entry), persons.gender(other.entry)} != {"m", "f"}:
            return
        role = ROLES["spouse"]
    elif role.name in ("brother", "sister", "father", "mother", "parent", "uncle", "aunt"):
        role = ROLES["sibling"]
    else:
        return
    names = one.entry.name, role, other.entry.name
    yield Statement(*names, weight, one.start, phrase.end, phrase.noun)


def _of_whom(phrase: _Phrase, persons: ChapterPersons) -> Iterator[Statement]:
    """He was the son of Captain Thorne."""
    link = _OF.match(persons.text, phrase.end)
    owner = persons.starting_at(link.end()) if link else None
    if owner is None or _GENITIVE.match(persons.text, owner.end):
        return
    role = ROLES[phrase.noun]
    meant = _meant_by_pronoun(phrase, owner, role, persons)
    told = _JOIN_IS.match(persons.text, owner.end) if meant is None else None
    if told and (named := persons.starting_at(told.end())) and _CLOSED.match(persons.text, named.end):
        meant = Referent(named, 1.0)  # the wife of Captain Thorne was Winifred
    if meant:
        names = owner.entry.name, role, meant.mention.entry.name
        yield Statement(*names, NAMED * meant.weight, phrase.start, owner.end, phrase.noun)


def _among_siblings(phrase: _Phrase, persons: ChapterPersons) -> Iterator[Statement]:
    """The brothers Rufus and Edwin; the twins, Nora and Winifred."""
    if not phrase.plural or phrase.noun not in ("brother", "sister", "twin", "sibling"):
        return
    if _THE.search(persons.text, max(0, phrase.start - MAX_POSSESSIVE), phrase.start):
        for one, other in combinations(_named_after(phrase, ROLES[phrase.noun], persons), 2):
            names = one.entry.name, ROLES["sibling"], other.entry.name
            yield Statement(*names, NAMED, phrase.start, other.end, phrase.noun)


def _nouns(start: int, match: re.Match[str]) -> Iterator[_Phrase]:
    yield _phrase(start, match)
    if more := _AND_NOUN.match(match.string, match.end()):
        yield _phrase(start, more)


def _phrase(start: int, match: re.Match[str]) -> _Phrase:
    noun = match[1].lower()
    return _Phrase(start, match.end(), noun, bool(match[2]) or noun == "children")


def _possessive(text: str, offset: int) -> re.Match[str] | None:
    """The possessive of the noun at ``offset``, with the adjectives between; group 1 without them."""
    return _POSSESSIVE.search(text, max(0, offset - MAX_POSSESSIVE), offset)


def _owners(possessive: re.Match[str], persons: ChapterPersons) -> list[Referent]:
    """Whom the possessive means."""
    word, offset = possessive[1], possessive.start()
    if word in ("'s", "'", " s", ", whose"):
        owner = persons.ending_at(offset)
        return [Referent(owner, 1.0)] if owner else []
    if word in ("their", "Their"):
        return _couple(offset, persons)
    subject = _subject_before(offset, persons)
    found = antecedent_of(word, offset, persons, subject.entry.name if subject else "")
    return [found] if found else []


def _subject_before(offset: int, persons: ChapterPersons) -> Mention | None:
    """Who is said to be something at ``offset``, or in apposition to it: Jane was …; Jane, …"""
    before = _COPULA.search(persons.text, max(0, offset - 48), offset)
    return persons.ending_at(before.start()) if before else None


def _couple(offset: int, persons: ChapterPersons) -> list[Referent]:
    """Jane and Mary … their mother: two who are named together in this sentence or the one before."""
    near = persons.between(persons.sentence(offset, 1)[0], offset)
    for one, other in reversed(list(pairwise(near))):
        if _AND.fullmatch(persons.text, one.end, other.start):
            return [Referent(one, TOGETHER), Referent(other, TOGETHER)]
    return []


def _of_phrase(phrase: _Phrase, possessor: Referent, persons: ChapterPersons) -> Iterator[Statement]:
    role = ROLES[phrase.noun]
    owner, weight = possessor
    named = list(_named_after(phrase, role, persons)) or list(_named_before(phrase, owner, role, persons))
    named = [m for m in named if m.entry.name != owner.entry.name]
    for bearer in named:
        start, end = min(phrase.start, bearer.start), max(phrase.end, bearer.end)
        name = bearer.entry.name
        yield Statement(owner.entry.name, role, name, NAMED * weight, start, end, phrase.noun)
    meant = None if named else _meant_by_pronoun(phrase, owner, role, persons)
    if meant and meant.mention.entry.name != owner.entry.name:
        names = owner.entry.name, role, meant.mention.entry.name
        yield Statement(*names, NAMED * weight * meant.weight, phrase.start, phrase.end, phrase.noun)
    elif not named and role.kin:
        yield from _unnamed(phrase, possessor, role, persons)


def _meant_by_pronoun(
    phrase: _Phrase, owner: Mention, role: Role, persons: ChapterPersons
) -> Referent | None:
    """Of "You are my cousin" who is spoken to, of "I am his aunt" who speaks, of "He's my brother" the man
    named last."""
    begin = owner.start if owner.end == phrase.start else phrase.start
    found = _PRONOUN_IS.search(persons.text, max(0, begin - 24), begin)
    if found is None:
        return None
    word = (found[1] or found[2] or found[3]).lower()
    if word == "you":
        meant = persons.speakers.addressee(begin)
    elif word == "i":
        meant = antecedent_of("my", begin, persons)
    else:
        gender = "m" if word == "he" else "f"
        near = reversed(persons.between(persons.sentence(begin, 2)[0], found.start()))
        fitting = (m for m in near if persons.gender(m.entry) == gender and m.entry.name != owner.entry.name)
        last = next(fitting, None)
        meant = Referent(last, LAST_NAMED) if last else None
    return meant if meant and persons.fits(meant.mention.entry, role.gender) else None


def _unnamed(
    phrase: _Phrase, possessor: Referent, role: Role, persons: ChapterPersons
) -> Iterator[Statement]:
    """Who may be meant; all of them where the noun is a plural."""
    owner = possessor.mention.entry
    scores = {name: score for name, score in _scores(phrase.start, owner, role, persons) if score}
    if role.name in _CALLED_BY_FIRST_NAME:
        given = {n for n in scores if persons.facts(persons.mentions_of[n][0].entry).given}
        if any(scores[n] > NEARBY for n in given):
            scores = {n: s if n in given else s / 2 for n, s in scores.items()}
    if phrase.plural:
        scores = {name: score for name, score in scores.items() if score > NEARBY}
    for name, score in scores.items():
        alone = phrase.plural or len(scores) == 1
        weight = score * possessor.weight
        yield Statement(owner.name, role, name, weight, phrase.start, phrase.end, phrase.noun, alone)


def _scores(
    offset: int, owner: NameEntry, role: Role, persons: ChapterPersons
) -> Iterator[tuple[str, float]]:
    """Persons of the role's gender in the sentences around, and those of the owner's surname."""
    facts = persons.facts(owner)
    near = {m.entry.name: m.entry for m in persons.around(offset)}
    here = {m.entry.name for m in persons.between(*persons.sentence(offset))}
    if acting := subject_before(role.gender, offset, persons):
        here.add(acting.mention.entry.name)
    found = dict(near)
    for surname in sorted(facts.surnames | facts.married):
        found.update((e.name, e) for e in persons.by_surname.get(surname, ()))
    for name, entry in found.items() if len(found) <= MAX_POSSIBLE else ():
        if name != owner.name and persons.gender(entry) == role.gender:
            fits = fits_family(persons.facts(entry), facts, role.name)
            score = _score(fits, role, near=name in near, here=name in here)
            introduced = score == NEARBY and persons.mentions_of[name][0].start > offset
            yield (
                name,
                INTRODUCED if introduced and _child_has_first_name(role, entry, owner, persons) else score,
            )


def _child_has_first_name(role: Role, bearer: NameEntry, owner: NameEntry, persons: ChapterPersons) -> bool:
    """Whether the child of a tie, if it is one to a parent, has a first name, as children have."""
    child = owner if role.inverted else bearer
    return role.type != "PARENT_OF" or persons.facts(child).given


def _score(fits: bool | None, role: Role, *, near: bool, here: bool) -> float:
    """How well a person fits: by surname, and by whether it stands near.

    Without a surname in common, one of the phrase's own sentence is another person: two noun phrases of one
    clause seldom mean the same (principle B of binding theory, Chomsky 1981).
    """
    if fits:
        return BY_SURNAME if near else FAR
    if here or not near:
        return 0.0
    if fits is None:
        return NEARBY / 2 if role.type == "FAMILY" else NEARBY
    return NEARBY / 2 if role.type == "PARENT_OF" else 0.0  # children may be brought up under another name


def _named_after(phrase: _Phrase, role: Role, persons: ChapterPersons) -> Iterator[Mention]:
    """The names right behind the noun; of a plural noun all that are listed there."""
    join = _JOIN.match(persons.text, phrase.end)
    bearer = persons.starting_at(join.end()) if join else None
    if bearer is None and (told := _JOIN_IS.match(persons.text, phrase.end)):
        bearer = persons.starting_at(told.end())
        join = told if bearer and _CLOSED.match(persons.text, bearer.end) else None
        bearer = bearer if join else None
    apposed = bearer and (
        _APPOSED.match(persons.text, bearer.end)
        or _INTRODUCING.search(persons.text, max(0, phrase.start - 20), phrase.start)
    )
    if join and join[0][0] == "," and not phrase.plural and not apposed:
        return  # in pleasing her sister, Jane smiled; "don't heed my friend, Jane," said he
    while bearer and persons.fits(bearer.entry, role.gender):
        yield bearer
        comma = _LIST.match(persons.text, bearer.end) if phrase.plural else None
        bearer = persons.starting_at(comma.end()) if comma else None


def _named_before(phrase: _Phrase, owner: Mention, role: Role, persons: ChapterPersons) -> Iterator[Mention]:
    """The name that the phrase is in apposition to or said of: Jane, his sister; Jane was his sister."""
    begin = owner.start if owner.end == phrase.start else phrase.start
    before = _COPULA.search(persons.text, max(0, begin - 48), begin)
    bearer = persons.ending_at(before.start()) if before else None
    if before is None or bearer is None:
        return
    my = role.kin and persons.text.startswith(", my ", bearer.end)
    if my and persons.paragraphs.is_called(bearer.start, bearer.end):
        return  # "Tom, my son," says any priest
    end = _ENDS.get(before[0].lstrip()[0])
    if end and not end.match(persons.text, phrase.end):
        return
    several = phrase.plural and not before[0].endswith(" of ")
    before_it = _listed_before(bearer, persons) if several else []
    if before[0][0] == "," and several and not before_it:
        return  # Jane, her sons, and Tom
    yield from (m for m in (bearer, *before_it) if persons.fits(m.entry, role.gender))


def _listed_before(last: Mention, persons: ChapterPersons) -> list[Mention]:
    """The others of a list that ends in this name: Ann, Jane and Tom."""
    found: list[Mention] = []
    while link := _LIST_BEFORE.search(persons.text, max(0, last.start - 6), last.start):
        other = persons.ending_at(link.start())
        if other is None:
            break
        found.append(last := other)
    return found
