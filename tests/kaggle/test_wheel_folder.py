"""`kgnb kaggle wheels`: what pip is asked for; fetching 200 MB is left to people."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from kgnb.core.errors import InputError, ServiceDown
from kgnb.kaggle import wheel_folder
from kgnb.kaggle.notebook_bundle import Wheel


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    calls: list[tuple[str, ...]] = []

    async def pip(*words: str) -> None:
        calls.append(words)
        assert words[0] == "wheel" or zipfile.is_zipfile(words[-2].partition("[")[0])

    async def own() -> Wheel:
        return Wheel("kgnb-9.9-py3-none-any.whl", {"kgnb-9.9.dist-info/METADATA": b"Name: kgnb"})

    monkeypatch.setattr(wheel_folder, "run_pip", pip)
    monkeypatch.setattr(wheel_folder, "own_wheel", own)
    monkeypatch.setattr(
        wheel_folder, "requirements", lambda _: {"jieba": ("0.42", "0.42.1"), "redis": ("5", "")}
    )
    return calls


async def test_each_image_gets_wheels_that_it_can_load(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    await wheel_folder.make_wheels(tmp_path / "made", "me")
    built, *downloads = asked
    assert built[-1] == "jieba==0.42.1"
    assert [words[words.index("--python-version") + 1] for words in downloads] == ["3.12", "3.13"]
    for words in downloads:
        assert (
            words[words.index("--only-binary") + 1] == ":all:"
        )  # nothing is built on a machine unlike theirs
        assert {"manylinux_2_35_x86_64", "manylinux2014_x86_64"} <= set(words)
        assert "manylinux_2_36_x86_64" not in words
        assert words[-2].endswith("kgnb-9.9-py3-none-any.whl[embedded]")
    facts = json.loads((tmp_path / "made" / "dataset-metadata.json").read_text("utf-8"))
    assert facts["id"] == "me/kgnb-wheels"


async def test_a_folder_that_cannot_be_written(asked: list[tuple[str, ...]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        await wheel_folder.make_wheels(tmp_path / "file", "me")
    assert asked == []


async def test_what_pip_says_is_told() -> None:
    with pytest.raises(ServiceDown, match="no-such-option"):
        await wheel_folder.run_pip("download", "--no-such-option")
