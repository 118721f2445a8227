"""Whole books are walked through in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import chromium
from tests.support.commands import STORY
from tests.support.explorer_walk import ROUTES, built, walk
from tests.support.novels import TEXTS, sanguo_text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.mark.parametrize("title", ROUTES)
def test_a_reader_walks_through_a_whole_novel(browser: Any, tmp_path: Path, title: str) -> None:
    path = TEXTS / f"{title}.txt"
    if title == "三国演义":
        path = tmp_path / "三国演义.txt"
        path.write_text(sanguo_text(), "utf-8")
    elif title == "story.en":
        path = STORY.with_name("story.en.txt")
    elif not path.exists():
        pytest.skip("no folder of novels")
    walk(browser, built(path, tmp_path), ROUTES[title], tmp_path / "graph.png")
