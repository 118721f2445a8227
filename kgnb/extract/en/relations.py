"""Relations that an English text states in words, and mentions of couples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import attrgetter, itemgetter

from kgnb.extract.en import vocabulary as words
from kgnb.extract.en.bare_ranks import rank_mentions
from kgnb.extract.en.chapter_persons import ChapterPersons
from kgnb.extract.en.couples import couple_mentions, husbands
from kgnb.extract.en.deeds import deeds
from kgnb.extract.en.denials import denied_families
from kgnb.extract.en.kinship import NAMED, NEARBY, Statement, Tie, statements
from kgnb.extract.en.narrator import is_narrators, own_mentions
from kgnb.extract.en.roles import ROLES, Role
from kgnb.extract.en.stated_names import is_unreal
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import DENIED, Mention, PatternMatch, PatternMatcher, RelationPattern
from kgnb.extract.quotation import EVIDENCE_CHARS
from kgnb.extract.surname_pairs import OF_ONE_SURNAME, named_together

MAX_CONFIDENCE = 0.95
EM_ROUNDS = 3
"""Rounds of expectation maximisation."""
NAMED_TOGETHER = EVIDENCE_CHARS - 2
"""Characters of the text from one name to the end of another that stands with it: a quote shows both."""
MAX_GAP = 44
"""Most characters between two names of a stated relation."""


def with_implied_mentions(
    text: str, mentions: Sequence[Mention], tellers: Sequence[NameEntry] = ()
) -> list[Mention]:
    """Return the mentions, those that "Mr. and Mrs. Dale", "the Dales" or "the general" imply, and those by
    "I" of who tells the chapter; ``tellers``: who may.
    """
    forms = {m.form: m.entry for m in mentions if m.entry.kind == "Character"}
    taken = {m.start for m in mentions}
    counts = Counter(m.form for m in mentions if m.form in forms)
    ranks = rank_mentions(text, counts, lambda form: forms[form].name)
    added = [
        Mention(forms[name], name, start, end)
        for start, end, name in (*couple_mentions(text, forms.__contains__), *ranks)
        if start not in taken
    ]
    added += own_mentions(text, [m for m in mentions if m.entry.kind == "Character"], tellers)
    return sorted([*mentions, *added], key=attrgetter("start")) if added else list(mentions)


# (auxiliary verbs, verbs, type)
_VERBS = (
    ("had |has ", "married|marries|wed|wedded|married to", "SPOUSE"),
    ("was |is |were |got |became ", "married to|engaged to(?: be married to)?|betrothed to", "SPOUSE"),
    ("had |has ", "gave birth to|given birth to|adopted|fathered|begot", "PARENT_OF"),
    ("had |has |was ", "courted|wooed|proposed marriage to|courting|wooing", "LOVES"),
    (
        "had |has |was |is ",
        "loved|loves|adored|adores|fell in love with|falls in love with|in love with",
        "LOVES",
    ),
    ("had |has ", "hated|hates|despised|despises|detested|detests|loathed|loathes", "HATES"),
    ("had |has ", "killed|kills|slew|murdered|attacked|attacks|stabbed|shot|betrayed|struck", "ENEMY"),
    ("had |has ", "fought|fought with|fought against|fights|duelled with", "ENEMY"),
    ("had |has ", "served|serves|obeyed|swore fealty to", "SERVES"),
    ("had |has ", "led|leads|commanded|commands", "LEADS"),
    ("was |is |had been |had |has ", "in the service of|in the employ of|worked for|works for", "SERVES"),
    ("had |has |was |is |had been ", "taught|teaches|teaching|tutored", "MASTER_OF"),
)


def _of_patterns() -> Iterator[RelationPattern]:
    """A, the daughter of B; A was a friend to B."""
    nouns = defaultdict[tuple[str, bool], list[str]](list)
    for noun, role in ROLES.items():
        nouns[role.type, role.inverted].append(noun)
    begin = (
        r"(?:, who|,)? (?:(?:was|is|were|and|became|had been|formerly|once|now|himself|herself) )*"
        rf"(?:the |a |an )?(?:(?:{'|'.join(sorted(words.BEFORE_KIN))}) )*"
    )
    end = rf" (?:of|to) (?:that [a-z]+ |the (?:{'|'.join(sorted(words.TRADES))}) |(?:the|that|poor|late) )*"
    for (kind, inverted), alternatives in nouns.items():
        noun = "|".join(sorted(alternatives, key=len, reverse=True))
        yield RelationPattern(rf"(?:{noun}){end}", kind, inverted=not inverted, prefix=begin)


_TOGETHER = (
    " (?:were|are|had been|have been|became|remained) (?:now |soon |always )?"
    "(?:(?:the )?(?:old|good|great|fast|close|best|dear|bosom|firm|bitter|sworn|mortal)(?: of)? )*"
)
_ADVERB = "(?:(?:always|long|once|soon|then|also|afterwards|secretly|at last) )?"
_PATTERNS = (
    *_of_patterns(),
    *(
        RelationPattern(rf"(?:,? who)? (?:{auxiliary})?{_ADVERB}(?:{verb}) ", kind)
        for auxiliary, verb, kind in _VERBS
    ),
    RelationPattern(
        r" (?:and|with) ",
        "SPOUSE",
        after=r" (?:were|are|had been|got|became) (?:married|engaged(?! (?:in|on|upon|with)\b))",
    ),
    RelationPattern(
        " (?:had |has )?(?:made|took|taken) ",
        "SPOUSE",
        after=" (?:(?:as |for )?his wife|to wife|in marriage)",
    ),
    RelationPattern(" (?:had |has )?(?:studied|trained|learned|learnt) under ", "MASTER_OF", inverted=True),
    RelationPattern(
        " and ",
        "SIBLING",
        after=r" (?:were|are|had been) (?:twin )?(?:brother and sister|brothers|sisters|siblings|twins)\b",
    ),
    *(
        RelationPattern(" and ", kind, after=rf"{_TOGETHER}(?:{nouns})\b(?! (?:of|with|again)\b)")
        for kind, nouns in (("FRIEND", "friends|chums|comrades"), ("ENEMY", "enemies"), ("RIVAL", "rivals"))
    ),
)

_MATCHER = PatternMatcher(_PATTERNS)


def stated_relations(text: str, people: Sequence[Mention], ends: Sequence[int]) -> list[PatternMatch]:
    """Return the relations between persons that the text states in words; ``ends``: of its sentences."""
    own = [m for m in people if is_narrators(m)]
    matches = _MATCHER.match(text, people, MAX_GAP)
    if own:
        people = [m for m in people if not is_narrators(m)]  # whom "he" and "her" never mean
        matches += _MATCHER.match(text, people, MAX_GAP)
    persons = ChapterPersons(text, people, ends, own)
    found = (*statements(persons), *deeds(persons), *_named_couples(persons))
    said = [one for one in found if one.possessor != one.bearer]
    matches = [m for m in matches if _is_real(text, m)]
    matches += _married_couples(text, people) + _added_up(_without_children_as_parents(said))
    told = {frozenset((m.source, m.target)) for m in matches if m.confidence > OF_ONE_SURNAME}
    denied = list(denied_families(persons))
    told |= {frozenset((m.source, m.target)) for m in denied}
    guessed = (m for m in _of_one_surname(persons) if frozenset((m.source, m.target)) not in told)
    return [*matches, *denied, *guessed]


def _without_children_as_parents(found: Sequence[Statement]) -> list[Statement]:
    """Without those in which a father or mother is only who stands nearby, but has parents in this chapter:
    "And my father," said Anne to Jane."""
    own_parents = Counter(one.possessor for one in found if _names_parent(one.role))
    return [
        one
        for one in found
        if not (_names_parent(one.role) and one.weight <= NEARBY and own_parents[one.bearer] > 1)
    ]


def _names_parent(role: Role) -> bool:
    return role.type == "PARENT_OF" and role.inverted


def _is_real(text: str, match: PatternMatch) -> bool:
    """Not "if Tom married Jane"; but "if Jane, the sister of Tom, …" says whose sister she is."""
    apposed = f", {match.label}" in text[match.start : match.end]
    return apposed or not is_unreal(text, match.start, match.end)


def _added_up(found: Sequence[Statement]) -> list[PatternMatch]:
    """One match for all statements of a tie: their weights add up to the odds that it holds."""
    said: dict[Tie, list[tuple[float, Statement]]] = defaultdict(list)
    for weight, one in zip(_shared_weights(found), found, strict=True):
        said[one.tie].append((weight, one))
    matches = (_match(tie, weighed) for tie, weighed in said.items())
    return [match for match in matches if match.confidence > DENIED]


def _shared_weights(found: Sequence[Statement]) -> list[float]:
    """The statements' weights, that of a noun without a name shared among those who may be meant.

    Expectation maximisation (Dempster, Laird and Rubin 1977): who else in the chapter is said to be so is
    meant more likely, and one who is said to be something else to the same person less.
    """
    rivals: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for i, one in enumerate(found):
        if not one.alone:
            rivals[one.possessor, one.start, one.noun].append(i)
    weights = [one.weight for one in found]
    likely = list(weights)
    for _ in range(EM_ROUNDS):
        for group in rivals.values():
            whole = sum(likely[i] for i in group) or 1.0
            for i in group:
                weights[i] = found[i].weight * likely[i] / whole
        ties: dict[object, float] = defaultdict(float)
        for one, weight in zip(found, weights, strict=True):
            ties[one.tie] += weight
            ties[one.pair] += weight
        likely = [one.weight * ties[one.tie] ** 2 / (ties[one.pair] or 1.0) for one in found]
    return weights


def _match(tie: Tie, said: Sequence[tuple[float, Statement]]) -> PatternMatch:
    _, best = max(said, key=itemgetter(0))
    odds = sum(weight for weight, _ in said)
    confidence = round(min(MAX_CONFIDENCE, odds / (1 + odds)), 3)
    return PatternMatch(*tie, best.noun, best.start, best.end, confidence)


def _married_couples(text: str, people: Sequence[Mention]) -> list[PatternMatch]:
    """Mr. and Mrs. Dale are married."""
    return [
        PatternMatch(a.entry.name, "SPOUSE", b.entry.name, text[a.start : b.end], a.start, b.end)
        for a, b in pairwise(people)
        if text[a.end : b.start] == " and "
        and b.form.startswith("Mrs")
        and a.end - a.start < len(a.form)
        and a.form.split(" ")[-1] == b.form.split(" ")[-1]
    ]


def _named_couples(persons: ChapterPersons) -> Iterator[Statement]:
    """Mrs. Edwin Dale is Edwin Dale's wife, Lady Edwin Lord Edwin's."""
    by_form = {form: ms[0] for ms in persons.mentions_of.values() for form in persons.forms(ms[0].entry)}
    for form, wife in by_form.items():
        his = next((by_form[name] for name in husbands(form) if name in by_form), None)
        if his and persons.gender(his.entry) != "f":
            names = his.entry.name, ROLES["wife"], wife.entry.name
            yield Statement(*names, NAMED, wife.start, wife.end, "wife")


def _of_one_surname(persons: ChapterPersons) -> Iterator[PatternMatch]:
    """Two of one surname who are named together are of one family, Mr. and Mrs. Dale husband and wife."""
    bearers = {e.name for entries in persons.by_surname.values() if len(entries) > 1 for e in entries}
    for one, other in named_together(persons.people, bearers, NAMED_TOGETHER):
        if surname := persons.common_surname(one.entry, other.entry):
            kind = "SPOUSE" if persons.are_couple(one.entry, other.entry, surname) else "FAMILY"
            names = one.entry.name, kind, other.entry.name
            yield PatternMatch(*names, f"the surname {surname}", one.start, other.end, OF_ONE_SURNAME)
