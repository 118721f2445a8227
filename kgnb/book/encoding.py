"""Decode a text file's bytes: UTF-8, UTF-16 (with its mark), GB18030, Big5 or Windows-1252, by how common the
decoded characters are. Chinese and English books come in no others."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from functools import cache

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHINESE = ("gb18030", "big5hkscs", "cp950")
_SAMPLE = 200_000  # bytes by which the encoding is chosen
_MIN_SCORE = 0.3  # Chinese text scores 0.6 to 0.9 in its own encoding, under 0.2 in a wrong one
_MAX_PADDING = 0.0001  # share of NUL bytes within a text; downloads are padded with them at their end
_MAX_BROKEN = 0.01  # share of undecodable characters allowed in a damaged download

# The commonest characters of modern and classical prose, simplified and traditional, with punctuation.
_COMMON = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所"
    "然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与"
    "长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己"
    "身果加西月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几口认条平气题"
    "更别打女变四神总何安少报才结反受目太量再感做接必场件计管期市直德命山金指许统保至队形社便空决治展马五眼书非则"
    "听白却界达光放强即像难且思王完色路记南住告求程北边死张该交万取望觉术领共传师清今切让识候带争运曰吾汝乃遂矣"
    "兵卿臣帝刘曹孙关飞操备吕布笑坐站走吃喝哭怒喜爱恨梦夜风雨雪花酒剑刀马车城江河湖村院房屋窗床桌灯火章节卷序言"
    "這個們來為國說時會對於著過發後裡裏種經麼學現當沒動還進樣從實軍無與長機關點業將兩間問並應戰向頭體見產說話"
    "門東聲員處義幾認條氣題別變總報結場計統隊決馬書則聽達強難記邊張該萬覺術領傳師讓識帶爭運劉孫飛備呂愛夢風劍車燈節"
    "，。！？：；、“”‘’…—《》（）「」『』　·"
)


def decode(data: bytes) -> str | None:
    """Return the text of ``data``, or None when it is no text in any known encoding.

    Undecodable bytes become U+FFFD; with more than 1 % of them it is no text.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            text = data.decode(name, "replace").removeprefix("\ufeff")
            return text if _is_intact(text) else None
    if b"\0" in data:
        if data.strip(b"\0").count(0) > len(data) * _MAX_PADDING:
            return None
        data = data.replace(b"\0", b"")
    return _utf8(data) or _chinese(data) or _western(data)


def _is_intact(text: str) -> bool:
    """Return whether a decoded text has hardly any broken or control characters."""
    return text.count("\ufffd") <= max(1, len(text) * _MAX_BROKEN) and not _has_controls(text)


def _has_controls(text: str) -> bool:
    """Return whether the text has more control characters than a few."""
    found = len(re.findall(r"[\x00-\x08\x0e-\x1f\x7f]", text[:_SAMPLE]))
    return found > max(2, min(len(text), _SAMPLE) * 0.002)


def _utf8(data: bytes) -> str | None:
    """Return the text read as UTF-8; None if it is more likely another encoding."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        broken = text.count("\ufffd")
        # Damaged UTF-8 has far more whole sequences than broken ones; other encodings have hardly any.
        if sum(c > "\x7f" for c in text) - broken < 20 * broken:
            return None
    alphabetic = not text.isascii() and not re.search("[\u0800-\U0010ffff]", text)
    if alphabetic and _score(_non_ascii_lines(data), "gb18030") > 0.7:
        return None  # a few Chinese words in GB 18030 may happen to be Latin, Greek or Cyrillic in UTF-8
    return text if _is_intact(text) else None


def _chinese(data: bytes) -> str | None:
    """Return the text read in the likeliest Chinese encoding; None if none fits."""
    sample = _non_ascii_lines(data)
    scores = {name: _score(sample, name) for name in _CHINESE}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < (_MIN_SCORE if len(sample) < 100 else 0.45):
        return None
    text = data.decode(best, "replace")
    return text if _is_intact(text) else None


def _non_ascii_lines(data: bytes) -> bytes:
    """Return the first lines that have bytes beyond ASCII, about :data:`_SAMPLE` bytes of them; b""
    for none.
    """
    lines, size = [], 0
    for line in io.BytesIO(data):
        found = _NON_ASCII.search(line)
        if found:
            lines.append(line.rstrip(b"\n") if len(line) <= _SAMPLE else line[found.start() :][:_SAMPLE])
            size += len(lines[-1])
        if size > _SAMPLE:
            break
    return b"\n".join(lines)


_NON_ASCII = re.compile(rb"[\x80-\xff]")


def _score(sample: bytes, name: str) -> float:
    """Return how much the decoded sample looks like Chinese: about 1 for yes, 0 and less for no, 0.0 for
    ASCII.
    """
    counts = Counter(c for c in sample.decode(name, "replace") if c > "\x7f")
    total = sum(counts.values())
    if not total:
        return 0.0
    return sum(n * _char_score(c) for c, n in counts.items()) / total


@cache
def _char_score(char: str) -> float:
    """Return how likely a decoded character is: 1.0 for a common one, -3.0 for a broken one."""
    if char in _COMMON:
        return 1.0
    if char == "\ufffd" or "\ue000" <= char <= "\uf8ff" or char < "\xa0":
        return -3.0
    return 0.3 if "\u4e00" <= char <= "\u9fff" and _is_everyday(char) else 0.0


def _is_everyday(char: str) -> bool:
    """Return whether a character is in the first level of GB 2312 or Big5: the few thousand in daily use."""
    for name, low, high in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6)):
        try:
            if low <= char.encode(name)[0] <= high:
                return True
        except UnicodeEncodeError:
            continue
    return False


def _western(data: bytes) -> str | None:
    """Return the text of Windows-1252 (mostly ASCII with curly quotes, dashes and accents), else of Latin-1;
    None if over 30% of the bytes aren't ASCII, or for control characters.
    """
    high = sum(b > 0x7F for b in data[:_SAMPLE])
    if high > min(len(data), _SAMPLE) * 0.3:
        return None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text if not _has_controls(text) else None
