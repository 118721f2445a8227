"""Numbers that docstrings tell behind a constant's name are the constant's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import kgnb

TOLD = re.compile(r"(?:\w+\.)*\b([A-Z][A-Z_]+)(?:``|`)? \(([\d,.]*\d)\)")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOT = Path(kgnb.__file__).parent


def constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    for one in tree.body:
        match one:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                yield name, value


def test_numbers_behind_constants() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in ROOT.rglob("*.py")}
    everywhere: dict[str, set[object]] = {}
    for tree in trees.values():
        for name, value in constants(tree):
            everywhere.setdefault(name, set()).add(value)
    found, wrong = 0, []
    for path, tree in trees.items():
        own = dict(constants(tree))
        for node in ast.walk(tree):
            text = ast.get_docstring(node) if isinstance(node, FUNCTIONS) else None
            for name, number in TOLD.findall(" ".join((text or "").split())):
                found += 1
                known = {own[name]} if name in own else everywhere.get(name, set())
                if float(number.replace(",", "")) not in known:
                    wrong.append(f"{path.relative_to(ROOT)}: {name} ({number})")
    assert found > 30
    assert wrong == []
