"""The panel's parts as HTML: values in, a string out.

Names come from books, rows and other machines: hostile input that leaves here only as text.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.core.formatting import compact, cut, duration, money
from kgnb.core.messages import say, say_or
from kgnb.notebook.log_buffer import LogLine
from kgnb.notebook.panel.alert import Alert, worst
from kgnb.render import html as shared
from kgnb.render.html import TABLE_STYLE, progress_bar, toned
from kgnb.render.html import text as text
from kgnb.render.status_view import Item as Item
from kgnb.render.status_view import nodes_table, provider_row, queues_table, task_row
from kgnb.render.table import Cell, Row, Table, Tone, cell_text, columns, rows

if TYPE_CHECKING:
    from kgnb.app.chapters import ListedChapter

STYLE = f"<style>{TABLE_STYLE}{Path(__file__).with_name('style.css').read_text('utf-8')}</style>"

_STATE_TONES = {"running": "good", "starting": "warn", "stopping": "warn", "failed": "bad"}
_BAR_TONES: dict[str, Tone] = {"running": "", "refreshing": "", "completed": "good"}
"""A bar that still moves has the accent colour."""
ALERT_COLUMNS = 400
NOTE_COLUMNS = 200
"""A longer alert and a longer note are cut."""


_CHAPTER_ORDER = {"failed": 0, "running": 1}
_CHAPTER_TONES: dict[str, Tone] = {"failed": "bad", "running": "good", "skipped": "dim", "pending": "dim"}
MAX_CHAPTERS = 200
"""Chapters of an opened task that are listed; `kgnb chapter` shows any."""


def block(*parts: str) -> str:
    """Return the parts in a ``<div>`` with the panel's style."""
    return f'<div class="kgnb">{"".join(parts)}</div>'


def dim(words: object) -> str:
    """Return a paragraph in subdued colour, the text escaped."""
    return f'<p class="dim">{text(words)}</p>'


def note(words: object, tone: str = "") -> str:
    """Return a highlighted line in a :data:`~kgnb.render.table.Tone`, the text escaped."""
    return f'<div class="kgnb-note {tone}">{text(words)}</div>'


def part(key: str, body: str = "") -> str:
    """Return ``body`` (HTML) under the headline with the message ``key``."""
    return f'<div class="kgnb-part"><h4>{text(say(key))}</h4>{body}</div>'


def head(status: Item, alert: Alert | None = None) -> str:
    """Return the HTML of the panel's head: the node's state, name and place, chapters in flight, rest and end
    of its session; below it the alert, if any.
    """
    in_flight = sum(status["local"]["in_flight"].values())
    facts = [status["name"], say("panel.at", place=status["place"]), say("panel.in_flight", count=in_flight)]
    if status["session_left"] is not None:
        facts.append(say("panel.session_left", time=minutes(status["session_left"])))
    state = say(f"notebook.state_{status['state']}")
    dot = f'<i class="kgnb-dot {alert.tone if alert else _STATE_TONES.get(status["state"], "")}"></i>'
    quiet = "".join(f'<span class="dim num">{text(fact)}</span>' for fact in facts if fact)
    ending = dim(status["session_note"]) if status["session_note"] else ""
    told = note(cut(alert.text, ALERT_COLUMNS), alert.tone) if alert else ""
    shown = f'<span class="state">{dot}{text(state)}</span>{quiet}'
    return f'<div class="kgnb-head">{shown}</div>{told}{ending}'


def session_ends(status: Item) -> str:
    """Return the sentence on what happens to the work at the session's end; "" before the node leaves, or for
    a session without end.
    """
    leaves, left = status["session_leaves_at"], status["session_left"]
    if leaves is None or time.time() < leaves:
        return ""
    return say("panel.session_ends", time=minutes(left))


def minutes(seconds: float) -> str:
    """Return a length of time in words, rounded to minutes from two minutes on."""
    if seconds < 120:
        return duration(seconds)
    if seconds < 3600:
        return say("notebook.minutes", count=round(seconds / 60))
    return duration(60 * round(seconds / 60))


# --- live


def cards(status: Item) -> str:
    """Return the HTML of cards with the node's most important figures: chapters in flight and done, rate,
    requests, tokens, money, session.
    """
    local, tokens = status["local"], status["local"]["prompt_tokens"] + status["local"]["completion_tokens"]
    outcomes, minute = local["outcomes"], local["per_minute"]
    left = status["session_left"]
    costs = [p["cost"] for p in (status["cluster"] or {}).get("providers", ()) if p["cost"] is not None]
    done = outcomes.get("completed", 0) + outcomes.get("skipped", 0)
    shown = [
        (str(sum(local["in_flight"].values())), say("panel.card_in_flight")),
        (str(max(minute[-2:])), say("panel.card_rate")),
        (str(done), say("panel.card_done")),
        (str(outcomes.get("failed", 0)), say("word.failed")),
        (compact(local["requests"]), say("panel.card_requests")),
        (compact(tokens), say("panel.card_tokens")),
        (money(sum(costs)) if costs else "-", say("panel.card_money")),
        (say("notebook.unlimited") if left is None else minutes(left), say("panel.card_session")),
    ]
    body = "".join(f'<div class="kgnb-card"><b>{text(n)}</b><span>{text(w)}</span></div>' for n, w in shown)
    return f'<div class="kgnb-cards">{body}</div>'


def chart(per_minute: Sequence[int]) -> str:
    """Return an inline SVG of the last hour, a bar for each of the minutes ``per_minute`` (chapters, oldest
    first); the last, incomplete minute is fainter.
    """
    top = max(4, *per_minute)
    width, height, base = 820, 112, 92
    step = width / len(per_minute)
    bars = []
    for i, count in enumerate(per_minute):
        if count:
            tall = max(2.0, (base - 12) * count / top)
            faint = ' opacity=".5"' if i == len(per_minute) - 1 else ""
            title = say("panel.chart_bar", count=count, ago=len(per_minute) - 1 - i)
            bars.append(
                f'<rect x="{i * step + 1:.1f}" y="{base - tall:.1f}" width="{step - 2:.1f}"'
                f' height="{tall:.1f}" rx="1.5" fill="#3a7bd5"{faint}><title>{text(title)}</title></rect>'
            )
    line = 'stroke="currentColor" stroke-opacity=".22" vector-effect="non-scaling-stroke"'
    return (
        f'<svg class="kgnb-chart" viewBox="0 0 {width} {height}" role="img">'
        f'<path d="M0 {base}H{width}M0 12H{width}" {line}/>{"".join(bars)}'
        f'<g fill="currentColor" fill-opacity=".66" font-size="10">'
        f'<text x="0" y="9">{top}</text><text x="0" y="108">{text(say("panel.chart_hour"))}</text>'
        f'<text x="{width}" y="108" text-anchor="end">{text(say("panel.chart_now"))}</text></g></svg>'
    )


def errors(local: Item) -> str:
    """Return an HTML table of what went wrong on this node, most frequent first: provider failures by kind,
    chapters retried and given up.
    """
    counts = {say_or(f"panel.kind_{kind}", kind): count for kind, count in local["errors"].items()}
    for outcome in ("retry", "failed"):
        if count := local["outcomes"].get(outcome):
            counts[say(f"panel.chapters_{outcome}")] = count
    heads = columns("panel", kind="text", count="count")
    by_count = sorted(counts.items(), key=lambda item: -item[1])
    listed = rows({"kind": kind, "count": count} for kind, count in by_count)
    return shared.table(Table(heads, listed, empty=say("panel.no_errors")))


def nodes(cluster: Item | None) -> str:
    """Return an HTML table of all nodes with their heartbeats; a line that says so without any."""
    found = (cluster or {}).get("nodes", ())
    if not found:
        return dim(say("panel.no_nodes"))
    return shared.table(nodes_table(found).only("name", "slots", "tasks", "heartbeat", "version"))


def queues(cluster: Item | None) -> str:
    """Return an HTML table of the queues that aren't empty; None as ``cluster``: of no queues."""
    return shared.table(queues_table((cluster or {}).get("queues", ())).without("open"))


# --- tasks and providers


def task(one: Item) -> str:
    """Return the HTML of a task: name, state, bar, speed and time left, reason of its state, failed
    chapters.
    """
    row = task_row(one)
    status, left = row.cells["status"], row.cells["left"].value
    done = row.cells["chapters_done"].value[0]
    facts = [
        say("panel.chapters", done=done, all=one["chapters"]),
        say("panel.failed_chapters", count=one["failed"]) if one["failed"] else "",
        "" if row.cells["rate"].value is None else cell_text("rate", row.cells["rate"]),
        "" if left is None else say("panel.time_left", time=duration(left)),
        row.cells["provider"].value,
        *_spent(one),
    ]
    tone = _BAR_TONES.get(one["condition"]["state"], status.tone)
    return (
        f'<div class="kgnb-task"><span class="name">{one["task_id"]} · {text(one["name"], 60)}</span>'
        f'<span class="{status.tone} num">{text(status.value)} {one["percent"]:.0f}%</span>'
        f"{progress_bar(one['percent'], tone)}"
        f'<div class="facts">{text(" · ".join(filter(None, facts)))}</div>'
        f'<div class="notes">{_notes(row)}</div></div>'
    )


def chapters(listed: Sequence[ListedChapter]) -> str:
    """Return an HTML table of a task's chapters with states and reasons, failed and running ones first, at
    most MAX_CHAPTERS (200); a line below counts the rest.
    """
    order = sorted(listed, key=lambda one: (_CHAPTER_ORDER.get(one.status, len(_CHAPTER_ORDER)), one.number))
    heads = columns("panel", number="id", title="title", state="state", reason="text")
    shown = []
    for one in order[:MAX_CHAPTERS]:
        state = Cell(say_or(f"word.{one.status}", one.status), _CHAPTER_TONES.get(one.status, ""))
        title, reason = Cell(cut(one.title, 60)), Cell(cut(one.reason, 240))
        shown.append(Row({"number": Cell(one.number), "title": title, "state": state, "reason": reason}))
    more = len(order) - len(shown)
    rest = dim(say("panel.more_chapters", count=more)) if more else ""
    return f'<div class="kgnb-scroll">{shared.table(Table(heads, tuple(shown)))}</div>{rest}'


def provider(one: Item) -> str:
    """Return the HTML of a provider: name, state, models, address, spending, and the reason of a pause."""
    row = provider_row(one)
    state = row.cells["state"]
    line = " · ".join(filter(None, [", ".join(one["models"]), one["url"], *_spent(one)]))
    return (
        f"<div><b>{text(one['name'], 40)}</b> {toned(state.value, state.tone)}"
        f'<div class="dim">{text(line or say("panel.rules_note"), 140)}</div>{_notes(row)}</div>'
    )


def _notes(row: Row) -> str:
    """Return the HTML of a row's notes."""
    return "".join(toned(cut(note.value, NOTE_COLUMNS), note.tone, "div") for note in row.notes)


def _spent(one: Item) -> tuple[str, str]:
    """Return (tokens, cost) in words, "" for each that is zero or unknown."""
    total = one["prompt_tokens"] + one["completion_tokens"]
    tokens = say("panel.tokens", count=compact(total)) if total else ""
    return tokens, "" if one["cost"] is None else say("panel.cost", cost=money(one["cost"]))


def log(lines: Sequence[LogLine]) -> str:
    """Return the HTML of log lines (oldest first), newest first so that new lines show without scrolling."""
    if not lines:
        return dim(say("panel.no_lines"))
    return f'<div class="kgnb-log">{"".join(map(_log_line, reversed(lines)))}</div>'


def _log_line(line: LogLine) -> str:
    """Return the HTML of a log line, in the tone of its level."""
    at = time.strftime("%H:%M:%S", time.localtime(line.at))
    tone = "bad" if line.level >= logging.ERROR else "warn" if line.level >= logging.WARNING else ""
    return f'<div class="{tone}"><span class="at">{at}</span>{text(line.text)}</div>'


def render_html(status: Item, lines: Sequence[LogLine] = (), hint: str = "") -> str:
    """Return the whole panel as static HTML, for batch runs and where ipywidgets is missing; ``hint``: a note
    under the head, "" for none.
    """
    cluster = status["cluster"]
    tasks = "".join(f'<div class="kgnb-row">{task(one)}</div>' for one in (cluster or {}).get("tasks", ()))
    providers = "".join(map(provider, (cluster or {}).get("providers", ())))
    parts = [
        head(status, worst(status)),
        note(ends, "warn") if (ends := session_ends(status)) else "",
        note(hint) if hint else "",
        part("panel.tab_live", cards(status)),
        part("panel.chart", chart(status["local"]["per_minute"])),
        part("panel.tasks", tasks or dim(say("panel.no_tasks"))),
        part("panel.tab_providers", providers or dim(say("panel.no_providers"))),
        part("panel.errors", errors(status["local"])),
        part("panel.nodes", nodes(cluster)),
        part("panel.queues", queues(cluster)),
        part("panel.tab_log", log(lines)),
    ]
    return STYLE + block(*parts)
