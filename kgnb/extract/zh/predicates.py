"""Ties that a Chinese sentence states of its subject: 甲是乙的弟弟; 我是乙的学生; 甲，乙之子，….

The subject is named before the verb, spoken of before (甲来了，是乙的弟弟; 他是乙的弟弟), or who speaks or
hears. Whose he is may be several (是乙、丙的弟弟).
Nothing is read where the sentence asks, denies or supposes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

from kgnb.extract.patterns import STATED, Mention, PatternMatch
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_words import DEAR, NOUNS, OFFICES, Noun, kin_noun
from kgnb.extract.zh.script import HAN, is_han
from kgnb.extract.zh.sentences import behind_last

INDIRECT = 0.6
"""Confidence of a tie whose subject is not named beside the verb."""
LONGEST_CLAUSE = 60
"""Most characters of a sentence before the verb that are searched for its subject."""
NEAR = 24
"""Characters before a possessor in which the verb stands."""
MANY = 12
"""Most persons of a list."""

_THEIRS = re.compile("[他她其]的?")
_NO_OFFICE = ("不", "否", "非", "被")
_LONGEST_OFFICE = max(map(len, OFFICES))
_COPULA = re.compile("[也都便就正其实原来本竟然却才恰又亦皆即既可倒还]{0,4}(?:乃?是|乃|系|为|(?:做|当)过)")
_NOUNS = (
    *NOUNS,
    Noun("(?:(?:所|亲)?生的?|所出|(?:收养|抱养|领养|捡来|抱来|买来)的(?:孤儿|孩子)?)", "PARENT_OF"),
)
_OF = (
    "之|(?:从娘家带来|陪嫁过来|使唤|(?:一手|亲手)?[带教养]出来|新[请雇]|(?:从小|自幼)(?:一块儿?|一起)(?:长大|玩大)"
    "|(?:大学|中学|小学|当年|从前)时?|[一二三四五六七八九十几多]{1,3}年"
    "|在(?![追跟查找等调监审研怀采观])[^，。！？的]{1,9})?的|家的?"  # not of whom he is looking for
)
_CHARS = frozenset(filter(is_han, "".join((_OF, DEAR, *(noun.words for noun in _NOUNS)))))
"""Characters of what makes a possessor of a name: one stands behind it."""
_END_OF_NOUN = f"(?![{HAN}？?])|(?=[也矣啊呀嘛呢了](?![？?]))"
_VERBS = frozenset("是乃系为过")  # one of which stands before a possessor
_UNREAL = re.compile(
    "[不没未非别像似仿若如莫岂难谁吗]|以为|认为|当作|当成|假|冒充|扮|要是|怀疑|梦见|希望|哪怕|即使|传闻|[都传胡瞎]说|算"
)
_PRESENTS = re.compile("[是有叫唤名][^，。！？；：]{0,12}$")
_LISTED = re.compile('[、和与同跟及“”"]{1,3}|[、，](?:[大二三四五六小]?师?[兄弟姐妹哥])')
_TAKEN = re.compile(
    "被(?P<by>[^被。！？“”]{1,22}?)(?P<as>收[为作做](?:[关亲入真记座门][门传室名下])?(?:弟子|徒弟?|门下))"
)
_PAUSE = re.compile("[，。！？；：“”]")
_ALL = re.compile("(?:二人|两人|三人|两个|他们)?")
_PRONOUN = re.compile("(?P<i>[我俺咱吾])$|(?P<you>[你您])$|(?:[他她伊]|此人|这人|那人|其人)$")
_NAMED = re.compile("(?:名?叫做?|名?唤作?|唤做|名|曰|就是|便是|正是|(?<=，)[字号])“?$")
_BETWEEN = re.compile("，(?:[^，。！？；：“”]{1,8}，)?")
_GOES_ON = re.compile("[，,](?:还有|和|与|以及|及|都|、)")
_BOUNDS = "。！？；\n“”「」『』"


@cache
def _behind() -> re.Pattern[str]:
    """A noun behind a possessor; nothing is tried unless its characters are all that stands there."""
    nouns = "|".join(f"(?P<n{i}>{noun.words})" for i, noun in enumerate(_NOUNS))
    likely = f"[{''.join(sorted(_CHARS))}]+(?:{_END_OF_NOUN})"
    return re.compile(f"(?=在|{likely})(?P<of>{_OF})?{DEAR}(?:{nouns})(?:{_END_OF_NOUN})")


class Predicates:
    """What the sentences of one chapter say of their subjects."""

    def __init__(self, said: Conversation) -> None:
        self._text, self._people, self._said = said.text, said.people, said

    def ties(self) -> Iterator[PatternMatch]:
        """Return what is stated of a subject, and who was taken as a pupil."""
        yield from self._pupils()
        latest: tuple[int, list[tuple[Mention, float]]] | None = None
        for k, owner in enumerate(self._people):
            if self._text[owner.end : owner.end + 1] not in _CHARS:
                continue
            before = self._text[max(0, owner.start - NEAR) : owner.start]
            if before[-1:] != "，" and _VERBS.isdisjoint(before):
                continue
            match = _behind().match(self._text, owner.end, owner.end + 24)
            noun = _NOUNS[int(str(match.lastgroup)[1:])] if match and match.lastgroup != "of" else None
            if match is None or noun is None or (noun.owned and not match["of"]):
                continue
            j = self._list_start(k)
            owners, begin = self._people[j : k + 1], self._people[j].start
            bearers = self._bearers(j, begin, match)
            if not bearers and latest and self._is_chained(latest[0], begin):
                bearers = latest[1]  # 甲是乙的弟弟，是丙的学生
            latest = (match.end(), bearers)
            label, end = match[str(match.lastgroup)], match.end()
            for (bearer, confidence), one in product(bearers, owners):
                source, target = (bearer, one) if noun.inverted else (one, bearer)
                if source.entry.name != target.entry.name:
                    names = source.entry.name, noun.type, target.entry.name
                    start = min(bearer.start, begin)
                    yield PatternMatch(*names, label, start, end, confidence)

    def _is_chained(self, end: int, begin: int) -> bool:
        """Whether a comma and a verb are all that stands between two places."""
        return self._text.startswith("，", end) and self._copula(end + 1, begin) == end + 1

    def _copula(self, begin: int, end: int) -> int:
        """Where a verb begins that only a possessor's title parts from ``end``; -1 for none."""
        verbs = _COPULA.finditer(self._text, begin, end)
        return next((verb.start() for verb in verbs if self._is_title(verb.end(), end)), -1)

    def _is_title(self, begin: int, end: int) -> bool:
        """Whether a part is empty or says what a possessor is: 是永宁侯乙的女儿; 是他舅舅乙的女儿."""
        theirs = _THEIRS.match(self._text, begin, end)
        if begin == end or kin_noun(self._text, theirs.end() if theirs else begin, end):
            return True
        return not self._text.startswith(_NO_OFFICE, begin) and any(
            self._text[at:end] in OFFICES and (at == begin or self._text[begin:at].isalnum())
            for at in range(max(begin, end - _LONGEST_OFFICE), min(begin + 4, end))
        )

    def _pupils(self) -> Iterator[PatternMatch]:
        """甲…，被乙收为弟子."""
        for taken in _TAKEN.finditer(self._text):
            begin, end = taken.span("by")
            masters, named = self._said.within(begin, end), self._said.within(self._bound(begin), begin)
            single = len({m.entry.name for m in named}) == 1 and self._begins_clause(named[0])
            if single and masters and not _PAUSE.search(self._text, begin, masters[-1].start):
                names = masters[-1].entry.name, "MASTER_OF", named[0].entry.name
                yield PatternMatch(*names, taken["as"], named[0].start, taken.end(), INDIRECT)

    def _begins_clause(self, mention: Mention) -> bool:
        return self._text[mention.start - 1 : mention.start] in _BOUNDS + "，"

    def _list_start(self, k: int) -> int:
        """Number of the first person of the list that ends with the ``k``-th."""
        j = k
        while j and k - j < MANY and self._is_listed(self._people[j - 1], self._people[j]):
            j -= 1
        return j

    def _is_listed(self, one: Mention, other: Mention) -> bool:
        """Whether two persons are of one list, or one person by title and name (大长老甲)."""
        if one.end == other.start:
            return one.entry.name == other.entry.name
        return _LISTED.fullmatch(self._text, one.end, other.start) is not None

    def _bearers(self, j: int, begin: int, match: re.Match[str]) -> list[tuple[Mention, float]]:
        """Of whom it is said that he is the possessors' (the ``j``-th person's and so on), and how surely."""
        last = self._people[j - 1] if j else None
        free = last.end if last else 0
        at = self._copula(max(free, begin - 16), begin)
        if at < 0:
            return self._apposition(last, begin, match)
        bound = self._bound(at)
        if _UNREAL.search(self._outside_names(self._text.rfind("，", bound, at) + 1 or bound, at)):
            return []
        if last and last.start >= bound and _ALL.fullmatch(self._text, last.end, at):
            first = self._list_start(j - 1)
            return [(m, STATED) for m in self._people[first:j]]
        subject = self._subject(bound, at, last)
        return [(subject, INDIRECT)] if subject else []

    def _apposition(
        self, last: Mention | None, begin: int, match: re.Match[str]
    ) -> list[tuple[Mention, float]]:
        """甲，乙之子，…: the person with whom the sentence begins."""
        if last is None or not match["of"] or not _BETWEEN.fullmatch(self._text, last.end, begin):
            return []
        starts = last.start == 0 or self._text[last.start - 1] in _BOUNDS
        goes_on = self._text[match.end() : match.end() + 1] in ("，", "。") and not _GOES_ON.match(
            self._text, match.end()
        )
        return [(last, INDIRECT)] if starts and goes_on else []

    def _bound(self, at: int) -> int:
        """Where the sentence, or the speech, of a place begins, or what is looked at of it."""
        return behind_last(self._text, _BOUNDS, max(0, at - LONGEST_CLAUSE), at)

    def _outside_names(self, begin: int, end: int) -> str:
        """A part of the text without its names."""
        parts, at = [], begin
        for mention in self._said.within(begin, end):
            parts.append(self._text[at : mention.start])
            at = mention.end
        return "".join((*parts, self._text[at:end]))

    def _subject(self, bound: int, at: int, last: Mention | None) -> Mention | None:
        """Whom a verb without a name before it is about; its sentence begins at ``bound``."""
        pronoun = _PRONOUN.search(self._text, max(bound, at - 2), at)
        clause = pronoun.start() if pronoun else at
        if clause > bound and self._text[clause - 1] not in "，：":
            return None
        k = self._said.at(at)
        if pronoun and pronoun.lastgroup:
            if k < 0:
                return self._said.narrator(at) if pronoun["i"] else None
            return self._said.turn(k).speaker if pronoun["i"] else self._said.hearer(k)
        named = self._said.within(bound, at)
        if not named:
            return self._subject_before(bound) if pronoun and k < 0 else None
        beside = named[-1].end + 1 == clause
        if len({m.entry.name for m in named}) > 1:
            if beside and _PRESENTS.search(self._text, max(bound, named[-1].start - 14), named[-1].start):
                return named[-1]  # 那是甲的妹妹乙，是丙的学生
            introduced = (
                last
                and last.end >= at - 1
                and _NAMED.search(self._text, max(bound, last.start - 4), last.start)
            )
            return last if introduced else None
        subject = named[-1]
        begins = beside or self._begins_clause(subject)
        begins = begins or _NAMED.search(self._text, max(bound, subject.start - 4), subject.start) is not None
        return subject if begins and not self._text.startswith(("的", "之", "家"), subject.end) else None

    def _subject_before(self, bound: int) -> Mention | None:
        """The only person of the sentence before the one that begins at ``bound``, if he begins it."""
        if bound < 2 or self._text[bound - 1] not in "。！；":
            return None
        begin = self._bound(bound - 1)
        named = self._said.within(begin, bound)
        only = len({m.entry.name for m in named}) == 1 and named[0].start == begin
        return named[0] if only and not self._text.startswith(("的", "之", "家"), named[0].end) else None
