"""Ties that a Chinese chapter states: 甲之子乙, 乙是甲的妹妹, 甲唤子乙, 甲娶了乙, 甲、乙兄弟二人.

A noun of kin stands before the name of its bearer, and whose it is is told by :mod:`.possessors`; all else
are the frames of data/ties.toml over the masked text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import ALONE, LIKELY, NAMED, PERSON, Frame, Frames, MaskedText, Mention, Statement
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.kin_words import DEAR, KIN, KIN_CHARS, Noun, kin_noun, last_kin_noun
from kgnb.extract.zh.possessors import (
    LONGEST,
    QUOTES,
    WINDOW,
    KinNoun,
    Possessor,
    Possessors,
)
from kgnb.extract.zh.sentences import ENDS, behind_last
from kgnb.extract.zh.surnames import sure_surname, titled_surname

REACH = 60
"""Characters around a word of a frame that the frame may use."""

_NOUN = "|".join(noun.words for noun in KIN if not noun.of and not noun.couple)
_FRAMES = Frames(
    "zh", ("copulas", "families", "groups", "subjects", "verbs"), {"noun": f"{{dear}}(?P<noun>{_NOUN})"}
)
_NAMED = (
    "(?:的?名字[叫是]|名叫|名唤|唤做|唤作|叫做|叫作|取名叫?|起名叫?|名为|名曰|名|叫|曰|者，"
    "|[就便乃即正]是|其实是|原来是|是|乃|即)"
)
_LINK = re.compile(f"(?:，?(?:姓.，)?{_NAMED}|，|：|单?名.{{1,2}}，表?字)?[“「]?$")
_COUNTED = re.compile(
    f"[二两三四五六七八九几双众诸][个位名对]?{DEAR}(?:[子女弟兄妹姐]|[儿弟]子|女儿|兄弟|徒弟|(.)\\1)$"
)
_SEVERAL = re.compile(f"[二两三四五六七八九几双众诸][个位名对]{DEAR}$")
_CALLED = ("名叫", "名唤", "唤做", "唤作", "叫做", "叫作")
_LISTED = re.compile(f"(?:[、和与及，]{{1,2}}{PERSON})+(?![之的家])")
_LIST_BEFORE = re.compile(f"(?:{PERSON}[、和与]){{1,4}}$")
_COUNTS = {"三": 3, "四": 4, "五": 5}
_ORDER = re.compile("[长次三四五六七幼季少小大二]|儿子|女儿")
_UNREAL = re.compile(
    "[如若似倘非岂莫休勿恐疑欲愿谣像等]|要是|假如|好比|仿佛|犹如|不是|不曾|没有|未曾|除非|希望|梦见|以为|要[把将]|想要?|差点|险些|传言"
    "|据说|冒充|假扮|认作|当作"
)
_ASKS = re.compile("[吗么否耶哉]？|？")
_STATES = re.compile("[母是乃]")  # whose child has another surname, or is said to be one
_SENTENCE = re.compile(f"[{ENDS}]")
_WIFES_NOUN = re.compile("[妻妾]|老婆|媳妇")
_OF_HUSBAND = ("家的", "媳妇")
_WIFES, _HUSBANDS = tuple(words.WIFE_TITLES), ("先生", "老爷")


def ties(text: str, people: Sequence[Mention]) -> Iterator[Statement]:
    """Yield each relation that a chapter states between two persons, once, with its offsets in ``text``.

    何恭娶了王氏。 → (何恭, "SPOUSE", 王氏). ``people``: mentions of persons, in order.
    """
    masked = MaskedText(text, people)
    yield from masked.stated(_Chapter(masked).statements())


class _Chapter:
    """The masked text of one chapter."""

    def __init__(self, masked: MaskedText) -> None:
        self._masked, self._text = masked, masked.text
        self._possessors = Possessors(masked)

    def statements(self) -> Iterator[Statement]:
        """Yield what nouns before a name say, then what the frames do."""
        yield from self._of_nouns()
        readers = {
            "copulas": self._of_copula,
            "families": self._of_family,
            "groups": self._of_group,
            "subjects": self._of_subject,
            "verbs": self._of_verb,
        }
        for table, frame, found in _FRAMES.matches(self._text, REACH):
            if not frame.asserted or not self._is_unreal(found.start(), found.end()):
                yield from readers[table](frame, found)
        yield from self._couples()

    # --- frames

    def _of_verb(self, frame: Frame, found: re.Match[str]) -> Iterator[Statement]:
        """Yield the statement of a verb's frame between two persons (甲娶了乙)."""
        one, other = (
            self._masked.at(found.start(group)).entry for group in ("ba" if frame.inverted else "ab")
        )
        yield _statement(one, frame.type, other, _label(found[0]), [found.span()], NAMED)

    def _of_copula(self, _: Frame, found: re.Match[str]) -> Iterator[Statement]:
        """Yield the statements of a copula: 乙是甲的妹妹, 乙是我妹妹."""
        word, groups = found["noun"], found.groupdict()
        if (noun := kin_noun(word, 0, len(word))) is None:
            return
        kin = KinNoun(noun, word, found.start("noun"))
        if who := groups.get("who"):  # whose antecedent has any surname: none is looked for
            meant = self._possessors.meant(who, found.start("who"), kin, self._masked.at(found.start("a")))
            bearers: Sequence[Mention] = [meant.mention] if meant else []
        else:
            bearers = self._listed(found.start("b"))
        for bearer in bearers:
            if whose := groups.get("whose"):
                owner = self._possessors.meant(whose, found.start("whose"), kin, bearer)
                owners = [owner] if owner else []
            else:
                owners = [Possessor(m, NAMED) for m in self._listed(found.start("a"))]
            for owner in owners:
                yield from _said(kin, owner, bearer, found.span())

    def _listed(self, at: int) -> Sequence[Mention]:
        """Return the person at an offset with those listed before: 甲、乙 → both."""
        before = _LIST_BEFORE.search(self._text, max(0, at - WINDOW), at)
        return self._masked.within(before.start() if before else at, at + 1)

    def _of_family(self, _: Frame, found: re.Match[str]) -> Iterator[Statement]:
        """Yield the statements of a listed family (甲有两个儿子，大的叫乙，小的叫丙), siblings among the
        children included.
        """
        word = found["noun"]
        if (noun := kin_noun(word, 0, len(word))) is None:
            return
        owner = Possessor(self._masked.at(found.start("a")), NAMED)
        named = self._masked.within(*found.span("list"))
        for bearer in named:
            yield from _said(KinNoun(noun, word, found.start("noun")), owner, bearer, found.span())
        if noun.type == "PARENT_OF" and not noun.inverted:
            for one, other in combinations(named, 2):
                yield _statement(one.entry, "SIBLING", other.entry, word, [found.span()], ALONE)

    def _of_group(self, frame: Frame, found: re.Match[str]) -> Iterator[Statement]:
        """Yield a statement for each two of a counted group (甲、乙兄弟二人), the last ones listed; none if
        fewer are listed than counted.
        """
        named = {m.entry.name: m.entry for m in self._masked.within(*found.span())}
        if counted := found.groupdict().get("count"):
            many = _COUNTS.get(counted[0], 2)
            named = dict([*named.items()][-many:]) if len(named) >= many else {}
        strange = frame.type == "PARENT_OF" and len({sure_surname(name) for name in named} - {""}) > 1
        if (strange and not _STATES.search(found[0])) or (
            len(named) > 2 and frame.type not in ("SIBLING", "FAMILY")
        ):
            return
        for one, other in combinations(named.values(), 2):
            yield _statement(one, frame.type, other, _label(found[0]), [found.span()], ALONE)

    def _of_subject(self, _: Frame, found: re.Match[str]) -> Iterator[Statement]:
        """Yield the statement of a noun or verb whose possessor is the sentence's subject:
        甲…，后娶乙为妾.
        """
        bearer, word = self._masked.at(found.start("b")), found.groupdict().get("noun")
        if word is None:
            kin = KinNoun(_WIFE, _label(found[0]), found.start())
        elif noun := kin_noun(word, 0, len(word)):
            kin = KinNoun(noun, word, found.start("noun"))
        else:
            return
        self._possessors.bearers.add(bearer.start)
        owner = self._possessors.of(kin, bearer) if word else None
        if owner := owner or self._possessors.subject(kin, bearer):
            yield from _said(kin, owner, bearer, found.span())

    def _couples(self) -> Iterator[Statement]:
        """Yield a statement for each couple by name: 王先生 and 王太太 side by side in a sentence, 何旺 and
        何旺家的.
        """
        persons = {m.entry.name: m for m in self._masked.people}
        for name, wife in persons.items():
            if name.endswith(_OF_HUSBAND) and (his := persons.get(name[:-2])):
                yield _statement(his.entry, "SPOUSE", wife.entry, name[-2:], [_at(wife)], LIKELY)
        titled = {name for name in persons if name.endswith((*_WIFES, *_HUSBANDS))}
        for one, other in pairwise(self._masked.people) if len(titled) > 1 else ():
            if not {one.entry.name, other.entry.name} <= titled:
                continue
            hers = one.entry.name.endswith(_WIFES), other.entry.name.endswith(_WIFES)
            house = {titled_surname(m.entry.name) for m in (one, other)}
            apart = _SENTENCE.search(self._text, one.end, other.start)
            if hers[0] != hers[1] and not apart and len(house) == 1 and "" not in house:
                proof = _at(one), _at(other)
                yield _statement(one.entry, "SPOUSE", other.entry, "夫妇", proof, LIKELY)

    # --- nouns before a name

    def _of_nouns(self) -> Iterator[Statement]:
        """Yield the statements of kin nouns before names: 长子甲，次子乙; a list has one possessor."""
        last: tuple[int, str, Possessor | None] = (-1, "", None)  # where its sentence begins, type, possessor
        child: Mention | None = None  # the bearer of the last item
        for bearer in self._masked.people:
            if bearer.start - 2 in self._possessors.bearers and self._text[bearer.start - 1] in "、与和并及":
                self._possessors.bearers.add(bearer.start)
            found = self._noun_before(bearer.start)
            if found is None or kin_noun(bearer.form, 0, len(bearer.form)):
                continue  # 二姐三姐 are two names
            kin, link = found
            sentence = behind_last(self._text, "。！？\n", max(0, kin.start - LONGEST), kin.start)
            item = sentence, kin.noun.type, last[2]
            if ordered := _ORDER.match(kin.word) is not None and item == last:
                owner = last[2]
                if child and kin.noun.type == "PARENT_OF":
                    proof = _at(child), (kin.start, bearer.end)
                    yield _statement(child.entry, "SIBLING", bearer.entry, kin.word, proof, ALONE)
            else:
                owner = self._possessors.of(kin, bearer)
                if owner is None and link[:1] not in ("，", "：") and not kin.noun.owned:
                    owner = self._possessors.subject(kin, bearer)
            if ordered or _ORDER.match(kin.word):
                last, child = (sentence, kin.noun.type, owner), None if kin.word[0] in "儿女" else bearer
            self._possessors.bearers.add(bearer.start)
            if owner:
                others = self._counted(kin, bearer.end)
                if not others and _SEVERAL.search(self._text, max(0, kin.start - 4), kin.start):
                    continue  # 三个儿子名为祝氏三杰
                for one in (bearer, *others):
                    yield from _said(kin, owner, one, (kin.start, bearer.end))

    def _noun_before(self, at: int) -> tuple[KinNoun, str] | None:
        """Return (kin noun of the name at ``at``, words between both); None for none, and where the noun is
        another's: 父亲是甲的司机; 妻子，甲三岁那年; 他嫂子甲的媳妇.
        """
        begin, after = max(0, at - WINDOW), self._text[at + 1 : at + 2]
        link = _LINK.search(self._text, begin, at)
        end = link.start() if link else at
        if self._text[end - 1 : end] not in KIN_CHARS or not (found := last_kin_noun(self._text, begin, end)):
            return None
        start, noun = found
        if (
            noun.of
            and not self._possessors.in_speech(start)
            and (plain := kin_noun(self._text, start + 1, end))
        ):
            start, noun = start + 1, plain  # he orders: 令弟甲
        mark = self._text[end:at]
        owns = after in ("的", "之", "家") and (self._text[start - 1] != PERSON or mark != "")
        apart = mark in ("，", "：") and (after.isalpha() or after == PERSON)
        states = mark[-1:] in ("是", "乃", "即") and after not in "也矣耳了呢"
        goes_on = after.isalpha() and after != "者" and (states or mark[-2:] in _CALLED)  # 唤做飞天虎扈成
        if owns or apart or goes_on or self._text.startswith(("媳妇", "家的"), at + 1):
            return None
        return KinNoun(noun, self._text[start:end], start), mark

    def _counted(self, kin: KinNoun, behind: int) -> Sequence[Mention]:
        """Return the further persons of a counted noun (二子甲、乙) or a couple's (父母甲和乙), listed from
        ``behind`` on; () for other nouns.
        """
        end = kin.start + len(kin.word)
        if not kin.noun.couple and not _COUNTED.search(self._text, max(0, kin.start - 4), end):
            return ()
        listed = _LISTED.match(self._text, behind)
        return self._masked.within(behind, listed.end()) if listed else ()

    def _is_unreal(self, start: int, end: int) -> bool:
        """Return whether the words at ``start``-``end`` are supposed, wished, compared, denied or asked."""
        begin = behind_last(self._text, ENDS + QUOTES + "：", max(0, start - LONGEST), start)
        return bool(_UNREAL.search(self._text, begin, end) or _ASKS.match(self._text, end))


_WIFE = Noun("妻", "SPOUSE")


def _said(kin: KinNoun, owner: Possessor, bearer: Mention, span: tuple[int, int]) -> Iterator[Statement]:
    """Yield the statement that ``bearer`` is ``owner``'s kin: none for one person, or for a wife's noun
    before another wife.
    """
    one, other = owner.mention.entry, bearer.entry
    has_wife = _WIFES_NOUN.search(kin.word) is not None and kin.noun.type == "SPOUSE"
    if one.name != other.name and not (has_wife and one.name.endswith((*_WIFES, "氏"))):  # 尤氏的侍妾
        ends = (other, one) if kin.noun.inverted else (one, other)
        proof = _at(owner.mention), span, _at(bearer)
        yield _statement(ends[0], kin.noun.type, ends[1], kin.word, proof, owner.confidence)


def _at(mention: Mention) -> tuple[int, int]:
    """Return (start, end) of a mention."""
    return mention.start, mention.end


def _statement(
    one: NameEntry,
    kind: str,
    other: NameEntry,
    label: str,
    proof: Iterable[tuple[int, int]],
    confidence: float,
) -> Statement:
    """Return a statement of a tie from ``one`` to ``other``. ``proof``: spans of the text that state it."""
    return Statement(one.name, kind, other.name, label, tuple(proof), confidence)


def _label(words_: str) -> str:
    """Return the words of a frame without persons and particles: the tie's label."""
    return words_.replace(PERSON, "").strip(" ，的之是乃")
