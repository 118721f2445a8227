"""kernel-metadata.json: what is refused before Kaggle refuses, ignores or misreads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.errors import InputError
from kgnb.kaggle import kernel_metadata
from tests.support.paths import ROOT

META = {**kernel_metadata.TEMPLATE, "id": "reader/some-notebook", "title": "Some notebook"}


class TestMetadata:
    def test_the_template_is_the_repositorys(self) -> None:
        assert json.loads((ROOT / "kernel-metadata.json").read_text("utf-8")) == kernel_metadata.TEMPLATE

    def test_good(self) -> None:
        kernel_metadata.check_metadata(META)
        kernel_metadata.check_metadata(
            {**META, "is_private": "true", "enable_internet": "True", "machine_shape": "x"}
        )
        kernel_metadata.check_metadata(
            {**META, "title": "三国演义 graph", "id": "reader/san-guo-yan-yi-graph"}
        )

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            ({"enable_intrnet": True}, "enable_internet"),
            ({"id": "INSERT_YOUR_USERNAME/some-notebook"}, "--owner"),
            ({"id": "some-notebook"}, "some-notebook"),
            ({"id": "reader/some-notebook/2"}, "some-notebook/2"),
            ({"id": "reader/another"}, "some-notebook"),
            ({"title": "abc", "id": "reader/abc"}, "abc"),
            ({"title": "a" * 51, "id": "reader/" + "a" * 51}, "50"),
            ({"enable_internet": "no"}, "enable_internet"),
            ({"enable_gpu": "yes"}, "enable_gpu"),
            ({"language": "r"}, "language"),
            ({"kernel_type": "script"}, "kernel_type"),
            ({"dataset_sources": "reader/novels"}, "dataset_sources"),
            ({"keywords": [1]}, "keywords"),
        ],
    )
    def test_refused(self, change: dict[str, Any], word: str) -> None:
        with pytest.raises(InputError) as caught:
            kernel_metadata.check_metadata({**META, **change})
        assert word in str(caught.value)

    @pytest.mark.parametrize("off", [False, "False"])
    def test_without_internet_only_with_wheels(self, off: object) -> None:
        offline = {**META, "enable_internet": off, "dataset_sources": ["reader/wheels"]}
        for wheels in (None, "reader/others"):
            with pytest.raises(InputError, match="enable_internet"):
                kernel_metadata.check_internet(offline, wheels)
        kernel_metadata.check_internet(offline, "reader/wheels")
        kernel_metadata.check_internet(META, None)

    @pytest.mark.parametrize("text", ["", "[]", "{"])
    def test_broken_files(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "m.json").write_text(text)
        with pytest.raises(InputError):
            kernel_metadata.read_metadata(tmp_path / "m.json")

    def test_a_chinese_titles_slug_is_cut_to_what_kaggle_takes(self) -> None:
        title, slug = kernel_metadata.title_and_slug("kgnb 二十年目睹之怪现状全本校注增订版第一部", " +2")
        assert len(slug) <= 50
        assert title.isascii()
        assert title.endswith(" 2")
        assert kernel_metadata.slug_of(title) == slug
        kernel_metadata.check_metadata({**META, "title": title, "id": f"reader/{slug}"})

    def test_names_of_runs(self) -> None:
        for name in ("kgnb-worker", "me/kgnb-worker", "me/kgnb-worker/3"):
            assert kernel_metadata.check_kernel(name) == name
        for name in ("--help", "", "a b", "../x", "me/x/y", "我/x"):
            with pytest.raises(InputError):
                kernel_metadata.check_kernel(name)
