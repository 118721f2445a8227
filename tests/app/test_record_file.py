"""An import file that isn't one is refused before it takes memory or time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgnb.app import record_file
from kgnb.core.errors import InputError
from kgnb.extract.model import MAX_CHAPTER_ITEMS
from kgnb.stores.ledger.transfer import MAX_DECISIONS

RECORD = {"version": 1, "novel": {"title": "书"}, "chapters": []}


def refused(path: Path, key: str) -> InputError:
    with pytest.raises(InputError) as caught:
        record_file.read_record(path)
    assert caught.value.key == f"exchange.{key}"
    return caught.value


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/"])
def test_no_device_or_folder_is_read(name: str) -> None:
    refused(Path(name), "no_file")


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no_file")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(record_file.MAX_BYTES + 1)
    refused(tmp_path / "large.json", "too_large")


def test_values_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"[" + b"[]," * (record_file.MAX_VALUES // 2 + 1) + b"0]")
    refused(tmp_path / "a.json", "too_large")


@pytest.mark.parametrize(
    "text", ["", "[", "[" * 100_000, "1", "null", '{"record": 1}', '{"record": null}', "{}"]
)
def test_other_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8")
    refused(tmp_path / "a.json", "no_export")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"record": RECORD | {"chapters": [{"id": "x"}]}}), "utf-8")
    assert refused(tmp_path / "a.json", "broken_export").facts["where"] == "chapters.0.id"


def test_of_a_newer_kgnb(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"record": {"version": 99, "novel": "other"}}), "utf-8")
    refused(tmp_path / "a.json", "newer_export")
    (tmp_path / "a.json").write_text(json.dumps({"record": RECORD | {"version": 99}}), "utf-8")
    refused(tmp_path / "a.json", "newer_export")


def test_a_sane_number_of_decisions(tmp_path: Path) -> None:
    decisions = [{"id": i, "kind": "merge", "names": ["甲", f"乙{i}"]} for i in range(MAX_DECISIONS + 1)]
    (tmp_path / "a.json").write_text(json.dumps({"record": RECORD | {"decisions": decisions[:-1]}}), "utf-8")
    assert len(record_file.read_record(tmp_path / "a.json").decisions) == MAX_DECISIONS
    (tmp_path / "a.json").write_text(json.dumps({"record": RECORD | {"decisions": decisions}}), "utf-8")
    refused(tmp_path / "a.json", "broken_export")


def test_a_sane_number_of_people_in_a_chapter(tmp_path: Path) -> None:
    people = [{"name": f"卒{i}"} for i in range(MAX_CHAPTER_ITEMS + 1)]
    row = {"task_id": 1, "chapter_id": 1, "text_hash": "", "provider": "rules"}
    for characters in (people[:-1], people):
        absent = [one["name"] for one in people]  # also ends of relations
        rows = [row | {"extraction": {"characters": characters, "absent": absent}}]
        (tmp_path / "a.json").write_text(json.dumps({"record": RECORD | {"extractions": rows}}), "utf-8")
        if characters is people:
            refused(tmp_path / "a.json", "broken_export")
        else:
            assert len(record_file.read_record(tmp_path / "a.json").extractions) == 1


_ROW = '{"task_id": 1, "chapter_id": 1, "text_hash": "", "provider": "rules", "extraction": '
_KEYS = ",".join(f'"{i}":0' for i in range(1_500_000))
_GUARDED = {
    "keys": f"{_ROW}{{{_KEYS}}}}}",
    "people": _ROW + '{"characters":[' + ",".join(['{"name":"a"}'] * 500_000) + "]}}",
    "last": _ROW + "{}}," * 20_000 + _ROW + '{"characters":[1,' + "{}," * 150_000 + "1]}, 5",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", _GUARDED)
def test_what_is_refused_takes_little_memory(tmp_path: Path, kind: str) -> None:
    """In a process of its own, and not by getrusage, whose peak begins with its parent's."""
    text = f'{{"record": {{"version": 1, "novel": {{"title": "t"}}, "extractions": [{_GUARDED[kind]}]}}}}'
    (tmp_path / "a.json").write_text(text, "utf-8")
    code = (
        "import re, sys\nfrom kgnb.app import record_file\nfrom kgnb.core.errors import InputError\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = peak()\n"
        "try: record_file.read_record(sys.argv[1])\n"
        "except InputError as error: print(error.key, peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.json")], capture_output=True, text=True, check=True
    )
    key, kib = done.stdout.split()
    assert key == "exchange.broken_export"
    assert int(kib) < 80 << 10  # the file has up to 16 MB; parsed whole, 200 and more
