"""Whose a noun of kin is in a Chinese text: who stands beside it, whom 其, 他 or 我 mean, or the subject.

Without a possessor beside it a noun is of the only person of its sentence who may be meant, of the bearer's
house where surnames tell, else of the only one of the sentence before; where two fit equally nobody is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import ALONE, LIKELY, NAMED, PERSON, MaskedText, Mention
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.kin_words import DEAR, OF, Noun
from kgnb.extract.zh.narrator import is_narrators, is_owner
from kgnb.extract.zh.sentences import ENDS, behind_last
from kgnb.extract.zh.surnames import sure_surname

WEAK = 0.4
"""Confidence in a possessor who is only near."""
WINDOW = 24
"""Most characters before a mention that hold a noun of kin and whose it is."""
SENTENCES_BACK = 4
"""Sentences, that of a pronoun included, in which whom it means is looked for."""
LONGEST = 200
"""Most characters of a sentence that are looked at."""

OPENERS, QUOTES = "“「『", "“”「」『』"
_SPAN = f"[^{PERSON}。！？；听闻见看他她传后人{QUOTES}]"
_SAYS = _SPAN + "{0,14}[曰道说问答叫喊叹云骂喝笑言嘱讲]" + _SPAN + "{0,4}"
_TO = f"[^{PERSON}，。！？；]{{0,8}}[谓对向问告与谢劝语跟骂叫嘱][^{PERSON}，。！？；]{{0,3}}"
_BEFORE_QUOTE = re.compile(
    rf"(?:^|[。！？；\n”」』，])[^{PERSON}。！？；]{{0,12}}(?<![对向谓与跟问])(?P<who>{PERSON})"
    rf"(?:{_SAYS}|{_TO}(?P<to>{PERSON}){_SAYS})?[：:，]$"
)
_BEHIND_QUOTE = re.compile(f"[”」』](?P<who>{PERSON})(?![^。！？；“「『]{{0,20}}：){_SAYS}")
_BESIDE = re.compile(f"{PERSON}{OF}{DEAR}$")
_TOGETHER = re.compile(
    f"{PERSON}(?:[并与和同及]|[携带率引]|[带领同]着|带了)(?P<whose>其|他的?|她的?|自己的?)?{DEAR}$"
)
_PRONOUN = re.compile(f"(?P<whose>[我吾俺咱他她其你您汝])(?:们)?(?:的|之|家的?)?{DEAR}$")
_HAS = re.compile(
    f"(?P<whose>{PERSON}|[我吾俺咱他她其你您汝])，?(?:膝下|生平|[只共也还原倒]|家中|家里)?(?:有|生[了有]?|收了|遗下|留下)"
    f"[一二两三四五六七八九几]?[个位名子]?{DEAR}$"
)
_BEFORE_NOUN = frozenset(
    "，。！？；：、“”「」\n是乃即为有其与同和及并唤令命使遣召谓见引携带杀斩封立问教叫把将请劝留让给对向跟"
)
"""What stands before a noun of one character that is no part of a longer word, and before 家父."""
_CLAUSE = frozenset("，。！？；：“「『”」』\n昔说来时忽")
"""What stands before the subject of a clause: 却说甲, 忽甲."""
_HOSTILE = frozenset("杀擒斩捉射刺捕获诛")
_NOT_OF_HOUSE = re.compile("[母妈娘义养干继结盟拜甥舅姨婿岳丈嫂媳姻外妻内表妯]|姑[父爷]|[妹姐]夫|亲家|连襟")
_OF_HOUSE = re.compile("[叔伯侄孙堂族祖爷]")
_MARRIED = tuple(words.WIFE_TITLES | {"氏", "母", "后", "妃"})


class KinNoun(NamedTuple):
    """A noun of kin in a masked text: what it says, the word, where it begins."""

    noun: Noun
    word: str
    start: int

    @property
    def of_house(self) -> bool:
        """Whether the noun's two persons have the same surname: 父亲, 哥哥 → True; 妻子, 舅舅 → False."""
        kin = self.noun.type in ("PARENT_OF", "SIBLING") or _OF_HOUSE.search(self.word) is not None
        return kin and self.noun.type != "SPOUSE" and not _NOT_OF_HOUSE.search(self.word)


class Possessor(NamedTuple):
    """Whose a noun is, and how sure that is."""

    mention: Mention
    confidence: float


class Possessors:
    """The possessors of the nouns of one masked chapter."""

    def __init__(self, masked: MaskedText) -> None:
        self._masked, self._text = masked, masked.text
        self._quotes = [m.start() for m in re.finditer(f"[{QUOTES}]", masked.text)]
        self.bearers = set[int]()
        """Where those are named whose kin somebody is said to be: none is a subject."""

    def in_speech(self, at: int) -> bool:
        """Return whether an offset is inside a quotation."""
        k = bisect_left(self._quotes, at) - 1
        return k >= 0 and self._text[self._quotes[k]] in OPENERS

    def of(self, kin: KinNoun, bearer: Mention) -> Possessor | None:
        """Return the possessor of a kin noun that precedes its bearer (何恭的妻子王氏 → 何恭), by the words
        before the noun; None if they name nobody.
        """
        noun, _, start = kin
        begin = max(0, start - WINDOW)
        if noun.of:
            free = not self._text[start - 1 : start].isalpha() or self._text[start - 1] in _BEFORE_NOUN
            speaker, hearer = self.told(start) if free else (None, None)
            return speaker if noun.of == "speaker" else hearer
        beside = _BESIDE.search(self._text, begin, start)
        if beside and not (kin.word.startswith("媳妇") and len(beside[0]) == 1):  # 甲媳妇乙媳妇
            return Possessor(self._masked.at(beside.start()), NAMED)
        together = _TOGETHER.search(self._text, begin, start)
        if together and not noun.owned and not self.in_speech(start):
            one = self._masked.at(together.start())
            entries = one.entry, kin, bearer.entry
            told = together["whose"] or self._text[one.start - 1 : one.start] in _CLAUSE
            fits = _may_own(*entries) and (told or _are_of_one_house(*entries))  # not 唤甲并子乙
            fits = fits and one.start not in self.bearers
            return Possessor(one, ALONE) if fits else None
        if pronoun := _PRONOUN.search(self._text, begin, start):
            if pronoun["whose"] in "其他她" and self._text[pronoun.start() - 1] in _HOSTILE:
                return None  # of whose people they are that he kills: 擒其副将乙
            return self.meant(pronoun["whose"], pronoun.start(), kin, bearer)
        if has := _HAS.search(self._text, begin, start):
            if has["whose"] != PERSON:
                return self.meant(has["whose"], has.start(), kin, bearer)
            return Possessor(self._masked.at(has.start()), NAMED)
        given = self._text[:start].removesuffix("之")[-1:]
        return Possessor(self._by_given[given], ALONE) if given in self._by_given else None

    @cached_property
    def _by_given(self) -> dict[str, Mention]:
        """Given name of one character → the person whom the chapter calls so elsewhere: 权 in 权弟孙翊."""
        return {m.form: m for m in reversed(self._masked.people) if len(m.form) == 1 and not is_narrators(m)}

    def meant(self, pronoun: str, at: int, kin: KinNoun, bearer: Mention) -> Possessor | None:
        """Return the person meant by a pronoun at an offset: 我 the speaker or narrator, 你 the hearer, 他
        and 其 the antecedent; None if unknown.
        """
        if pronoun in "我吾俺咱":
            speaker = self.told(at)[0]
            if speaker is None or not kin.noun.strangers:
                return speaker
            entries = speaker.mention.entry, kin, bearer.entry
            fits = _may_own(*entries) if pronoun == "我" else _are_of_one_house(*entries)
            return speaker if fits else None  # 俺哥哥宋公明
        if pronoun in "你您汝":
            return self.told(at)[1]
        return self._antecedent(at, kin, bearer, pronoun=True)

    def subject(self, kin: KinNoun, bearer: Mention) -> Possessor | None:
        """Return the possessor of a kin noun without one beside it (妻子王氏): the antecedent; None if the
        noun has a possessor or no antecedent fits.
        """
        before = self._text[kin.start - 1 : kin.start]
        begin = max(0, kin.start - WINDOW)
        owned = kin.noun.of or before in ("的", "之") or _PRONOUN.search(self._text, begin, kin.start)
        if owned or not _is_word(before, kin.word):
            return None
        return self._antecedent(kin.start, kin, bearer, pronoun=False)

    def _antecedent(self, at: int, kin: KinNoun, bearer: Mention, *, pronoun: bool) -> Possessor | None:
        """Return the nearest person before an offset who may be the possessor, in this sentence or an earlier
        one; None for none.
        """
        end, sure = at, ALONE
        begin = behind_last(self._text, ENDS + QUOTES, max(0, at - LONGEST), at)
        for back in range(SENTENCES_BACK if pronoun else 2):
            near = [
                m
                for m in self._masked.within(begin, end)
                if self._may_be_meant(m, bearer, pronoun=pronoun)
                and (m.start not in self.bearers or (pronoun and not back))
            ]
            if near:
                return self._chosen(near, kin, bearer, sure, pronoun=pronoun, speech=self.in_speech(at))
            begin, end, sure = self._sentence_before(begin), begin, LIKELY
        return None

    def _may_be_meant(self, mention: Mention, bearer: Mention, *, pronoun: bool) -> bool:
        """Return whether a mention may be the possessor: no possessive follows it, and it isn't the
        bearer.
        """
        owns = self._text[mention.end : mention.end + 1] in ("的", "之", "家")
        mine = is_narrators(mention) and (pronoun or is_owner(self._text, mention))
        return not (owns or mine) and mention.entry.name != bearer.entry.name

    def _chosen(
        self,
        near: Sequence[Mention],
        kin: KinNoun,
        bearer: Mention,
        sure: float,
        *,
        pronoun: bool,
        speech: bool,
    ) -> Possessor | None:
        """Return the only fitting person of ``near``, of several the subject of the bearer's house; None if
        none or several fit.
        """
        fitting = [m for m in near if _may_own(m.entry, kin, bearer.entry)]
        house = [m for m in fitting if _are_of_one_house(m.entry, kin, bearer.entry)]
        found = house or fitting
        if len({m.entry.name for m in found}) != 1 or (not house and kin.noun.strangers and not pronoun):
            return None
        if speech and not pronoun and not house:
            return None
        begins = self._text[found[0].start - 1 : found[0].start] in _CLAUSE or not found[0].start
        if len({m.entry.name for m in near}) == 1:
            acts = house or (sure == ALONE and (pronoun or begins))
            return Possessor(found[-1], sure if acts else WEAK)
        return Possessor(found[-1], LIKELY) if house and (pronoun or begins) else None

    def _sentence_before(self, begin: int) -> int:
        """Return the offset at which the sentence before ``begin`` begins; ``begin`` at the start of a
        paragraph.
        """
        if begin < 2 or self._text[begin - 1] not in "。！；;!":
            return begin
        return behind_last(self._text, ENDS + QUOTES, max(0, begin - LONGEST), begin - 1)

    def told(self, at: int) -> tuple[Possessor | None, Possessor | None]:
        """Return (speaker, hearer) of the quotation at an offset; outside quotations (narrator, None). None
        for each unknown.
        """
        k = bisect_left(self._quotes, at) - 1
        if not self.in_speech(at):
            begin = behind_last(self._text, ENDS, max(0, at - LONGEST), at)
            quoted = re.search("[：:]", self._text[begin:at])  # 甲说：我…
            own = next(
                (m for m in reversed(self._masked.within(0, at)) if is_narrators(m) and not quoted), None
            )
            return Possessor(own, ALONE) if own else None, None
        start = self._quotes[k]
        if self._text.rfind("‘", start, at) > self._text.rfind("’", start, at):
            return None, None  # somebody else's words, cited
        found = _BEFORE_QUOTE.search(self._text, max(0, start - LONGEST), start)
        if found is None and k + 1 < len(self._quotes):
            found = _BEHIND_QUOTE.match(self._text, self._quotes[k + 1])
        if found is None:
            return None, None
        speaker = Possessor(self._masked.at(found.start("who")), ALONE)
        to = found.groupdict().get("to")
        return speaker, Possessor(self._masked.at(found.start("to")), ALONE) if to else None


def _is_word(before: str, word: str) -> bool:
    """Return whether a noun of one character is no part of a longer word (使女, 老父); True for
    longer nouns.
    """
    return len(word) > 1 or (before in _BEFORE_NOUN and before + word != "使女")


def _may_own(owner: NameEntry, kin: KinNoun, bearer: NameEntry) -> bool:
    """Return whether the surnames allow such kin; True if either is unknown or a wife's."""
    if not kin.of_house or owner.name.endswith(_MARRIED) or bearer.name.endswith(_MARRIED):
        return True
    mine, theirs = sure_surname(owner.name), sure_surname(bearer.name)
    return not (mine and theirs) or mine == theirs


def _are_of_one_house(owner: NameEntry, kin: KinNoun, bearer: NameEntry) -> bool:
    """Return whether owner and bearer have the same sure surname and the kin noun is one within a family."""
    return kin.of_house and "" != sure_surname(owner.name) == sure_surname(bearer.name)
