"""Family ties of persons that a Chinese text counts together: one's children or pupils, groups and couples.

甲生了两个儿子，大的叫乙，小的叫丙; 甲、乙弟兄两个; 王旺 and 王旺家的.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from operator import attrgetter

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_owners import INDIRECT, NEAR, Kin, KinOwners
from kgnb.extract.zh.kin_words import KIN, LISTED
from kgnb.extract.zh.surnames import given_of, is_titled_animal, surname_of, titled_surname

LARGEST = 5
"""Most persons of a group that a word counts."""

_SAYS = "(?:名?叫[做作]?|名?唤[做作]?|曰|名|是)"
_ELDER = re.compile(f"[大长]的?{_SAYS}$")
_ITEM = re.compile(
    "[大小长另这一次三四五季老]"
    f"(?:(?:(?<=[大小长])的|(?<=[另这])一个|(?<=一)个|(?<=[长次三四五季])){_SAYS}|(?<=大)名|(?<=老)[大二三四五小幺](?:便?{_SAYS})?)"
    "(?:“[^“”\\n]{1,6}”)?“?"
)
_HAS_SOME = re.compile(
    r"(?:[有生养得带][了下着过]?|的|身[后边]跟着|[收教]了?)[一两二三四五六七八九十几双][个位名]?(?:[小大亲]|结[义拜]的?)?"
    "(?P<what>儿子|女儿|孩子|儿女|闺女|[子女]|兄弟|姐妹|姊妹|哥哥|弟弟|姐姐|妹妹|徒弟|弟子)[^。！？“]{0,10}[，：:─—]+[^。！？“，：]{0,4}$"
)
_OTHER_SENTENCE = re.compile("[。！？“”「」『』\n]")
_GROUP = re.compile(
    "(?P<kind>弟兄|兄弟|姊妹|姐妹|兄妹|姐弟|父子|父女|母子|母女|夫妻|夫妇|两口子|叔侄|师徒)"
    "(?P<size>两个|二人|两人|俩|三个|三人|四人|四个)?"
)
_TWO_WED = re.compile(
    r"(?:两个?人|二人|俩)(?:[^\W不没未想要该能以都]{0,10}，)?[^\W不没未想要该能以都]{0,12}?"
    "(?:[成结订定完]了[亲婚]|[成完]婚|成亲|拜了?堂|[做成为]了?夫[妻妇])(?!的?(?:[人事]|念头|话))"
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
_BEFORE_SUBJECT = "。！？；，、\n"
# 王夫人 beside 王老爷 may have her own family's name.
_WIVES = {
    "先生": ("太太", "夫人"),
    "老爷": ("太太", "奶奶"),
    "少爷": ("奶奶",),
    "爸爸": ("妈妈",),
    "爷爷": ("奶奶",),
    "太爷": ("太太",),
}
_NAMED_AFTER_HUSBAND = ("家的", "嫂", "嫂子", "媳妇", "太太", "夫人", "娘子")


class KinGroups:
    """The groups of kin of one chapter."""

    def __init__(self, said: Conversation, ends: Sequence[int], owners: KinOwners) -> None:
        """``ends``: offsets of the sentences' ends."""
        self._text, self._people, self._said = said.text, said.people, said
        self._ends, self._owners = ends, owners

    def enumerations(self) -> Iterator[PatternMatch]:
        """甲生了两个儿子，大的叫乙，小的叫丙; 生二子：长曰乙，次曰丙."""
        items: list[Mention] = []
        for head in _ITEM.finditer(self._text):
            k = self._said.begins(head.end())
            if k < 0:
                continue
            mention = self._people[k]
            last = k - 1 - (self._people[k - 1].entry.name == mention.entry.name)  # “笑面虎”甲
            goes_on = items and self._people[max(0, last)] is items[-1]
            between = self._text[items[-1].end : head.start()] if goes_on else "。"
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
        has = _HAS_SOME.search(self._text, max(0, first.start - NEAR), first.start)
        what = has["what"] if has else ""
        kin = Kin(first.start, first.start, what or "子女", KIN[0], first)
        pupils, brethren = what in ("徒弟", "弟子"), what[:1] in tuple("兄弟姐姊妹哥")
        if (has or _ELDER.search(self._text, max(0, first.start - 4), first.start)) and not pupils:
            for i, other in enumerate(items):
                for one in items[max(0, i - LARGEST) : i]:
                    yield kin._replace(start=one.start).tie(one, "SIBLING", other)
        if has and (owner := self._owners.whose_children(has.start())):
            kind = "SIBLING" if brethren else "MASTER_OF" if pupils else "PARENT_OF"
            for item in items:
                yield kin.tie(owner, kind, item)

    def groups(self) -> Iterator[PatternMatch]:
        """甲、乙弟兄两个; 甲打外，乙打内，父女俩: the members named before the word."""
        for match in _GROUP.finditer(self._text):
            members = self._members(match.start(), self._size(match))
            kind = _GROUP_TYPES.get(match["kind"][0], "SIBLING")
            if not self._are_such(members, kind, match):
                continue
            for one, other in combinations(members, 2):
                start, name = min(one.start, other.start), other.entry.name
                yield PatternMatch(one.entry.name, kind, name, match["kind"], start, match.end(), INDIRECT)

    def wedded(self) -> Iterator[PatternMatch]:
        """甲遇上了乙，两个人私自成了亲: the only two whom the sentence names, the first of whom begins it."""
        for match in _TWO_WED.finditer(self._text):
            begin, at = self._sentence(match.start()), match.start()
            named = {m.entry.name: m for m in self._said.within(begin, at)}
            if len(named) != 2 or self._said.begins(begin) < 0 or not self._said.is_told(at):
                continue
            one, other = (m.entry for m in named.values())
            if self._said.sexes.may_wed(one, other):
                yield PatternMatch(one.name, "SPOUSE", other.name, match[0], begin, match.end(), INDIRECT)

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
        k = bisect_left(self._said.starts, at) - 1
        if k < 0 or self._people[k].end > at:
            return []
        listed = [self._people[k]]
        while (
            k
            and len(listed) <= LARGEST
            and LISTED.fullmatch(self._text, self._people[k - 1].end, self._people[k].start)
        ):
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
        begin = self._sentence(at)
        begin = max(begin, *(self._text.rfind(mark, begin, at) for mark in "“「『"))  # 甲道：“乙两口子…”
        if at - begin > 60:
            return []
        within = self._said.within(begin, at)
        named = {m.entry.name: m for m in within if self._text[m.start - 1 : m.start] in _BEFORE_SUBJECT}
        return list(named.values()) if len(named) == 2 and len({m.entry.name for m in within}) == 2 else []

    def _sentence(self, at: int) -> int:
        """Where the sentence of a place begins."""
        k = bisect_left(self._ends, at)
        return self._ends[k - 1] + 1 if k else 0

    def couples(self) -> Iterator[PatternMatch]:
        """王先生 and 王太太, 兔爸爸 and 兔妈妈, 王旺 and 王旺家的, 王有福 and 有福嫂 of one chapter."""
        people, forms = defaultdict[str, list[Mention]](list), defaultdict[str, list[Mention]](list)
        for mention in self._people:
            people[mention.entry.name].append(mention)
            forms[mention.form].append(mention)
        titled, named_after = _wives_of(forms)
        for name, named in people.items() if titled or named_after else ():
            wives = self._wives(named[0].entry, {m.form for m in named}, titled, named_after)
            for wife in (forms[w] for w in wives if forms[w][0].entry.name != name):
                both = pairwise(sorted((*named, *wife), key=attrgetter("start")))
                beside = ((m, n) for m, n in both if m.entry.name != n.entry.name)
                one, other = min(beside, key=lambda pair: pair[1].start - pair[0].start)
                names = name, "SPOUSE", wife[0].entry.name
                yield PatternMatch(*names, "夫妇", one.start, other.end, INDIRECT)

    def _wives(
        self,
        husband: NameEntry,
        forms: Iterable[str],
        titled: Mapping[str, Sequence[str]],
        named_after: Mapping[str, Sequence[str]],
    ) -> list[str]:
        """The forms of a man's wife, who is called ``forms`` himself: not 秀英嫂, who is 秀英."""
        men = (form for form in forms if titled_surname(form) or is_titled_animal(form))
        wives = {wife for form in men for wife in titled.get(form, ())}
        names = husband.name, *husband.aliases
        stems = (stem for n in names for stem in (n, n.removesuffix("子"), given_of(n)))
        after = {wife for stem in stems for wife in named_after.get(stem, ())}
        return sorted(wives | after if self._said.sexes.fits("先生", names) else wives)


def _wives_of(forms: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What a husband is called (王先生), and a name that ends as his (有福) → the forms of his wife."""
    titled, named_after = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for form in forms:
        for his, hers in _WIVES.items():
            if form.endswith(hers):
                titled[form[:-2] + his].append(form)
        for title in _NAMED_AFTER_HUSBAND:
            if form.endswith(title) and len(form) > len(title) + 1:
                named_after[form.removesuffix(title)].append(form)
    return titled, named_after
