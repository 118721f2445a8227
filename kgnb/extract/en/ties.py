"""Relations that an English chapter states: "her sister Jane", "Jane, Tom's aunt,", "Tom married Ann".

A statement has a noun (:mod:`.roles`), a possessor (possessors.py) and a bearer named beside the noun, found
by the frames of data/ties.toml over the masked text; or it is a verb between two persons.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.couples import husbands
from kgnb.extract.en.kin_fit import OF_FAMILY, of_family
from kgnb.extract.en.persons import NameFacts, name_facts
from kgnb.extract.en.possessors import WINDOW, Possessor, Possessors
from kgnb.extract.en.roles import ROLES, Role
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import NAMED, PERSON, Frames, MaskedText, Mention, Statement
from kgnb.extract.word_search import trie_pattern

FAR, LAST_NAMED = 0.75, 0.5
"""Factors on a confidence: the bearer is named elsewhere in the chapter; was named last of several equally
likely."""

_ADJECTIVE = "|".join(sorted(words.BEFORE_KIN))
_ADJECTIVES = f"(?:(?:{_ADJECTIVE}),? (?:and )?)*"
_NOUN = trie_pattern(ROLES)
_FRAMES = Frames("en", ("bearers", "verbs"), {"noun": _NOUN, "adj": f"(?:{_ADJECTIVE})"})
_CAPITALS = (
    noun.capitalize() for noun, role in ROLES.items() if role.kin
)  # as older texts write: her Sister
_KIN = re.compile(rf" ({trie_pattern([*ROLES, *_CAPITALS])})(s?)(?![\w-])(?!'s? (?!name))")
_COUNTED = "(?:an?|one|two|three|four|five|several)"
_OWNER = re.compile(
    rf"(?:(?P<named>{PERSON})(?:'s?| s|,? whose)"
    rf"|(?P<has>{PERSON}|\b[Hh]e|\b[Ss]he)(?:,? who)? (?:had|has) {_COUNTED}"
    rf"|(?<!\w)(?P<pronoun>(?i:his|her|my|your)))"
    rf" (?:{_ADJECTIVES}{_NOUN} (?:and|or) )?{_ADJECTIVES}$"
)
_ARTICLE = re.compile(rf"(?<=[\s(—-])(?<!\bno )(?<!\bnot )(?:(?:the|an?) )?{_ADJECTIVES}$")
_TRADE = "|".join(sorted(words.TRADES))
_OF = re.compile(
    rf" (?:of|to) (?:(?:the|that|this|late|poor|old|{_TRADE}|\w+ous) )*"
    rf"(?P<named>{PERSON}(?: and {PERSON}(?!'s))*)(?:'s(?=[,.;:!?)]))?(?!'s)"
)
_PREDICATE = re.compile(
    r"\b(?:be|been|being|is|was|were|are|am|becomes?|became|becoming|remain(?:s|ed)?)"
    r"(?: \w+ly| not| you| he| she)? $",
    re.IGNORECASE,
)
"""Before a noun that says what the subject is: it names nobody else."""
_INTRODUCED = re.compile(r"\b(?:is|was|present|introduce|meet|know)\b[^.;!?]{0,12}$|'s $")
_TOLD = re.compile(r"\b(?:that|thinks?|thought|sure|says?|said|declared?|believes?)\b[^.;!?\"\n]*$")
_UNREAL = re.compile(
    r"\b(?:if|wish\w*|unless|suppos\w+|whether|hop(?:e|ed|ing)|dream\w*|fanc\w+|imagin\w+|as though"
    r"|pretend\w*|thought|believed|seemed|suspect\w*|persuad\w+|fear\w*|afraid|doubt\w*|not|never|nor|neither"
    r"|\w+n't|would|should|might|could|perhaps|rumou?r\w*)\b(?:(?!, but )[^.;!?])*$",
    re.IGNORECASE,
)
_INVERTED = re.compile(r"\b(?:[Hh]ad|[Ww]ere|[Dd]id|[Dd]oes|[Hh]as|[Hh]ave|[Ss]hould|[Ww]ould) $")
"""Before the subject: Had Tom married Ann, …"""


def ties(text: str, people: Sequence[Mention]) -> Iterator[Statement]:
    """Yield each relation that a chapter states between two persons, once, with its offsets in ``text``.

    "Tom married Ann." → ("Tom", "SPOUSE", "Ann", label "married"). ``people``: mentions of persons, in order.
    """
    masked = MaskedText(text, people)
    yield from masked.stated(_Chapter(masked).statements())


class _Chapter:
    """The masked text of one chapter with its persons, from which :meth:`statements` reads relations."""

    def __init__(self, masked: MaskedText) -> None:
        self._masked, self._text = masked, masked.text
        self._persons = Possessors(masked)

    def statements(self) -> Iterator[Statement]:
        """Yield the statements by nouns ("her sister"), titles of kin ("her Aunt Jane"), names of couples and
        wives, and verbs."""
        for noun in _KIN.finditer(self._text):
            yield from self._of_noun(noun)
        for mention in self._masked.people:
            yield from self._of_title(mention)
        yield from self._of_couples()
        yield from self._of_wives()
        for _, frame, found in _FRAMES.matches(self._text, WINDOW):
            yield from self._of_verb(frame.type, found)

    def _of_verb(self, kind: str, found: re.Match[str]) -> Iterator[Statement]:
        """Yield the statement of a match of a verb ("Tom married Ann"): none or one."""
        if self._is_unreal(found.start(), found.end()):
            return
        if kind in ("LOVES", "HATES") and _TOLD.search(
            self._text, max(0, found.start() - WINDOW), found.start()
        ):
            return  # a belief about another person's feelings
        named = {m.entry.name for m in self._masked.within(*found.span())}
        later = named | {
            m.entry.name for m in self._masked.within(found.end(), self._sentence(found.end())[1])
        }  # she is none of them
        first, second = (self._persons.meant(found[g], found.start(g), later) for g in ("a", "b"))
        if not named or not first or not second or first.entry.name == second.entry.name:
            return  # of two pronouns both are doubtful
        label, sure = found[0].replace(PERSON, "").strip(" ,'s"), min(first.confidence, second.confidence)
        if self._is_far(first.start, found.start()) or self._is_far(second.start, found.start()):
            return
        proof = _at(first), found.span(), _at(second)
        yield Statement(first.entry.name, kind, second.entry.name, label, proof, sure)

    def _of_couples(self) -> Iterator[Statement]:
        """Yield SPOUSE for two mentions "Mr. and Mrs. Dale"."""
        for one, other in pairwise(self._masked.people):
            start, end = self._masked.original(one.start, one.end)
            alike = one.form.split(" ")[-1] == other.form.split(" ")[-1] and end - start < len(one.form)
            if alike and self._text[one.end : other.start] == " and ":
                names = one.entry.name, "SPOUSE", other.entry.name
                yield Statement(*names, f"{one.form} and {other.form}", (_at(one), _at(other)), NAMED)

    def _of_wives(self) -> Iterator[Statement]:
        """Yield SPOUSE for Mrs. Tom Dale where the chapter names Tom Dale, for Lady Tom where it names Lord
        Tom."""
        men = {form: m.entry for m in self._masked.people for form in (m.entry.name, *m.entry.aliases)}
        for mention in self._masked.people:
            his = husbands(mention.form) if re.match("Lady |.+ .+ ", mention.form) else ()  # no Mrs. Tom
            man = next((men[name] for name in his if name in men), mention.entry)
            if self._persons.gender(man) == "m" and man is not mention.entry:
                names = mention.entry.name, "SPOUSE", man.name
                yield Statement(*names, mention.form, (_at(mention),), NAMED)

    def _of_title(self, mention: Mention) -> Iterator[Statement]:
        """Yield the kinship that a title of kin behind a possessor states: her Aunt Jane."""
        title = mention.form.partition(" ")[0].lower()
        if (role := ROLES.get(title)) and role.kin and title != mention.form.lower():
            begin = max(0, mention.start - WINDOW)
            owner = _OWNER.search(self._text, begin, mention.start)
            for one in self._persons.of(owner, {mention.entry.name}) if owner else ():
                span = owner.start() if owner else begin, mention.end
                yield from self._said(role, one, [mention], title, span)

    def _of_noun(self, noun: re.Match[str]) -> Iterator[Statement]:
        """Yield the relations between the possessors of a noun and the bearers that the frames find beside
        it."""
        role, begin, end = ROLES[noun[1].lower()], max(0, noun.start() - WINDOW), noun.end()
        owner = _OWNER.search(self._text, begin, noun.start() + 1)
        of = None if owner else _OF.match(self._text, end)
        phrase = owner or (_ARTICLE.search(self._text, begin, noun.start() + 1) if of else None)
        if phrase is None or (of and of[0].startswith(" to ") and phrase[0].startswith(("a ", "an "))):
            return  # he was a father to her
        end = of.end() if of else end
        for frame in _FRAMES.tables["bearers"]:
            before = frame.before.search(self._text, begin, phrase.start()) if frame.before else None
            after = frame.after.match(self._text, end)
            if after is None or (frame.before and before is None):
                continue
            group = before or after
            place = group.start("b" if "b" in group.groupdict() else "a")
            start, stop = min(place, phrase.start()), max(group.end(), end)
            asserted = frame.asserted or _PREDICATE.search(self._text, begin, phrase.start())
            if (asserted and self._is_unreal(start, stop)) or self._is_address(owner, role, group):
                return
            many = (noun[2] == "s" or noun[1] == "children") and " of " not in group[0]
            doubtful = owner and owner["pronoun"] and noun[1] in ("brother", "sister", "son", "daughter")
            for named, possessor in self._ends(group, of or phrase, role, many=many):
                facts = self._facts(possessor.entry)
                bearers = [m for m in named if not doubtful or of_family(self._facts(m.entry), facts, role)]
                yield from self._said(role, possessor, bearers, noun[1], (start, stop))
            return
        if role.kin and not (owner and owner["has"]):
            yield from self._of_bare_noun(role, noun, of or phrase, phrase.start(), end)

    def _ends(
        self, group: re.Match[str], phrase: re.Match[str], role: Role, *, many: bool
    ) -> Iterator[tuple[Sequence[Mention], Possessor]]:
        """Yield (bearers, possessor) for each possessor in a frame's match."""
        if "b" not in group.groupdict():  # "She was Tom's sister"
            owned = {m.entry.name for m in self._masked.within(*phrase.span())}
            meant = self._persons.meant(group["a"], group.start("a"), owned)
            bearers = [self._nearest(meant.entry.name, meant.start)] if meant else []
        else:
            bearers = self._bearers(group.span("b"), role, many=many)
        for possessor in self._persons.of(phrase, {m.entry.name for m in bearers}) if bearers else ():
            yield bearers, possessor

    def _is_address(self, owner: re.Match[str] | None, role: Role, group: re.Match[str]) -> bool:
        """Return whether a speaker only addresses a person by the noun: "Tom, my child," or "Come, my friend,
        Mr. Dale"."""
        if not owner or not owner["pronoun"] or "b" not in group.groupdict():
            return False
        start, end = group.span("b")
        if not self._persons.paragraphs.is_called(start, end):
            return False
        introduced = _INTRODUCED.search(self._text, max(0, owner.start() - 24), owner.start())
        doubtful = not role.kin or role.name in ("child", "son")
        if role.type == "SPOUSE":  # "My wife, Hastings, …"
            doubtful = not self._persons.gender(self._masked.at(start).entry)
        return start < owner.start() or (not introduced and doubtful)

    def _of_bare_noun(
        self, role: Role, noun: re.Match[str], phrase: re.Match[str], start: int, end: int
    ) -> Iterator[Statement]:
        """Yield the relation by a noun whose bearer is not beside it, but named near: Jane was ill, and Ann
        nursed her sister."""
        if _PREDICATE.search(self._text, max(0, start - WINDOW), start):
            return
        called = self._text[end : end + 1] in ",!?" and self._text.endswith(('"', ", ", "! "), 0, start)
        if called and self._persons.paragraphs.in_speech(start):
            return
        for owner in self._persons.of(phrase, set()):
            yield from self._near(role, noun, owner, start, end)

    def _near(
        self, role: Role, noun: re.Match[str], owner: Possessor, start: int, end: int
    ) -> Iterator[Statement]:
        """Yield the statements "``owner``'s ``role``" with the persons around the noun who may be meant; more
        doubtful for several.
        """
        found = self._likeliest(role, owner.entry, self._around(start))
        if not found:
            k = self._persons.paragraphs.number(start)
            above = self._masked.within(self._persons.paragraphs.start_of(max(0, k - 4)), start)
            found = [(m, sure * LAST_NAMED) for m, sure in self._likeliest(role, owner.entry, above)]
        known = noun[2] or role.type == "FAMILY" or (found and found[0][1] == OF_FAMILY)
        far = [] if known else [self._nearest(name, start) for name in self._persons.mentions]
        if others := [one for one in self._likeliest(role, owner.entry, far) if one[1] == OF_FAMILY]:
            found = [(m, FAR) for m, _ in others]
        if len(found) > 1:
            found = [(m, sure * LAST_NAMED) for m, sure in found if m.end <= start][-1:]
        if len(found) == 1 and (not noun[2] or found[0][1] == OF_FAMILY):
            bearer, sure = found[0]
            owner = owner._replace(confidence=sure * owner.confidence)
            yield from self._said(role, owner, [bearer], noun[1], (start, end))

    def _likeliest(
        self, role: Role, owner: NameEntry, people: Iterable[Mention]
    ) -> list[tuple[Mention, float]]:
        """Return (mention, confidence) of the persons who are likeliest the owner's kin in this role; all
        have the same confidence.
        """
        found = {
            m.entry.name: (m, sure)
            for m in people
            if m.entry.name != owner.name
            and self._persons.gender(m.entry) in ("", role.gender)
            and (sure := of_family(self._facts(m.entry), self._facts(owner), role))
        }
        best = max((sure for _, sure in found.values()), default=0.0)
        return sorted((one for one in found.values() if one[1] == best), key=lambda one: one[0].start)

    def _around(self, at: int) -> Sequence[Mention]:
        """Return the mentions in the sentence at ``at`` and in its neighbours of the same paragraph."""
        paragraphs, (begin, end) = self._persons.paragraphs, self._sentence(at)
        begin = max(paragraphs.start(at), self._sentence(begin - 1)[0])
        return self._masked.within(
            begin, min(paragraphs.end_of(paragraphs.number(at)), self._sentence(end + 1)[1])
        )

    def _nearest(self, name: str, at: int) -> Mention:
        """Return the mention of a person that is nearest to ``at``."""
        mentions = self._persons.mentions[name]
        k = bisect_left(mentions, at, key=attrgetter("start"))
        return min(mentions[max(0, k - 1) : k + 1], key=lambda mention: abs(mention.start - at))

    def _facts(self, entry: NameEntry) -> NameFacts:
        """Return the facts of a person's name and aliases."""
        return name_facts((entry.name, *entry.aliases))

    def _bearers(self, span: tuple[int, int], role: Role, *, many: bool) -> list[Mention]:
        """Return the mentions in ``span`` whose gender fits the role; for a noun in the singular the first
        alone, for a plural at least two."""
        named = list(self._masked.within(*span))
        if many != (len(named) > 1):
            named = named[:1] if not many else []
        return [m for m in named if self._persons.gender(m.entry) in ("", role.gender) or not role.gender]

    def _said(
        self,
        role: Role,
        owner: Possessor,
        bearers: Sequence[Mention],
        noun: str,
        span: tuple[int, int],
    ) -> Iterator[Statement]:
        """Yield a statement for each of ``bearers`` as ``owner``'s ``role``."""
        if not role.kin and self._is_far(owner.start, span[0]):
            return
        if role.type == "SPOUSE" and self._persons.gender(owner.entry) == role.gender != "":
            return
        for bearer in bearers:
            one, other = (bearer.entry, owner.entry) if role.inverted else (owner.entry, bearer.entry)
            if one.name != other.name:
                proof = _at(owner), span, _at(bearer)
                yield Statement(one.name, role.type, other.name, noun, proof, owner.confidence)

    def _sentence(self, at: int) -> tuple[int, int]:
        """Return where the sentence at ``at`` begins, and the offset of the character that ends it."""
        k = bisect_left(self._persons.ends, at)
        ends = self._persons.ends[max(0, k - 1) : k + 1]
        return (ends[0] + 1 if k else 0), ends[-1]

    def _is_far(self, start: int, at: int) -> bool:
        """Return whether ``at`` is more than one sentence behind ``start``."""
        return bisect_left(self._persons.ends, at) - bisect_left(self._persons.ends, start) > 1

    def _is_unreal(self, start: int, end: int) -> bool:
        """Return whether the sentence supposes, wishes, denies or asks the words at ``start``-``end``."""
        begin, last = self._sentence(start)[0], self._sentence(end)[1]
        asked = self._text[last : last + 1] == "?"
        unreal = _UNREAL.search(self._text, begin, start) or _INVERTED.search(self._text, begin, start)
        return asked or unreal is not None


def _at(person: Mention | Possessor) -> tuple[int, int]:
    """Return the offsets of a mention, one character of the masked text."""
    return person.start, person.start + 1
