"""Places where a Chinese given name stands alone and is somebody's: “建国，你来。”, 对建国说, 建国的媳妇.

Many given names are words of the dictionary (建国以来); these places tell the name from the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import vocabulary as words

_BOUNDS = frozenset("。！？；：，…“”「」『』\n")
_QUOTES = frozenset("“「『")
_CALLED = frozenset("，！…—")
_NO_DEED = "(?!说明|看[得来])"
"""Words that begin like what somebody does: 胜利说明一切, 把胜利看得很重."""
_DOES = re.compile(
    f"[便就也又却才只正都已忙还一]?{_NO_DEED}(?:[说问笑叹哭喊骂想愣跪哼]|道[：，“]|[站坐躺蹲走跑转]|[摇点](?:了[摇点]|[了着])?头"
    "|[看望瞧盯听][了着见]|[端拿接捧抱][着了起过来]|答[道应]|应[了道]|知道|晓得|觉得|忽然|心里|怔|姓)"
)
_SPOKEN_TO = re.compile(f"{_NO_DEED}[说问笑道喊骂来去看]")
_TO = frozenset("对跟叫让被把朝向给和与替找问")
_OF_KIN = re.compile("的(?:[爹娘爸妈哥姐弟妹]|男人|女人|媳妇|婆姨|老婆|丈夫|妻子|父亲|母亲|儿子|女儿|闺女)")
BEHIND_GIVEN = (words.TITLES_AFTER_GIVEN - {*"爷儿弟妹", "哥儿"}) | {
    *("师兄", "师姐", "师弟", "师妹", "大哥", "大姐", "大叔", "大爷", "老汉", "先生", "女士", "同志")
}
"""What speakers add to a given name; 何旺爷 is his grandfather."""
_TITLES = re.compile(trie_pattern(BEHIND_GIVEN))
_NAMED = ("名", "叫", "名唤", "唤作", "唤做", "叫做", "叫作")


def telling(text: str, places: Iterable[int], size: int) -> list[int]:
    """Return those of ``places`` (offsets) at which a string of ``size`` characters stands as a person does:
    as one who speaks, acts or is spoken to.
    """
    return [at for at in places if _is_persons(text, at, at + size)]


def _is_persons(text: str, start: int, end: int) -> bool:
    """Return whether a given name at ``start``-``end`` stands as a person does: called, acting, spoken to,
    named, or with kin or a title.
    """
    before, behind = text[start - 1 : start], text[end : end + 1]
    if before in _QUOTES and behind in _CALLED:
        return True  # “建国，你来。”
    if before in _BOUNDS and _DOES.match(text, end):
        return True
    if before in _TO and _SPOKEN_TO.match(text, end):
        return True
    named = text.endswith(_NAMED, max(0, start - 2), start) and behind in _BOUNDS
    return named or bool(_OF_KIN.match(text, end) or _TITLES.match(text, end))
