"""The house: twelve packages, imports that only go down, and one place that reads the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import kgnb
from tests.support.paths import ROOT

PACKAGE = Path(kgnb.__file__).parent
LEVELS = {
    "core": 0,
    **dict.fromkeys(("extract", "book"), 1),
    "graph": 2,
    **dict.fromkeys(("llm", "stores", "render"), 3),
    "worker": 4,
    **dict.fromkeys(("app", "kaggle"), 5),
    **dict.fromkeys(("cli", "notebook"), 6),
}
"""A package may import packages of lower levels only: none above it, none beside it."""
BARRED = {("worker", "render"), *(("llm", name) for name in ("extract", "book", "graph"))}
"""What a package doesn't import though it lies below: a node shows nothing itself, llm knows no books."""

ENVIRONMENT_READERS = {
    "core/settings.py",
    "core/host.py",
    "core/messages.py",  # KGNB_LANG alone: help loads no pydantic, which takes longer
}


MAX_PRIVATE = 50
"""Uses of private names in all tests together: what they test is to be seen from outside."""
NOT_PRIVATE = {"_replace", "_exit", "_repr_html_"}
"""Of named tuples, os and IPython, which document them."""


def modules() -> list[Path]:
    return sorted(path for name in LEVELS for path in (PACKAGE / name).rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in modules()}


def imports(path: Path) -> Iterator[str]:
    """Modules of kgnb that a module imports, inside functions and type checks too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "kgnb")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide the direction"
            if node.module and node.module.split(".")[0] == "kgnb":
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                yield from (name if name in MODULES else node.module for name in full)


def package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_nothing_lies_at_the_root() -> None:
    assert {p.name for p in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    folders = {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert folders == set(LEVELS)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = package(dotted(path))
    for name in imports(path):
        target = package(name)
        if target and target != own:  # the root itself gives the version only
            assert LEVELS[target] < LEVELS[own], f"{own} imports {name}"
            assert (own, target) not in BARRED, f"{own} imports {name}"


@pytest.mark.parametrize("name", LEVELS)
def test_a_package_says_what_it_may_import(name: str) -> None:
    said = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text("utf-8"))) or ""
    lower = (other for other in LEVELS if LEVELS[other] < LEVELS[name])
    below = sorted(other for other in lower if (name, other) not in BARRED)
    assert " ".join(said.split()).endswith(f"May import {', '.join(below) or 'no other package'}.")


def test_no_module_imports_itself_through_others() -> None:
    graph = {name: {n for n in imports(path) if n in MODULES and n != name} for name, path in MODULES.items()}
    list(TopologicalSorter(graph).static_order())


def test_one_place_reads_the_environment() -> None:
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers <= ENVIRONMENT_READERS


def test_no_test_leans_on_another_and_few_on_private_names() -> None:
    private = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert ".test_" not in (node.module or ""), f"{path} imports {node.module}"
                private += [(path, alias.name) for alias in node.names if is_private(alias.name)]
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                private += [(path, node.attr)] * (ast.unparse(node.value) not in ("self", "cls"))
    assert len(private) <= MAX_PRIVATE, "\n".join(f"{path}: {name}" for path, name in private)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in NOT_PRIVATE
