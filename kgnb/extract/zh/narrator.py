"""Who tells a Chinese book, or a chapter of it, in the first person, and where he says 我."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from kgnb.extract import narrator
from kgnb.extract.model import NameEntry
from kgnb.extract.narrator import Narrator, Place, Told
from kgnb.extract.patterns import Mention
from kgnb.extract.zh.surnames import surname_of, titled_surname

HEADING = 20
"""Most characters of a chapter's first line that may be no more than its narrator's name."""

SCENE = 200
"""Characters before and after a form of address in which somebody else may be meant by it."""

I_FORMS = frozenset("我俺")
_I = "[我俺](?!们|[国军方校院司省市县])"
# Speech without quotation marks stands behind a colon or a dash.
_SPEECH = '“[^”\n]*”?|「[^」\n]*」?|『[^』\n]*』?|"[^"\n]*"?|[：:](?![“「『"])[^\n]*|^—[^\n]*'
_SPEECH_OR_I = re.compile(f"{_SPEECH}|(?P<i>{_I})", re.MULTILINE)
_SAYS = re.compile(
    "(?:我(?:名叫|名字叫|的(?:大名|名字|全名|本名|小名)(?:叫做?|是|为)?|姓.，?(?:单?名|叫)|本?名)"
    "|[叫称]我(?:作|做|为)?|[给替为]我[取起]的?(?:大|小)?名(?:字|叫)?(?:叫|为)?)[“「『]?$"
)
_IS = re.compile("(?:我[就便也]?(?:是|叫做?)[“「『]?|我[，（—])$")
"""Before a name that is his if a clause ends behind it: not 我叫小顺去买酒."""
_CALL_ME = re.compile("[管叫称喊唤]我叫?(?:一声|作|做|为)?[“「『]?$")
_ENDS = re.compile("[”」』]?[，。！；…）—]")
_BEFORE_OWN = frozenset("叫名姓字是为做作我，（—“「『")
"""What stands before the name that a narrator gives himself."""
_OWN_KIN = re.compile("我的?(?:[爸妈爹娘父母爷奶叔伯哥姐弟妹姑妻]|丈夫|老公|先生|太太|老婆|儿子|女儿)")
_OWNS = re.compile(
    "的|家|[大二三小]?(?:[爸妈爹娘父母爷奶叔伯哥姐弟妹舅姨嫂婶侄妻]|姑[姑妈父母]|外[公婆祖甥孙]|姥|孙[子女儿]|岳|公公|婆婆"
    "|丈夫|老公|先生(?!气)|太太|老婆|媳妇|儿[子媳]|女[儿婿]|闺女|师[父傅兄弟姐妹娘]|徒[弟儿]|老[师板]|朋友|同[学事伴]|室友|闺蜜|秘书"
    "|助[理手]|[男女]朋?友|前[夫妻男女])"
)
_CALLED_BEFORE = '“「『"，！？…、'
_CALLED_AFTER = re.compile("[哥姐叔伯婶嫂爷弟妹兄]?(?:先生|小姐|姑娘|同学|老师)?[啊呀哪]?[，。！？…、—～]")


def read(text: str) -> Told:
    """Return the text with the offsets of its speeches and of each 我 outside them."""

    def says(start: int, end: int, speech: bool) -> bool:
        return not (speech and text[start - 1] not in "“「『") and _is_stated(text, start, end)

    return Told(text, _SPEECH_OR_I, says, lambda start, end: _is_called(text, start, end))


def _is_called(text: str, start: int, end: int) -> bool:
    """Return whether the name at ``start``-``end`` is called: between marks of address, as in
    “何恭，走！”.
    """
    return text[start - 1 : start] in _CALLED_BEFORE and _CALLED_AFTER.match(text, end) is not None


def _addresses(told: Told, teller: str, places: Mapping[str, Sequence[Place]]) -> list[str]:
    """Return the surnames with titles by which others only call a person near the narrator: 何小姐, or
    管我叫何老板.

    ``places``: person → places of the names.
    """
    surname = surname_of(teller)
    family = [name for name in places if surname and name != teller and name.startswith(surname)]
    others = sorted(at for n in family if not titled_surname(n) for at, _ in places[n])
    titled = [n for n in family if titled_surname(n) and len(places[n]) > 1]
    called = [n for n in titled if all(_is_address(told, *place) for place in places[n])]
    return [
        n
        for n in called
        if 2 * sum(_may_be_his(told, start, others) for start, _ in places[n]) >= len(places[n])
    ]


def _is_address(told: Told, start: int, end: int) -> bool:
    """Return whether a place calls somebody by the name, or says that others call the narrator so."""
    own = _CALL_ME.search(told.text, max(0, start - 8), start) is not None
    return own or (told.in_speech(start) and _is_called(told.text, start, end))


def _may_be_his(told: Told, start: int, others: Sequence[int]) -> bool:
    """Return whether 我, but none of ``others`` and no kin of the narrator's, stands near a called name."""
    k = bisect_left(told.own, start - SCENE)
    here = k < len(told.own) and told.own[k] < start + SCENE
    i = bisect_left(others, start - SCENE)
    alone = i == len(others) or others[i] > start + SCENE
    kin = _OWN_KIN.finditer(told.text, max(0, start - SCENE), start + SCENE)
    return here and alone and all(told.in_speech(match.start()) for match in kin)


def _is_stated(text: str, start: int, end: int) -> bool:
    """Return whether the words before a name say that it is the speaker's own (我叫何恭)."""
    if _SAYS.search(text, max(0, start - 12), start):
        return True
    return bool(_IS.search(text, max(0, start - 6), start) and _ENDS.match(text, end))


def of_book(
    text: str, starts: Sequence[int], persons: Iterable[tuple[str, Sequence[str], Sequence[int]]]
) -> Narrator | None:
    """Return the narrator of a whole Chinese book; None for a book in the third person.

    Arguments and result: :func:`kgnb.extract.narrator.of_book`.
    """
    return narrator.of_book(text, starts, persons, read, _addresses)


def is_narrators(mention: Mention) -> bool:
    """Return whether a mention is the narrator's 我."""
    return mention.form in I_FORMS


def is_owner(text: str, mention: Mention) -> bool:
    """Return whether a mention is the narrator's 我 as a possessor before a kin noun: 我 of 我爸娶了甲 →
    True; of 乙是我爸 (behind 是, 为, 成, 了) → False.
    """
    owns = is_narrators(mention) and _OWNS.match(text, mention.end) is not None
    return owns and not text.endswith(("是", "为", "成", "了"), 0, mention.start)


def own_mentions(text: str, people: Sequence[Mention], tellers: Sequence[NameEntry]) -> list[Mention]:
    """Return a mention for each 我 outside speech in a chapter, of the chapter's narrator; [] if there is
    none.

    The narrator is the first who may tell the chapter: a person who says so there (我叫甲), whose name is its
    first line, else the first fitting of ``tellers``. ``people``: mentions of persons in order.
    """
    line = text.find("\n", 0, HEADING)
    headed = [m.entry for m in people[:1] if m.start == 0 and m.end == line]
    stated = [m for m in people if text[m.start - 1] in _BEFORE_OWN and _is_stated(text, m.start, m.end)]
    if not (tellers or headed or stated):
        return []
    told = read(text)
    said = [m.entry for m in stated if told.says(m.start, m.end, told.in_speech(m.start))]
    for entry in (*said, *headed, *tellers):
        if told.may_tell(entry, (m for m in people if m.start > line), told.share()):
            return [Mention(entry, text[at], at, at + 1) for at in told.own]
    return []
