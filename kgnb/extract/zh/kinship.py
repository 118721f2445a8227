"""Family ties that a Chinese text states by a kin noun before a name (唤子甲), in lists and for couples.

The possessor is the person spoken of (其弟), the speaker (我父亲), the clause's subject (唤子), that of the
clause before (甲来了。妻子乙…) or, of 长子, the last person of that surname. Lists (长子甲，次子乙;
甲、乙弟兄两个) tie their members. Words that strangers use too (兄弟, 哥哥) need a common surname.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import combinations, pairwise
from typing import NamedTuple

from kgnb.core.model import SYMMETRIC_RELATIONS
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_words import DEAR, KIN, Noun, kin_noun, last_kin_noun
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.surnames import is_titled_animal, sure_surname, surname_of, titled_surname

FAR = 100
"""Most characters between a child's name and its parent's."""
NEAR = 60
"""Most characters between a relative and the person whom the text goes on about."""
PARAGRAPH = 300
"""Characters before a pronoun in which nobody but its person is named."""
LONGEST_LINK = 14
"""Most characters of a kin noun and of what joins it to its bearer."""
LONGEST_NOUN = 10
"""Most characters of a kin noun and what is put between it and its bearer without a verb."""
MANY = 20
"""Most children of a list of whom each next one is told to be a sibling."""
INDIRECT = 0.6
"""Confidence of a tie whose possessor is not named beside the kin noun."""

_OFFICE = rf"(?:\w{{1,4}}的)?[^\W我你他她与和同跟]{{0,2}}{trie_pattern(words.TITLES_AFTER_SURNAME)}"
_TITLES = words.TITLES_AFTER_SURNAME | words.RANK_ENDS
_RANK = trie_pattern((_TITLES - words.GENERIC) | (_TITLES & words.WIFE_TITLES))  # 哥哥 is none
_OPEN = re.compile(r"[^\W了呀啊呢也矣哩]")
# Characters of the nouns that none of them ends with; with the others hardly a name's gap is looked at.
_NOT_LAST = (
    "的第个同异最独遗当未前远长次幼少将把令从后马保拜随原连外一护相大义小跟二管侍先司表发五恩属亡结三双老换元犬七四六金"
    "干侧祖门上下业丫中九仇初劣劲十千八填养冤宿对政情意心知旧挚闺死好贴乳太贱高舍私秘重玩班车佣继庶嫡嗣男盟豚赘"
)
_LAST = {c for noun in KIN for c in noun.words if is_han(c)} - set(_NOT_LAST)
_RANKED = frozenset("是，、")  # what stands before a rank: 父亲是将军甲
_MARKS = "，,“"
_LINKS = set("叫唤做作名是")
_RANKS = {title[-1] for title in _TITLES}
_BEFORE_NAME = _LAST | _LINKS | _RANKS | set(_MARKS)
"""Characters of which one stands before any name with a kin noun."""
_BORN = re.compile("[长次幼少三四五][子女]")
_ORDER = "长大次二三四五六小幼"
_SPEAKERS_OWN = re.compile("(?:我|吾|俺|咱|小弟|小人|在下)(?:的|家|那|有个|有一个|这)?$")
_HEARERS_OWN = re.compile("[你您](?:的|家|那|有个|这)?$")
_BESIDE = re.compile("(?:[的之]|[和与同跟带比]着?|有[一二两三四五几]?个?)$")
_NOT_BY_BLOOD = ("养", "义", "继", "干", "后")
_HUSBANDS_SURNAME = tuple(words.WIFE_TITLES | words.MARRIED)
_MOTHER = re.compile("[母妈娘慈堂]")
_OWN_BROTHER = ("哥哥", "弟弟", "姐姐", "妹妹", "妹子", "哥", "姐", "弟", "妹")
_COUNTED = re.compile(f"[两二三四五六七八九几双][个位名对]?{DEAR}$")
_IS_MINE = re.compile(r"是(?P<whose>[我俺咱吾你您])们?(?=(?P<what>[^\W啊呀]{1,20})[，。！；…、”」』啊呀])")
_DEAR = re.compile(f"(?P<of>[的家]?){DEAR}")
_THIRD_PERSONS = re.compile("(?:其|他|她|伊)(?:的|家|那)?$")
_DIRECT = re.compile(
    "(?:之|的|家的?|(?:膝下|身边|家中|家里)?(?:只|仅|也|还|曾)?(?:[有生养]|[守带]着|生下|娶|娶了|养了|生了)[一二两三四五六七八九几]?个?|[和与同跟带比]着?"
    f"|[两二三四五六七八九几][个位]|的[两二三四五六七八九几][个位])?{DEAR}"
)
# 有三个儿子、两个女儿：长子甲; 生了一个儿子，取名甲.
_SOME = "(?:有|膝下|[生养][了下过得]?)[一两二三四五六七八九几][^。！？；“”]{0,14}"
_HAS = re.compile(f"(?:{_SOME}[：:，,]|{_SOME}[子女儿]。|生[了下过得]?(?:[一两二]?个)?)$")
_SOMEBODY_ELSE = re.compile("[的姐妹嫂弟兄哥婶姨姑媳女母妻听看见说]|太太|邻居")
_FIRST_CLAUSE = re.compile("[^，。！？；：\n]*")
_SAYS = "(?:名?叫做?|名唤|唤做|唤作|曰|名|是)"
_ELDER = re.compile(f"(?:[大长]的|老大|长){_SAYS}$")
_ITEM = re.compile(
    "[大小长最另这一次三四五季老]"
    f"(?:(?:(?<=[大小长])的|(?<=最)小的|(?<=[另这])一个|(?<=一)个|(?<=[长次三四五季])){_SAYS}|(?<=老)[大二三四五小幺](?:便?{_SAYS})?)"
    "(?:“[^“”\\n]{1,6}”)?“?"
)
_HAS_SOME = re.compile(
    r"(?:[有生养得][了下着过]?|的|身[后边]跟着|[收教]了?)[一两二三四五六七八九十几双][个位名]?(?:[小大亲]|结[义拜]的?)?"
    "(?P<what>儿子|女儿|孩子|儿女|闺女|[子女]|兄弟|姐妹|姊妹|哥哥|弟弟|姐姐|妹妹|徒弟|弟子)[^。！？“]{0,10}[，：:][^。！？“，：]{0,4}$"
)
_OTHER_SENTENCE = re.compile("[。！？“”「」『』\n]")
_HANDLES = re.compile(
    r"[，。；！？]\w{0,4}(?:[扶领带抱拉牵搀背携护陪接送遣派教叫唤命令把将替给为对向望看瞧和与同跟是由]|[看望瞧听]见|想[起到])[着了住起过]?$"
)
_THEY_HAVE = re.compile("(?:只|还|也|就)?(?:有|生[了下]?|养了?)[一两二三四五六几]?个?")
_GIVES = re.compile(r"\w{1,14}[给对向跟和与带领把将替为][着了]?")
_DEED = re.compile(r"\w{0,4}[遣令命教唤引带同与和携叫派差使领把将同请跟吩咐]着?")
_GROUP = re.compile(
    "(?P<kind>弟兄|兄弟|姊妹|姐妹|兄妹|姐弟|父子|父女|母子|母女|夫妻|夫妇|两口子|叔侄|师徒)"
    "(?P<size>两个|二人|两人|俩|三个|三人|四人|四个)?"
)
_GROUP_TYPES = {
    "父": "PARENT_OF",
    "母": "PARENT_OF",
    "夫": "SPOUSE",
    "两": "SPOUSE",
    "叔": "FAMILY",
    "师": "MASTER_OF",
}
_SIZES = {"两": 2, "二": 2, "俩": 2, "三": 3, "四": 4, "五": 5}
_OTHERS = re.compile("[“”‘’「」『』：:]|[我你他她其各众臣做]$|那$")
_SPEAKER = re.compile("[^。！？]*[“「『]|[^”」』]*[”」』]")
_CLOSED = re.compile("[”」』]")
_COMMA = re.compile('[、，,和与同跟及“”"]{1,3}')
_OTHERS_MARKS = re.compile("[“”「」『』]")
_CLAUSE_BOUNDS = "。！？；，：\n“「『”」』"
_BEFORE_SUBJECT = "。！？；，、\n"
# 王夫人 beside 王老爷 may have her own family's name.
_WIVES = {
    "先生": ("太太", "夫人"),
    "老爷": ("太太", "奶奶"),
    "少爷": ("奶奶",),
    "员外": ("娘子",),
    "爸爸": ("妈妈",),
    "爷爷": ("奶奶",),
}


@cache
def _link() -> re.Pattern[str]:
    """What joins a kin noun to its bearer."""
    return re.compile(
        rf"[，,、]?(?P<rank>(?<=[，、])[^\W他她我你其]{{0,4}}{_RANK})?(?:姓.，)?"
        "(?:[官大小]?名叫|名唤|唤做|唤作|叫做|叫作|叫|取名叫?|起名叫?|名"
        f"|(?:便|就|其实|竟然?|原来|正)?是(?:{_OFFICE})?)?“?"
    )


def _is_named(link: str, after: str, owned: bool) -> bool:
    """Whether a kin noun names the person behind it: not in 父亲是甲的司机, 是甲杀的, 妻子，甲三岁那年.

    ``link``: what is between the two; ``after``: the characters behind the name; ``owned``: whether the
    words before the noun say whose kin it is.
    """
    if after.startswith(("媳妇", "家的")):
        return False
    if link in ("，", ",", "、"):
        return not after[:1].isalpha() or (owned and after[:1] not in "和与同跟的之也")
    return "是" not in link or not _OPEN.match(after)


def _of_two_families(one: str, other: str) -> bool:
    """Whether two names have different surnames, and neither is a husband's."""
    one, other = ("" if name.endswith(_HUSBANDS_SURNAME) else sure_surname(name) for name in (one, other))
    return one != other and "" not in (one, other)


class _Kin(NamedTuple):
    """A kin noun and the person whom it names."""

    start: int
    end: int
    noun: str
    rule: Noun
    bearer: Mention


class Kinship:
    """The ties of one chapter's persons."""

    def __init__(self, text: str, people: Sequence[Mention], ends: Sequence[int], said: Conversation) -> None:
        """``people``: mentions in order of their offsets; ``ends``: offsets of the sentences' ends."""
        self._text, self._people, self._ends, self._said = text, people, ends, said
        self._children: set[int] = set()  # offsets of persons called 长子, 次女

    @cached_property
    def _starts(self) -> list[int]:
        return [m.start for m in self._people]

    def ties(self) -> list[PatternMatch]:
        """Return the ties that kin nouns before names, groups and couples state.

        Of two groups' members (父子) the first is taken for the elder, unless a noun says that it is not.
        """
        found = list(self._of_nouns())
        stated = {(m.target, m.type, m.source) for m in found if m.type not in SYMMETRIC_RELATIONS}
        found += self._of_speakers()
        found += self._of_enumerations()
        found += (m for m in self._of_groups() if (m.source, m.type, m.target) not in stated)
        return [*found, *self._of_couples()]

    # --- kin nouns ---

    def _kin(self) -> Iterator[_Kin]:
        """Kin nouns that a name follows: 长子甲, 弟弟名叫甲."""
        text, free = self._text, 0
        for k, mention in enumerate(self._people):
            begin, free = free, mention.end
            if text[mention.start - 1 : mention.start] not in _BEFORE_NAME:
                continue
            after = text[free : free + 2]
            for start, rule, link in self._nouns(self._window(begin, mention.start), mention.start):
                listed = rule.couple or _COUNTED.search(text, max(0, start - 8), start)
                others = self._listed_behind(k) if listed else []
                owned = bool(k) and self._is_owners(self._people[k - 1], start, link[0])
                titled = link["rank"] is not None and link.end("rank") == mention.start
                if others or (_is_named(link[0], after, owned) and (owned or not titled)):
                    for bearer in (mention, *others):
                        yield _Kin(start, link.start(), text[start : link.start()], rule, bearer)
                    break

    def _nouns(self, begin: int, at: int) -> Iterator[tuple[int, Noun, re.Match[str]]]:
        """Where kin nouns begin that a name at ``at`` may bear, of what kind they are, and what follows."""
        for end in range(begin + 1, at + 1):
            link = _link().fullmatch(self._text, end, at) if self._text[end - 1] in _LAST else None
            while link and (noun := last_kin_noun(self._text, begin, end)):
                yield *noun, link
                begin = noun[0] + 1

    def _is_owners(self, owner: Mention, at: int, link: str) -> bool:
        """Whether the noun at a place is told to be the owner's; before a comma he begins a clause, too."""
        begins = len(link) > 1 or self._begins_clause(owner.start)
        return begins and self._text[owner.end : at] in ("的", "之")

    def _window(self, free: int, at: int) -> int:
        """From where on a kin noun is looked for that names who begins at ``at``; ``at`` if there is none."""
        begin = max(free, at - LONGEST_LINK)
        end = self._text[at - 1 : at]
        if end in _MARKS:
            end = self._text[max(begin, at - 3) : at].rstrip(_MARKS)[-1:]
        if end in _LINKS or (end in _RANKS and not _RANKED.isdisjoint(self._text[begin:at])):
            return begin
        return max(begin, at - LONGEST_NOUN) if end in _LAST else at

    def _of_nouns(self) -> Iterator[PatternMatch]:
        chain: list[_Kin] = []  # kin counted together, all of one owner
        owner: Mention | None = None
        for kin in self._kin():
            last = chain[-1] if chain else None
            if last and (kin.start - last.bearer.end <= 3 or self._counts_on(last, kin)):
                for one in chain:  # 长子甲，次子乙; 父亲甲和弟弟乙
                    both = one.rule == kin.rule
                    if both and (kin.rule == KIN[0] or kin.rule.couple):
                        kind = "SPOUSE" if kin.rule.couple else "SIBLING"
                        yield self._match(one.bearer, kind, kin.bearer, kin)
                chain = [*chain[-MANY:], kin]
            else:
                owner = owner if last and self._is_of_the_same(last, kin) else self._owner(kin)
                chain = [kin]
            if _BORN.fullmatch(kin.noun):
                self._children.add(kin.bearer.start)
            if owner is not None and self._fits(kin, owner):
                yield self._tie(kin, owner)
                if kin.rule == KIN[0]:
                    yield from (self._tie(kin, other) for other in self._other_parents(owner, kin))

    def _other_parents(self, owner: Mention, kin: _Kin) -> list[Mention]:
        """Who else has the child: 甲和乙有个儿子."""
        if not _THEY_HAVE.match(self._text, owner.end):
            return []
        k = bisect_left(self._starts, owner.start)
        one = self._people[k - 1] if k else None
        joined = one is not None and _COMMA.fullmatch(self._text, one.end, owner.start)
        return [one] if one and joined and one.entry.name != kin.bearer.entry.name else []

    def _listed_behind(self, k: int) -> list[Mention]:
        """The persons listed behind the ``k``-th: 乙 and 丙 of 甲、乙和丙."""
        found = []
        for one, other in pairwise(self._people[k : k + MANY]):
            if not _COMMA.fullmatch(self._text, one.end, other.start):
                break
            found.append(other)
        return found

    def _is_of_the_same(self, last: _Kin, kin: _Kin) -> bool:
        """Whether the pronoun before a kin noun repeats that before the last one: 她母亲甲哭了，她父亲乙…."""
        one, other = (_THIRD_PERSONS.search(self._text, max(0, k.start - 4), k.start) for k in (last, kin))
        between = self._text[last.bearer.end : kin.start]
        k = bisect_left(self._starts, kin.start)
        near = self._people[k - 1] is last.bearer and len(between) <= NEAR and "。" not in between
        return near and one is not None and other is not None and one[0][0] == other[0][0]

    def _counts_on(self, last: _Kin, kin: _Kin) -> bool:
        """Whether the text counts the same person's children on: 长子甲，管着铺子；次子乙，…."""
        between = self._text[last.bearer.end : kin.start]
        children = kin.rule == last.rule == KIN[0]
        if not children or len(between) > NEAR or not self._begins_clause(kin.start):
            return False
        orders = _ORDER.find(last.noun[0]), _ORDER.find(kin.noun[0])
        if last.noun[1:] == kin.noun[1:]:
            return 0 <= orders[0] < orders[1] and "。" not in between
        # 长子甲，次子乙。大女儿丙: the daughters are counted after the sons.
        alone = self._people[bisect_left(self._starts, kin.start) - 1] is last.bearer
        return alone and orders[0] >= 0 and orders[1] in (0, 1) and ("女" in last.noun) != ("女" in kin.noun)

    def _fits(self, kin: _Kin, owner: Mention) -> bool:
        """Whether the two may be such kin: strangers too say 兄弟 and 哥哥."""
        one, other = owner.entry.name, kin.bearer.entry.name
        surname = surname_of(one)
        alike = surname != "" and surname == surname_of(other)
        if one == other or not kin.rule.strangers:
            return one != other
        return alike or (self._is_owned(kin) and not (surname and surname_of(other)))

    def _by_blood(self, kin: _Kin, owner: Mention | None) -> Mention | None:
        """The owner, unless it is only guessed that a father's child has another surname."""
        if owner is None or kin.rule.type != "PARENT_OF" or kin.noun.startswith(_NOT_BY_BLOOD):
            return owner
        mother = kin.bearer if kin.rule.inverted else owner
        names = mother.entry.name, *mother.entry.aliases
        if _MOTHER.search(kin.noun) or mother.entry.name.endswith("氏") or self._said.sexes.is_woman(names):
            return owner
        return None if _of_two_families(owner.entry.name, kin.bearer.entry.name) else owner

    def _is_owned(self, kin: _Kin) -> bool:
        """Whether a word beside a noun that only kin use says whose it is (他妹妹)."""
        before = self._text[max(0, kin.start - 6) : kin.start]
        if kin.noun not in _OWN_BROTHER or (_THIRD_PERSONS.search(before) and not self._said.sexes.tells):
            return False
        return any(o.search(before) for o in (_SPEAKERS_OWN, _HEARERS_OWN, _THIRD_PERSONS, _BESIDE))

    def _owner(self, kin: _Kin) -> Mention | None:
        """Whose kin it is."""
        before = self._text[max(0, kin.start - 6) : kin.start]
        if kin.rule.of and not before.endswith(("的", "之")) and self._said.at(kin.start) >= 0:
            return self._speaker(kin.start) if kin.rule.of == "speaker" else self._hearer(kin.start)
        if kin.rule.of == "hearer":
            return None  # 令弟甲守城
        if _SPEAKERS_OWN.search(before):
            return self._speaker(kin.start)
        if _HEARERS_OWN.search(before):
            return self._hearer(kin.start)
        k = bisect_left(self._starts, kin.start)
        last = self._people[k - 1] if k else None
        if last is None:
            return None
        between = self._text[last.end : kin.start]
        if third := _THIRD_PERSONS.search(before):
            return self._by_blood(kin, self._antecedent(kin.start, third[0][0], last))
        if between == "" and kin.noun[0] in "二三" and kin.rule.type == "MASTER_OF":
            return None  # 大徒弟甲二徒弟乙
        if _DIRECT.fullmatch(between) and (len(kin.noun) > 1 or len(between) > 1 or between == "娶"):
            return last
        if kin.rule.owned and kin.rule.type != "LEADS":
            return None
        born = _BORN.fullmatch(kin.noun) is not None
        has = _HAS.search(self._text, max(0, kin.start - 40), kin.start)
        if has:  # 生了两个儿子：长子甲: nobody's but whom the sentence names
            parent = self._whose_children(has.start())
            if parent and parent.entry.name == last.entry.name:
                return parent
            namesake = self._namesake(kin, k) if born else None
            return namesake if namesake and self._is_in_sentence(namesake, kin.start) else None
        if _DEED.fullmatch(between) and len(between) <= 5:
            return last
        if born:
            return self._namesake(kin, k)
        if _GIVES.fullmatch(between) and (actor := self._actor(kin.start)):
            return self._by_blood(kin, actor)
        if kin.rule.owned:
            return None
        handled = _HANDLES.search(self._text, max(0, kin.start - 10), kin.start)
        return self._by_blood(kin, self._actor(kin.start) if handled else self._topic(kin, k))

    def _antecedent(self, at: int, pronoun: str, last: Mention) -> Mention | None:
        """Who is meant by a pronoun: the only one of its sex in the last clause that names any; by 其 the
        person named ``last``."""
        between = self._text[last.end : at]
        near = len(between) <= 40 and between.count("。") <= 1
        near = near or (len(between) <= FAR and between.count(f"。{pronoun}") == between.count("。"))
        if _SPEAKER.match(between):  # 甲说：“他的妻子…”
            return None
        if not near:
            return self._only_one(at, pronoun)
        if pronoun == "其":
            return last
        begin = max(0, last.start - NEAR)
        begin = max(begin, *(self._text.rfind(mark, begin, last.start) + 1 for mark in _CLAUSE_BOUNDS))
        named = {m.entry.name: m for m in self._said.within(begin, at)}
        if len(named) > 1 and self._begins_clause(self._text.rfind(pronoun, begin, at)):
            named = self._no_possessors(list(named.values()))  # 甲是乙的同学，他父亲…
        return self._of_sex(named, pronoun)

    def _no_possessors(self, named: Sequence[Mention]) -> dict[str, Mention]:
        """Those of whom a clause may tell: not 甲 in 甲的妻子."""
        return {m.entry.name: m for m in named if not self._text.startswith(("的", "之", "家的"), m.end)}

    def _of_sex(self, named: dict[str, Mention], pronoun: str) -> Mention | None:
        """The only one of the persons who may be meant by a pronoun."""
        if len(named) > 1 and self._said.sexes.tells:
            title = "太太" if pronoun == "她" else "先生"
            named = {n: m for n, m in named.items() if self._said.sexes.fits(title, (n, *m.entry.aliases))}
        return next(iter(named.values())) if len(named) == 1 else None

    def _only_one(self, at: int, pronoun: str) -> Mention | None:
        """The only person whom a paragraph names, or else the one before, if its sentences go on with the
        pronoun."""
        least = max(0, at - PARAGRAPH)
        begin = max(least, self._text.rfind("\n", least, at) + 1)
        if not self._said.within(begin, at):
            begin = max(least, self._text.rfind("\n", least, max(least, begin - 1)) + 1)
        named = {m.entry.name: m for m in self._said.within(begin, at)}
        goes_on = re.search(f"[，。\n]{pronoun}[^们的]", self._text[begin:at]) is not None
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
        return mention.start > begin and not self._text.startswith(("的", "之"), mention.end)

    def _actor(self, at: int) -> Mention | None:
        """Who does what a sentence tells, if it names nobody else before: 甲站着，一手扶着女儿."""
        begin = max(0, at - NEAR)
        begin = max(begin, *(self._text.rfind(mark, begin, at) + 1 for mark in "。！？；\n“「『”」』"))
        named = self._said.within(begin, at)
        if not named and self._text[begin : begin + 1] in ("他", "她"):
            return self._only_one(at, self._text[begin])
        only = len({m.entry.name for m in named}) == 1 and self._begins_clause(named[0].start)
        return named[-1] if only and not self._text.startswith(("的", "之", "家"), named[-1].end) else None

    def _topic(self, kin: _Kin, k: int) -> Mention | None:
        """Of a clause that begins with the noun (妻子乙) the person whose name began one last."""
        direct = kin.end == kin.bearer.start and len(kin.noun) > 1 and kin.noun not in words.MARRIED
        if direct and self._begins_clause(kin.start):
            for mention in reversed(self._people[max(0, k - 4) : k]):
                if kin.start - mention.end > NEAR or _CLOSED.search(self._text, mention.end, kin.start):
                    break
                if self._begins_clause(mention.start):
                    return None if self._text.startswith(("的", "之"), mention.end) else mention
        return None

    def _whose_children(self, at: int) -> Mention | None:
        """Of whom the text says at a place that they have children: not 甲 in 甲的妹妹生了…."""
        parent = self._sentences_subject(at)
        least = max(0, at - FAR)
        begin = max(least, *(self._text.rfind(mark, least, at) + 1 for mark in _BEFORE_SUBJECT))
        if parent is None or _SOMEBODY_ELSE.search(self._text, max(begin, parent.end), at):
            return None
        return parent

    def _sentences_subject(self, at: int) -> Mention | None:
        """The only person of the clause that begins the sentence, or the one before if it has a pronoun."""
        k = bisect_left(self._ends, at)
        for begin in (self._ends[i - 1] + 1 if i else 0 for i in (k, k - 1) if i >= 0):
            i = bisect_left(self._starts, begin)
            if self._starts[i : i + 1] == [begin]:
                clause = _FIRST_CLAUSE.match(self._text, begin)
                until = clause.end() if clause else begin
                k = bisect_left(self._starts, until)
                subjects = self._no_possessors(self._people[i:k])  # 甲的妻子乙是个厉害的女人
                return next(iter(subjects.values())) if len(subjects) == 1 else None
            if self._text[begin] not in "他她其":
                break
        return None

    def _begins_clause(self, at: int) -> bool:
        return self._text[max(0, at - 1) : at] in "。！？；，\n"

    def _namesake(self, kin: _Kin, k: int) -> Mention | None:
        """The last person of the bearer's surname: 长子 needs a father, who is hardly ever far."""
        surname = surname_of(kin.bearer.entry.name)
        if self._text.endswith(("是", "是第"), 0, kin.start):
            return None  # 东边的是甲，西边的是次子乙: brothers
        for mention in reversed(self._people[max(0, k - 6) : k]):
            name = mention.entry.name
            if kin.start - mention.end > FAR or not surname:
                return None
            other = name != kin.bearer.entry.name and mention.start not in self._children
            if other and surname_of(name) == surname:
                return mention
        return None

    def _speaker(self, at: int) -> Mention | None:
        """Who says what stands at ``at``."""
        k = self._said.at(at)
        return self._said.turns[k].speaker if k >= 0 else None

    def _tie(self, kin: _Kin, owner: Mention) -> PatternMatch:
        source, target = (kin.bearer, owner) if kin.rule.inverted else (owner, kin.bearer)
        return self._match(source, kin.rule.type, target, kin)

    def _hearer(self, at: int) -> Mention | None:
        """To whom it is said."""
        k = self._said.at(at)
        return self._said.hearer(k) if k >= 0 else None

    def _match(self, source: Mention, kind: str, target: Mention, kin: _Kin) -> PatternMatch:
        start = min(source.start, target.start, kin.start)
        end = max(source.end, target.end, kin.end)
        start = max(start, end - 150)
        return PatternMatch(source.entry.name, kind, target.entry.name, kin.noun, start, end, INDIRECT)

    def _of_speakers(self) -> Iterator[PatternMatch]:
        """“甲是我女儿。”: whose kin the speaker says that a person is."""
        ends: dict[int, Mention] = {}
        for match in _IS_MINE.finditer(self._text):
            ends = ends or {m.end: m for m in self._people}
            at = match.start() - (self._text[match.start() - 1] in "就才可便也乃")
            bearer = ends.get(at)
            if bearer is None or not self._says(bearer):
                continue
            speaker = self._hearer(at) if match["whose"] in "你您" else self._speaker(at)
            kin = self._mine(match, bearer)
            if kin and speaker and self._fits(kin, speaker):
                yield self._tie(kin, speaker)

    def _mine(self, match: re.Match[str], bearer: Mention) -> _Kin | None:
        """The kin noun by which the words behind 是我 call somebody."""
        begin, end = match.span("what")
        dear = _DEAR.match(self._text, begin)
        for start in (dear.end(), dear.end("of"), begin) if dear else ():
            if rule := kin_noun(self._text, start, end):
                return _Kin(start, end, self._text[start:end], rule, bearer)
        return None

    def _says(self, bearer: Mention) -> bool:
        """Whether nothing before a name makes a guess of what is said of it: 要是甲是我女儿, 谁说甲是…."""
        return self._text[bearer.start - 1] in "“「『，。！？；：—…、"

    def _of_enumerations(self) -> Iterator[PatternMatch]:
        """甲生了两个儿子，大的叫乙，小的叫丙; 生二子：长曰乙，次曰丙."""
        items: list[Mention] = []
        for head in _ITEM.finditer(self._text):
            k = self._said.begins(head.end())
            if k < 0:
                continue
            mention, goes_on = self._people[k], items and self._people[k - 1] is items[-1]
            between = self._text[items[-1].end : mention.start] if goes_on else "。"
            if len(between) > NEAR or _OTHER_SENTENCE.search(between):
                yield from self._of_items(items)
                items = []
            items.append(mention)
        yield from self._of_items(items)

    def _of_items(self, items: Sequence[Mention]) -> Iterator[PatternMatch]:
        """Ties of the persons of one enumeration."""
        if len(items) < 2:
            return
        first = items[0]
        kin = _Kin(first.start, first.start, "子女", KIN[0], first)
        has = _HAS_SOME.search(self._text, max(0, first.start - NEAR), first.start)
        what = has["what"] if has else ""
        pupils, brethren = what in ("徒弟", "弟子"), what[:1] in tuple("兄弟姐姊妹哥")
        if (has or _ELDER.search(self._text, max(0, first.start - 4), first.start)) and not pupils:
            for one, other in pairwise(items):
                yield self._match(one, "SIBLING", other, kin._replace(start=one.start))
        if has and (owner := self._whose_children(has.start())):
            for item in items:
                yield self._match(
                    owner, "SIBLING" if brethren else "MASTER_OF" if pupils else "PARENT_OF", item, kin
                )

    # --- groups and couples ---

    def _of_groups(self) -> Iterator[PatternMatch]:
        """甲、乙弟兄两个; 甲打外，乙打内，父女俩: the members named before the word."""
        for match in _GROUP.finditer(self._text):
            members = self._members(match.start(), self._size(match))
            kind = _GROUP_TYPES.get(match["kind"][0], "SIBLING")
            if not self._are_such(members, kind, match):
                continue
            for one, other in combinations(members, 2):
                start, name = min(one.start, other.start), other.entry.name
                yield PatternMatch(one.entry.name, kind, name, match["kind"], start, match.end(), INDIRECT)

    def _size(self, group: re.Match[str]) -> int:
        """How many the text says that they are (弟兄三个, 四姊妹); 0 where it does not say."""
        return _SIZES.get((group["size"] or self._text[max(0, group.start() - 1) : group.start()])[:1], 0)

    def _are_such(self, members: list[Mention], kind: str, group: re.Match[str]) -> bool:
        """Whether the word speaks of just these persons: 甲与乙父子 may be 甲, and 乙 and 乙's son."""
        surnames = {surname_of(m.entry.name) for m in members}
        of_one = len(surnames) == 1 and "" not in surnames
        if kind == "SIBLING":  # by given names alone, too
            return len(surnames) == 1 and self._size(group) > 0
        if len(members) != 2 or group["size"] or group.start() - members[-1].end > 2:
            return len(members) == 2
        if kind == "SPOUSE":
            return self._text[members[0].end : members[1].start] not in ("与", "和", "同", "跟")
        return of_one and kind == "PARENT_OF"

    def _members(self, at: int, size: int) -> list[Mention]:
        """The listed persons that end at ``at``, or the only two of the sentence before it."""
        k = bisect_left(self._starts, at) - 1
        if k < 0 or self._people[k].end > at:
            return []
        listed = [self._people[k]]
        while k and _COMMA.fullmatch(self._text, self._people[k - 1].end, self._people[k].start):
            k -= 1
            listed.insert(0, self._people[k])
        between = self._text[listed[-1].end : at]
        if between.strip('，,“”"') == "":
            enough = len(listed) >= size if size else len(listed) == 2
            return listed[-size:] if enough else []
        return self._pair(at) if len(between) > 2 and not _OTHERS.search(between) and size in (0, 2) else []

    def _pair(self, at: int) -> list[Mention]:
        """The only two persons of a sentence that is up to sixty characters long before ``at``, if both begin
        a clause: in 甲见乙坐着 the word that follows is about somebody else, or one of the two."""
        k = bisect_left(self._ends, at)
        begin = self._ends[k - 1] if k else 0
        begin = max(begin, *(self._text.rfind(mark, begin, at) for mark in "“「『"))  # 甲道：“乙两口子…”
        if at - begin > 60:
            return []
        within = self._people[bisect_left(self._starts, begin) : bisect_left(self._starts, at)]
        named = {m.entry.name: m for m in within if self._text[m.start - 1 : m.start] in _BEFORE_SUBJECT}
        return list(named.values()) if len(named) == 2 and len({m.entry.name for m in within}) == 2 else []

    def _of_couples(self) -> Iterator[PatternMatch]:
        """王先生 and 王太太, 兔爸爸 and 兔妈妈, 王旺 and 王旺家的 of one chapter."""
        last = {m.entry.name: m for m in self._people}
        for name, husband in last.items():
            wives = [name + "家的"] if surname_of(name) else []
            if titled_surname(name) or is_titled_animal(name):
                wives += [name[:-2] + title for title in _WIVES.get(name[-2:], ())]
            for wife in (last[w] for w in wives if w in last):
                start, end = min(husband.start, wife.start), max(husband.end, wife.end)
                start = max(start, end - 150)
                yield PatternMatch(name, "SPOUSE", wife.entry.name, "夫妇", start, end, INDIRECT)
