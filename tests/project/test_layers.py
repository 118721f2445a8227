"""Imports go down only, and only two modules read the environment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kgnb

PACKAGE = Path(kgnb.__file__).parent
FLOORS = {
    0: ["model", "errors", "texts", "oneline", "batch", "loops", "fold"],
    1: ["settings", "where", "credentials"],
    2: [
        *["extract", "llm", "store", "book", "headings", "epub", "embedded", "exchange", "picture"],
        *[
            "layout",
            "drawing",
            "settle",
            *("gather", "properties"),
            "protagonists",
            "kinds",
            "spelling",
            "who",
            "pool",
            "health",
            "keys",
            "logs",
            "kaggle",
            "parcel",
            "charset",
            "markup",
            "division",
            *("alias", "naming", "joining", "namelist", "naming_words", "builder"),
            "cast",
            "figure",
            "still",
            "resume",
            *("explore", "answers", "chart", "pair"),
        ],
    ],
    3: [
        "ask",
        "gate",
        "settling",
        "rehearsal",
        "chapter",
        "task",
        "node",
        "slots",
        "providers",
        "upkeep",
        "reconcile",
        "session",
    ],
    4: [
        "app",
        "building",
        "report",
        "shelf",
        "overview",
        "inspecting",
        "board",
        "operating",
        "serving",
        "farewell",
        "farewell_page",
        "tally",
        "recent",
        "children",
        "queueing",
        *("resettle", "deciding", "carrying", "costing", "estimating", "checkup"),
        "providing",
        "metrics",
    ],
    5: [
        "cli",
        "cli_parts",
        "cli_status",
        "cli_tasks",
        "cli_chapter",
        "cli_providers",
        "cli_names",
        "cli_kaggle",
        *("cli_cost", "cli_doctor"),
        "cli_health",
        "cli_exchange",
        "__main__",
        "progress",
        "sync",
        "notebook",
        "stint",
        "hooks",
        "child",
        "__init__",
        "widgets",
    ],
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
ENVIRONMENT_READERS = {"settings", "where"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The first name below the package: what has a floor."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Names of kgnb's parts that a module imports, inside functions and type checks too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module] if node.module != "kgnb" else [f"kgnb.{a.name}" for a in node.names]
        else:
            continue
        yield from (n.split(".")[1] for n in names if n.startswith("kgnb.") and n != "kgnb.__version__")


def test_every_module_has_a_floor() -> None:
    assert {part(p) for p in modules()} <= set(FLOOR_OF)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    own = part(path)
    for name in imports(ast.parse(path.read_text("utf-8"))):
        assert FLOOR_OF[name] <= FLOOR_OF[own], f"{own} (floor {FLOOR_OF[own]}) imports {name}"


def test_no_import_cycle_between_parts() -> None:
    graph: dict[str, set[str]] = {}
    for path in modules():
        graph.setdefault(part(path), set()).update(
            n for n in imports(ast.parse(path.read_text("utf-8"))) if n != part(path)
        )
    graph.pop("__init__")
    while ready := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in ready:
            del graph[name]
    assert not graph, f"cycle among {sorted(graph)}"


def test_only_settings_and_where_read_the_environment() -> None:
    readers = {
        part(path)
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers <= ENVIRONMENT_READERS
