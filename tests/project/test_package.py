"""What goes to PyPI: source archive, wheel, their metadata, and the workflow that publishes them."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest
import yaml
from trove_classifiers import classifiers

import kgnb
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST


def build(root: Path, target: str, into: Path) -> Path:
    """Builds the sdist or wheel of the project in ``root``; returns the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120 * SLOWEST)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(build(ROOT, "sdist", folder / "dist")) as archive:
        archive.extractall(folder)  # just made from this checkout
    return folder / f"kgnb-{kgnb.__version__}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def about(wheel: Path) -> Message:
    (metadata,) = [data for name, data in contents(wheel).items() if name.endswith("/METADATA")]
    return email.message_from_bytes(metadata)


def test_the_source_archive_makes_the_same_wheel(source: Path, wheel: Path, tmp_path: Path) -> None:
    assert contents(build(source, "wheel", tmp_path)) == contents(wheel)


def test_neither_holds_tests_caches_or_settings(source: Path, wheel: Path) -> None:
    names = [str(path.relative_to(source)) for path in source.rglob("*")] + list(contents(wheel))
    assert not [
        name for name in names if name.startswith(("tests", "bench", ".env")) or "__pycache__" in name
    ]
    assert {"README.md", "LICENSE", "CHANGELOG.md"} <= set(names)


def test_the_metadata_says_what_pypi_shows(about: Message) -> None:
    assert (about["Name"], about["Version"]) == ("kgnb", kgnb.__version__)
    assert about["Requires-Python"] == ">=3.11"
    assert about["License-Expression"] == "MIT"
    assert about["Author"] or about["Author-email"]
    assert about["Description-Content-Type"] == "text/markdown"
    assert set(about.get_all("Classifier") or ()) <= set(classifiers)
    assert f"## {kgnb.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_workflow_publishes_without_a_token() -> None:
    text = (ROOT / ".github" / "workflows" / "publish.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    assert jobs["pypi"]["environment"] == "pypi"
    assert not [
        name for name, job in jobs.items() if name != "pypi" and "id-token" in job.get("permissions", {})
    ]
    assert "secrets." not in text
    assert "password" not in text
