"""How many small changes of the code the tests notice, on a random sample (mutation testing).

    python bench/mutants.py [--count 40] [--seed N] [--minutes 30] [--only PATTERN] [--tests N] [--list]

The mutated files are those that kgnb's guarantees rest on: queue with its Lua, ledger, graph store, worker.
Each mutant changes one place of a copy of the tree; the tests that import the mutated module run on it, else
those that import its package. Tests that need services skip unless the environment of scripts/services.sh is
set. A mutant is noticed when a test fails, or hangs for ten times as long as without it.

Prints a line for each mutant with the counts so far, so that an interrupted run has a share too, and one JSON
object: mutants, noticed, share, seed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kit import ROOT, environment, tell

TARGETS = ("kgnb/stores/queue", "kgnb/stores/ledger", "kgnb/stores/graph", "kgnb/worker")
PATIENCE, LEAST_SECONDS = 10, 60
"""A mutant's tests may take this many times as long as they do without it, and at least so many seconds: the
machine may be busy with other work."""


class TestsBroken(Exception):
    """Tests fail without any mutant: on a busy machine, mostly."""


@dataclass(frozen=True)
class Mutant:
    """``old`` at ``start`` of a file, replaced by ``new``."""

    path: str
    start: int
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file's text with the change."""
        assert text.startswith(self.old, self.start)
        return text[: self.start] + self.new + text[self.start + len(self.old) :]

    def shown(self) -> str:
        """Place and change on one line."""
        line = (ROOT / self.path).read_text("utf-8").count("\n", 0, self.start) + 1
        before, after = (" ".join(one.split())[:70] for one in (self.old, self.new))
        return f"{self.path}:{line}: {before}  →  {after}"


def main() -> None:
    args = arguments()
    sources = (path for folder in TARGETS for path in sorted((ROOT / folder).rglob("*")))
    files = [path.relative_to(ROOT) for path in sources if path.suffix in (".py", ".lua")]
    mutants = [one for path in files if re.search(args.only, str(path)) for one in mutants_of(path)]
    seed = args.seed or random.randrange(10**6)
    random.Random(seed).shuffle(mutants)
    end, run, noticed = time.monotonic() + args.minutes * 60, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        for mutant in mutants[: args.count]:
            if args.list:
                print(mutant.shown())
                continue
            if time.monotonic() > end:
                break
            try:
                fate = is_noticed(mutant, copy, args.tests)
            except TestsBroken as error:
                print(f"left out {mutant.shown()}\n{error}", flush=True)
                continue
            run, noticed = run + 1, noticed + fate
            print(f"{noticed}/{run} {'noticed' if fate else 'SURVIVED'} {mutant.shown()}", flush=True)
    tell(
        {
            "of": len(mutants),
            "mutants": run,
            "noticed": noticed,
            "share": round(noticed / max(1, run), 3),
            "seed": seed,
        }
    )


def copied(folder: Path) -> Path:
    """A copy of the tree to change: the files that git knows."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def is_noticed(mutant: Mutant, copy: Path, most: int | None) -> bool:
    tests = tests_of(mutant.path)[:most]
    limit = max(LEAST_SECONDS, PATIENCE * usual_seconds(tests, copy))
    target = copy / mutant.path
    text = target.read_text("utf-8")
    target.write_text(mutant.applied(text), "utf-8")
    try:
        ran = run_tests(tests, copy, limit)
        return ran is None or ran.returncode != 0
    finally:
        target.write_text(text, "utf-8")


@cache
def usual_seconds(tests: tuple[str, ...], copy: Path) -> float:
    """How long the tests take without a mutant, under which they must pass."""
    began = time.monotonic()
    ran = run_tests(tests, copy, 3600)
    assert ran is not None
    if ran.returncode:
        raise TestsBroken(ran.stdout[-2000:])
    return time.monotonic() - began


def run_tests(tests: tuple[str, ...], copy: Path, limit: float) -> subprocess.CompletedProcess[str] | None:
    """Run the tests until one fails; None after ``limit`` seconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    given = {name: value for name, value in os.environ.items() if name.startswith("KGNB_TEST_")}
    env = environment() | given | {"PYTHONPATH": str(copy)}
    try:
        return subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return None


# --- which tests --------------------------------------------------------------------------------------------


@cache
def tests_of(path: str) -> tuple[str, ...]:
    """Tests that import the module, its own folder's first; else those that import its package."""
    if path.endswith(".lua"):
        path = f"kgnb/stores/queue/{'rate_limits' if path.endswith('/rate.lua') else 'store'}.py"
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, name = module.rpartition(".")
    own = re.compile(rf"from {re.escape(module)} import|from {re.escape(package)} import [^\n]*\b{name}\b")
    if name == "store" and package.endswith(".queue"):
        own = re.compile(rf"{own.pattern}|from tests.support.queues import")
    found = importers(own) or importers(re.compile(rf"\b{re.escape(package)}\b"))
    mirror = "tests/" + "/".join(path.split("/")[1:2])
    return tuple(sorted(found, key=lambda test: (not test.startswith(mirror), test)))


def importers(pattern: re.Pattern[str]) -> list[str]:
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(test.relative_to(ROOT)) for test in tests if pattern.search(test.read_text("utf-8"))]


# --- mutants ------------------------------------------------------------------------------------------------


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
    for node in code_nodes(tree):
        for changed in changes(node):
            start, old = place(node)
            new = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(path, start, old, f"({new})" if isinstance(node, ast.expr) else new)


def code_nodes(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Statements and expressions that run: no annotations, no texts for people, no calls of a logger."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or is_log(child) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":  # of zip: makes a bug loud, no more
                continue
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child
            yield from code_nodes(child)


def is_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith(("log.", "'", '"'))


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


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=40, help="mutants at most")
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: a random one, printed)")
    parser.add_argument("--minutes", type=float, default=30.0, help="no mutant begins later")
    parser.add_argument("--only", default="", metavar="PATTERN", help="files whose path has it")
    parser.add_argument(
        "--tests", type=int, help="test files a mutant at most, its own folder's first (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="only show the sample")
    return parser.parse_args()


if __name__ == "__main__":
    main()
