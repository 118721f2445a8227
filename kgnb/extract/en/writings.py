"""Journals, letters and statements in an English chapter: each begins at a line that says whose it is."""

from __future__ import annotations

import re

_KIND = (
    "journal|diary|log|log-book|narrative|statement|story|account|confession|memoirs?|memorandum|note-?book"
    "|manuscript|testimony|deposition"
)
_SENT = "letter|telegram|note|memorandum|message|cable|wire"
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
    """Return whose journal or statement a chapter's title says that it is; empty where it does not."""
    found = _OWNER.match(title)
    return found["owner"] if found else ""


def writings(text: str) -> list[tuple[int, str]]:
    """Return where each journal, letter or cutting begins, and its writer's name; empty if it is unknown."""
    found = _HEADING.finditer(f"\n{text}")  # a literal line end is found sooner than a line's beginning
    return [(m.end() - 1, m["owner"] or m["writer"] or "") for m in found]
