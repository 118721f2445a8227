"""Whose kin somebody is: the person to whom a Chinese text says that the bearer of a kin noun belongs.

The possessor is the person spoken of (其弟), the speaker (我父亲), the clause's subject (唤子), that of the
clause before (甲来了。妻子乙…) or, of 长子, the last person of that surname. Words that
strangers use too (兄弟, 哥哥) need a common surname.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_words import DEAR, Noun
from kgnb.extract.zh.narrator import is_narrators
from kgnb.extract.zh.sentences import ENDS, behind_last
from kgnb.extract.zh.surnames import sure_surname, surname_of

FAR = 100
"""Most characters between a child's name and its parent's."""
NEAR = 60
"""Most characters between a relative and the person whom the text goes on about."""
MANY = 20
"""Most persons before a pronoun that are looked at."""
PARAGRAPH = 300
"""Characters before a pronoun in which nobody but its person is named."""
BESIDE = 10
"""Characters before a kin noun in which a pronoun or a verb says whose kin it is."""
INDIRECT = 0.6
"""Confidence of a tie whose possessor is not named beside the kin noun."""

BORN = re.compile("[长次幼少三四五][子女]")
THIRD_PERSONS = re.compile(f"(?:其|他|她|伊)(?:的|家|那)?{DEAR}$")
_SPEAKERS_OWN = re.compile(f"(?:我|吾|俺|咱|小弟|小人|在下)(?:的|家|那|有个|有一个|这)?{DEAR}$")
_HEARERS_OWN = re.compile(f"[你您](?:的|家|那|有个|这)?{DEAR}$")
_BESIDE = re.compile("(?:[的之]|[和与同跟带比]着?|有[一二两三四五几]?个?)$")
_NOT_BY_BLOOD = ("养", "义", "继", "干", "后")
_HUSBANDS_SURNAME = tuple(words.WIFE_TITLES | words.MARRIED)
_MOTHER = re.compile("[母妈娘慈堂]")
_OWN_BROTHER = ("哥哥", "弟弟", "姐姐", "妹妹", "妹子", "哥", "姐", "弟", "妹")
_DIRECT = re.compile(
    "(?:之|的|家的?|新[请雇]来?的|除了|(?:膝下|身边|家中|家里)?(?:只|仅|也|还|曾)?(?:[有生养]|[守带]着|生下|娶|娶了|养了|生了)[一二两三四五六七八九几]?个?|[和与同跟带比]着?"
    f"|[两二三四五六七八九几][个位]|的[一两二三四五六七八九几][个位])?{DEAR}"
)
# 有三个儿子、两个女儿：长子甲; 生了一个儿子，取名甲.
_SOME = "(?:有|膝下|[生养][了下过得]?)[一两二三四五六七八九几][^。！？；“”]{0,14}"
_HAS = re.compile(f"(?:{_SOME}[：:，,]|{_SOME}[子女儿]。|[有生养][了下过得]*(?:[一两二]?[个位]|一)?)$")
_WITH = ("随", "跟", "随着", "跟着")
_CAME = re.compile(r"(?:一[同起])?[进来过嫁]\w{0,4}的")
_OTHERS_OWN = re.compile("[^岁]的$")
_SOMEBODY_ELSE = re.compile("[的姐妹嫂弟兄哥婶姨姑媳女母妻听看见说]|太太|邻居")
_FIRST_CLAUSE = re.compile("[^，。！？；：\n]*")
_HANDLES = re.compile(
    r"[，。；！？]\w{0,4}(?:[扶领带抱拉牵搀背携护陪接送遣派教叫唤命令把将替给为对向望看瞧和与同跟是由]|[看望瞧听]见|想[起到])[着了住起过]?$"
)
_GIVES = re.compile(r"\w{1,14}[给对向跟和与带领把将替为][着了]?")
_DEED = re.compile(r"\w{0,4}[遣令命教唤引带同与和携叫派差使领把将同请跟吩咐]着?")
_SPEAKER = re.compile("[^。！？]*[“「『]|[^”」』]*[”」』]")
_CLOSED = re.compile("[”」』]")
_SENTENCE = re.compile(f"[{ENDS}”」』]")
_OTHERS_MARKS = re.compile("[“”「」『』]")
_CLAUSE_BOUNDS = "。！？；，：\n“「『”」』"
_BEFORE_SUBJECT = "。！？；，、\n"
_BEFORE_OBJECT = tuple("让被叫给把将对向跟替")


class Kin(NamedTuple):
    """A kin noun and the person whom it names."""

    start: int
    end: int
    noun: str
    rule: Noun
    bearer: Mention

    def tie(self, source: Mention, kind: str, target: Mention) -> PatternMatch:
        """Return a tie of two persons that the noun states."""
        start = min(source.start, target.start, self.start)
        end = max(source.end, target.end, self.end)
        return PatternMatch(source.entry.name, kind, target.entry.name, self.noun, start, end, INDIRECT)

    def tie_to(self, owner: Mention) -> PatternMatch:
        """Return the bearer's tie to whose kin he is."""
        source, target = (self.bearer, owner) if self.rule.inverted else (owner, self.bearer)
        return self.tie(source, self.rule.type, target)


def _of_two_families(one: str, other: str) -> bool:
    """Whether two names have different surnames, and neither is a husband's."""
    one, other = ("" if name.endswith(_HUSBANDS_SURNAME) else sure_surname(name) for name in (one, other))
    return one != other and "" not in (one, other)


class KinOwners:
    """The possessors of one chapter's kin nouns."""

    def __init__(self, said: Conversation, ends: Sequence[int]) -> None:
        """``ends``: offsets of the sentences' ends."""
        self._text, self._people, self._ends, self._said = said.text, said.people, ends, said
        self.children: set[int] = set()
        """Offsets of persons called 长子, 次女."""

    def owner(self, kin: Kin) -> Mention | None:
        """Return whose kin the bearer of a noun is."""
        before = self._text[max(0, kin.start - BESIDE) : kin.start]
        if (
            kin.rule.of
            and not before.endswith(("的", "之"))
            and (self._said.at(kin.start) >= 0 or self._said.narrator(kin.start))
        ):
            return self.speaker(kin.start) if kin.rule.of == "speaker" else self.hearer(kin.start)
        if kin.rule.of == "hearer":
            return None  # 令弟甲守城
        if _SPEAKERS_OWN.search(before):
            return self.speaker(kin.start)
        if _HEARERS_OWN.search(before):
            return self.hearer(kin.start)
        k = bisect_left(self._said.starts, kin.start)
        if third := THIRD_PERSONS.search(before):
            others = (m for m in reversed(self._people[max(0, k - MANY) : k]) if not is_narrators(m))
            other = next(others, None)  # 我看见甲，他父亲…
            return self.by_blood(kin, self._antecedent(kin.start, third[0][0], other)) if other else None
        return self._named_owner(kin, k) if k else None

    def _named_owner(self, kin: Kin, k: int) -> Mention | None:
        """Whose kin it is by what stands between the ``k - 1``-th person, the last before a noun, and it."""
        last = self._people[k - 1]
        between = self._text[last.end : kin.start]
        if between == "" and kin.noun[0] in "二三" and kin.rule.type == "MASTER_OF":
            return None  # 大徒弟甲二徒弟乙
        if _DIRECT.fullmatch(between) and (len(kin.noun) > 1 or len(between) > 1 or between == "娶"):
            return last
        if has := _HAS.search(self._text, max(0, kin.start - 40), kin.start):
            return self._owner_of_some(kin, k, has.start())
        if kin.rule.owned and kin.rule.type != "LEADS":
            return None
        if _DEED.fullmatch(between) and len(between) <= 5:
            return last
        if kin.rule.owned and self._text.endswith(_WITH, 0, last.start) and _CAME.fullmatch(between):
            return last  # 随甲进宫的丫鬟乙
        if BORN.fullmatch(kin.noun):
            return self._namesake(kin, k)
        if _GIVES.fullmatch(between) and (actor := self._actor(kin.start)):
            return self.by_blood(kin, actor)
        if kin.rule.owned:
            return None
        handled = _HANDLES.search(self._text, max(0, kin.start - 10), kin.start)
        found = self.by_blood(kin, self._actor(kin.start) if handled else self._topic(kin, k))
        return found or self._namesake_in_sentence(kin, k)

    def _owner_of_some(self, kin: Kin, k: int, at: int) -> Mention | None:
        """Whose kin it is of whom a place tells that somebody has some: nobody's outside the sentence
        (生了两个儿子：长子甲)."""
        parent = self.whose_children(at)
        if parent and (parent.entry.name == self._people[k - 1].entry.name or not self._names_any(kin.start)):
            return parent
        namesake = self._namesake(kin, k) if BORN.fullmatch(kin.noun) else None
        return namesake if namesake and self._is_in_sentence(namesake, kin.start) else None

    def fits(self, kin: Kin, owner: Mention) -> bool:
        """Return whether the two may be such kin: strangers too say 兄弟 and 哥哥."""
        one, other = owner.entry.name, kin.bearer.entry.name
        surname = surname_of(one)
        alike = surname != "" and surname == surname_of(other)
        if one == other or not kin.rule.strangers:
            return one != other
        return alike or (self._is_owned(kin) and not (surname and surname_of(other)))

    def speaker(self, at: int) -> Mention | None:
        """Return who says, or tells, what stands at ``at``."""
        k = self._said.at(at)
        return self._said.turn(k).speaker if k >= 0 else self._said.narrator(at)

    def hearer(self, at: int) -> Mention | None:
        """Return to whom is said what stands at ``at``."""
        k = self._said.at(at)
        return self._said.hearer(k) if k >= 0 else None

    def whose_children(self, at: int) -> Mention | None:
        """Return of whom the text says at a place that they have children: not 甲 in 甲的妹妹生了…."""
        parent = self._sentences_subject(at)
        begin = behind_last(self._text, _BEFORE_SUBJECT, max(0, at - FAR), at)
        if parent is None or _SOMEBODY_ELSE.search(self._text, max(begin, parent.end), at):
            return None
        return parent

    def begins_clause(self, at: int) -> bool:
        """Return whether a clause begins at a place."""
        return self._text[max(0, at - 1) : at] in "。！？；，\n"

    def by_blood(self, kin: Kin, owner: Mention | None) -> Mention | None:
        """Return the owner, unless it is only guessed that a father's child has another surname."""
        if owner is None or kin.rule.type != "PARENT_OF" or kin.noun.startswith(_NOT_BY_BLOOD):
            return owner
        mother = kin.bearer if kin.rule.inverted else owner
        names = mother.entry.name, *mother.entry.aliases
        if _MOTHER.search(kin.noun) or mother.entry.name.endswith("氏") or self._said.sexes.is_woman(names):
            return owner
        return None if _of_two_families(owner.entry.name, kin.bearer.entry.name) else owner

    def owns(self, mention: Mention) -> bool:
        """Return whether a mention is only whose somebody or something is: 甲的妻子."""
        return self._text.startswith(("的", "之", "家的"), mention.end)

    def _is_owned(self, kin: Kin) -> bool:
        """Whether a word beside a noun that only kin use says whose it is (他妹妹)."""
        before = self._text[max(0, kin.start - BESIDE) : kin.start]
        if kin.noun not in _OWN_BROTHER or (THIRD_PERSONS.search(before) and not self._said.sexes.tells):
            return False
        return any(o.search(before) for o in (_SPEAKERS_OWN, _HEARERS_OWN, THIRD_PERSONS, _BESIDE))

    def _antecedent(self, at: int, pronoun: str, last: Mention) -> Mention | None:
        """Who is meant by a pronoun: the only one of its sex in the last clause that names any; by 其 the
        person named ``last``."""
        between = self._text[last.end : at]
        near = len(between) <= 40 and between.count("。") <= 1
        _, *sentences = f"{between}{pronoun}".split("。")
        near = near or (len(between) <= FAR and all(pronoun in sentence[:9] for sentence in sentences))
        if _SPEAKER.match(between):  # 甲说：“他的妻子…”
            return None
        if not near:
            return self._only_one(at, pronoun)
        if pronoun == "其":
            return last
        begin = behind_last(self._text, _CLAUSE_BOUNDS, max(0, last.start - NEAR), last.start)
        named = {
            m.entry.name: m
            for m in self._said.within(begin, at)
            if not (pronoun in self._text[begin : m.start] or self._text.endswith(_BEFORE_OBJECT, 0, m.start))
        }
        if len(named) > 1 and self.begins_clause(self._text.rfind(pronoun, begin, at)):
            named = self._no_possessors(list(named.values()))  # 甲是乙的同学，他父亲…
        return self._of_sex(named, pronoun)

    def _no_possessors(self, named: Sequence[Mention]) -> dict[str, Mention]:
        """Those of whom a clause may tell: not 甲 in 甲的妻子."""
        return {m.entry.name: m for m in named if not self.owns(m)}

    def _of_sex(self, named: dict[str, Mention], pronoun: str) -> Mention | None:
        """The only one of the persons who may be meant by a pronoun: never who tells the chapter."""
        named = {name: mention for name, mention in named.items() if not is_narrators(mention)}
        named = {name: m for name, m in named.items() if self._said.sexes.may_be(pronoun, m.entry)}
        return next(iter(named.values())) if len(named) == 1 else None

    def _only_one(self, at: int, pronoun: str) -> Mention | None:
        """The only person whom a paragraph names, or else the one before, if its sentences go on with the
        pronoun."""
        least = max(0, at - PARAGRAPH)
        begin = max(least, self._text.rfind("\n", least, at) + 1)
        if not self._said.within(begin, at):
            begin = max(least, self._text.rfind("\n", least, max(least, begin - 1)) + 1)
        named = {m.entry.name: m for m in self._said.within(begin, at) if not is_narrators(m)}
        goes_on = re.search(f"[，。\n]{pronoun}[^们的]", self._text[begin:at]) is not None
        goes_on = goes_on or any(
            self._text[m.start - 1 : m.start] in "\n" for m in self._said.within(begin, at)
        )
        only = (
            goes_on
            and pronoun in "他她"
            and len(named) == 1
            and not _OTHERS_MARKS.search(self._text, begin, at)
        )
        return next(iter(named.values())) if only else None

    def _is_in_sentence(self, mention: Mention, at: int) -> bool:
        """Whether the sentence at a place names the person, and not as whose somebody else is."""
        i = bisect_left(self._ends, at)
        begin = self._ends[i - 1] if i else -1
        return mention.start > begin and not self.owns(mention)

    def _names_any(self, at: int) -> bool:
        """Whether the sentence names somebody before a place."""
        i = bisect_left(self._ends, at)
        return bool(self._said.within(self._ends[i - 1] + 1 if i else 0, at))

    def _actor(self, at: int) -> Mention | None:
        """Who does what a sentence tells, if it names nobody else before: 甲站着，一手扶着女儿."""
        begin = behind_last(self._text, "。！？；\n“「『”」』", max(0, at - NEAR), at)
        named = self._said.within(begin, at)
        if not named and self._text[begin : begin + 1] in ("他", "她"):
            return self._only_one(at, self._text[begin])
        only = len({m.entry.name for m in named}) == 1 and self.begins_clause(named[0].start)
        return named[-1] if only and not self.owns(named[-1]) else None

    def _topic(self, kin: Kin, k: int) -> Mention | None:
        """Of a clause that begins with the noun (妻子乙) the person whose name began one last."""
        direct = kin.end == kin.bearer.start and len(kin.noun) > 1 and kin.noun not in words.MARRIED
        if direct and self.begins_clause(kin.start):
            for mention in reversed(self._people[max(0, k - 4) : k]):
                closed = _SENTENCE if is_narrators(mention) else _CLOSED  # 我 may have begun any before
                if kin.start - mention.end > NEAR or closed.search(self._text, mention.end, kin.start):
                    break
                if self.begins_clause(mention.start):
                    return None if self.owns(mention) else mention
            return self._only_one_around(kin.start)
        return None

    def _only_one_around(self, at: int) -> Mention | None:
        """The only person whom the text names for a while before a place, spoken of as a subject."""
        named = self._said.within(max(0, at - PARAGRAPH), at)
        begins = any(self.begins_clause(m.start) for m in named)
        only = begins and len({m.entry.name for m in named}) == 1 and not is_narrators(named[-1])
        return named[-1] if only and not self.owns(named[-1]) else None

    def _sentences_subject(self, at: int) -> Mention | None:
        """The only person of the clause that begins the sentence, or the one before if it has a pronoun."""
        k = bisect_left(self._ends, at)
        for begin in (self._ends[i - 1] + 1 if i else 0 for i in (k, k - 1) if i >= 0):
            if self._said.begins(begin) >= 0:
                clause = _FIRST_CLAUSE.match(self._text, begin)
                named = self._said.within(begin, clause.end() if clause else begin)
                subjects = self._no_possessors(named)  # 甲的妻子乙是个厉害的女人
                return next(iter(subjects.values())) if len(subjects) == 1 else None
            if self._text[begin] not in "他她其":
                break
        return None

    def _namesake_in_sentence(self, kin: Kin, k: int) -> Mention | None:
        """Of a child of nobody in particular (一个八岁的儿子甲) the person of its surname in the sentence."""
        child = kin.rule.type == "PARENT_OF" and not kin.rule.inverted and len(kin.noun) > 1
        if not child or _OTHERS_OWN.search(self._text, max(0, kin.start - 2), kin.start):
            return None
        namesake = self._namesake(kin, k)
        return namesake if namesake and self._is_in_sentence(namesake, kin.start) else None

    def _namesake(self, kin: Kin, k: int) -> Mention | None:
        """The last person of the bearer's surname: 长子 needs a father, who is hardly ever far."""
        surname = surname_of(kin.bearer.entry.name)
        if self._text.endswith(("是", "是第"), 0, kin.start):
            return None  # 东边的是甲，西边的是次子乙: brothers
        for mention in reversed(self._people[max(0, k - 6) : k]):
            name = mention.entry.name
            if kin.start - mention.end > FAR or not surname:
                return None
            other = name != kin.bearer.entry.name and mention.start not in self.children
            other = other and not is_narrators(mention)
            if other and surname_of(name) == surname:
                return mention
        return None
