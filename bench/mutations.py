"""Small changes of Python and Lua that a test should notice: the mutants of :mod:`mutants`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import ROOT


@dataclass(frozen=True)
class Mutant:
    """``old`` at ``start`` of a file, replaced by ``new``; ``statement`` is the first and last line of the
    statement around it, ``name`` what this defines where it runs at import: then others' lines count."""

    path: str
    start: int
    old: str
    new: str
    statement: tuple[int, int] = (0, 0)
    name: str = ""

    def applied(self, text: str) -> str:
        """The file's text with the change."""
        assert text.startswith(self.old, self.start)
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def shown(self) -> str:
        """Place and change on one line."""
        above, _, left = (ROOT / self.path).read_text("utf-8")[: self.start].rpartition("\n")
        line = above.count("\n") + 1 + bool(above)
        before, after = (" ".join(one.split())[:70] for one in (self.old, self.new))
        return f"{self.path}:{line}:{len(left) + 1}: {before}  →  {after}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    text = (ROOT / path).read_text("utf-8")
    if path.suffix == ".py":
        yield from python_mutants(str(path), text)
    elif path.suffix == ".lua":
        yield from lua_mutants(str(path), text)


COMPARISONS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
OPERATORS: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.FloorDiv(),
    ast.Div: ast.Mult(),
}


def python_mutants(path: str, text: str) -> Iterator[Mutant]:
    offsets = [0]
    for line in text.encode().splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    raw = text.encode()

    def place(node: ast.expr | ast.stmt) -> tuple[int, str]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = offsets[node.lineno - 1] + node.col_offset
        end = offsets[node.end_lineno - 1] + node.end_col_offset
        return len(raw[:start].decode()), raw[start:end].decode()

    tree = ast.parse(text)
    names = names_at_import(tree)
    for node, statement in code_nodes(tree, tree):
        for changed in changes(node):
            start, old = place(node)
            new = ast.unparse(ast.fix_missing_locations(changed))
            lines = statement.lineno, node.end_lineno or node.lineno
            name = names.get(statement, "")
            yield Mutant(path, start, old, f"({new})" if isinstance(node, ast.expr) else new, lines, name)


def names_at_import(tree: ast.Module) -> dict[ast.stmt, str]:
    """What each statement outside of functions defines."""
    found: dict[ast.stmt, str] = {}
    for scope in ast.walk(tree):
        for one in scope.body if isinstance(scope, (ast.Module, ast.ClassDef)) else ():
            target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", one)
            found[one] = getattr(target, "id", "") or getattr(target, "name", "")
    return found


def code_nodes(node: ast.AST, around: Any) -> Iterator[tuple[ast.expr | ast.stmt, ast.stmt]]:
    """Statements and expressions that run, each with its statement; none that :func:`means_the_same`."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or means_the_same(node, child):
                continue
            statement = child if isinstance(child, ast.stmt) else around
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child, statement
            yield from code_nodes(child, statement)


def means_the_same(parent: ast.AST, child: ast.AST) -> bool:
    """Whether no change below ``child`` changes what kgnb does: texts, what is raised (only whether counts),
    arguments that make bugs loud, and amounts of ten or more (eleven seconds of patience do as well)."""
    match child:
        case ast.JoinedStr() | ast.Assert():
            return True
        case ast.Expr():
            return ast.unparse(child).startswith(("log.", "'", '"'))
        case ast.FunctionDef(name="__repr__" | "__str__"):
            return True
        case ast.keyword(arg="strict" | "repr" | "daemon"):
            return True
        case ast.Constant(int(value)) if value >= 10:
            return not isinstance(parent, (ast.Compare, ast.Set, ast.Tuple, ast.List, ast.Dict))
    return isinstance(parent, ast.Raise)


def changes(node: ast.expr | ast.stmt) -> Iterator[ast.AST]:
    """One changed copy for each way to change this very node."""
    match node:
        case ast.Compare(left, [operator], [right]) if type(operator) in COMPARISONS:
            yield ast.Compare(left, [COMPARISONS[type(operator)]], [right])
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            yield ast.BinOp(left, OPERATORS[type(operator)], right)
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value)):
            yield ast.Constant(value + 1)
        case ast.IfExp(test, body, other):
            yield ast.IfExp(test, other, body)
        case ast.Expr(ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete() | ast.Raise():
            yield ast.Pass()
        case ast.Return(value) if value is not None and not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Pass()


LUA = (
    *((r"==", "~="), (r"~=", "=="), (r"<=", "<"), (r">=", ">")),
    *((r"(?<=\s)<(?=\s)", "<="), (r"(?<=\s)>(?=\s)", ">="), (r"(?<= )\+(?= )", "-"), (r"(?<= )-(?= )", "+")),
    *((r"\band\b", "or"), (r"\bor\b", "and"), (r"\bnot ", "")),
    *((r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r"(?<=[ (,\[])\d+\b", "plus one")),
    (r"(?m)^\s*redis\.call\(.*\)$", ""),
)
"""Patterns in Lua and what takes their place; "plus one": the number that follows."""


def lua_mutants(path: str, text: str) -> Iterator[Mutant]:
    comments = [found.span() for found in re.finditer(r"--.*", text)]
    for pattern, new in LUA:
        for found in re.finditer(pattern, text):
            if not any(start <= found.start() < end for start, end in comments):
                changed = str(int(found[0]) + 1) if new == "plus one" else new
                yield Mutant(path, found.start(), found[0], changed)
