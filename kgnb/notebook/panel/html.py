"""What the panel shows, as HTML. Pure: values in, a string out.

Names come from books, rows and other machines: hostile input that leaves here only as text.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from kgnb.core.log_buffer import LogLine
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.notebook.panel.style import STYLE
from kgnb.render.status_table import cut, money, short, span

Item = Mapping[str, Any]

STALE_SECONDS = 30.0
"""A heartbeat older than this is shown as a worry."""
DOTS = {"running": "good", "starting": "warn", "stopping": "warn", "failed": "bad"}
_SHADES = {"running": "", "completed": "good", "failed": "bad", "paused": "warn", "cancelled": "dim"}


def text(value: object, width: int = 0) -> str:
    """``value`` as HTML text on one line; cut at ``width`` columns."""
    plain = one_line(value)
    return escape(cut(plain, width) if width else plain, quote=True)


def block(*parts: str) -> str:
    """Parts in the panel's own style."""
    return f'<div class="kgnb">{"".join(parts)}</div>'


def dim(words: object) -> str:
    """A quiet line."""
    return f'<p class="dim">{text(words)}</p>'


def note(words: object, shade: str = "") -> str:
    """A line that wants to be seen; ``shade``: good, warn, bad or nothing."""
    return f'<div class="kgnb-note {shade}">{text(words)}</div>'


def titled(title: str, body: str) -> str:
    """A part under its headline."""
    return f'<div class="kgnb-part"><h4>{text(title)}</h4>{body}</div>'


# --- the head


def head(status: Item) -> str:
    """Who runs, since when and how long still."""
    local = status["local"]
    facts = [status["name"], say("panel.at", place=status["place"])]
    facts.append(say("panel.in_flight", count=sum(local["in_flight"].values())))
    if status["session_left"] is not None:
        facts.append(say("panel.session_left", time=minutes(status["session_left"])))
    state = say(f"notebook.state_{status['state']}")
    dot = f'<i class="kgnb-dot {DOTS.get(status["state"], "")}"></i>'
    quiet = "".join(f'<span class="dim num">{text(fact)}</span>' for fact in facts if fact)
    return f'<div class="kgnb-head"><span class="state">{dot}{text(state)}</span>{quiet}</div>'


def troubles(status: Item) -> list[tuple[str, str]]:
    """(shade, sentence) of everything that is wrong right now."""
    found: list[tuple[str, str]] = []
    if status["error"]:
        found.append(("bad", say("panel.failed", reason=status["error"])))
    down = status["local"]["down"]
    found += [("warn", reason) for reason in down.values()]
    if status["cluster_error"] and status["cluster_error"] not in down.values():
        found.append(("warn", status["cluster_error"]))
    leaves, left = status["session_leaves_at"], status["session_left"]
    if leaves is not None and time.time() >= leaves:
        found.append(("warn", say("panel.session_ends", time=minutes(left))))
    return found


def minutes(seconds: float) -> str:
    """A length of time that is watched for hours: without seconds until the last two minutes."""
    if seconds < 120:
        return span(seconds)
    if seconds < 3600:
        return say("notebook.minutes", count=round(seconds / 60))
    return span(60 * round(seconds / 60))


# --- live


def cards(status: Item) -> str:
    """The figures that matter, one a card."""
    local, tokens = status["local"], status["local"]["prompt_tokens"] + status["local"]["completion_tokens"]
    outcomes, minute = local["outcomes"], local["per_minute"]
    left = status["session_left"]
    done = outcomes.get("completed", 0) + outcomes.get("skipped", 0)
    shown = [
        (str(sum(local["in_flight"].values())), say("panel.card_in_flight")),
        (str(max(minute[-2:])), say("panel.card_rate")),
        (str(done), say("panel.card_done")),
        (str(outcomes.get("failed", 0)), say("panel.card_failed")),
        (short(local["requests"]), say("panel.card_requests")),
        (short(tokens), say("panel.card_tokens")),
        (_cost(status["cluster"]), say("panel.card_money")),
        (say("notebook.unlimited") if left is None else minutes(left), say("panel.card_session")),
    ]
    body = "".join(f'<div class="kgnb-card"><b>{text(n)}</b><span>{text(w)}</span></div>' for n, w in shown)
    return f'<div class="kgnb-cards">{body}</div>'


def _cost(cluster: Item | None) -> str:
    """What all providers cost within their budget's days; "-" where no price is known."""
    costs = [p["cost"] for p in (cluster or {}).get("providers", ()) if p["cost"] is not None]
    return money(sum(costs)) if costs else "-"


def chart(per_minute: Sequence[int]) -> str:
    """Chapters of the last hour, a bar a minute, as an inline SVG; the last bar is under way."""
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
    """What went wrong here: providers' failures by kind, chapters tried again and given up."""
    counts = {_kind(kind): count for kind, count in local["errors"].items()}
    for outcome in ("retry", "failed"):
        if count := local["outcomes"].get(outcome):
            counts[say(f"panel.chapters_{outcome}")] = count
    if not counts:
        return dim(say("panel.no_errors"))
    rows = [[text(kind), str(count)] for kind, count in sorted(counts.items(), key=lambda kv: -kv[1])]
    return table([say("panel.col_kind"), ">" + say("panel.col_count")], rows)


def _kind(name: str) -> str:
    known = {"ProviderDown", "RateLimited", "AuthRejected", "QuotaExhausted", "ReplyUnparsable"}
    known |= {"ReplyTruncated", "ReplyRefused", "PromptTooLong", "RequestRejected", "BudgetReached"}
    return say(f"panel.kind_{name}") if name in known else name


def nodes(cluster: Item | None) -> str:
    """All nodes of the cluster with their heartbeats."""
    if not (found := (cluster or {}).get("nodes")):
        return dim(say("panel.no_nodes"))
    heads = ("col_name", "col_slots", "col_tasks", ">col_heartbeat", "col_version")
    rows = []
    for node in found:
        slots = " ".join(f"{p['provider']} {p['busy']}/{p['slots']}" for p in node["providers"])
        rows.append(
            [
                text(node["name"], 32),
                text(slots or "-"),
                text(", ".join(map(str, node["tasks"])) or "-"),
                _age(node["age"]),
                text(node["version"] or ("-" if node["kgnb"] else say("status.old_worker"))),
            ]
        )
    return table(_heads(heads), rows)


def _age(age: float | None) -> str:
    if age is None:
        return "-"
    shade = "warn" if age > STALE_SECONDS else ""
    return f'<span class="{shade}">{text(say("status.ago", time=span(age)))}</span>'


def queues(cluster: Item | None) -> str:
    """Lengths of every queue that isn't empty."""
    if not (found := (cluster or {}).get("queues")):
        return dim(say("status.no_queues"))
    counts = ("waiting", "chapters", "leased", "delayed", "dead")
    rows = []
    for queue in found:
        dead = f'<span class="bad">{queue["dead"]}</span>' if queue["dead"] else "0"
        rows.append([text(queue["queue"]), *(str(queue[c]) for c in counts[:-1]), dead])
    return table(_heads(("col_queue", *(f">col_{c}" for c in counts))), rows)


def _heads(keys: Iterable[str]) -> list[str]:
    return [(">" if k[0] == ">" else "") + say(f"status.{k.lstrip('>')}") for k in keys]


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already; a column whose head begins with ">" stands right."""
    right = [' class="r"' if head[0] == ">" else "" for head in heads]
    top = "".join(f"<th{r}>{text(h.lstrip('>'))}</th>" for h, r in zip(heads, right, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{r}>{c}</td>" for c, r in zip(row, right, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<table class="kgnb-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


# --- tasks and providers


def task(one: Item) -> str:
    """A task: its name, a bar, speed and time left."""
    ended = one["completed"] + one["skipped"] + one["failed"]
    settling = one["status"] == "running" and 0 < one["chapters"] == ended
    status = say("status.is_settling" if settling else f"status.is_{one['status']}")
    shade = _SHADES.get(one["status"], "")
    facts: list[str] = [say("panel.chapters", done=ended, all=one["chapters"])]
    if one["failed"]:
        facts.append(say("panel.failed_chapters", count=one["failed"]))
    if one["rate"] is not None:
        facts.append(say("status.per_minute", rate=f"{one['rate']:.1f}"))
    if one["seconds_left"] is not None:
        facts.append(say("panel.time_left", time=span(one["seconds_left"])))
    facts.append(f"{one['provider']} {one['model']}".strip())
    tokens = one["prompt_tokens"] + one["completion_tokens"]
    if tokens:
        facts.append(say("panel.tokens", count=short(tokens)))
    error = f'<div class="bad facts">{text(one["error"], 160)}</div>' if one["error"] else ""
    return (
        f'<div class="kgnb-task"><span class="name">{one["task_id"]} · {text(one["name"], 60)}</span>'
        f'<span class="{shade} num">{text(status)} {one["percent"]:.0f}%</span>'
        f'<div class="kgnb-bar"><i class="{shade}" style="width:{one["percent"]:.1f}%"></i></div>'
        f'<div class="facts">{text(" · ".join(facts))}</div>{error}</div>'
    )


def provider(one: Item) -> str:
    """A provider's name, state, and why it is paused."""
    state, shade = _provider_state(one)
    models = ", ".join(one["models"])
    reason = one["reason"] if one["state"] == "paused" else ""
    spent = one["prompt_tokens"] + one["completion_tokens"]
    facts = [models, say("panel.tokens", count=short(spent)) if spent else ""]
    if one["cost"] is not None:
        facts.append(say("panel.cost", cost=money(one["cost"])))
    line = " · ".join(filter(None, facts))
    return (
        f'<div><b>{text(one["name"], 40)}</b> <span class="{shade}">{text(state)}</span>'
        f'<div class="dim">{text(line or say("panel.rules_note"), 90)}</div>'
        + (f'<div class="{shade}">{text(reason, 120)}</div>' if reason else "")
        + "</div>"
    )


def _provider_state(one: Item) -> tuple[str, str]:
    now = time.time()
    if one["state"] == "paused":
        until = datetime.fromtimestamp(one["paused_until"]).strftime("%H:%M")
        left = span(max(0.0, one["paused_until"] - now))
        return say("panel.paused", time=left, until=until), "bad"
    if one["state"] == "limited":
        return say("status.limited", time=span(max(0.0, one["limited_until"] - now))), "warn"
    if one["failures"]:
        return say("status.failing", count=one["failures"]), "warn"
    return say("status.ok"), "good"


# --- log


def log(lines: Sequence[LogLine]) -> str:
    """Log lines, newest first, so that new ones are seen without scrolling."""
    if not lines:
        return dim(say("panel.no_lines"))
    return f'<div class="kgnb-log">{"".join(map(_line, reversed(lines)))}</div>'


def _line(line: LogLine) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(line.at))
    shade = "bad" if line.level >= logging.ERROR else "warn" if line.level >= logging.WARNING else ""
    return f'<div class="{shade}"><span class="at">{at}</span>{text(line.text)}</div>'


# --- all of it


def render_html(status: Item, lines: Sequence[LogLine] = (), hint: str = "") -> str:
    """The whole panel as static HTML: for batch runs, and where ipywidgets is missing."""
    cluster = status["cluster"]
    tasks = "".join(f'<div class="kgnb-row">{task(one)}</div>' for one in (cluster or {}).get("tasks", ()))
    providers = "".join(map(provider, (cluster or {}).get("providers", ())))
    parts = [
        head(status),
        *(note(words, shade) for shade, words in troubles(status)),
        note(hint) if hint else "",
        titled(say("panel.tab_live"), cards(status)),
        titled(say("panel.chart"), chart(status["local"]["per_minute"])),
        titled(say("panel.tasks"), tasks or dim(say("panel.no_tasks"))),
        titled(say("panel.tab_providers"), providers or dim(say("panel.no_providers"))),
        titled(say("panel.errors"), errors(status["local"])),
        titled(say("panel.nodes"), nodes(cluster)),
        titled(say("panel.queues"), queues(cluster)),
        titled(say("panel.tab_log"), log(lines)),
    ]
    return STYLE + block(*parts)
