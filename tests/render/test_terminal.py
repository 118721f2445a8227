"""The status page on a terminal: alignment, narrow windows, colours, pipes, hostile names."""

from __future__ import annotations

import io
import re
import time
from datetime import datetime
from typing import Any, get_args

import pytest
from rich.cells import cell_len

from kgnb.app.condition import State
from kgnb.core import formatting
from kgnb.core.messages import say, texts, use_language
from kgnb.render import terminal
from tests.support.statuses import a_node, a_status, a_task


@pytest.fixture
def english() -> None:
    use_language("en")


def status_with(**more: Any) -> dict[str, Any]:
    nodes = [a_node(**more.get("node", {})), a_node(name="node-with-a-long-name")]
    return a_status(a_task(name="A plain title"), a_task(**more.get("task", {})), nodes=nodes)


def lines_of(status: dict[str, Any], width: int = 0, *, color: bool = False) -> list[str]:
    """What is shown off a terminal, or on one that is ``width`` columns wide."""
    page = terminal.status_page(status)
    if not width:
        return terminal.plain_lines(page)
    out = io.StringIO()
    out.isatty = lambda: True  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "" if color else "1")
        console = terminal.console(out)
    console.width = width
    console.print(page)
    return [line.rstrip() for line in out.getvalue().splitlines()]


class TestTables:
    @pytest.mark.parametrize(
        "name",
        [
            "三国演义",
            "é́x",
            "ｆｕｌｌ",
            "a" * 100,
            "长" * 60,
            "말",
            "a\nb\x1b[31mc\u202ed",
            "[red]x[/]:smile:",
        ],
    )
    def test_columns_stand_below_each_other(self, english: None, name: str) -> None:
        lines = lines_of(status_with(task={"name": name}, node={"name": name}))
        for head, word in (("book", "running"), ("slots", "openai 1/2")):
            rows = [line for line in lines if word in line]
            assert len(rows) == 2
            assert len({cell_len(row[: row.index(word)]) for row in rows}) == 1, head
        assert all(line.isprintable() for line in lines)
        if len(name) < 20 and name.isprintable():
            assert sum(name in line for line in lines) == 2

    def test_every_status_has_a_word(self) -> None:
        assert all(f"status.is_{state}" in texts("zh") for state in get_args(State))

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (-5, "0 s")],
    )
    def test_spans(self, english: None, seconds: float, text: str) -> None:
        assert formatting.duration(seconds) == text

    @pytest.mark.parametrize(
        ("number", "text"),
        [(0, "0"), (999, "999"), (12_345, "12.3k"), (450_000, "450k"), (4_500_000, "4.5M")],
    )
    def test_numbers(self, number: int, text: str) -> None:
        assert formatting.compact(number) == text

    assert list(map(formatting.rate, (0.04, 9.46, 9.96, 120.4, 5100.0))) == [
        "0.0",
        "9.5",
        "10.0",
        "120",
        "5.1k",
    ]

    def test_a_bar_is_full_at_the_end_only(self) -> None:
        assert terminal.progress_bar(99.9).endswith(".")
        assert set(terminal.progress_bar(100.0)) == {"#"}
        assert set(terminal.progress_bar(0)) == {"."}

    def test_empty_parts_say_what_to_do(self, english: None) -> None:
        at = datetime.now().astimezone().isoformat()
        lines = lines_of({"at": at, "nodes": [], "queues": [], "providers": [], "tasks": []})
        assert any("kgnb worker" in line for line in lines)
        assert any("kgnb submit" in line for line in lines)

    @pytest.mark.parametrize("width", [60, 100, 160])
    def test_colours_widen_nothing(self, width: int) -> None:
        found = status_with(task={"failed": 1, "error": "boom " * 40})
        plain, painted = lines_of(found, width), lines_of(found, width, color=True)
        assert [re.sub(r"\x1b\[[\d;]+m", "", line).rstrip() for line in painted] == plain
        assert painted != plain
        assert all(cell_len(line) <= width for line in plain)

    @pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
    def test_a_narrow_terminal_shows_all_of_it(self, english: None, width: int) -> None:
        found = status_with(task={"name": "三国演义", "failed": 7, "cost": 1.25, "provider": "deepseek"})
        lines = lines_of(found, width)
        assert all(cell_len(line) <= width for line in lines)
        text = re.sub(r"\s+", " ", " ".join(lines))
        for word in (
            "三国演义",
            "running",
            "50.0%",
            "12/10",
            "2.0/min",
            "2 min 30 s",
            "1.2k",
            "1.25",
            "deepseek",
        ):
            assert word in text, lines

    def test_a_pipe_gets_whole_names(self, english: None) -> None:
        queue = {"queue": "kg:task:queue:" + "q" * 200, "waiting": 1, "chapters": 0, "leased": 0}
        found = status_with() | {"queues": [queue | {"delayed": 0, "dead": 0, "open_tasks": 0}]}
        assert any(queue["queue"] in line for line in lines_of(found))

    def test_the_refresh_is_told(self) -> None:
        lines = lines_of(status_with(task={"completed": 10, "percent": 100.0, "seconds_left": 0}))
        assert any(say("status.is_refreshing") in line for line in lines)

    def test_what_became_of_replies_is_told(self) -> None:
        flags = {"repaired": 3, "of-a-newer-kgnb": 1, "unverified": 2}
        told = {"flags": flags, "unverified": 7, "dropped": 1}
        lines = lines_of(status_with(task=told))
        (first,) = (line for line in lines if say("flag.repaired") in line)
        assert "3" in first
        assert "of-a-newer-kgnb" in first
        assert say("flag.unverified") not in first  # the quotes themselves are counted
        (second,) = (line for line in lines if say("status.dropped", count=1) in line)
        assert say("status.unverified", count=7) in second


@pytest.mark.parametrize(
    ("name", "told"), [("UTC", "UTC"), ("Asia/Shanghai", "UTC+8"), ("XXX3:30", "UTC-3:30")]
)
def test_times_say_their_zone(monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", name)
            time.tzset()
            assert formatting.time_of_day(0.0).endswith(f" {told}")
            assert formatting.date_and_time(0.0).endswith(f" {told}")
            assert lines_of(status_with())[0].endswith(f" {told}")
    finally:
        time.tzset()
