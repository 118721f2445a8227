"""What each piece of evidence about names is worth: ``python bench/ablate.py en|zh [SHARED]`` → ABLATION.md.

Each is left out in turn, the weights are learnt anew, and each book is scored with weights of the other
books; shown is how the means change. What raises no mean by 0.002 may go.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from collections.abc import Sequence
from pathlib import Path

import learn_names
from learn_names import ROOT, GoldBook, Language, books_of, cross_validate, language, learn, quick_judge

MEASURES = ("recall", "precision", "merged", "false_merges")


def means_without(books: Sequence[GoldBook], parts: Language, names: Sequence[str]) -> dict[str, float]:
    """Means of the books with weights of these pieces of evidence, learnt from the others."""
    with contextlib.redirect_stdout(io.StringIO()):
        return cross_validate(books, parts, names, show=False)


def main() -> None:
    """Writes the table of a language."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lang", choices=["zh", "en"])
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    args = parser.parse_args()
    learn_names.JUDGE = quick_judge(args.shared)
    parts = language(args.lang)
    books = books_of(args.lang, [args.shared / "data" / "novels"], parts)
    names = learn(books, parts)
    whole = means_without(books, parts, names)
    lines = [f"| all | {' | '.join(f'{whole[m]:.4f}' for m in MEASURES)} |"]
    for name in names:
        found = means_without(books, parts, [n for n in names if n != name])
        lines.append(f"| without {name} | {' | '.join(f'{found[m] - whole[m]:+.4f}' for m in MEASURES)} |")
        print(lines[-1], flush=True)
    write(args.lang, len(books), lines)


def write(lang: str, books: int, lines: Sequence[str]) -> None:
    """Put the table of a language into ABLATION.md."""
    path = ROOT / "bench" / "ABLATION.md"
    old = path.read_text("utf-8") if path.exists() else ""
    kept = [one for one in re.findall(r"(?ms)^## .*?(?=^## |\Z)", old) if not one.startswith(f"## {lang}\n")]
    head = "# What each piece of evidence about names is worth\n\nWritten by `python bench/ablate.py`.\n"
    table = [f"| {books} books, each with weights of the others | {' | '.join(MEASURES)} |", "|---" * 5 + "|"]
    new = "\n".join([f"## {lang}\n", *table, *lines]) + "\n"
    path.write_text("\n".join([head, *sorted([*(one.strip() + "\n" for one in kept), new])]), "utf-8")


if __name__ == "__main__":
    main()
