"""Draw public functions of kgnb at random and print their signatures and docstrings, without their code.

    python scripts/draw_functions.py [--count 40] [--seed 1] [--answers]

A reader that has never seen the code is to say what each returns for three given inputs: what the reader
can't say is missing from the docstring, or from the names. ``--answers`` prints the code too.
"""

from __future__ import annotations

import argparse
import ast
import random
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "kgnb"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def returns(function: Function) -> bool:
    return function.returns is not None and ast.unparse(function.returns) != "None"


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """The module's public functions and methods that return something, each with its dotted name."""
    module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)

    def of(node: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, Function]]:
        for child in node.body:
            if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
                yield from of(child, f"{name}.{child.name}")
            elif isinstance(child, Function) and not child.name.startswith("_") and returns(child):
                yield f"{name}.{child.name}", child

    yield from of(ast.parse(path.read_text("utf-8")), module)


def shown(name: str, function: Function, *, code: bool) -> str:
    """The function's name, signature and docstring, or all of it."""
    head = (
        f"def {name}({ast.unparse(function.args)}) -> {ast.unparse(function.returns or ast.Constant(None))}"
    )
    doc = ast.get_docstring(function) or "(no docstring)"
    body = f"\n{ast.unparse(function)}" if code else ""
    return f"{head}\n    " + doc.replace("\n", "\n    ") + body


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--answers", action="store_true", help="print the code too")
    args = parser.parse_args()
    found = [one for path in sorted(ROOT.rglob("*.py")) for one in functions(path)]
    drawn = random.Random(args.seed).sample(found, min(args.count, len(found)))
    for number, (name, function) in enumerate(drawn, 1):
        print(f"{number}. {shown(name, function, code=args.answers)}\n")


if __name__ == "__main__":
    main()
