"""The fake model: a crude, fast extraction by regular expressions.

Each sentence is extracted by itself, so that the merged replies of a chapter's chunks equal the reply to the
whole chapter, unless a cut lies within a sentence.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

_SENTENCE = re.compile(r"[^。！？!?…\n.]+(?:[。！？!?…]+|\.(?=\s|$|[”’\"'])|\.|$|\n)[”’」』）\"')]*")
_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许吕施张孔曹严华金魏陶姜戚谢邹喻苏潘葛范彭郎鲁韦马苗凤俞任袁柳"
    "鲍史唐费岑薛雷贺倪汤滕殷罗毕郝邬安常乐傅皮卞齐康伍顾孟平黄和穆萧尹姚邵湛汪祁毛狄贝臧计伏成戴宋庞"
    "熊纪舒屈项祝董梁杜阮蓝闵席季贾路娄江童颜郭梅盛林钟徐邱骆高夏蔡田樊胡凌霍虞万柯管卢莫房丁邓洪石崔吉龚程"
    "邢裴陆荣翁荀惠甄封储靳段焦巴侯班仇宁甘武符刘景詹束龙叶幸司黎薄印白怀蒲邰鄂索赖卓屠池乔阴胥闻党翟谭贡劳"
    "逄姬申冉雍桑桂牛寿通边燕冀尚农温庄晏柴瞿阎慕连习艾鱼容向古慎戈廖庾终居衡步都耿满弘匡国寇广禄东殴沃利"
    "蔚越夔隆师巩厍聂晁勾敖融冷訾辛阚那简饶空曾沙关"
)
_DOUBLE = "诸葛 司马 欧阳 夏侯 上官 慕容 令狐 公孙 太史 皇甫 东方 独孤 南宫 司徒".split()  # noqa: SIM905
# Starts with one character class, which the regex engine finds fast.
_ZH_NAME = re.compile(
    rf"[{_SURNAMES}{''.join(d[0] for d in _DOUBLE)}]"
    rf"(?:{'|'.join(f'(?<={d[0]}){d[1]}' for d in _DOUBLE)}|(?<=[{_SURNAMES}]))"
    r"[\u4e00-\u9fff]{1,2}?(?=[曰道说笑问听见看想喝叫答引率领出入至乃遂便也与和同向把被对，。、：！？；”])"
)
_EN_NAME = re.compile(r"(?<![.!?“\"] )(?<!^)(?<![“‘\"'_])\b[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})?\b")
_ZH_PLACE = re.compile(r"(?:在|到|至|往|于|入|出)([\u4e00-\u9fff]{1,3}?[城山州江河府寺村镇宫关])")
_EN_PLACE = re.compile(r"\b(?:in|at|to|from|near) ([A-Z][a-z]{2,})\b")
_HAN = re.compile(r"[\u4e00-\u9fff]")
RELATION_IN = 3
EVENT_IN = 11
"""One in so many candidate sentences gives a relation or an event: about a dozen per chapter."""

_TYPES = ("KNOWS", "FRIEND", "ENEMY", "ALLY", "FOLLOWS", "FAMILY")

_QUESTION = re.compile(r"(?:问题|Question): (.+)\n<(?:片段|passage) ")
_PASSAGE = re.compile(r"<(片段|passage) ([0-9a-f]{8})>\n(.*)\n</\1 \2>\s*\Z", re.DOTALL)


def passage(user: str) -> str:
    """Return the text between kgnb's markers in a user message.

    The whole message without markers, or for a reader's question.
    """
    found = None if _QUESTION.match(user) else _PASSAGE.search(user)
    return found.group(3) if found else user


def answer(text: str) -> str:
    """Return the reply for ``text``: the JSON text that kgnb's prompts ask for."""
    if asked := _QUESTION.match(text):
        return _best_sentence(asked[1], text[text.find("\n[", asked.end()) :])
    zh = _HAN.search(text) is not None
    found = _Found()
    for match in _SENTENCE.finditer(text):
        found.read(match.group().strip(), zh=zh)
    return json.dumps(found.whole(), ensure_ascii=False)


def _best_sentence(question: str, text: str) -> str:
    """Return, as JSON, an answer that is the passages' sentence with most of the question's pairs of
    characters.
    """
    pairs = {question[i : i + 2] for i in range(len(question) - 1)}
    told = [one.group().strip() for one in _SENTENCE.finditer(text)]
    best = max(told, key=lambda one: sum(pair in one for pair in pairs), default="")
    return json.dumps({"sentences": [{"text": best, "quotes": [best[:30]]}]}, ensure_ascii=False)


class _Found:
    def __init__(self) -> None:
        self.characters: dict[str, dict[str, Any]] = {}
        self.locations: dict[str, dict[str, Any]] = {}
        self.organizations: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.relations: dict[tuple[str, str, str], dict[str, Any]] = {}

    def whole(self) -> dict[str, Any]:
        """Return the extraction as a JSON-ready dict of lists."""
        kinds = ("characters", "locations", "organizations", "events", "relations")
        return {kind: list(getattr(self, kind).values()) for kind in kinds}

    def read(self, sentence: str, *, zh: bool) -> None:
        places = (_ZH_PLACE if zh else _EN_PLACE).findall(sentence)
        bare = _ZH_PLACE.sub("，", sentence) if zh and places else sentence  # 徐州 is no Mr Xu
        found = (_ZH_NAME if zh else _EN_NAME).findall(bare)
        names = [n for n in dict.fromkeys(found) if n not in places]
        for place in places:
            self.locations.setdefault(place, {"name": place, "type": "place"})
        for name in names:
            self.characters.setdefault(name, {"name": name, "protagonist_score": str(_hash(name) % 101)})
        number = _hash(sentence) if names else 0
        if len(names) > 1 and number % RELATION_IN == 0:
            self._relate(names[0], names[1], sentence, strength=1 + number % 10)
        if names and number % EVENT_IN == 0:
            self._happen(names, places, sentence)

    def _relate(self, source: str, target: str, sentence: str, *, strength: int) -> None:
        kind = _TYPES[_hash(source + target) % len(_TYPES)]
        relation = {"source": source, "target": target, "type": kind, "strength": strength}
        known = self.relations.setdefault((source, kind, target), relation | {"evidence": sentence[:24]})
        known["strength"] = max(known["strength"], strength)

    def _happen(self, names: list[str], places: list[str], sentence: str) -> None:
        name = sentence[:16].rstrip("，。！？,. ")
        new = {"name": name, "description": sentence[:40], "importance": "medium", "participants": []}
        event = self.events.setdefault(name, new | {"location": "", "evidence": sentence[:24]})
        event["participants"] = list(dict.fromkeys([*event["participants"], *names]))
        event["location"] = event["location"] or (places[0] if places else "")


def _hash(text: str) -> int:
    """Return a number that is the same for the same text in every process."""
    return zlib.crc32(text.encode("utf-8", "replace"))
