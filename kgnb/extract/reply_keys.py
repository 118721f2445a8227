"""What the keys of a reply mean: which list, which field. Their words are in reply_keys.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from kgnb.extract.model import LISTS

_FILE = tomllib.loads(Path(__file__).with_name("reply_keys.toml").read_text("utf-8"))
_KIND_OF = {word: kind for kind, words in _FILE["lists"].items() for word in words.split()}
_CAMEL = re.compile("(?<=[a-z])(?=[A-Z])")
_KINDS = "|".join(sorted(_KIND_OF, key=len, reverse=True))
_KIND = re.compile(rf"(?<![a-z])(?:{_KINDS})(?![a-z])")
_LIST = "[ _]?(?:list|array|data|info|items|found|mentioned)|列表|表|清单|名单|信息"
_ENDS_LIST = re.compile(rf"(?<![a-z])({_KINDS})(?:{_LIST})?$")
"""The end of a list's key: a group's members are no groups."""
_UNWANTED = re.compile(
    "(?<![a-z])(?:{words})(?![a-z])|{parts}".format_map(
        {name: words.replace(" ", "|") for name, words in _FILE["unwanted"].items()}
    )
)


def plain(key: str) -> str:
    """A key without case and separators: ``sourceName`` and ``source_name`` are one."""
    return "".join(filter(str.isalnum, key)).lower()


def _words(key: str) -> str:
    """A key's words in lower case, ``mainCharacters`` as two."""
    return _CAMEL.sub(" ", key.strip()).lower()


def kind_called(word: str) -> str | None:
    """The list that is called so: ``人物``, ``Persons``."""
    return _KIND_OF.get(plain(word))


def kind_at_end(key: str) -> str | None:
    """The list whose name a key ends in: ``mainCharacters``, ``人物列表``."""
    ends = _ENDS_LIST.search(_words(key))
    return _KIND_OF[ends[1]] if ends else None


def kind_in_heading(prose: str) -> str | None:
    """The list that the last line of ``prose`` names, but for fences; None if it names several."""
    lines = [line for line in prose.lower().splitlines() if line.strip(" \t`~") not in ("", "json")]
    kinds = {_KIND_OF[word[0]] for word in _KIND.finditer(lines[-1])} if lines else set()
    return kinds.pop() if len(kinds) == 1 else None


def is_unwanted(key: str) -> bool:
    """Whether what stands there is not the passage's: ``excluded_characters``."""
    return _UNWANTED.search(_words(key)) is not None


# --- items --------------------------------------------------------------------------------------------------


def _words_of(kind: str) -> dict[str, str]:
    """The fields that keys of a kind's items may stand for, by :func:`plain` words, the surest first.

    ``姓名`` tells a name before ``人物`` does, which may be a role.
    """
    beside = ("id",) if kind == "relations" else ("id", "surname", "relations")
    fields, ends = {*LISTS[kind].model_fields, *beside}, _FILE["ends"]
    told_by = {**_FILE["fields"], "relations": _FILE["lists"]["relations"]}
    listed = {name: words.split() for name, words in told_by.items()}
    told = {word: name for name in listed if name in fields for word in (name, *listed[name])}
    names = dict.fromkeys(("name", *listed["name"]), "name" if "name" in fields else "type")
    own = ("entity", "node", *_FILE["lists"][kind].split())
    compound = {one + word: field for one in own for word, field in (names | told).items()}
    words = {plain(name): name for name in fields}
    for end in fields & ends.keys():
        for who in ends["who"].split():
            words |= {word + who: end for word in (end, *listed[end])}
            words |= {who + number: end for number in ends[end].split()}
    for less_sure in (told, compound, dict.fromkeys(own, names["name"]), names):
        words |= {word: field for word, field in less_sure.items() if word not in words}
    return words


_FIELD_OF = {kind: _words_of(kind) for kind in LISTS}
_RANKS = {kind: {word: rank for rank, word in enumerate(words)} for kind, words in _FIELD_OF.items()}
OF_BOTH = frozenset({*_KIND_OF, "entities", "nodes", "participants"} - {"relations"})
"""Keys of a list with both ends of a relation, unlike its ``chapters``."""


def field_of(key: str, kind: str) -> str:
    """The field, ``id``, ``surname`` or ``relations`` that a key of such an item stands for; else the key."""
    return _FIELD_OF[kind].get(word := plain(key), word)


def rank_of(key: str, kind: str) -> int:
    """How sure a key's meaning is, the surest 0: two keys may stand for one field."""
    return _RANKS[kind].get(plain(key), len(_RANKS[kind]))
