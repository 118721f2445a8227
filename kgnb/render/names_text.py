"""A book's names, and the decisions about them, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.core.messages import say
from kgnb.core.model import in_viewers_zone
from kgnb.core.safe_text import one_line
from kgnb.graph.resolve.decisions import GONE, Applied, Decision

if TYPE_CHECKING:
    from kgnb.graph.resolve.name_listing import ListedName, NameReason

_REASONS_OF = {
    "apart": "姓与互斥",
    "called_so": "号|stated|answers to it",
    "courtesy": "字",
    "eldest": "the eldest",
    "first": "title and first name|first name",
    "given": "名",
    "given_title": "名头|名与称",
    "long": "全称|of a place",
    "nickname": "绰号|nickname",
    "pet_form": "儿",
    "same_words": "same words",
    "short": "简称|头|译名",
    "surname_form": "姓|surname",
    "surname_title": "姓与称|title and surname",
    "title": "称|称号|同位|排行|封|长辈|rank",
}
"""Text (``names.why_…``) → the pre-scan's reasons for which it stands."""
_SCAN_REASONS = {reason: text for text, reasons in _REASONS_OF.items() for reason in reasons.split("|")}


def named_line(one: ListedName) -> str:
    """Return one line: an entity's name, whether the person narrates the book, aliases with reasons,
    and counts.
    """
    aliases = reasons_text(one.reasons) or say("status.comma").join(map(one_line, one.aliases))
    name = one_line(one.name)
    if one.narrator:
        name = say("names.narrator", name=name)
    facts = {"name": name, "mentions": one.mentions, "chapters": one.chapters}
    return say("names.line_aliases" if aliases else "names.line", aliases=aliases, **facts)


def reasons_text(reasons: Sequence[NameReason]) -> str:
    """Return aliases with the reason of each, joined in one line."""
    each = (say("names.aside", name=one_line(one.alias), more=reason_text(one)) for one in reasons)
    return say("names.semicolon").join(each)


def reason_text(one: NameReason) -> str:
    """Return why an alias is a person's name, and the probability in percent unless it is certain."""
    if one.certainty == 1:  # no guess: a spelling, a person's decision, how replies call somebody
        return why_text(one)
    return say("names.certainty", why=why_text(one), percent=min(99, round(100 * one.certainty)))


def why_text(one: NameReason) -> str:
    """Return the reason why an alias is a person's name, as a phrase in the user's language."""
    facts = {"other": one_line(one.other), "detail": one_line(one.detail), "apart": one.apart}
    kind = _SCAN_REASONS.get(one.detail, "table") if one.kind == "table" else one.kind
    if kind in ("short", "long"):  # of the two names, whichever leads
        kind = "long" if len(one.alias) > len(one.other) else "short"
    why = say(f"names.why_{kind}", **facts)
    if kind != "reply" and one.joined:
        why = say("names.why_replies", why=why, detail=one.joined, apart=one.apart)
    return why


def undone_line(done: Applied, task: int) -> str:
    """Return the message about a decision that was undone, now or before."""
    key = "names.undone" if done.new else "names.undone_before"
    return say(key, number=done.decision.id, task=task, said=decision_text(done.decision))


def applied_line(done: Applied, task: int) -> str:
    """Return the message about a decision: refused, stored, or known before."""
    said = decision_text(done.decision)
    if done.problem:
        return say("corrections.refused", said=said, problem=done.problem)
    key = "corrections.done" if done.new else "corrections.before"
    return say(key, said=said, number=done.decision.id, task=task)


def decision_text(decision: Decision) -> str:
    """Return the content of a decision in the user's language, without number and time."""
    first, *others = map(one_line, decision.names)
    facts = {"name": first, "others": say("status.comma").join(others), "detail": one_line(decision.detail)}
    if decision.kind == "kind":
        facts["detail"] = say(f"corrections.is_{decision.detail or 'nothing'}")
    elif decision.kind in ("tie", "untie"):
        known = decision.detail in CHARACTER_RELATIONS
        other = one_line(decision.detail) or say("corrections.any")
        facts["detail"] = say(f"relation.{decision.detail}") if known else other
    elif decision.kind == "protagonist":
        facts["detail"] = say("explorer.yes" if decision.detail == "yes" else "explorer.no")
    gone = decision.chapters == GONE
    chapters = "—" if gone else "-".join(map(str, dict.fromkeys(decision.chapters or ())))
    since = say("corrections.since", chapter=chapters) if chapters and decision.kind == "tie" else ""
    reason = say("corrections.reason", reason=one_line(decision.reason)) if decision.reason else ""
    key = "part" if chapters and decision.kind == "split" else decision.kind
    return say(f"corrections.{key}", chapters=chapters, **facts) + since + reason


def decision_line(decision: Decision) -> str:
    """Return one line for a decision: number, time, content, and whether it is undone or waits."""
    made = f"{in_viewers_zone(decision.made_at):%Y-%m-%d %H:%M}" if decision.made_at else ""
    key = "line_undone" if decision.undone_at else "line_gone" if decision.chapters == GONE else "line"
    return say(f"corrections.{key}", number=decision.id, made=made, said=decision_text(decision))
