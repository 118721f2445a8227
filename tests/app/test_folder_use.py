"""What commands do with a data folder: who only reads starts nothing, and needs no right to write."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import STORY, Place, llm, novel

READING = (
    ("status",),
    ("status", "--json"),
    ("names", "1"),
    ("cost", "1"),
    ("chapter", "1", "1"),
    ("dead", "list"),
    ("providers", "list"),
    ("export", "1", "-o", "graph.html"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with Place(tmp_path_factory.mktemp("built")) as one:
        one.build(STORY, "--provider", "rules")
        assert one.left_over(15) == []
        yield one


def test_a_folder_is_the_record_and_logs(place: Place) -> None:
    assert {path.name for path in place.data.iterdir()} == {"kgnb.db", "logs", ".lock", ".clients"}
    assert [path.name for path in (place.data / "logs").iterdir()] == ["queue.log"]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_what_only_reads_starts_nothing(place: Place, words: tuple[str, ...]) -> None:
    (place.data / "logs" / "queue.log").unlink(missing_ok=True)
    ran = place.run(*words)
    assert ran.code == 0, ran
    assert not (place.data / "logs" / "queue.log").exists()
    assert place.left_over(0) == []


def test_a_read_only_folder_is_read(place: Place, tmp_path: Path) -> None:
    """On a file system that takes no writes, as an attached input is."""
    readonly = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    program = [sys.executable, "-m", "kgnb"]
    data = place.data.resolve()
    for words in (["status", "--json"], ["export", "1", "-o", str(tmp_path / "g.json")], ["names", "1"]):
        command = ["unshare", "-Urm", "sh", "-c", readonly, str(data), *program, *words, "--data", str(data)]
        ran = subprocess.run(command, capture_output=True, text=True)
        if "unshare" in ran.stderr or "mount" in ran.stderr:
            pytest.skip("no file system of one's own here")
        assert ran.returncode == 0, ran
    assert json.loads((tmp_path / "g.json").read_text("utf-8"))["nodes"]


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    """A build, a status that watches it, and a second build of another book."""
    with llm(latency=0.2) as server, Place(tmp_path, server.env()) as place:
        build = place.start("build", novel(tmp_path / "a.txt", 30), "--provider", "dryrun", "--slots", "3")
        build.until(lambda: server.stats.requests > 3)
        seen = place.run("status", "--json").json
        assert [node["kgnb"] for node in seen["nodes"]] == [True]
        assert seen["tasks"][0]["status"] == "running"
        other = place.build(novel(tmp_path / "b.txt", 6, seed=5), "--provider", "dryrun", "--slots", "3")
        assert other["completed"] == 6
        assert build.ended().code == 0
        assert place.sql("SELECT count(*) FROM kgnb_extractions") == [(36,)]
        assert server.stats.answered_twice == []
