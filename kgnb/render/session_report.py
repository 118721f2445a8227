"""The page of a session's report: static HTML that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from kgnb.core.messages import known, language, say

Facts = Mapping[str, Any]

_STYLE = """
:root{color-scheme:light}
body{font:15px/1.6 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif;color:#1f2933;
background:#f4f6f8;margin:0}
main{max-width:1080px;margin:24px auto;padding:0 20px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:17px;margin:28px 0 8px}
.card{background:#fff;border:1px solid #dde3ea;border-radius:8px;padding:14px 18px;overflow-x:auto}
.soft{color:#61707f}.bad{color:#b42318}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(200px,1fr));gap:8px 24px;margin:0}
dt{color:#61707f;font-size:13px}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid #e8edf2;vertical-align:top;
overflow-wrap:anywhere}
th{color:#61707f;font-weight:normal;font-size:13px;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap}
.bar{background:#e8edf2;border-radius:4px;height:8px;width:120px;margin-top:8px}
.bar div{background:#2f7d5b;border-radius:4px;height:8px}
pre{background:#f4f6f8;border-radius:6px;padding:10px 12px;overflow-x:auto;margin:8px 0}
"""


def page(facts: Facts) -> str:
    """The whole page, in the language in force."""
    title = say("farewell.title")
    why = escape(say(f"farewell.why_{facts['why']}"))
    error = f'<p class="bad">{escape(str(facts["error"]))}</p>' if facts["error"] else ""
    parts = [
        f'<h1>{escape(title)}</h1><p class="soft">{why}</p>{error}',
        _card(None, _about(facts)),
        _card(say("farewell.here"), _here(facts["local"])),
        _card(say("farewell.tasks"), _tasks(facts)),
        _card(say("farewell.dead"), _dead(facts)) if facts["dead"] else "",
        _card(say("farewell.todo"), _todo(facts)),
        _card(say("farewell.go_on"), _go_on(facts["go_on"])) if _unfinished(facts) else "",
    ]
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return (
        f'<!doctype html><html lang="{language()}"><head>{head}</head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _card(title: str | None, content: str) -> str:
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    return f'{heading}<div class="card">{content}</div>'


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    cells = (f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in pairs)
    return f"<dl>{''.join(cells)}</dl>"


def _about(facts: Facts) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in facts["versions"].items())
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
    return say(key) if known(key) else name


def _table(heads: Iterable[tuple[str, bool]], rows: Iterable[Iterable[tuple[str, bool]]]) -> str:
    """Cells are HTML, and whether they are numbers."""

    def cells(tag: str, row: Iterable[tuple[str, bool]]) -> str:
        return "".join(f"<{tag}{' class=n' if number else ''}>{text}</{tag}>" for text, number in row)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table>"


def _tasks(facts: Facts) -> str:
    if not facts["known"]:
        return f'<p class="bad">{escape(say("farewell.unknown", reason=facts["unknown"]))}</p>'
    if not facts["tasks"]:
        return escape(say("farewell.none"))
    words = ("book", "state", "provider", "progress", "left", "outcome_failed", "tokens", "cost")
    heads = [(escape(say(f"farewell.{word}")), word in _NUMBERS) for word in words]
    return _table([("#", True), *heads], map(_task_row, facts["tasks"]))


_NUMBERS = {"left", "outcome_failed", "tokens", "cost"}


def _task_row(task: Facts) -> list[tuple[str, bool]]:
    percent = min(100.0, max(0.0, float(task["percent"])))
    done = task["completed"] + task["skipped"]
    bar = f'{done} / {task["chapters"]}<div class="bar"><div style="width:{percent:.1f}%"></div></div>'
    trouble = f'<div class="bad">{escape(str(task["error"]))}</div>' if task["error"] else ""
    cost = "-" if task["cost"] is None else f"{task['cost']:,.4f}"
    return [
        (str(task["task_id"]), True),
        (escape(str(task["name"])) + trouble, False),
        (escape(_status(str(task["status"]))), False),
        (escape(" / ".join(filter(None, [task["provider"], task["model"]])) or "-"), False),
        (bar, False),
        (f"{task['left']:,}", True),
        (f"{task['failed']:,}", True),
        (f"{task['prompt_tokens'] + task['completion_tokens']:,}", True),
        (cost, True),
    ]


def _status(status: str) -> str:
    key = f"word.{status}"
    return say(key) if known(key) else status


def _dead(facts: Facts) -> str:
    heads = [("#", True), (escape(say("farewell.chapter")), False), (escape(say("farewell.reason")), False)]
    rows = [
        [
            (escape(str(one["task_id"])), True),
            (escape(f"{one['chapter'] or '-'} {one['title']}"), False),
            (escape(str(one["reason"])), False),
        ]
        for one in facts["dead"]
    ]
    more = facts["dead_count"] - len(rows)
    return _table(heads, rows) + (f"<p>{escape(say('farewell.more', count=more))}</p>" if more > 0 else "")


def _unfinished(facts: Facts) -> bool:
    return bool(facts["left"]["tasks"]) or not facts["known"]


def _todo(facts: Facts) -> str:
    if not facts["known"]:
        return escape(say("farewell.unknown", reason=facts["unknown"]))
    if not _unfinished(facts):
        return escape(say("farewell.nothing_todo"))
    return escape(say("farewell.todo_chapters", **facts["left"]))


def _go_on(how: Mapping[str, str]) -> str:
    code = [f"<pre>{escape(how[what])}</pre>" for what in ("cell", "command") if how[what]]
    return f"{escape(how['text'])}{''.join(code)}<p class=soft>{escape(say('farewell.paid_once'))}</p>"
