"""Journals, letters and statements within an English chapter, found by their headings: "Ann's Diary",
"Letter, Ann Dale to Tom Finch"."""

from __future__ import annotations

import re

from kgnb.extract.en import vocabulary as words

_KIND = "|".join(sorted(words.WRITINGS, reverse=True))  # log-book before log
_SENT = "|".join(sorted(words.MESSAGES))
_NAME = r"[A-Z][\w.' -]{1,40}?"
_OWNED = rf"(?P<owner>{_NAME})'[sS] (?i:{_KIND})\b"
_OWNER = re.compile(_OWNED)
_HEADING = re.compile(
    rf"\n[(\[]?(?:{_OWNED}[-—–,.:;) ]{{0,9}}(?:(?i:continued|concluded)|\([^\n]{{1,60}})?"
    r"[.)\] ]{0,9}"  # Ann's Diary
    rf"|(?i:{_SENT})(?:, | from | left by | by )(?P<writer>{_NAME})"
    r"(?:(?:,[^\n]{1,80})? to (?!the\b)[A-Z][^\n]{1,80}|[. ]*)"  # Letter, Ann Dale to Tom Finch
    rf'|(?i:log|cutting|extract|{_SENT})(?:,? (?i:from|of|to)) (?:the |The |THE )?["A-Z][^\n]{{1,80}})$',
    re.MULTILINE,
)


def owner_of(title: str) -> str:
    """Return the owner's name in a title of a journal or statement: "Jonathan Harker's Journal" → "Jonathan
    Harker"; "" for other titles."""
    found = _OWNER.match(title)
    return found["owner"] if found else ""


def writings(text: str) -> list[tuple[int, str]]:
    """Return (offset, writer's name) for each journal, letter or cutting in a chapter; [] if it has none.

    ``offset``: end of the heading's line; the name is "" if the heading has none. "Ann's Diary⏎I sat." →
    [(11, "Ann")] (⏎: line break).
    """
    found = _HEADING.finditer(f"\n{text}")  # a literal line end is found sooner than a line's beginning
    return [(m.end() - 1, m["owner"] or m["writer"] or "") for m in found]
