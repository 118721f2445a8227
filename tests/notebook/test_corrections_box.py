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
from kgnb.notebook.panel.corrections_box import CorrectionsBox
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
    box = CorrectionsBox(controller, lambda: book.result.task_id, change)  # type: ignore[arg-type]
    box.person.value = "沈砚"
    box.told, box.shown = made, controller  # type: ignore[attr-defined]
    return box


def test_each_kind_is_applied_at_once_and_a_contradiction_says_why(box: Any) -> None:
    to, kind = box.fields["to"], box.fields["type"]
    kind_of_tie = kind.layout
    box.kind.value, to.value = "note", "其实是沈家后人"
    box.apply.click()
    assert "其实是沈家后人" in box.told[-1]
    assert kgnb.open().graph().nodes["Character", "沈砚"].text("note") == "其实是沈家后人"
    assert kind_of_tie.display == "none"
    box.kind.value, to.value, kind.value = "tie", "顾三娘", "SPOUSE"
    box.fields["reason"].value, box.fields["since"].value = "第六章", "六"
    box.apply.click()
    assert "六" in box.shown.error, "a chapter is a number"
    box.fields["since"].value = "6"
    assert kind_of_tie.display == ""
    box.apply.click()
    assert "第六章" in box.told[-1]
    assert [edge.type for edge in kgnb.open().graph().edges.values() if edge.number("since") == 6] == [
        "SPOUSE"
    ]
    box.kind.value, to.value = "rename", "陆青禾"
    box.apply.click()
    assert "陆青禾" in box.shown.error
    to.value = box.shown.error = ""
    box.apply.click()
    assert box.shown.error, "a name is missing"
    box.kind.value = "kind"
    assert to.layout.display == "none"
    box.apply.click()
    assert ("Character", "沈砚") not in kgnb.open().graph().nodes


def test_persons_are_merged_split_and_both_undone(box: Any) -> None:
    def people() -> set[str]:
        return {node.key for node in kgnb.open().graph().nodes.values() if node.label == "Character"}

    before = people()
    box.kind.value, box.fields["to"].value = "merge", "顾三娘"
    box.apply.click()
    assert people() == before - {"顾三娘"}
    box.kind.value = "split"
    assert box.fields["to"].layout.display == "none"
    box.apply.click()
    assert box.shown.error, "no alias is chosen"
    box.fields["alias"].options = [("顾三娘", "顾三娘")]
    box.apply.click()
    assert people() == before
    box.undo.click()
    box.shown.error = ""
    box.decision.options = [("1", 1), ("2", 2)]
    for number in (2, 1):
        box.decision.value = number
        box.undo.click()
    assert (box.shown.error, people()) == ("", before)
