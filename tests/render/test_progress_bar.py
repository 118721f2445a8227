"""A build's progress in a terminal, in a log and in a notebook; the speed and cost it shows."""

from __future__ import annotations

import io
import logging
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from kgnb.core.messages import use_language
from kgnb.core.model import BuildStep, Progress, Usage
from kgnb.render import progress_bar
from kgnb.render.progress_bar import ProgressBar


@pytest.fixture(autouse=True)
def _english() -> None:
    use_language("en")


def step(stage: str, ended: int, total: int = 40, **more: Any) -> BuildStep:
    usage = Usage(ended, 1_000 * ended, 200 * ended)
    progress = Progress(total, total - ended, completed=ended, usage=usage)
    return BuildStep(stage, progress, 1, 40, **more)


STEPS = (
    step("scan", 0),
    step("started", 0),
    *(step("chapters", n, rate=12.0, cost=n / 100, currency="CNY") for n in range(40)),
    step("refreshing", 40),
    step("done", 40, cost=0.4, currency="CNY"),
)


def shown() -> None:
    with ProgressBar() as bar:
        for one in STEPS:
            bar.show(one)
            logging.getLogger("kgnb").warning("a line %s", one.progress.ended)


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    shown()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Read by the built-in rules")
    assert lines[1] == "scanning 0/40 0%"
    assert [line for line in lines[2:8] if line.startswith("starting")] == ["starting 0/40 0%"]
    assert [line.split()[1] for line in lines if line.startswith("chapters")] == [
        "0/40",
        *(f"{n}/40" for n in (4, 8, 12, 16, 20, 24, 28, 32, 36)),
    ]
    assert "chapters 20/40 50% · 1 min 40 s left · 12/min · 24.0k tokens · 0.20 CNY" in lines
    assert [line.split()[0] for line in lines[-2:]] == ["writing", "done"]


def test_kinds_that_no_rules_find_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for provider in ("", "p"):
        with ProgressBar(kinds=("swords", "spells")) as bar:
            bar.show(step("started", 0, 0, provider=provider))
        lines = capsys.readouterr().err
        assert ("none of these kinds: swords, spells" in lines) == (not provider)


def test_a_models_name_is_no_command_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as bar:
        bar.show(step("started", 0, 0, provider="p \x1b]0;owned\x07\x9b2J"))
    first = capsys.readouterr().err.splitlines()[0]
    assert "owned" in first
    assert first.isprintable()


def test_a_log_says_now_and_then_that_a_slow_model_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = progress_bar.Lines(lambda: now)
    for now in range(0, 200, 5):
        lines.show(step("chapters", 0, 1, waited=float(now)))
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "chapters 0/1 0%",
        "chapters 0/1 0% · waiting for the model for 1 min 0 s",
        "chapters 0/1 0% · waiting for the model for 2 min 0 s",
        "chapters 0/1 0% · waiting for the model for 3 min 0 s",
    ]


def test_a_terminal_gets_one_line_and_log_lines_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    root, handler = logging.getLogger(), logging.StreamHandler(screen)
    root.addHandler(handler)
    try:
        shown()
    finally:
        root.removeHandler(handler)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).replace("\x1b[2K", "\r").splitlines()
    logged = [line for line in lines if "a line" in line]
    assert len(logged) == len(STEPS)
    assert not any("/40" in line for line in logged)
    assert any("############ 40/40 100%" in line and "0.40 CNY" in line for line in lines)
    assert handler.stream is screen  # as before


def test_a_kernel_gets_one_bar_that_is_drawn_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_bar, "in_kernel", lambda: True)
    drawn: list[dict[str, str]] = []
    handle = SimpleNamespace(update=lambda shown, raw: drawn.append(shown))

    def display(shown: dict[str, str], *, raw: bool, display_id: bool) -> SimpleNamespace:
        assert (raw, display_id, drawn) == (True, True, [])
        drawn.append(shown)
        return handle

    monkeypatch.setattr("IPython.display.display", display)
    shown()
    assert "built-in rules" in capsys.readouterr().out  # stderr is red in a notebook
    assert len(drawn) == len(STEPS)
    assert drawn[-1]["text/plain"].startswith("done 40/40 100% · 48.0k tokens · 0.40 CNY · ")
    assert '<b>done</b> <progress style="width:16em" max="100" value="100.0">' in drawn[-1]["text/html"]
