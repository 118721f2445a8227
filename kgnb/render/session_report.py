"""The session report as a page: static HTML that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from kgnb.core.messages import has_text, language, say
from kgnb.render.html import TABLE_STYLE, table, text
from kgnb.render.status_view import tasks_table
from kgnb.render.table import Table, columns, rows

Facts = Mapping[str, Any]

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#1f2933;
background:#f4f6f8;margin:0;--line:#dde3ea;--soft:#e8edf2;
--accent:#2f7d5b;--good:#2f7d5b;--warn:#9a6700;--bad:#b42318}
main{max-width:1200px;margin:24px auto;padding:0 20px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 8px}
.card{background:#fff;border:1px solid var(--line);border-radius:8px;padding:14px 18px;overflow-x:auto}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:8px 24px;margin:0}
dt{opacity:.66;font-size:13px}dd{margin:0;overflow-wrap:anywhere}
.kgnb-table th{font-size:13px}.kgnb-table th,.kgnb-table td{padding-top:6px;padding-bottom:6px}
.kgnb-table td{overflow-wrap:anywhere}.kgnb-table td.note{padding-top:0}.kgnb-bar{min-width:90px}
pre{background:#f4f6f8;border-radius:6px;padding:10px 12px;overflow-x:auto;margin:8px 0}
"""
_TASK_COLUMNS = (
    *("id", "book", "status", "provider", "progress"),
    *("chapters_done", "chapters_left", "failed", "tokens", "cost"),
)


def page(facts: Facts) -> str:
    """The whole page, in the language in force."""
    title = say("farewell.title")
    why = text(say(f"farewell.why_{facts['why']}"))
    error = f'<p class="bad">{text(facts["error"])}</p>' if facts["error"] else ""
    parts = [
        f'<h1>{text(title)}</h1><p class="dim">{why}</p>{error}',
        _card(None, _about(facts)),
        _card(say("farewell.here"), _here(facts["local"])),
        _card(say("farewell.tasks"), _tasks(facts)),
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
    heading = f"<h2>{text(title)}</h2>" if title else ""
    return f'{heading}<div class="card">{content}</div>'


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    cells = (f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f"<dl>{''.join(cells)}</dl>"


def _about(facts: Facts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return _pairs(
        [
            (say("farewell.node"), facts["node"] or "-"),
            (say("farewell.place"), facts["place"]),
            (say("farewell.started"), facts["session"]["started_at"]),
            (say("farewell.written_at"), facts["written_at"]),
            (say("farewell.versions"), versions),
        ]
    )


def _here(local: Facts) -> str:
    outcomes = [f"{_outcome(name)} {count}" for name, count in local["outcomes"].items()]
    errors = [f"{name} × {count}" for name, count in local["errors"].items()]
    return _pairs(
        [
            (say("farewell.chapters"), ", ".join(outcomes) or "0"),
            (say("farewell.requests"), f"{local['requests']:,}"),
            (say("farewell.prompt_tokens"), f"{local['prompt_tokens']:,}"),
            (say("farewell.completion_tokens"), f"{local['completion_tokens']:,}"),
            (say("farewell.errors"), ", ".join(errors) or say("farewell.none")),
        ]
    )


def _outcome(name: str) -> str:
    key = f"farewell.outcome_{name}"
    return say(key) if has_text(key) else name


def _tasks(facts: Facts) -> str:
    if not facts["known"]:
        return f'<p class="bad">{text(say("farewell.unknown", reason=facts["unknown"]))}</p>'
    if not facts["tasks"]:
        return text(say("farewell.none"))
    return table(tasks_table(facts["tasks"]).only(*_TASK_COLUMNS), exact=True)


def _dead(facts: Facts) -> str:
    heads = columns("farewell", task="id", chapter="text", reason="text")
    listed = [
        {
            "task": one["task_id"],
            "chapter": f"{one['chapter'] or '-'} {one['title']}",
            "reason": one["reason"],
        }
        for one in facts["dead"]
    ]
    more = facts["dead_count"] - len(listed)
    note = f"<p>{text(say('farewell.more', count=more))}</p>" if more > 0 else ""
    return table(Table(heads, rows(listed))) + note


def _unfinished(facts: Facts) -> bool:
    return bool(facts["left"]["tasks"]) or not facts["known"]


def _todo(facts: Facts) -> str:
    if not facts["known"]:
        return text(say("farewell.unknown", reason=facts["unknown"]))
    if not _unfinished(facts):
        return text(say("farewell.nothing_todo"))
    return text(say("farewell.todo_chapters", **facts["left"]))


def _go_on(how: Mapping[str, str]) -> str:
    code = [f"<pre>{escape(how[what])}</pre>" for what in ("cell", "command") if how[what]]
    return f"{text(how['text'])}{''.join(code)}<p class=dim>{text(say('farewell.paid_once'))}</p>"
