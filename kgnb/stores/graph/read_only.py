"""Whether a user's Cypher only reads, told by its words before it is sent.

An engine may refuse to write, or write and be rolled back; but schema changes of ArcadeDB and some procedures
of Neo4j outlive a rollback. So a statement with a writing clause, a clause that reads files or addresses, or
a procedure that isn't known to read is refused. Words in strings, comments and quoted names don't count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgnb.core.errors import InputError

_CLAUSE = re.compile("create|merge|set|delete|detach|nodetach|remove|insert|foreach")
_COMMAND = re.compile(
    "drop|alter|rename|grant|revoke|deny|enable|dryrun|deallocate|reallocate|use|start|stop|terminate"
)
"""Words that are commands at a statement's beginning, and fit for names elsewhere."""
_BEGINNINGS = frozenset(["", "{", ";", "explain", "profile", "5", "25"])
_READING_PROCEDURES = re.compile(
    r"db\.(labels|relationshiptypes|propertykeys|schema\.\w+|index\.(fulltext|vector)\.query\w+)"
    r"|dbms\.components|algo\.\w+(\.\w+)*"
    r"|apoc\.(algo|coll|convert|date|label|map|math|meta|neighbors|number|path|search|stats|text)(\.\w+)+",
    re.ASCII,
)
_UNICODE = re.compile(r"\\u+([0-9a-fA-F]{4})")  # anywhere in a statement, also in its keywords
_TOKEN = re.compile(
    r"""//[^\r\n]*|/\*.*?(?:\*/|\Z)|'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)|`[^`]*(?:`|\Z)|\w+|\S""",
    re.DOTALL,
)


def check_reads_only(text: str) -> None:
    """Raise InputError that names the word for which a statement is refused."""
    decoded = _UNICODE.sub(lambda code: chr(int(code[1], 16)), text)
    for version in {text, decoded}:
        words = [word.lower() for word in _TOKEN.findall(version) if not word.startswith(("//", "/*"))]
        for found in _refused_words(words):
            raise InputError("graph.writes", word=found.upper())


def _refused_words(words: list[str]) -> Iterator[str]:
    """Yield the words of a query that write, or call something that isn't known to read."""
    for i, word in enumerate(words):
        before, after = words[i - 1] if i else "", words[i + 1] if i + 1 < len(words) else ""
        if _is_name(before, after):
            continue
        if _CLAUSE.fullmatch(word) or (_COMMAND.fullmatch(word) and before in _BEGINNINGS):
            yield word
        elif word == "load" and after == "csv":
            yield "load csv"
        elif word == "call" and after not in {"{", "("} and not _reads(words[i + 1 :]):
            yield word


def _is_name(before: str, after: str) -> bool:
    """Return whether a word between these two is a name (variable, property, label, …) rather than
    a keyword.
    """
    return before in set(".:|&!$(,[") or after in set(".:,)]=<>+")


def _reads(words: list[str]) -> bool:
    """Return whether the dotted name at the beginning of the words is a procedure's that only reads."""
    name = []
    for position, word in enumerate(words):
        if position % 2 == 0:
            name.append(word.strip("`"))
        elif word != ".":
            break
    return _READING_PROCEDURES.fullmatch(".".join(name)) is not None
