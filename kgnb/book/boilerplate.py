"""Lines that are no part of a book: of download sites, appeals for votes, ends of chapters, page numbers."""

from __future__ import annotations

import re

LONGEST = 120
"""Characters of the longest line that is left out: longer ones hold more than an advertisement."""

_SITE = r"(?:https?://|www\.)[\w./?=&%-]+|[\w-]+\.(?:com|net|cn|org|cc|me|info|la|tw)\b"
_APPEAL = r"(?:[PpＰ][SsＳ][：:.\d]*)?(?:跪?求|来点)(?:一下|各种|些|点|个)?(?:推荐|收藏|订阅|打赏|鲜花)"
_PATTERNS = (
    # of the site: 本书由某某整理, 手机用户请浏览, 天才一秒记住
    r"(?:本书|本文|本作品|本电子书)(?:籍)?(?:是)?由.{1,30}"
    r"(?:整理|制作|校对|上传|扫校|下载|提供|首发).{0,30}",
    r"(?:更多|最新|最快|全文|全本|免费|精彩|好看).{0,30}(?:小说|电子书|章节|全集|txt|TXT).{0,20}"
    r"(?:尽在|就在|登录|登陆|访问|下载|阅读|更新).{0,40}",
    r"(?:手机|电脑)?(?:用户|读者)(?:请|可)(?:浏览|访问|登录|登陆|到).{0,60}",
    r"(?:天才)?一秒(?:钟)?(?:记住|记住本站).{0,60}",
    r"(?:请)?(?:记住|收藏|牢记)(?:本站|本网站|网址|本书).{0,60}",
    rf"(?=.*(?:小说|电子书|首发|手打|章节|全文|txt|TXT|请(?:访问|登录|登陆|浏览|到))).{{0,30}}(?:{_SITE}).{{0,30}}",
    _SITE,
    r"声明[：:]?本书.{0,80}",
    # of the scanner: 第 12 页 共 300 页, Page 12 of 300
    r"第\s?\d{1,4}\s?页(?:[\s/，,]{0,3}共\s?\d{1,4}\s?页)?|[Pp]age\s\d{1,4}(?:\sof\s\d{1,4})?",
    # of the author: 求月票, （本章完）, PS：
    r".{0,30}(?:求|来点|投)(?:一下|各种|些|点|个|张)?(?:月票|推荐票|红票|票票|追读).{0,40}",
    rf"{_APPEAL}(?:[、，,！!\s]*{_APPEAL})*(?:[，,！!].{{0,40}})?",
    r"(?:未完待续|本章(?:未?完|结束|已完)|全书完|全文完).{0,20}",
    r"待续|完本",
    r"(?:感谢|谢谢).{1,40}(?:打赏|月票|推荐票|飘红|订阅)[^我]{0,12}",
    r"(?:今日|今天|本日|明天|稍后)(?:还有)?第?[一二三四五两\d]+更(?:到|完)?.{0,4}",
    r"(?:今日|今天|本日|明天|晚上|稍后)?(?:还有)?第?[一二三四五两\d]+更(?:送上|奉上|完毕).{0,30}",
)
_OPEN, _CLOSE = r"[\s　（(【\[〔<＜*＊—\-=~…]*", r"[\s　）)】\]〕>＞*＊—\-=~…。！!~～,，]*"
_LINE = re.compile(rf"^{_OPEN}(?:{'|'.join(_PATTERNS)}){_CLOSE}$\n?", re.M)
_SPEECH = re.compile("[“”「」『』]")
_HINT = re.compile(
    r"整理|制作|校对|上传|扫校|下载|提供|首发|小说|电子书|章节|全集|用户|读者|一秒|本站|网站|网址|收藏|www|http"
    r"|\.(?:com|net|cn|org|cc|me|info|la|tw)|声明|票|推荐|订阅|打赏|鲜花|追读|待续|章完|本章|全书完|全文完|完本|更|页"
    r"|[Pp]age\s\d"
)
_ANY_LINE = re.compile(r"[^\n]+\n?|\n+")  # blank lines, of which a file may have millions, together


def without(text: str) -> str:
    """Return the text without the lines that a site or a converter added. Speech and long lines are always
    kept.
    """
    return "".join(line[0] for line in _ANY_LINE.finditer(text) if not _is_boilerplate(line[0]))


def count(text: str) -> int:
    """Return the number of lines that :func:`without` leaves out."""
    return sum(_is_boilerplate(line[0]) for line in _ANY_LINE.finditer(text))


def _is_boilerplate(line: str) -> bool:
    """Return whether a line is a site's or converter's; never for speech or a long line."""
    return bool(
        len(line) <= LONGEST and _HINT.search(line) and not _SPEECH.search(line) and _LINE.match(line)
    )
