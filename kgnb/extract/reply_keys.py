"""What the keys of a reply mean: which list, which field. Their words are in reply_keys.toml."""

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
"""What some write after a key's word: ``强度(1-10)``, ``aliases[]``."""
_KINDS = "|".join(sorted(_KIND_OF, key=len, reverse=True))
_KIND = re.compile(rf"(?<![a-z])(?:{_KINDS})(?![a-z])")
_LIST = "[ _]?(?:list|array|data|info|items|found|mentioned|entities)|列表|表|清单|名单|信息|节点|实体|边"
_ENDS_LIST = re.compile(rf"(?<![a-z])({_KINDS})(?:{_LIST})?$")
"""The end of a list's key: a group's members are no groups."""
_NAME_OF = re.compile(rf"({_KINDS})(?:name|名称|姓名|名字|名)")
_UNWANTED = re.compile(
    "(?<![a-z])(?:{words})(?![a-z])|{parts}".format_map(
        {name: words.replace(" ", "|") for name, words in _FILE["unwanted"].items()}
    )
)


def plain(key: str) -> str:
    """A key without case, separators and remarks: ``sourceName`` and ``source_name（源）`` are one."""
    return (key if key.isalnum() else "".join(filter(str.isalnum, _REMARK.sub("", key)))).lower()


def _words(key: str) -> str:
    """A key's words in lower case and without remarks, ``mainCharacters`` as two."""
    return _CAMEL.sub(" ", _REMARK.sub("", key).strip()).lower()


def kind_called(word: str) -> str | None:
    """The list that is called so: ``人物``, ``Persons``."""
    return _KIND_OF.get(plain(word))


def kind_of_name_key(key: str) -> str | None:
    """The list whose items a key names: ``character_name``, ``人物姓名``."""
    named = _NAME_OF.fullmatch(plain(key))
    return _KIND_OF[named[1]] if named else None


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


_TOLD_BY = {name: [plain(name), *words.split()] for name, words in _FILE["fields"].items()}
_TOLD_BY["relations"] = ["relations", *_FILE["lists"]["relations"].split()]
_WHOSE = {"id", "name", "surname", "source", "target", "relations"}
"""Fields that a key with a further word doesn't tell: ``father_name`` is another's."""
MAX_END = 40
"""Characters at a key's end among which a field's word is looked for."""


def _words_of(kind: str) -> dict[str, str]:
    """The fields that keys of a kind's items may stand for, by :func:`plain` words, the surest first.

    ``姓名`` tells a name before ``人物`` does, which may be a role.
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
"""Keys of both ends of a relation, or of the one that no other key tells; not its ``chapters``."""


def field_of(key: str, kind: str) -> str:
    """The field, ``id``, ``surname`` or ``relations`` that a key of such an item stands for; else the key.

    A key with a further word before it, such as ``supporting_quote``, is the field that its end names.
    """
    word = plain(key)
    return _FIELD_OF[kind].get(word) or _field_at_end(key[-MAX_END:], kind) or word


@lru_cache(maxsize=1_000)
def _field_at_end(key: str, kind: str) -> str | None:
    ends = _END_OF[kind].search(_words(key))
    return _FIELD_OF[kind][ends[0]] if ends and not is_unwanted(key) else None


def rank_of(key: str, kind: str) -> int:
    """How sure a key's meaning is, the surest 0: two keys may stand for one field."""
    return _RANKS[kind].get(plain(key), len(_RANKS[kind]))
