"""Every sentence that a person reads, in Chinese and English, in one table.

``say("key", name=value)`` renders one. An error's text ends in what to do next. Log lines, help texts and
panel labels live here too, so that one word stands for one thing everywhere
(实体 entity, 关系 relation, 章节 chapter, 节点 node, 槽位 slot, 租约 lease).
"""

from __future__ import annotations

from typing import Literal

Language = Literal["zh", "en"]

_language: Language = "zh"


def use_language(language: Language) -> None:
    """Chooses the language of every later :func:`say`."""
    global _language
    _language = language


def language() -> Language:
    """The language in force."""
    return _language


def say(key: str, **facts: object) -> str:
    """The text named ``key`` in the language in force, with ``facts`` filled in.

    Raises KeyError for an unknown key or a missing fact: a typo must not reach a user as an odd sentence.
    """
    zh, en = TEXTS[key]
    return (zh if _language == "zh" else en).format(**facts)


# Keys are "<area>.<what>". Keep each area together and sorted by where it shows.
TEXTS: dict[str, tuple[str, str]] = {
    # --- book ---
    # --- settings ---
    "settings.invalid": (
        "设置 {name} 不对：{reason}。请改正这个环境变量或 .env 里的这一行。",
        "Setting {name} is wrong: {reason}. Correct the environment variable or its line in .env.",
    ),
    # --- engine, embedded ---
    # --- service: redis, sql and bolt ---
    # --- provider ---
    # --- queue ---
    # --- ledger ---
    # --- graph ---
    # --- extract ---
    # --- picture and exchange ---
    # --- node, log lines ---
    # --- cli ---
}
