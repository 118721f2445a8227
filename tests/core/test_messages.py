"""Both files of texts say the same; code asks for no text that is missing, and for each that is there."""

from __future__ import annotations

import ast
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

import kgnb
from kgnb.core import errors
from kgnb.core.messages import Language, environment_language, say, say_or, texts, use_language
from kgnb.core.settings import Settings

PACKAGE = Path(kgnb.__file__).parent
LANGUAGES: tuple[Language, ...] = get_args(Language)
AREAS = {key.partition(".")[0] for key in texts("zh")}
ERRORS = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, errors.KgnbError)}

HOLE = "\0"
"""Stands in a composed string for what is known only when the program runs."""


# --- which language


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [
        ({}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "POSIX"}, "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE@euro"}, "en"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "KGNB_LANG": "zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "KGNB_LANG": "EN"}, "en"),
        ({"LANG": "en_US.UTF-8", "COLAB_RELEASE_TAG": "release-colab_1"}, "zh"),  # everybody's there
        ({"LANG": "en_US.UTF-8", "BINDER_LAUNCH_HOST": "mybinder.org"}, "en"),  # no notebook: a terminal
    ],
    ids=str,
)
def test_the_language_is_the_locales_where_none_is_set(
    variables: dict[str, str], spoken: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KGNB_LANG", "LC_ALL", "LC_MESSAGES", "LANG", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment_language() == spoken
    if variables.get("KGNB_LANG") != "EN":
        assert Settings.load().lang == spoken


# --- the files


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_a_string_with_something_in_it(language: Language) -> None:
    assert all(isinstance(text, str) and text.strip() for text in texts(language).values())


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(texts("zh")) == list(texts("en"))


def facts(text: str) -> set[str]:
    """The names in a text's braces. Raises ValueError for braces that str.format would refuse or misread."""
    found = set()
    for _, name, spec, conversion in string.Formatter().parse(text):
        if name is not None:
            if not name.isidentifier() or spec or conversion not in (None, "r"):
                raise ValueError(f"{{{name}}} in {text!r}")
            found.add(name)
    return found


@pytest.mark.parametrize("key", texts("zh"))
def test_both_languages_name_the_same_facts(key: str) -> None:
    assert facts(texts("zh")[key]) == facts(texts("en")[key])


@pytest.mark.parametrize(
    "text", ["{name", "name}", "{}", "{0}", "{na me}", "{name.real}", "{name:.1f}", "{name!s}", "{name!}"]
)
def test_malformed_braces_are_noticed(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        facts(text)


# --- the loader


def test_each_language_is_read_from_its_own_file() -> None:
    use_language("zh")
    assert say("word.created") == "等待中"
    assert say("node.task_closed", task=7, status="failed", seconds=1).count("失败") == 1
    use_language("en")
    assert say("word.created") == "waiting"
    assert say_or("word.created", "x") == "waiting"
    assert [say_or(key, "x") for key in ("word", "created", "panel.at")] == ["x"] * 3  # the last needs facts


def test_only_the_language_in_use_is_read() -> None:
    code = (
        "import kgnb, sys; assert 'tomllib' not in sys.modules\n"
        "from kgnb.core.messages import say, texts, use_language; print(texts.cache_info().currsize)\n"
        "use_language('en'); say('word.created'); print(texts.cache_info().currsize)\n"
        "texts('en'); print(texts.cache_info().currsize)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["0", "1", "1"]


# --- what code asks for


@cache
def trees() -> dict[str, ast.Module]:
    files = sorted(PACKAGE.rglob("*.py"))
    return {str(p.relative_to(PACKAGE)): ast.parse(p.read_text("utf-8")) for p in files}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    return ((path, node) for path, tree in trees().items() for node in ast.walk(tree))


def shapes(node: ast.expr) -> set[str]:
    """What a string expression may be, with HOLE for each part that isn't written in it."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.FormattedValue(value=value):
            return shapes(value)
        case ast.IfExp(body=one, orelse=other):
            return shapes(one) | shapes(other)
        case ast.JoinedStr(values=parts):
            return {"".join(found) for found in product(*map(shapes, parts))}
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return {a + b for a, b in product(shapes(left), shapes(right))}
    return {HOLE}


def filled(shape: str, text: str) -> tuple[str, ...] | None:
    """What stands in the holes of ``shape`` where it is ``text``."""
    found = re.fullmatch(re.escape(shape).replace(HOLE, "(.+)"), text)
    return found and found.groups()


@cache
def constants() -> dict[str, str]:
    """Each string in the package's code, Lua's included, and where one of it is."""
    found = {}
    for path, node in nodes():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found[node.value] = path
    for file in PACKAGE.rglob("*.lua"):
        found |= dict.fromkeys(re.findall(r"'([\w.]+)'", file.read_text("utf-8")), file.name)
    return found


@cache
def words() -> set[str]:
    """What a hole may be filled with: strings of the package, and names of its classes and their fields."""
    found = {text.lstrip(">-").replace("-", "_") for text in constants()}  # an option's name too
    for file in PACKAGE.rglob("source/*.js"):  # the explorer's, whose words come with the page
        found.update(f"explorer.{word}" for word in re.findall(r'"([a-z_]+)"', file.read_text("utf-8")))
    page = (PACKAGE / "render" / "explorer" / "explorer.html").read_text("utf-8")
    found.update(f"explorer.{word.lower()}" for word in re.findall("@@([A-Z_]+)@@", page))
    found |= {word for text in constants() for word in re.findall("[A-Z]{2,}", text)}  # of help's NAME=VALUE
    for _, node in nodes():
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {word.lower() for word in found}


@cache
def composed() -> set[str]:
    """Shapes of the package's composed strings that could be keys or ends of keys."""
    found = {
        shape
        for _, node in nodes()
        if isinstance(node, ast.JoinedStr | ast.BinOp)
        for shape in shapes(node)
        if HOLE in shape
    }
    return {s for s in found if re.fullmatch(r"[\w.]*[A-Za-z][\w.]*", s.replace(HOLE, ""))}


def sayable(text: str) -> bool:
    """Whether ``text`` is written in the code, or composed of what is."""
    return text.lower() in words() or any(
        all(map(sayable, parts)) for shape in composed() if (parts := filled(shape, text))
    )


def asked() -> Iterator[tuple[str, str]]:
    """The shapes that are handed to ``say`` or to an error, and where."""
    for path, node in nodes():
        if isinstance(node, ast.Call) and node.args and not isinstance(node.args[0], ast.Starred):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name == "say" or name in ERRORS:
                yield from ((shape, path) for shape in shapes(node.args[0]))


def test_every_text_asked_for_exists() -> None:
    keys = texts("zh")
    missing = [
        (shape, path) for shape, path in asked() if not any(filled(shape, key) is not None for key in keys)
    ]
    assert not missing


def test_what_looks_like_a_key_is_one() -> None:
    """Keys that go through a variable or a dict before they are asked for."""
    ends = {"com", "css", "html", "js", "json", "log", "txt"}  # names of files and hosts
    like = re.compile(rf"({'|'.join(AREAS)})\.([A-Za-z]\w*[A-Za-z])")
    odd = {
        (text, path)
        for text, path in constants().items()
        if (found := like.fullmatch(text)) and found[2] not in ends and text not in texts("zh")
    }
    assert not odd


def test_every_text_is_asked_for() -> None:
    unused = [key for key in texts("zh") if key not in constants() and not sayable(key)]
    assert not unused


def test_a_text_points_to_pages_of_its_own_language() -> None:
    root = PACKAGE.parent
    for language in LANGUAGES:
        for key, text in texts(language).items():
            for page in re.findall(r"docs/[\w/.-]+\.md", text):
                assert (root / page).is_file(), (key, page)
                assert page.startswith("docs/en/") == (language == "en"), (key, page)
