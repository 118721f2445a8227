"""A real Chromium for tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import SLOWEST


def chromium() -> Iterator[Any]:
    """Yield a browser; where there is none the test skips, and in CI fails."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if binary is None or sync_playwright is None:
        reason = "chromium or playwright is missing: apt-get install chromium, pip install playwright"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    quiet += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=binary, args=quiet, timeout=30_000 * SLOWEST)
        yield opened
        opened.close()


def watched(browser: Any, path: Path, **options: Any) -> tuple[Any, list[str], list[str]]:
    """Open a file; return the page, what it said on its console, and what it asked for."""
    viewport = options.pop("viewport", {"width": 1200, "height": 800})
    page, said, asked = browser.new_page(viewport=viewport, **options), list[str](), list[str]()
    page.set_default_timeout(30_000 * SLOWEST)
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.on("request", lambda r: asked.append(r.url))
    page.goto(path.as_uri())
    return page, said, asked
