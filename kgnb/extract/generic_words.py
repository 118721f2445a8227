"""Generic words for people (父亲, 老爷, the captain), which identify nobody."""

from __future__ import annotations

import re
from functools import lru_cache

from kgnb.extract.en import vocabulary as words_en
from kgnb.extract.zh import vocabulary as words_zh
from kgnb.extract.zh.script import fold

_GENERIC = words_en.GENERIC | words_zh.GENERIC
# Rank within a family plus a kinship word or title: 二爷, 老太太, 大小姐.
_ORDINAL_ZH = re.compile(
    "[大二三四五六七八九十老小幺](?:[爷哥弟姐妹叔伯嫂娘郎婶姨舅姑]|奶奶|太太|少爷|小姐|姑娘|公子|老爷|夫人)"
)
_ARTICLE = re.compile(
    r"^(?:(?:the|a|an|my|our|your|his|her|their|old|young|dear|poor|good|little)\s+)+", re.IGNORECASE
)


@lru_cache(maxsize=8_192)
def is_generic(name: str) -> bool:
    """Return whether ``name`` is a word for many people: sharing it never makes two names one person."""
    name = fold(_ARTICLE.sub("", name)).lower()
    return name in _GENERIC or _ORDINAL_ZH.fullmatch(name) is not None
