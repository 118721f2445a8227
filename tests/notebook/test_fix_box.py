"""The panel's corrections, on a built book."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.app.context import open_app
from kgnb.core.errors import InputError
from kgnb.core.settings import Settings
from kgnb.notebook.panel.fix_box import FixBox
from tests.support.commands import STORY


class Controller:
    """Shows errors as the panel's does."""

    error = ""

    def safely(self, act: Any) -> Any:
        def safe(*_: object) -> None:
            try:
                act()
            except InputError as error:
                self.error = str(error)

        return safe


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("KGNB_DATA", str(tmp_path / "data"))
    book = kgnb.build(STORY, progress=False, provider="rules")
    made: list[Any] = []

    def change(_: str, apply: Any) -> None:
        async def work() -> str:
            async with open_app(Settings(), queue=False, graph=False) as app:
                return str(await apply(app))

        made.append(asyncio.run(work()))

    controller = Controller()
    box = FixBox(controller, lambda: book.result.task_id, lambda: "沈砚", change)  # type: ignore[arg-type]
    box.told, box.shown = made, controller  # type: ignore[attr-defined]
    return box


def test_each_kind_is_applied_at_once_and_a_contradiction_says_why(box: Any) -> None:
    box.kind.value, box.to.value, box.reason.value = "note", "其实是沈家后人", "第六章"
    box.apply.click()
    assert "第六章" in box.told[-1]
    assert kgnb.open().graph().nodes["Character", "沈砚"].text("note") == "其实是沈家后人"
    box.kind.value, box.to.value, box.type.value = "tie", "顾三娘", "SPOUSE"
    assert box.type.layout.display is None
    box.apply.click()
    assert any(edge.type == "SPOUSE" for edge in kgnb.open().graph().edges.values())
    box.kind.value, box.to.value = "rename", "陆青禾"
    box.apply.click()
    assert "陆青禾" in box.shown.error
    box.to.value = box.shown.error = ""
    box.apply.click()
    assert box.shown.error, "a name is missing"
    box.kind.value = "kind"
    assert box.to.layout.display == "none"
    box.apply.click()
    assert ("Character", "沈砚") not in kgnb.open().graph().nodes
