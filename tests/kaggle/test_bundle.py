"""The notebook that carries kgnb, and what is refused before it leaves."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import lzma
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import pytest
from pydantic import SecretStr

import kgnb
from kgnb.core.errors import InputError
from kgnb.kaggle import notebook_bundle
from kgnb.kaggle.cells import cell_text
from kgnb.kaggle.notebook_bundle import Wheel
from kgnb.kaggle.secret_check import check_secrets
from tests.support.commands import environment
from tests.support.paths import ROOT
from tests.support.patience import SLOWEST


def notebook(*sources: str, **more: Any) -> dict[str, Any]:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=cells))) | more


class Unsaid(ast.NodeTransformer):
    """Takes out statements that are a mere string or number."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and node.value.value is not ... else node


def public_docs(tree: ast.Module) -> list[str | None]:
    """The docstrings that help() shows."""
    named = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    return [ast.get_docstring(one) for one in (tree, *named) if not getattr(one, "name", "").startswith("_")]


def lines(tree: ast.Module) -> list[int]:
    """The lines that tracebacks tell."""
    return [getattr(node, "lineno", 0) for node in ast.walk(tree)]


class TestWheel:
    def test_is_this_kgnb_with_its_notebooks(self, wheel: Wheel) -> None:
        files = wheel.files
        assert files["kgnb/kaggle/notebook_bundle.py"] == Path(notebook_bundle.__file__).read_bytes()
        assert {f"kgnb/notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")} <= files.keys()
        assert not [name for name in files if "tests" in name or ".env" in name]

    def test_its_text_has_every_file(self, wheel: Wheel) -> None:
        packed = base64.b85decode("".join(wheel.text.split()))
        parts = lzma.decompress(packed).decode("gb18030").split("\0")
        carried = dict(zip(parts[::2], parts[1::2], strict=True))
        (metadata_file,) = (name for name in carried if name.endswith("/METADATA"))
        files = {name: data.decode() for name, data in wheel.files.items()}
        assert files.pop(metadata_file).startswith(carried.pop(metadata_file) + "\n\n")
        assert carried.keys() == files.keys()
        for name, text in files.items():
            if name.endswith(".py"):
                compile(carried[name], name, "exec")
                kept, whole = (ast.parse(one) for one in (carried[name], text))
                if name in notebook_bundle.DOCUMENTED:
                    assert public_docs(kept) == public_docs(whole), name
                else:
                    assert not any(public_docs(kept)), name
                kept, whole = (Unsaid().visit(one) for one in (kept, whole))
                assert ast.dump(kept) == ast.dump(whole), name
                assert lines(kept) == lines(whole), name
            else:
                assert carried[name] == text, name

    def test_help_shows_what_the_root_exports(self) -> None:
        homes = {f"{home.replace('.', '/')}.py" for home in kgnb._HOME.values()}
        assert homes <= notebook_bundle.DOCUMENTED

    def test_pins_what_is_installed_here(self, wheel: Wheel) -> None:
        found = notebook_bundle.requirements(wheel)
        assert found["redis"] == ("5.0.2", metadata.version("redis"))
        assert "jieba" in found
        assert not {"ipywidgets", "kaggle"} & found.keys()  # the place's own are never touched
        assert "jieba" not in notebook_bundle.requirements(wheel, ())

    def test_an_installed_one_is_put_together_again(self, wheel: Wheel, tmp_path: Path) -> None:
        made, site = wheel.write(tmp_path), tmp_path / "site"
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "-t", site, made]
        subprocess.run(pip, check=True, timeout=60 * SLOWEST)
        code = (
            "import asyncio, sys; from pathlib import Path; from kgnb.kaggle import notebook_bundle as nb\n"
            "print(nb.PACKAGE); asyncio.run(nb.own_wheel()).write(Path(sys.argv[1]))"
        )
        (tmp_path / "again").mkdir()
        command = [sys.executable, "-P", "-c", code, tmp_path / "again"]
        env = environment(PYTHONPATH=str(site))
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60 * SLOWEST)
        assert ran.stdout.strip() == str(site / "kgnb"), ran.stderr
        with zipfile.ZipFile(tmp_path / "again" / wheel.name) as archive:
            again = {name: archive.read(name) for name in archive.namelist() if "/RECORD" not in name}
        assert again == wheel.files

    def test_it_is_what_a_build_of_the_checkout_makes(self, wheel: Wheel, tmp_path: Path) -> None:
        options = ("-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT)
        subprocess.run([sys.executable, "-m", "pip", "wheel", *options], check=True, timeout=180 * SLOWEST)
        with zipfile.ZipFile(tmp_path / wheel.name) as archive:
            names = {name for name in archive.namelist() if "/RECORD" not in name}
        assert names == wheel.files.keys()

    def test_without_an_installation_it_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(_: str) -> None:
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(metadata, "distribution", nothing)
        with pytest.raises(InputError, match="kgnb"):
            asyncio.run(notebook_bundle.own_wheel())


class TestBundle:
    def test_outputs_widgets_and_metadata_stay_here(self, small_wheel: Wheel) -> None:
        dirty = notebook("print('a')", metadata={"widgets": {"state": "canary"}, "papermill": "canary"})
        output = {"output_type": "stream", "name": "stdout", "text": "canary"}
        dirty["cells"][0] |= {"outputs": [output], "execution_count": 7, "metadata": {"tags": ["canary"]}}
        dirty["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": ["# a\n", "b"]})
        dirty["cells"][0]["attachments"] = {"a.png": {"image/png": "canary"}}
        text = notebook_bundle.written(notebook_bundle.bundled(dirty, small_wheel))
        assert "canary" not in text
        made = nbformat.reads(text, as_version=4)
        nbformat.validate(made)
        assert made.metadata.kernelspec.name == "python3"
        assert [c.source for c in made.cells][::2] == ["# a\nb", "print('a')"]  # ours lies between

    def test_is_below_the_limit(self, wheel: Wheel) -> None:
        largest = max((ROOT / "notebooks").glob("*.ipynb"), key=lambda path: path.stat().st_size)
        one = notebook_bundle.read_notebook(largest)
        text = notebook_bundle.written(notebook_bundle.bundled(one, wheel))
        assert len(text) < 0.95 * notebook_bundle.MOST_BYTES  # with room for a book of some 15,000 characters

    def test_is_the_same_each_time(self, small_wheel: Wheel) -> None:
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            one = notebook_bundle.read_notebook(path)
            text = notebook_bundle.written(notebook_bundle.bundled(one, small_wheel))
            again = notebook_bundle.bundled(json.loads(text), small_wheel)
            assert notebook_bundle.written(again) == text  # packed again: one wheel

    def test_too_large(self, small_wheel: Wheel) -> None:
        with pytest.raises(InputError, match="900"):
            notebook_bundle.written(notebook_bundle.bundled(notebook("字" * 160_000), small_wheel))

    def test_variables_are_set_and_never_code(self, small_wheel: Wheel) -> None:
        value = '"\n}; import os; os.abort() #\\'
        made = notebook_bundle.bundled(
            notebook("1"), small_wheel, variables={"KGNB_LANG": "en", "KGNB_X": value}
        )
        setting, _, _ = made["cells"][0]["source"].partition("\n    def here(")
        code = f"{setting}\n    print(repr(os.environ['KGNB_X']), os.environ['KGNB_LANG'])\n_install_kgnb('')"
        ran = subprocess.run(
            [sys.executable, "-c", "import sys; exec(compile(sys.stdin.read(), 'cell', 'exec'))"],
            input=code,
            env=environment(KGNB_LANG="zh"),
            capture_output=True,
            text=True,
            timeout=30 * SLOWEST,
        )
        assert ran.stdout == f"{value!r} zh\n", ran.stderr  # what a person set by hand stays

    @pytest.mark.parametrize(
        "text", ["", "[]", "{}", '{"nbformat": 3, "cells": []}', '{"nbformat": 4, "cells": [{"source": 5}]}']
    )
    def test_what_is_no_notebook(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "a.ipynb").write_text(text)
        with pytest.raises(InputError, match=r"a\.ipynb"):
            notebook_bundle.read_notebook(tmp_path / "a.ipynb")

    def test_names(self, tmp_path: Path) -> None:
        assert notebook_bundle.notebook_path("quickstart") == ROOT / "notebooks" / "quickstart.ipynb"
        with pytest.raises(InputError, match="quickstart"):
            notebook_bundle.notebook_path("nonesuch")
        with pytest.raises(InputError, match=r"no\.ipynb"):
            notebook_bundle.notebook_path(str(tmp_path / "no.ipynb"))


class TestSecrets:
    @pytest.mark.parametrize(
        "source",
        [
            "key = 'sk-" + "a1B2" * 8 + "'",
            "url = 'redis://:hunter22@redis.example:6379/0'",
            "url = 'mysql://root:hunter22@db.example/novel'",
            "os.environ['DB_PASSWORD'] = 'hunter2hunter2'",
            'Settings.load(neo4j_password="hunter2hunter2")',
            "os.environ.setdefault('OPENAI_API_KEY', 'abcdefgh1234')",
            "x = '" + "ghp_" + "a" * 36 + "'",
            "-----BEGIN RSA PRIVATE KEY-----",
            '{"username":"reader","key":"' + "0123456789abcdef" * 2 + '"}',
        ],
    )
    def test_looks(self, source: str, small_wheel: Wheel) -> None:
        with pytest.raises(InputError) as caught:
            check_secrets(notebook("1", source), small_wheel, {})
        assert "2" in str(caught.value)
        assert "hunter" not in str(caught.value)

    @pytest.mark.parametrize(
        "source",
        [
            "key = os.environ['OPENAI_API_KEY']",
            "password = ''",
            "os.environ['KGNB_SECRETS_DATASET'] = 'reader/keys'",
            "api_key = getpass('API key: ')",
            "redis://user:password…@host",
            "os.environ['DB_PASSWORD'] = '你的密码'",
            "book.ask('MATCH (c:Character {novel_id: $novel}) RETURN c')",
        ],
    )
    def test_looks_harmless(self, source: str, small_wheel: Wheel) -> None:
        check_secrets(notebook(source), small_wheel, {})

    def test_packed_text_that_looks_like_a_key_by_chance(self, small_wheel: Wheel) -> None:
        looks = "x!sk-" + "a1B2" * 8
        cell = cell_text("books_carried.py.txt", text=looks)
        check_secrets(notebook(cell), small_wheel, {})
        with pytest.raises(InputError, match="1"):
            check_secrets(notebook(f"{cell}\nx = '{looks}'"), small_wheel, {})

    def test_variables_are_looked_at_too(self, small_wheel: Wheel) -> None:
        made = notebook_bundle.bundled(notebook("1"), small_wheel, variables={"KGNB_X": "sk-" + "a1B2" * 8})
        with pytest.raises(InputError, match="1"):
            check_secrets(made, small_wheel, {})

    def test_our_own_notebooks_pass(self, small_wheel: Wheel) -> None:
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            made = notebook_bundle.bundled(notebook_bundle.read_notebook(path), small_wheel)
            check_secrets(made, small_wheel, {"REDIS_PASSWORD": SecretStr("correct-horse-9")})

    def test_values_of_the_environment(self, small_wheel: Wheel) -> None:
        known = {"REDIS_PASSWORD": SecretStr("correct-horse-9"), "WORD": SecretStr("password")}
        check_secrets(notebook("# password"), small_wheel, known)
        with pytest.raises(InputError, match="REDIS_PASSWORD") as caught:
            check_secrets(notebook("x = ['correct-horse-9']"), small_wheel, known)
        assert "horse" not in str(caught.value)

    def test_values_in_the_wheel(self) -> None:
        wheel = Wheel("kgnb.whl", {"kgnb/.env": b"REDIS_PASSWORD=correct-horse-9"})
        known = {"REDIS_PASSWORD": SecretStr("correct-horse-9")}
        with pytest.raises(InputError, match=r"kgnb/\.env"):
            check_secrets(notebook("1"), wheel, known)
