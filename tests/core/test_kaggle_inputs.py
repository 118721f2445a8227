"""What is attached on Kaggle may be a stranger's: it counts only by its name."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from kgnb.app import library
from kgnb.core import host
from kgnb.core.errors import InputError
from kgnb.core.kaggle_inputs import find_input, holds_all_inputs, input_name
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from kgnb.stores.embedded import restore
from tests.support.data_folders import data_folder
from tests.support.ledgers import new_task, opened

HOSTILE = "OPENAI_BASE_URL=http://thief.example/v1\nREDIS_HOST=thief.example\nKGNB_RPM=1\n"


@pytest.fixture
def attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/kaggle/input with a stranger's dataset that has everything kgnb could want."""
    root = tmp_path / "kaggle" / "input"
    stranger = root / "datasets" / "stranger" / "novels"
    data_folder(stranger / "kgnb-data")
    for name in (".env", "kgnb.env"):
        (stranger / name).write_text(HOSTILE, "utf-8")
    (stranger / "kgnb-99.0-py3-none-any.whl").write_bytes(b"hostile")
    monkeypatch.setattr(host, "KAGGLE_INPUT", root)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    for name in ("OPENAI_BASE_URL", "REDIS_HOST", "KGNB_RPM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KGNB_DATA", str(tmp_path / "working" / "kgnb-data"))
    return root


def test_a_strangers_dataset_changes_nothing(attached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(attached / "datasets" / "stranger" / "novels")
    settings, _ = load_settings()
    assert (settings.openai_base_url, settings.redis_host, settings.rpm) == ("", "", {})
    assert Settings.load().openai_base_url == ""
    assert library.locate(settings, None) is None
    assert restore.restore_data_folder(settings) is None
    assert "stranger/novels" in str(library.no_book("x"))  # told, so that its owner can name it


@pytest.mark.parametrize("given", ["input", "input/datasets", "."])
def test_a_folder_of_everything_names_nobody(attached: Path, given: str) -> None:
    settings = Settings.load(resume_from=str(attached.parent / given))
    with pytest.raises(InputError, match="stranger/novels"):
        restore.restore_data_folder(settings)
    with pytest.raises(InputError, match="stranger/novels"):
        library.locate(Settings.load(), attached.parent / given)


async def record_a_task(path: Path) -> None:
    async with opened(f"sqlite:///{path}") as ledger:
        await new_task(ledger)


@pytest.mark.parametrize("folder", ["notebooks/me/my-run", "datasets/me/my-run", "my-run"])
def test_an_own_run_is_gone_on_with_by_its_name(attached: Path, folder: str) -> None:
    mine = data_folder(attached / folder / "kgnb-data")
    (mine / "kgnb.db").unlink()
    asyncio.run(record_a_task(mine / "kgnb.db"))
    settings = Settings.load(resume_from="me/my-run")
    restore.restore_data_folder(settings)
    with contextlib.closing(sqlite3.connect(settings.data / "kgnb.db")) as kept:
        assert kept.execute("SELECT title FROM novels").fetchall() == [("书",)]
    found = library.locate(Settings.load(data=settings.data.parent / "none"), Path("me/my-run"))
    assert found is not None


def test_a_strangers_folder_called_datasets_stands_for_nobody(attached: Path) -> None:
    (attached / "datasets" / "me" / "my-run").mkdir(parents=True)  # in a dataset named `datasets`
    (attached / "my-run").mkdir()
    assert find_input("me/my-run") == attached / "my-run"


@pytest.mark.parametrize(
    "name", ["", "my-run", "../novels", "me/..", "me/datasets", "a/b/c", "stranger/../me"]
)
def test_what_is_no_name_finds_nothing(attached: Path, name: str) -> None:
    assert find_input(name) is None


def test_names_and_folders(attached: Path) -> None:
    assert input_name(attached / "notebooks/me/run/kgnb-data") == "me/run"
    assert input_name(attached / "old/kgnb-data") == str(attached / "old/kgnb-data")
    assert not holds_all_inputs(attached / "datasets" / "stranger")
