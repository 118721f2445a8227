"""Family ties that a Chinese text states by a kin noun before a name (唤子甲), in lists and for couples.

Lists (长子甲，次子乙) tie their members. Whose kin they are is told by ``kin_owners``, what words for several
persons say (甲、乙弟兄两个) by ``kin_groups``.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import Conversation
from kgnb.extract.zh.kin_groups import KinGroups
from kgnb.extract.zh.kin_owners import BESIDE, BORN, FAR, INDIRECT, NEAR, THIRD_PERSONS, Kin, KinOwners
from kgnb.extract.zh.kin_words import DEAR, KIN, KIN_CHARS, LISTED, Noun, kin_noun, last_kin_noun
from kgnb.extract.zh.sentences import behind_last

LONGEST_LINK = 14
"""Most characters of a kin noun and of what joins it to its bearer."""
LONGEST_NOUN = 10
"""Most characters of a kin noun and what is put between it and its bearer without a verb."""
MANY = 20
"""Most children of a list of whom each next one is told to be a sibling."""

_OFFICE = rf"(?:\w{{1,4}}的)?[^\W我你他她与和同跟]{{0,2}}{trie_pattern(words.TITLES_AFTER_SURNAME)}"
_TITLES = words.TITLES_AFTER_SURNAME | words.RANK_ENDS
_RANK = trie_pattern((_TITLES - words.GENERIC) | (_TITLES & words.WIFE_TITLES))  # 哥哥 is none
_OPEN = re.compile(r"[^\W了呀啊呢也矣哩]")
_RANKED = frozenset("是，、")  # what stands before a rank: 父亲是将军甲
_MARKS = "，,“"
_LINKS = set("叫唤做作名是")
_LINK_STARTS = frozenset("，,、姓官大小名唤叫取起便就其竟原正是“")
_RANKS = {title[-1] for title in _TITLES}
_BEFORE_NAME = KIN_CHARS | _LINKS | _RANKS | set(_MARKS)
"""Characters of which one stands before any name with a kin noun."""
_ORDER = "长大次二三四五六小幼"
_COUNTED = re.compile(f"[两二三四五六七八九几双][个位名对]?{DEAR}$")
_IS_MINE = re.compile(r"是(?P<whose>[我俺咱吾你您])们?(?=(?P<what>[^\W啊呀]{1,20})[，。！；…、”」』啊呀])")
_ANYBODYS = words.MARRIED | {"姑爷", "爷爷", "叔叔", "姑姑", "舅舅", "伯父", "伯母"}
"""Kin nouns by which a house's servants, friends and strangers call people, too."""
_SPEAKS_TO = re.compile(
    # Branches begin with a character, not with a set: the search then skips what begins none of them.
    f"(?:{'|'.join(f'{char}着?' for char in '对向朝跟冲')}|见了?|问|叫|唤|吩咐|拉着|拍着)"
    f"(?P<own>(?:[他她]|自己)的?)?{DEAR}(?P<noun>[{''.join(sorted(KIN_CHARS))}]{{1,4}})"
    "(?=[说道问笑喊叫骂进走坐，：][^。！？；“”「」『』\n]{0,24}(?P<opens>[“「『])|[说道问笑喊叫骂])"
)
_MARRIES = re.compile("嫁[给与了]|娶(?:了|(?<=[迎续].))")
_TO_SPOUSE = re.compile(
    r"(?:一?[个位])?(?:[^\W的他她我你]{1,12}的)?[^\W的他她我你]{0,4}(?:，(?:姓.，)?(?:名?叫|名唤|大家叫[他她]))?"
)
_I_DO = re.compile("[我俺](?:后来|已经|[去前]年|[刚也早])?")
_WOMEN = re.compile("[女妹姐姑姨侄孙]")
_UNWED = re.compile("[不没未别莫想要肯愿欲若如果把将让叫使令替为劝见听看说道的]")
_NEXT_ITEM = re.compile(f"；{DEAR}$")
_WOMANS = re.compile("[女妹姐姊娘妈母妻嫂婆姑姨婶媳妇][亲儿子]?$")
_MANS = re.compile("[父爹爸兄弟哥夫婿爷公叔伯舅丈]亲?$|[儿侄孙舅叔伯]子$")
_DEAR = re.compile(f"(?P<of>[的家]?){DEAR}")


@cache
def _link() -> re.Pattern[str]:
    """What joins a kin noun to its bearer."""
    return re.compile(
        rf"[，,、]?(?P<rank>(?<=[，、])[^\W他她我你其]{{0,4}}{_RANK})?(?:姓.，|[^\W的]{{1,4}}岁的)?"
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


def _title(noun: str) -> str:
    """A title of the sex that a kin noun tells; empty if it tells none."""
    return "太太" if _WOMANS.search(noun) else "先生" if _MANS.search(noun) else ""


class Kinship:
    """The ties of one chapter's persons."""

    def __init__(self, said: Conversation, ends: Sequence[int]) -> None:
        """``ends``: offsets of the sentences' ends."""
        self._text, self._people, self._said = said.text, said.people, said
        self._starts = said.starts
        self._owners = KinOwners(said, ends)
        self._groups = KinGroups(said, ends, self._owners)

    def ties(self) -> list[PatternMatch]:
        """Return the ties that kin nouns before names, groups and couples state.

        Of two groups' members (父子) the first is taken for the elder, unless a noun says that it is not.
        """
        found = list(self._of_nouns())
        stated = {(m.target, m.type, m.source) for m in found if m.type not in SYMMETRIC_RELATIONS}
        found += self._of_speakers()
        found += self._of_hearers()
        found += self._of_weddings()
        found += self._groups.enumerations()
        found += (m for m in self._groups.groups() if (m.source, m.type, m.target) not in stated)
        return [*found, *self._groups.wedded(), *self._groups.couples()]

    def _kin(self) -> Iterator[Kin]:
        """Kin nouns that a name follows: 长子甲, 弟弟名叫甲."""
        text, free = self._text, 0
        for k, mention in enumerate(self._people):
            begin, free = free, mention.end
            if text[mention.start - 1 : mention.start] not in _BEFORE_NAME:
                continue
            begin, after = self._window(begin, mention.start), text[free : free + 2]
            for start, rule, link in self._nouns(begin, mention.start) if begin < mention.start else ():
                listed = rule.couple or _COUNTED.search(text, max(0, start - 8), start)
                others = self._listed_behind(k) if listed else []
                owned = bool(k) and self._is_owners(self._people[k - 1], start, link[0])
                titled = link["rank"] is not None and link.end("rank") == mention.start
                if others or (_is_named(link[0], after, owned) and (owned or not titled)):
                    for bearer in (mention, *others):
                        yield Kin(start, link.start(), text[start : link.start()], rule, bearer)
                    break

    def _nouns(self, begin: int, at: int) -> Iterator[tuple[int, Noun, re.Match[str]]]:
        """Where kin nouns begin that a name at ``at`` may bear, of what kind they are, and what follows."""
        for end in range(begin + 1, at + 1):
            may_end = self._text[end - 1] in KIN_CHARS and (end == at or self._text[end] in _LINK_STARTS)
            link = _link().fullmatch(self._text, end, at) if may_end else None
            while link and (noun := last_kin_noun(self._text, begin, end)):
                yield *noun, link
                begin = noun[0] + 1

    def _is_owners(self, owner: Mention, at: int, link: str) -> bool:
        """Whether the noun at a place is told to be the owner's; before a comma he begins a clause, too."""
        begins = len(link) > 1 or self._owners.begins_clause(owner.start)
        return begins and self._text[owner.end : at] in ("的", "之")

    def _window(self, free: int, at: int) -> int:
        """From where on a kin noun is looked for that names who begins at ``at``; ``at`` if there is none."""
        begin = at - LONGEST_LINK if at - free > LONGEST_LINK else free
        gap = self._text[begin:at]
        end = gap[-1:] if gap[-1:] not in _MARKS else gap[-3:].rstrip(_MARKS)[-1:]
        if end in _LINKS or (end in _RANKS and not _RANKED.isdisjoint(gap)):
            return begin
        return max(begin, at - LONGEST_NOUN) if end in KIN_CHARS else at

    def _of_nouns(self) -> Iterator[PatternMatch]:
        chain: list[Kin] = []  # kin counted together, all of one owner
        owner: Mention | None = None
        children: tuple[list[Kin], Mention | None] = [], None  # of the sentence, and whose
        for kin in self._kin():
            behind = self._counts_behind(children[0], kin)
            if behind:
                chain, owner = children
            last = chain[-1] if chain else None
            if last and (behind or self._is_beside(last, kin) or self._counts_on(last, kin)):
                for one in chain:  # 长子甲，次子乙; 父亲甲和弟弟乙
                    both = one.rule == kin.rule
                    if both and (kin.rule == KIN[0] or kin.rule.couple):
                        kind = "SPOUSE" if kin.rule.couple else "SIBLING"
                        yield kin.tie(one.bearer, kind, kin.bearer)
                chain = [*chain[-MANY:], kin]
            else:
                owner = owner if last and self._is_of_the_same(last, kin) else self._owners.owner(kin)
                chain = [kin]
            if kin.rule == KIN[0]:
                children = chain, owner
            if BORN.fullmatch(kin.noun):
                self._owners.children.add(kin.bearer.start)
            if owner is not None and self._owners.fits(kin, owner):
                yield kin.tie_to(owner)

    def _listed_behind(self, k: int) -> list[Mention]:
        """The persons listed behind the ``k``-th: 乙 and 丙 of 甲、乙和丙."""
        found = []
        for one, other in pairwise(self._people[k : k + MANY]):
            if not LISTED.fullmatch(self._text, one.end, other.start):
                break
            found.append(other)
        return found

    def _is_of_the_same(self, last: Kin, kin: Kin) -> bool:
        """Whether the pronoun before a kin noun repeats that before the last one: 她母亲甲哭了，她父亲乙…."""
        one, other = (
            THIRD_PERSONS.search(self._text, max(0, k.start - BESIDE), k.start) for k in (last, kin)
        )
        between = self._text[last.bearer.end : kin.start]
        k = bisect_left(self._starts, kin.start)
        near = self._people[k - 1] is last.bearer and len(between) <= NEAR
        return near and one is not None and other is not None and one[0][0] == other[0][0]

    def _is_beside(self, last: Kin, kin: Kin) -> bool:
        """Whether a noun stands beside the kin named last, and isn't of it: not 媳妇 in 哥哥甲的媳妇乙."""
        return kin.start - last.bearer.end <= 3 and not self._owners.owns(last.bearer)

    def _counts_on(self, last: Kin, kin: Kin) -> bool:
        """Whether the text counts the same person's children on: 长子甲，管着铺子；次子乙，…."""
        between = self._text[last.bearer.end : kin.start]
        children = kin.rule == last.rule == KIN[0]
        if not children or len(between) > NEAR or not self._owners.begins_clause(kin.start):
            return False
        orders = _ORDER.find(last.noun[0]), _ORDER.find(kin.noun[0])
        if last.noun[1:] == kin.noun[1:]:
            return 0 <= orders[0] < orders[1] and "。" not in between
        # 长子甲，次子乙。大女儿丙: the daughters are counted after the sons.
        alone = self._people[bisect_left(self._starts, kin.start) - 1] is last.bearer
        return alone and orders[0] >= 0 and orders[1] in (0, 1) and ("女" in last.noun) != ("女" in kin.noun)

    def _counts_behind(self, children: Sequence[Kin], kin: Kin) -> bool:
        """Whether a sentence counts the same person's children on: 长子甲，他的妻子丙…；小女儿乙，…."""
        if not children or kin.rule != KIN[0]:
            return False
        between = self._text[children[-1].bearer.end : kin.start]
        return len(between) <= FAR and "。" not in between and _NEXT_ITEM.search(between) is not None

    def _of_speakers(self) -> Iterator[PatternMatch]:
        """“甲是我女儿。”: whose kin the speaker says that a person is."""
        for match in _IS_MINE.finditer(self._text):
            at = match.start() - (self._text[match.start() - 1] in "就才可便也乃")
            k = bisect_left(self._starts, at) - 1
            bearer = self._people[k] if k >= 0 else None
            if bearer is None or bearer.end != at or not self._says(bearer):
                continue
            speaker = self._owners.hearer(at) if match["whose"] in "你您" else self._owners.speaker(at)
            kin = self._mine(match, bearer)
            if kin and speaker and self._owners.fits(kin, speaker):
                yield kin.tie_to(speaker)

    def _of_hearers(self) -> Iterator[PatternMatch]:
        """甲对女婿说：“乙，…”; “乙，”甲冲着他妹妹道: who hears somebody is his kin."""
        for match in _SPEAKS_TO.finditer(self._text):
            noun = match["noun"]
            rule = kin_noun(self._text, *match.span("noun"))
            if rule is None or rule.of:
                continue
            anybodys = rule.owned or rule.type == "MASTER_OF" or noun in _ANYBODYS
            if anybodys and not match["own"]:
                continue
            k = self._said.at(match.start("opens")) if match["opens"] else self._said.behind(match.start())
            turn = self._said.turn(k) if k >= 0 else None
            bearer = self._said.addressed(k) if turn and turn.speaker and not turn.hearer else None
            if turn and turn.speaker and bearer:
                kin = Kin(match.start("noun"), match.end(), noun, rule, bearer)
                fits = self._owners.by_blood(kin, turn.speaker) and self._owners.fits(kin, turn.speaker)
                names = bearer.entry.name, *bearer.entry.aliases
                called = bearer is turn.called  # who only answers may be anybody
                if fits and (called or self._said.sexes.fits(_title(noun), names)):
                    yield kin.tie_to(turn.speaker)

    def _of_weddings(self) -> Iterator[PatternMatch]:
        """甲嫁给博山的窑主乙; 甲走了。她后来嫁了一个木匠，名叫乙."""
        for match in _MARRIES.finditer(self._text):
            at = match.start()
            k = bisect_left(self._starts, match.end())
            other = self._people[k] if k < len(self._people) else None
            if other is None or not _TO_SPOUSE.fullmatch(self._text, match.end(), other.start):
                continue
            begin = behind_last(self._text, "。！？；，、\n“「『", max(0, at - NEAR), at)
            if _UNWED.search(self._text, begin, at) or self._owners.owns(other):
                continue
            one = next(reversed(self._said.within(begin, at)), None)
            if one is None and _I_DO.fullmatch(self._text, begin, at):
                one = self._owners.speaker(at)
            elif one is None and self._said.is_told(at):
                one = self._owners.whose_children(at)
            if one is None or one.entry.name == other.entry.name or _WOMEN.search(self._text, one.end, at):
                continue
            if self._said.sexes.may_wed(one.entry, other.entry):
                names = one.entry.name, "SPOUSE", other.entry.name
                yield PatternMatch(*names, match[0], one.start, other.end, INDIRECT)

    def _mine(self, match: re.Match[str], bearer: Mention) -> Kin | None:
        """The kin noun by which the words behind 是我 call somebody."""
        begin, end = match.span("what")
        dear = _DEAR.match(self._text, begin)
        for start in (dear.end(), dear.end("of"), begin) if dear else ():
            if rule := kin_noun(self._text, start, end):
                return Kin(start, end, self._text[start:end], rule, bearer)
        return None

    def _says(self, bearer: Mention) -> bool:
        """Whether nothing before a name makes a guess of what is said of it: 要是甲是我女儿, 谁说甲是…."""
        return self._text[bearer.start - 1 : bearer.start] in "“「『，。！？；：—…、"
