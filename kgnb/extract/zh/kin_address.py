"""Family ties that speech implies: the kin word by which one person addresses another (甲对乙说：“爹，…”).

Who speaks is named beside the quotation, or takes turns with the other. Who is addressed is named there too
(对乙说), speaks both before and after, or speaks beside it and is the only one around who may be such kin.
Those of the father's side need a common surname; words that strangers use too (大哥, 爷爷) count in modern
texts only, which tell 她 from 他: in older ones all the world is a brother. Of two words of address that make
different kin of the same two people the one said more often counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import NamedTuple

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract.patterns import Mention, PatternMatch
from kgnb.extract.zh import vocabulary as words
from kgnb.extract.zh.conversation import TURNS, Conversation, Turn
from kgnb.extract.zh.script import is_han
from kgnb.extract.zh.sentences import behind_last
from kgnb.extract.zh.surnames import sure_surname, titled_surname

IMPLIED = 0.5
"""Confidence of a tie that nobody states: it follows from a word of address."""
SCENE = 300
"""Characters before and after a word of address in which somebody else may be meant by it."""


class _Address(NamedTuple):
    """What a kin word says of hearer and speaker."""

    type: str  # from the hearer to the speaker
    from_speaker: bool = False  # from the speaker to the hearer instead
    surname: bool = False  # of one family
    strangers: bool = False  # strangers say it too
    title: str = ""  # a title of the hearer's sex


_RANK = "[大二三四五六七八九小老]"
_MAN, _WOMAN = "先生", "太太"
_WORDS = (
    (
        f"爹爹?|老爸|爸爸?|阿[爹爸]|父[亲皇王](?:大人)?|{_RANK}爹",
        _Address("PARENT_OF", surname=True, title=_MAN),
    ),
    ("妈妈?|阿[妈娘母]|老妈|娘亲?|母[亲后妃](?:大人)?", _Address("PARENT_OF", title=_WOMAN)),
    ("[我吾乖](?:儿子?|孩儿)|儿子", _Address("PARENT_OF", from_speaker=True, surname=True, title=_MAN)),
    ("[我吾乖]女儿?|女儿|闺女", _Address("PARENT_OF", from_speaker=True, surname=True, title=_WOMAN)),
    ("爷爷|祖父|阿公", _Address("FAMILY", surname=True, strangers=True, title=_MAN)),
    ("外公|姥爷|外祖父", _Address("FAMILY", title=_MAN)),
    ("外婆|姥姥|外祖母", _Address("FAMILY", title=_WOMAN)),
    (
        f"{_RANK}[叔伯]|{_RANK}?(?:叔[叔父]|伯[伯父])",
        _Address("FAMILY", surname=True, strangers=True, title=_MAN),
    ),
    (f"{_RANK}?姑[姑妈母]", _Address("FAMILY", surname=True, strangers=True, title=_WOMAN)),
    (f"{_RANK}?(?:舅[舅父]|姑[父丈]|姨[父丈]|[姐姊妹]夫)|{_RANK}舅", _Address("FAMILY", title=_MAN)),
    (f"舅[妈母]|{_RANK}?姨[妈母]", _Address("FAMILY", title=_WOMAN)),
    ("[表堂](?:哥哥?|兄|弟弟?)", _Address("FAMILY", title=_MAN)),
    ("[表堂](?:姐姐?|妹妹?)", _Address("FAMILY", title=_WOMAN)),
    (
        f"{_RANK}?(?:哥哥?|弟弟?)|阿[兄哥弟]|兄长",
        _Address("SIBLING", surname=True, strangers=True, title=_MAN),
    ),
    (
        f"{_RANK}?(?:[姐姊][姐姊]?|妹妹?)|妹子|阿[姐姊妹]",
        _Address("SIBLING", surname=True, strangers=True, title=_WOMAN),
    ),
    ("[大二三四五小]嫂|嫂[子嫂]|弟妹", _Address("FAMILY", strangers=True, title=_WOMAN)),
    ("[乖好]?(?:侄[儿女]|外甥女?|外?孙[儿女])|外甥媳妇", _Address("FAMILY", strangers=True)),
    ("亲家[公母]?|女婿|贤婿|儿媳妇?|岳[父母](?:大人)?|丈母娘", _Address("FAMILY")),
    ("老公|夫君|孩子?[他她][爹爸]", _Address("SPOUSE", title=_MAN)),
    ("老婆|爱妻|孩子?[他她][娘妈]", _Address("SPOUSE", title=_WOMAN)),
    # Monks are 师父 to everybody: only who calls himself so is a disciple.
    ("师尊|恩师|师父(?=[^“”「」『』]{1,80}(?:弟子|徒[儿弟]))", _Address("MASTER_OF")),
    ("徒儿|徒弟", _Address("MASTER_OF", from_speaker=True)),
)
_COURTEOUS = re.compile("大[哥姐嫂叔伯]|小[弟妹]{1,2}|兄长|妹子|嫂子|弟妹|叔叔|伯伯|爷爷")
"""What strangers and neighbours call each other by turns: 嫂子 and 大哥, 叔叔 and 小妹妹."""
_MASTERS = ("太爷", "老爷", "老爷子", "太太", "夫人", "员外")
_KINS = ("舅老爷", "姑老爷", "姨老爷", "姨太太", "姑太太", "舅太太")
_OWN_SURNAME = ("夫人", "氏")
_ABSENT = re.compile(
    "电话|话筒|听筒|手机|心[里中底想道]|暗[想道自]|梦[里中]|[坟墓]|灵[前位堂]|遗像|照片|信[上中里]"
)
_PAUSE = "，。！？!?、…—～：,"
_PARENTS = {
    _MAN: re.compile("(?<=[的他她其，。！？；：”」\n])(?:父亲|爸爸?|爹爹?)"),
    _WOMAN: re.compile("(?<=[的他她其，。！？；：”」\n])(?:母亲|妈妈?|亲?娘)(?![子娘家])"),
}
_BESIDE = re.compile(f"[^。！？“「『\n]{{0,{SCENE}}}")
_CHARS = "".join(sorted({char for word, _ in _WORDS for char in word if is_han(char)}))
_SPOKEN_TO = re.compile(
    f"[“「『{_PAUSE}](?=[好亲{_CHARS}])(?:好|亲)?"  # what begins no word is left with one look
    f"(?:{'|'.join(f'(?P<k{i}>{word})' for i, (word, _) in enumerate(_WORDS))})"
    f"(?=[啊呀哪哟]?[{_PAUSE}”」』](?<!、))"
)


def addressed_kin(said: Conversation) -> list[PatternMatch]:
    """Return the ties that words of address imply."""
    found = list(_Addresses(said).ties())
    times: dict[frozenset[str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for one in found:
        times[frozenset((one.source, one.target))][_kind(one)] += 1
    usual = {pair: _most(kinds) for pair, kinds in times.items()}
    return [one for one in found if usual[frozenset((one.source, one.target))] == _kind(one)]


def _kind(match: PatternMatch) -> tuple[str, str]:
    """What kin the two are, and of which of them."""
    return match.type, "" if match.type in SYMMETRIC_RELATIONS else match.source


def _most(kinds: Counter[tuple[str, str]]) -> tuple[str, str] | None:
    """The most frequent, if it is one."""
    (best, n), *others = kinds.most_common(2)
    return best if not others or others[0][1] < n else None


class _Addresses:
    """The words of address of one chapter."""

    def __init__(self, said: Conversation) -> None:
        self._text, self._said = said.text, said

    def ties(self) -> Iterator[PatternMatch]:
        for match in _SPOKEN_TO.finditer(self._text):
            k = self._said.at(match.start())
            speaker = self._said.turn(k).speaker if k >= 0 else None
            kin = _address(match)
            if speaker is None or (kin.strangers and not self._said.sexes.tells) or self._is_absent(k):
                continue
            word = _word(match)
            hearer = self._hearer(k, speaker, kin, word) or self._who_calls_back(k, speaker, match)
            if hearer and (kin.surname or not _is_called_so(hearer, word)):
                source, target = (speaker, hearer) if kin.from_speaker else (hearer, speaker)
                names = source.entry.name, kin.type, target.entry.name
                end = max(match.end(), speaker.end, hearer.end)
                start = min(speaker.start, hearer.start, match.start())
                yield PatternMatch(*names, word, start, end, IMPLIED)

    def _hearer(self, k: int, speaker: Mention, kin: _Address, word: str) -> Mention | None:
        """Whom the speaker of the ``k``-th turn calls by the word."""
        turn = self._said.turn(k)
        if turn.hearer:
            return turn.hearer if self._fits(speaker, turn.hearer, kin) else None
        if kin.title == _WOMAN and self._is_told(turn, kin):
            return None
        before, after = (self._said.neighbour(k, step, speaker) for step in (-1, 1))
        asked = before.speaker if before else turn.beside
        answers = after.speaker if after else self._said.reacts(k)
        spoken_to = (before.hearer or before.called) if before else None
        if asked and spoken_to and spoken_to.entry.name == speaker.entry.name:
            return asked if self._fits(speaker, asked, kin) else None
        fitting = {m.entry.name: m for m in (asked, answers) if m and self._fits(speaker, m, kin)}
        if len(fitting) != 1:
            return None
        (hearer,) = fitting.values()
        if asked and answers and asked.entry.name == answers.entry.name:
            return hearer
        if not kin.strangers and hearer.entry.name.endswith(word):  # 兔妈妈
            return hearer
        if kin.type == "PARENT_OF" and not kin.from_speaker and _heads_house(hearer):
            return hearer
        if not (kin.surname and _sure_surname(speaker) and _sure_surname(hearer)):
            return None
        return hearer if self._only_one(turn, speaker, hearer, kin) else None

    def _who_calls_back(self, k: int, speaker: Mention, call: re.Match[str]) -> Mention | None:
        """Who speaks before or after the ``k``-th turn and calls its speaker the like: 哥 and 妹妹."""
        kin = _address(call)
        for step in (-1, 1):
            turn = self._said.neighbour(k, step, speaker)
            other = turn.speaker if turn else None
            if other is None or not self._fits(speaker, other, kin._replace(strangers=False)):
                continue
            for back in self._calls_of(other, k):
                alike = kin.title == _address(back).title  # 姐姐 and 妹妹 are courtesy, too
                courteous = alike or all(map(_COURTEOUS.fullmatch, (_word(call), _word(back))))
                if _answers(kin, _address(back)) and (
                    not courteous or self._are_of_one_family(speaker, other)
                ):
                    return other
        return None

    def _calls_of(self, speaker: Mention, k: int) -> Iterator[re.Match[str]]:
        """By what words a person calls others in a few turns before and after the ``k``-th."""
        for i in range(max(0, k - TURNS), min(k + TURNS + 1, len(self._said.quotations))):
            call = self._calls.get(i)
            by = self._said.turn(i).speaker if call else None
            if call and by and by.entry.name == speaker.entry.name:
                yield call

    @cached_property
    def _calls(self) -> dict[int, re.Match[str]]:
        """The first word of address of each turn, by the turns' numbers."""
        found: dict[int, re.Match[str]] = {}
        for match in _SPOKEN_TO.finditer(self._text):
            if (k := self._said.at(match.start())) >= 0:
                found.setdefault(k, match)
        return found

    def _is_absent(self, k: int) -> bool:
        """Whether the words beside the ``k``-th turn say that who is addressed is not there."""
        turn = self._said.turn(k)
        begin = behind_last(self._text, "\n”」』", max(0, turn.start - SCENE), turn.start)
        behind = _BESIDE.match(self._text, turn.end)
        return any(map(_ABSENT.search, (self._text[begin : turn.start], behind[0] if behind else "")))

    def _only_one(self, turn: Turn, speaker: Mention, hearer: Mention, kin: _Address) -> bool:
        """Whether a scene has nobody else of the family who may be such kin."""
        around = self._said.within(turn.start - SCENE, turn.end + SCENE)
        return not self._is_told(turn, kin) and all(
            m.entry.name == hearer.entry.name for m in around if self._fits(speaker, m, kin)
        )

    def _is_told(self, turn: Turn, kin: _Address) -> bool:
        """Whether a scene tells of a parent without a name: 甲的娘坐着, 父亲说."""
        parent = _PARENTS.get(kin.title) if kin.type == "PARENT_OF" and not kin.from_speaker else None
        found = parent.finditer(self._text, max(0, turn.start - SCENE), turn.end + SCENE) if parent else ()
        return any(self._said.is_told(match.start()) for match in found)

    def _fits(self, speaker: Mention, hearer: Mention, kin: _Address) -> bool:
        """Whether the surnames and the sex of the hearer allow such kin."""
        one, other = speaker.entry, hearer.entry
        alike = self._are_of_one_family(speaker, hearer)
        unknown = "" in (_sure_surname(speaker), _sure_surname(hearer))
        if one.name == other.name or (kin.surname and not (alike or (unknown and not kin.strangers))):
            return False
        if kin.type == "PARENT_OF" and not kin.from_speaker and not _may_head(hearer, _sure_surname(speaker)):
            return False
        return not kin.title or self._may_be(kin.title, (other.name, *other.aliases))

    def _are_of_one_family(self, one: Mention, other: Mention) -> bool:
        return _sure_surname(one) == _sure_surname(other) != ""

    @cached_property
    def _may_be(self) -> Callable[[str, tuple[str, ...]], bool]:
        return cache(self._said.sexes.fits)


def _address(match: re.Match[str]) -> _Address:
    return _WORDS[int(str(match.lastgroup)[1:])][1]


def _word(match: re.Match[str]) -> str:
    return match[str(match.lastgroup)]


def _answers(kin: _Address, back: _Address) -> bool:
    """Whether two who call each other so may be such kin: father and child, spouses, 大嫂 and 三弟."""
    if kin.type == "FAMILY":
        return back.type in ("FAMILY", "SIBLING")
    return kin.type == back.type and (
        kin.type in SYMMETRIC_RELATIONS or kin.from_speaker != back.from_speaker
    )


def _is_called_so(mention: Mention, word: str) -> bool:
    """Whether the word is by what all call a person: 姥姥 of 刘姥姥."""
    name = mention.entry.name
    return name != word and name.removesuffix(word) in words.SURE_SURNAMES


def _heads_house(mention: Mention) -> bool:
    """Whether a person has the title of a house's master or mistress, whom no servant calls 爹."""
    return any(
        name.endswith(_MASTERS) and not name.endswith(_KINS)
        for name in (mention.entry.name, *mention.entry.aliases)
    )


def _may_head(mention: Mention, child: str) -> bool:
    """Whether who is called by surname and title may be the parent of a child of the surname ``child``.

    王婆 and 王妈妈 are 妈妈 to anybody, and 王老板 the mother of none but a 王: a wife has her husband's
    surname, unless she is 王夫人 or 王氏.
    """
    name = mention.entry.name
    surname = titled_surname(name)
    if name.endswith("婆"):
        return False
    married = not child and (name.endswith("先生") or _heads_house(mention))
    return surname in ("", child) or name.endswith(_OWN_SURNAME) or married


def _sure_surname(mention: Mention) -> str:
    return sure_surname(mention.entry.name)
