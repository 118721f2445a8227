"""Notebooks that work alone: what the cell that carries kgnb changes, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.kaggle import notebook_bundle
from kgnb.kaggle.notebook_bundle import Wheel
from tests.support.paths import ROOT

FILES = {"kgnb/书.py": "书 = '读书 ★'\r\n", "kgnb-9.9.dist-info/METADATA": "Name: kgnb\nVersion: 9.9"}


WHEEL = Wheel("kgnb-9.9-py3-none-any.whl", {path: text.encode() for path, text in FILES.items()})
PIP = """#!{python}
import json, sys
with open({log!r}, "a") as file:
    pinned = open(sys.argv[sys.argv.index("-c") + 1]).read().split()
    file.write(json.dumps([sys.argv[3:], pinned]) + "\\n")
sys.exit({code!r})
"""


class Pip:
    """Stands in for this Python, of which the cell calls only pip: records the calls and fails at will."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log, self.path, self.python = folder / "calls", folder / "python", sys.executable
        self.answer(0)
        monkeypatch.setattr(sys, "executable", str(self.path))

    def answer(self, code: int | str) -> None:
        """Ends with ``code``; with 1 and the words on stderr, if it is words."""
        self.path.write_text(PIP.format(python=self.python, log=str(self.log), code=code))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[Any]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pip:
    return Pip(tmp_path, monkeypatch)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> str:
    """The cell of a kgnb that isn't the one here; without the import that follows the installation."""
    monkeypatch.setattr(notebook_bundle, "__version__", "9.9")
    monkeypatch.setattr(
        notebook_bundle, "requirements", lambda _: {"redis": ("0.1", "1.0"), "no-such-package": ("0", "2.0")}
    )
    code = notebook_bundle.install_code(WHEEL, {})
    assert WHEEL.text in code
    return code.partition("\nimport kgnb\n")[0]


def test_what_is_here_stays_as_it_is(pip: Pip, cell: str) -> None:
    exec(compile(cell, "cell", "exec"), {})
    ((words, pinned),) = pip.calls
    from importlib.metadata import version

    assert {f"redis=={version('redis')}", f"pydantic=={version('pydantic')}"} <= set(pinned)
    assert not [one for one in pinned if one.startswith("kgnb")]  # an older one may be replaced
    assert words[-1] == "no-such-package==2.0"  # only what is missing comes as tested
    assert "redis==1.0" not in words
    assert not {"--upgrade", "-U", "--force-reinstall"} & set(words)


@pytest.mark.parametrize(
    ("lowest", "limit"), [("0.1", "=={here}"), ("5.0", "=={here}"), ("999.2", "<1000")], ids=str
)
def test_only_what_is_too_old_is_changed_and_within_its_major_version(
    pip: Pip, lowest: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import version

    monkeypatch.setattr(notebook_bundle, "__version__", "9.9")
    needs = {"redis": (lowest, "999.9"), "PyMySQL": ("0.1", "1.0")}
    monkeypatch.setattr(notebook_bundle, "requirements", lambda _: needs)
    code = notebook_bundle.install_code(WHEEL, {}).partition("\nimport kgnb\n")[0]
    exec(compile(code, "cell", "exec"), {})
    ((words, pinned),) = pip.calls
    assert "redis" + limit.format(here=version("redis")) in pinned
    assert f"pymysql=={version('PyMySQL')}" in pinned
    assert words[-1].startswith("/")  # the wheel: no version of anything is asked for
    assert not [one for one in pinned if one.startswith("redis") and limit.startswith("<") and "==" in one]


def test_from_pypi_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGNB_LANG", "zh")
    monkeypatch.delenv("OPENAI_MODEL", raising=False)
    variables = {"KGNB_LANG": "en", "OPENAI_MODEL": '"\n} import os #'}
    notebook = {"cells": [{"cell_type": "code", "id": "install", "source": "print(1)"}]}
    (cell,) = notebook_bundle.bundled(notebook, None, variables=variables)["cells"]
    (install,) = [line for line in cell["source"].splitlines() if line.startswith("%")]
    assert install == f'%pip install -q "kgnb[embedded]=={kgnb.__version__}"'
    exec(cell["source"].replace(install, ""), {})
    assert (os.environ["KGNB_LANG"], os.environ["OPENAI_MODEL"]) == ("zh", variables["OPENAI_MODEL"])


def test_the_wheel_has_what_is_needed_to_install_it(pip: Pip, cell: str) -> None:
    exec(compile(cell, "cell", "exec"), {})
    (path,) = [word.partition("[")[0] for word in pip.calls[0][0] if ".whl" in word]
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name).decode() for name in archive.namelist()}
    assert sorted(found.pop("kgnb-9.9.dist-info/RECORD").split()) == sorted(f"{name},," for name in FILES)
    assert found == FILES


def test_versions_that_do_not_fit_here_are_left_to_pip_and_no_network_is_told(pip: Pip, cell: str) -> None:
    pip.answer(1)
    with pytest.raises(RuntimeError, match="Internet"):
        exec(compile(cell, "cell", "exec"), {})
    (first, pinned), (second, same), (third, fewer) = pip.calls
    assert first[:-1] == second == third
    assert pinned == same
    lost = {line.partition("==")[0] for line in set(pinned) - set(fewer)}
    assert lost == {"redis"}  # what kgnb itself needs may be too old here; nothing else gives way


def test_without_network_pip_waits_in_vain_once_only(pip: Pip, cell: str) -> None:
    pip.answer(
        "WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NameResolutionError'"
    )
    with pytest.raises(RuntimeError, match="phone"):
        exec(compile(cell, "cell", "exec"), {})
    assert len(pip.calls) == 1


def test_offline_only_the_named_dataset_is_used(
    pip: Pip, cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exec(compile(cell, "cell", "exec"), {})
    assert not any("kaggle" in word for word in pip.calls[-1][0])
    monkeypatch.setenv("KGNB_WHEELS", str(tmp_path))
    exec(compile(cell, "cell", "exec"), {})
    words = pip.calls[-1][0]
    assert words[words.index("--no-index") :][:3] == ["--no-index", "--find-links", str(tmp_path)]
    monkeypatch.setenv("KGNB_WHEELS", "me/not-attached")
    with pytest.raises(RuntimeError, match="me/not-attached"):
        exec(compile(cell, "cell", "exec"), {})
    assert len(pip.calls) == 2


@pytest.mark.parametrize("name", ["quickstart", "worker", "explore"])
def test_the_committed_notebooks_install_from_what_the_user_named(name: str, cell: str) -> None:
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8"))["cells"]
    (install,) = ("".join(one["source"]) for one in cells if one.get("id") == "install")
    assert 'KGNB = "..[embedded' in install
    everything = "".join("".join(one["source"]) for one in cells if one["cell_type"] == "code")
    assert "/kaggle/input" not in everything.replace("/kaggle/input/books/book.txt", "")
    assert "subprocess" not in everything
    made = notebook_bundle.bundled({"cells": cells}, WHEEL)
    assert [one for one in made["cells"] if "KGNB =" in one["source"]] == []  # in its place
    assert "import kgnb" in made["cells"][1]["source"]


def test_badges_have_one_source() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["kgnb"]
    assert set(settings) == {"repository", "branch"}
    assert os.access(ROOT / "scripts" / "notebooks.sh", os.X_OK)
