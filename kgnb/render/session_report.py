"""The session report as a page: static HTML that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from kgnb.core.messages import language, say, say_or
from kgnb.render.html import TABLE_STYLE, table, text
from kgnb.render.status_view import tasks_table
from kgnb.render.table import Table, columns, rows

Facts = Mapping[str, Any]

_STYLE = "\n" + Path(__file__).with_name("session_report.css").read_text("utf-8")
_TASK_COLUMNS = (
    *("id", "book", "status", "provider", "progress"),
    *("chapters_done", "chapters_left", "failed", "tokens", "cost"),
)


def page(facts: Facts) -> str:
    """Return the session report as an HTML document in the language in force. ``facts``: as SessionReport
    collects them.
    """
    title = say("farewell.title")
    why = text(say(f"farewell.why_{facts['why']}"))
    error = f'<p class="bad">{text(facts["error"])}</p>' if facts["error"] else ""
    parts = [
        f'<h1>{text(title)}</h1><p class="dim">{why}</p>{error}',
        _card(None, _about(facts)),
        _card(say("farewell.here"), _here(facts["local"])),
        _card(say("panel.tasks"), _tasks(facts)),
        _card(say("farewell.dead"), _dead(facts)) if facts["dead"] else "",
        _card(say("farewell.todo"), _todo(facts)),
        _card(say("farewell.go_on"), _go_on(facts["go_on"])) if _unfinished(facts) else "",
    ]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{text(title)}</title><style>{TABLE_STYLE}{_STYLE}</style>"
    )
    return (
        f'<!doctype html><html lang="{language()}"><head>{head}</head>'
        f'<body><main class="kgnb">{"".join(parts)}</main></body></html>\n'
    )


def _card(title: str | None, content: str) -> str:
    """Return the HTML of a card, under a heading if there is a title."""
    heading = f"<h2>{text(title)}</h2>" if title else ""
    return f'{heading}<div class="card">{content}</div>'


def _pairs(**pairs: object) -> str:
    """Return HTML of values under their names, the texts ``farewell.<key>``."""
    cells = (f"<dt>{text(say(f'farewell.{key}'))}</dt><dd>{text(value)}</dd>" for key, value in pairs.items())
    return f"<dl>{''.join(f'<div>{cell}</div>' for cell in cells)}</dl>"


def _about(facts: Facts) -> str:
    """Return the HTML of node, place, times and versions."""
    return _pairs(
        node=facts["node"] or "-",
        place=facts["place"],
        started=facts["session"]["started_at"],
        written_at=facts["written_at"],
        versions=", ".join(f"{name} {version}" for name, version in facts["versions"].items()),
    )


def _here(local: Facts) -> str:
    """Return the HTML of what this node did."""
    outcomes = [
        f"{say_or(f'farewell.outcome_{name}', name)} {count}" for name, count in local["outcomes"].items()
    ]
    errors = [f"{name} × {count}" for name, count in local["errors"].items()]
    return _pairs(
        chapters=", ".join(outcomes) or "0",
        requests=f"{local['requests']:,}",
        prompt_tokens=f"{local['prompt_tokens']:,}",
        completion_tokens=f"{local['completion_tokens']:,}",
        errors=", ".join(errors) or say("farewell.none"),
    )


def _tasks(facts: Facts) -> str:
    """Return the HTML table of tasks, or why they are unknown."""
    if not facts["known"]:
        return f'<p class="bad">{text(say("farewell.unknown", reason=facts["unknown"]))}</p>'
    if not facts["tasks"]:
        return text(say("farewell.none"))
    return table(tasks_table(facts["tasks"]).only(*_TASK_COLUMNS), exact=True)


def _dead(facts: Facts) -> str:
    """Return the HTML table of dead letters; a line counts those left out."""
    heads = columns("farewell", task="id", chapter="text", reason="text")
    listed = [
        {"task": d["task_id"], "chapter": f"{d['chapter'] or '-'} {d['title']}", "reason": d["reason"]}
        for d in facts["dead"]
    ]
    more = facts["dead_count"] - len(listed)
    note = f"<p>{text(say('farewell.more', count=more))}</p>" if more > 0 else ""
    return table(Table(heads, rows(listed))) + note


def _unfinished(facts: Facts) -> bool:
    """Return whether tasks are left, or that is unknown."""
    return bool(facts["left"]["tasks"]) or not facts["known"]


def _todo(facts: Facts) -> str:
    """Return the HTML of what is left to do."""
    if not facts["known"]:
        return text(say("farewell.unknown", reason=facts["unknown"]))
    if not _unfinished(facts):
        return text(say("farewell.nothing_todo"))
    return text(say("farewell.todo_chapters", **facts["left"]))


def _go_on(how: Mapping[str, str]) -> str:
    """Return the HTML on how to go on: text, cell and command."""
    code = [f"<pre>{escape(how[what])}</pre>" for what in ("cell", "command") if how[what]]
    return f"{text(how['text'])}{''.join(code)}<p class=dim>{text(say('farewell.paid_once'))}</p>"
