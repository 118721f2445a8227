"""Replaces words for the narrator in a reply (我, "I", 叙述者, "the narrator") by the narrator's name."""

from __future__ import annotations

import re
from functools import cache

from kgnb.extract.model import MAX_ITEMS, Character, Extraction, NameEntry
from kgnb.extract.renaming import renamed
from kgnb.extract.zh.script import fold

_MARKS = re.compile(r"[\W_]+")
_REMARK = re.compile(r"(.+?)\s*[（(](.+?)[）)]")
_I_ZH = "我|俺|本人|叙述者|叙述人|叙事者|叙事人|讲述者"
_ABOUT_ZH = "第一人称|无名|未具名|未署名|未命名|匿名|故事|本书|小说|[男女]?主角|主人公|[男女]主|的|即|是"
_NARRATOR_ZH = re.compile(f"(?:{_ABOUT_ZH})*(?:{_I_ZH})(?:{_I_ZH}|{_ABOUT_ZH})*")
_I_EN = frozenset(("i", "me", "myself", "narrator"))
_ABOUT_EN = frozenset(
    (
        *("the", "a", "an", "unnamed", "nameless", "unknown", "anonymous", "first", "person", "main"),
        *("protagonist", "character", "story", "book", "novel", "s", "speaker"),
    )
)


def is_for_narrator(name: str) -> bool:
    """Return whether a name in a reply is only a word for the narrator.

    "我", "叙述者（我）", "narrator (unnamed)" → True; "Tom" → False.
    """
    words = _MARKS.sub(" ", fold(name)).lower().split()
    if not _I_EN.isdisjoint(words):
        return _I_EN.union(_ABOUT_EN).issuperset(words)
    return _NARRATOR_ZH.fullmatch("".join(words)) is not None


def with_narrator(extraction: Extraction, narrator: NameEntry) -> Extraction:
    """Return the extraction with the narrator's name in place of words for the narrator, which are nobody's
    alias.

    The narrator's name with such a word as a remark, or the reverse, is replaced too: 何恭（我）, "I (Tom)".
    """
    own = {narrator.name, *narrator.aliases}

    @cache
    def name(word: str) -> str:
        if is_for_narrator(word):
            return narrator.name
        parts = set(found.groups()) if (found := _REMARK.fullmatch(word)) else set()
        known, others = parts & own, parts - own
        return narrator.name if known and all(map(is_for_narrator, others)) else word

    def without_words(one: Character) -> Character:
        kept = [a for a in one.aliases if name(a) == a]
        return one if kept == one.aliases else one.model_copy(update={"aliases": kept})

    characters = [without_words(c) for c in extraction.characters]
    told = renamed(extraction.model_copy(update={"characters": characters}), name)
    his = [a for c in told.characters if c.name == narrator.name for a in c.aliases if name(a) == a]
    # All items of the narrator get the same aliases, so that they are merged.
    aliases = list(dict.fromkeys(his))[:MAX_ITEMS]
    return told.model_copy(
        update={
            "characters": [
                c.model_copy(update={"aliases": aliases}) if c.name == narrator.name else c
                for c in told.characters
            ]
        }
    )
