"""Generic words for people (父亲, 老爷, the captain), which name no particular person."""

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
_POINTING_EN = re.compile(rf"(?:{'|'.join(sorted(words_en.POINTING))})\b\s*")
_POINTING_ZH = re.compile(
    "(?:[那这此该某每各另]|[我你您他她它吾俺咱其]们?的?)[一两几]?[个位名些群]?|[一两几][个位名些群]"
)
_DESCRIBING = re.compile(rf"^(?:(?:{'|'.join(sorted(words_en.ENDEARMENTS | words_en.EPITHETS))})\s+)+")


@lru_cache(maxsize=8_192)
def is_generic(name: str) -> bool:
    """Return whether ``name`` is a word for many people, so that two items that share it need not be one
    person.

    "captain", "the old man", "老爷", "二爷", "my dear", "他" → True; "Tom", "何恭" → False.
    """
    name = fold(name).lower()
    return is_pointing(name) or _is_for_many(_DESCRIBING.sub("", name))


@lru_cache(maxsize=8_192)
def is_pointing(name: str) -> bool:
    """Return whether ``name`` is a generic word that means a person only within its passage, so that it is no
    alias.

    "that boy", "my dear", "那汉子", "他" → True; "the captain", "the old man", "老爷", "Her Majesty", "Tom" →
    False.
    """
    name = fold(name).lower()
    if found := _POINTING_ZH.match(name):
        noun = name[found.end() :]
        return not noun or noun in words_zh.AFTER_DETERMINER or _is_for_many(noun)
    if not (found := _POINTING_EN.match(name)):
        return False
    noun = _DESCRIBING.sub("", name[found.end() :])
    return noun not in words_en.STYLES and (noun in words_en.AFTER_POINTING or _is_for_many(noun))


def _is_for_many(noun: str) -> bool:
    """Return whether a noun is in the lists of generic words, or is a Chinese rank within a family: 二爷."""
    return noun in _GENERIC or _ORDINAL_ZH.fullmatch(noun) is not None
