"""Recognises what is no answer in a model's reply: its thoughts, and a passage repeated without end."""

from __future__ import annotations

import json
import re

_NAME = r"(?:\w+:)?(?:think|thinking|thought|reasoning|思考)"
_OPEN = re.compile(rf"<{_NAME}\b[^<>]*>|\[THINK\]|◁think▷|<\|channel\|>analysis<\|message\|>", re.IGNORECASE)
_END = re.compile(
    rf"</{_NAME}>|\[/THINK\]|◁/think▷|<\|channel\|>final[^{{]{{0,40}}<\|message\|>", re.IGNORECASE
)
"""Ends of thoughts that a server leaves in a reply: of Qwen, DeepSeek and similar; of Mistral, of Kimi, of
gpt-oss."""
TAIL = 1_000
"""Number of characters at the end of a reply that must consist of repetitions."""
LONGEST_UNIT = 250
"""Longest repeated part, in characters; the tail holds it at least four times."""


def without_thoughts(text: str) -> str:
    """Return the reply behind a reasoning model's thoughts; "" if the thoughts never end.

    ``<think>x</think>{}`` → ``{}``; ``<think>x`` → "".
    """
    text = text.strip().lstrip("\ufeff")
    if text[:1] == "{":
        return text
    *_, last = _END.split(text)  # some servers cut the opening tag off
    last = last.strip()
    return "" if _OPEN.match(last) else last


def is_complete(text: str) -> bool:
    """Return whether a text is one JSON object with nothing but white space behind: ``{"characters": []} `` →
    True.

    Some models go on with white space up to their limit after such an object.
    """
    try:
        return text[:1] == "{" and isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False


def is_looping(text: str) -> bool:
    """Return whether the last :data:`TAIL` (1,000) characters of ``text`` repeat one part; False for a
    shorter text.

    "ab" 600 times → True; "ab" 10 times → False.
    """
    tail = text[-TAIL:]
    if len(tail) < TAIL:
        return False
    if tail.find(tail[LONGEST_UNIT:]) == LONGEST_UNIT:  # nearly every reply: its end occurs nowhere before
        return False
    return any(tail.startswith(tail[unit:]) for unit in range(1, LONGEST_UNIT + 1))
