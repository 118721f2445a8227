"""The meaning of keys in a reply: which list, which field. The words are in reply_keys.toml.

A list (or kind) is a key of :data:`~kgnb.extract.model.LISTS`, such as "characters"; a field is one of its
items' fields.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from kgnb.extract.model import LISTS

_FILE = tomllib.loads(Path(__file__).with_name("reply_keys.toml").read_text("utf-8"))
_KIND_OF = {word: kind for kind, words in _FILE["lists"].items() for word in words.split()}
_CAMEL = re.compile("(?<=[a-z])(?=[A-Z])")
_REMARK = re.compile(r"(?<=\w)\s*[(（\[].*", re.DOTALL)
"""A remark that some models write behind a key's word: ``强度(1-10)``, ``aliases[]``."""
_KINDS = "|".join(sorted(_KIND_OF, key=len, reverse=True))
_KIND = re.compile(rf"(?<![a-z])(?:{_KINDS})(?![a-z])")
_LIST = "[ _]?(?:list|array|data|info|items|found|mentioned|entities)|列表|表|清单|名单|信息|节点|实体|边"
_ENDS_LIST = re.compile(rf"(?<![a-z])({_KINDS})(?:{_LIST})?$")
"""The end of a list's key; "group's members" is no list of groups."""
_NAME_OF = re.compile(rf"({_KINDS})(?:name|名称|姓名|名字|名)")
_UNWANTED = re.compile(
    "(?<![a-z])(?:{words})(?![a-z])|{parts}".format_map(
        {name: words.replace(" ", "|") for name, words in _FILE["unwanted"].items()}
    )
)


def plain(key: str) -> str:
    """Return a key in lower case without separators and remarks: ``sourceName`` and ``source_name（源）`` →
    "sourcename"."""
    return (key if key.isalnum() else "".join(filter(str.isalnum, _REMARK.sub("", key)))).lower()


def _words(key: str) -> str:
    """Return a key's words in lower case, without remarks: ``mainCharacters`` → "main characters"."""
    return _CAMEL.sub(" ", _REMARK.sub("", key).strip()).lower()


def kind_called(word: str) -> str | None:
    """Return the list with this name: ``人物`` and ``Persons`` → "characters"; None for any other word."""
    return _KIND_OF.get(plain(word))


def kind_of_name_key(key: str) -> str | None:
    """Return the list whose items a key names: ``character_name`` and ``人物姓名`` → "characters"; None for
    any other key."""
    named = _NAME_OF.fullmatch(plain(key))
    return _KIND_OF[named[1]] if named else None


def kind_at_end(key: str) -> str | None:
    """Return the list whose name a key ends in: ``mainCharacters`` and ``人物列表`` → "characters"; None for
    any other key."""
    ends = _ENDS_LIST.search(_words(key))
    return _KIND_OF[ends[1]] if ends else None


def kind_in_heading(prose: str) -> str | None:
    """Return the list that the last line of ``prose`` names, fences apart; None if it names none or several.

    "Here:⏎## Characters⏎```json" → "characters" (⏎: line break).
    """
    lines = [line for line in prose.lower().splitlines() if line.strip(" \t`~") not in ("", "json")]
    kinds = {_KIND_OF[word[0]] for word in _KIND.finditer(lines[-1])} if lines else set()
    return kinds.pop() if len(kinds) == 1 else None


def is_unwanted(key: str) -> bool:
    """Return whether a key says that its value is not from the passage: ``excluded_characters`` → True."""
    return _UNWANTED.search(_words(key)) is not None


# --- items --------------------------------------------------------------------------------------------------


_TOLD_BY = {name: [plain(name), *words.split()] for name, words in _FILE["fields"].items()}
_TOLD_BY["relations"] = ["relations", *_FILE["lists"]["relations"].split()]
_WHOSE = {"id", "name", "surname", "source", "target", "relations"}
"""Fields that a key with a further word does not mean: ``father_name`` is another person's name."""
MAX_END = 40
"""Most characters at a key's end in which a field's word is looked for."""


def _words_of(kind: str) -> dict[str, str]:
    """Return word → field for the keys of a kind's items, the surest words first; words are as :func:`plain`
    returns them.

    ``姓名`` is surer for the name than ``人物``, which may be a role.
    """
    beside = ("id",) if kind == "relations" else ("id", "surname", "relations")
    fields, ends = {*LISTS[kind].model_fields, *beside}, _FILE["ends"]
    told = {word: name for name, words in _TOLD_BY.items() if name in fields for word in words}
    names = dict.fromkeys(_TOLD_BY["name"], "name" if "name" in fields else "type")
    own = ("entity", "node", *_FILE["lists"][kind].split())
    compound = {one + word: field for one in own for word, field in (names | told).items()}
    words = {plain(name): name for name in fields}
    for end in fields & ends.keys():
        for who in ends["who"].split():
            words |= {word + who: end for word in _TOLD_BY[end]}
            words |= {who + number: end for number in ends[end].split()}
    for less_sure in (told, compound, dict.fromkeys(own, names["name"]), names):
        words |= {word: field for word, field in less_sure.items() if word not in words}
    return words


def _end_of(kind: str) -> re.Pattern[str]:
    fields = LISTS[kind].model_fields.keys() & _TOLD_BY.keys() - _WHOSE
    words = (word for name in fields for word in _TOLD_BY[name] if len(word) > 1)
    return re.compile(rf"(?<![a-z])(?:{'|'.join(words)})$")


_FIELD_OF = {kind: _words_of(kind) for kind in LISTS}
_END_OF = {kind: _end_of(kind) for kind in LISTS}
_RANKS = {kind: {word: rank for rank, word in enumerate(words)} for kind, words in _FIELD_OF.items()}
OF_ENDS = {*_KIND_OF, *_TOLD_BY["name"], *_FILE["ends"]["both"].split()} - {*_TOLD_BY["relations"]}
"""Keys of both ends of a relation, or of the end that no other key gives."""


def field_of(key: str, kind: str) -> str:
    """Return the field that a key of an item of ``kind`` means, or "id", "surname" or "relations"; else the
    key as :func:`plain` returns it.

    Of characters: ``姓名`` → "name", ``xyz`` → "xyz". A key with a further word before it means the field at
    its end: ``supporting_quote`` of relations → "evidence".
    """
    word = plain(key)
    return _FIELD_OF[kind].get(word) or _field_at_end(key[-MAX_END:], kind) or word


@lru_cache(maxsize=1_000)
def _field_at_end(key: str, kind: str) -> str | None:
    ends = _END_OF[kind].search(_words(key))
    return _FIELD_OF[kind][ends[0]] if ends and not is_unwanted(key) else None


def rank_of(key: str, kind: str) -> int:
    """Return the rank of a key among the words of its field, 0 for the surest: of two keys for one field the
    lower rank counts."""
    return _RANKS[kind].get(plain(key), len(_RANKS[kind]))
