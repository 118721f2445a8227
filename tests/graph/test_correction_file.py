"""A file of corrections is somebody else's: all of it is checked, or none taken over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kgnb.core.errors import InputError
from kgnb.graph.resolve.correction_file import read_corrections, write_corrections
from kgnb.graph.resolve.decisions import Decision

DECISIONS = [
    Decision(0, "merge", ("刘备", "先主", "刘豫州"), reason="蜀汉的先主"),
    Decision(0, "split", ("张虎", "张虎（张辽之子）"), chapters=(80, 120)),
    Decision(0, "rename", ("云长", "关羽")),
    Decision(0, "kind", ("曹营",), detail="Location"),
    Decision(0, "kind", ("高声",)),
    Decision(0, "tie", ("貂蝉", "吕布"), detail="SPOUSE"),
    Decision(0, "untie", ("刘备", "鲁肃")),
    Decision(0, "protagonist", ("曹操",), detail="no"),
    Decision(0, "note", ("貂蝉",), detail='=HYPERLINK("x") <b>正史里没有她</b>'),
]


def test_what_is_written_is_read_again() -> None:
    assert read_corrections(write_corrections(DECISIONS, "三国演义").encode(), "x.json") == DECISIONS


@pytest.mark.parametrize(
    "correction",
    [
        {"do": "merge", "who": "刘备"},
        {"do": "rename", "who": "刘备"},
        {"do": "tie", "who": "刘备", "to": "曹操"},
        {"do": "tie", "who": "刘备", "to": "曹操", "type": "X`]-() DETACH DELETE n //"},
        {"do": "kind", "who": "刘备", "kind": "Novel"},
        {"do": "drop", "who": "刘备"},
        {"do": "note", "who": "\u202e", "text": "x"},
        {"do": "note", "who": "刘备", "text": "x", "extra": 1},
        {"do": "note", "who": {"name": "刘备"}},
        {"do": "split", "who": "张虎", "others": ["张辽"], "chapters": [80, 2**31]},
        {"do": "split", "who": "张虎", "others": ["张辽"], "chapters": [-1, 80]},
        {"do": "split", "who": "张虎", "others": ["张辽"], "chapters": [120, 80]},
    ],
)
def test_anything_else_is_refused_whole(correction: dict[str, Any]) -> None:
    good = {"do": "note", "who": "刘备", "text": "x"}
    data = {"format": "kgnb-corrections", "version": 1, "corrections": [good, correction]}
    with pytest.raises(InputError):
        read_corrections(json.dumps(data).encode(), "x.json")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{" * 100_000, b"\xff\xfe", b'{"format": "kgnb"}', b" " * 6_000_000]
)
def test_no_file_of_corrections(data: bytes) -> None:
    with pytest.raises(InputError):
        read_corrections(data, "x.json")
