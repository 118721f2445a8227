"""What each way to state a tie is worth: ``python bench/ablate_ties.py en|zh [SHARED]`` → ABLATION.md.

Each frame of data/ties.toml is left out in turn. Shown is how the means over the books with gold relations
change (``eval_relations.py``), and how many typed ties of all books are lost and gained. Nothing of it was
learnt, so that no book needs to be left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ablate import write
from learn_names import ROOT

from kgnb.book.reader import read_book
from kgnb.core.model import RULES, Chapter, Novel, TaskConfig
from kgnb.extract import name_scan, rules
from kgnb.extract.model import NameEntry
from kgnb.extract.patterns import PERSON, Frames
from kgnb.graph.model import ExtractionRow, Graph, RecordRow
from kgnb.graph.project.projection import novel_builder

MEASURES = ("family", "exact", "false_family")
Tie = tuple[str, str, str, str]


class Books:
    """The books of a language, with their names."""

    def __init__(self, shared: Path, lang: str) -> None:
        self._shared, folder = shared, shared / "data" / "novels"
        self.gold = {p.name.split(".")[0]: p for p in sorted(folder.glob("*.gold.json"))}
        texts = {stem: read_book(folder / "text" / f"{stem}.txt") for stem in self.gold}
        self.read = {stem: book for stem, book in texts.items() if book.lang == lang}
        self._names: dict[str, list[NameEntry]] = {
            stem: name_scan.scan([(c.number, c.text) for c in book.chapters], book.lang)
            for stem, book in self.read.items()
        }

    def measure(self) -> tuple[dict[str, float], set[Tie]]:
        """The means, and all typed ties with their books."""
        scores: list[dict[str, Any]] = []
        ties = set[Tie]()
        for stem in self.read:
            graph = self._graph(stem)
            people = [e for e in graph.edges.values() if e.source[0] == "Character" == e.target[0]]
            ties |= {(stem, e.source[1], e.type, e.target[1]) for e in people if e.type != "KNOWS"}
            if json.loads(self.gold[stem].read_text("utf-8"))["relations"]:
                scores.append(self._score(stem, graph))
        return {m: sum(s[m] or 0 for s in scores) / max(1, len(scores)) for m in MEASURES}, ties

    def _graph(self, stem: str) -> Graph:
        book, names, rows = self.read[stem], self._names[stem], []
        chapters = [Chapter(i, 1, c.number, c.title, len(c.text)) for i, c in enumerate(book.chapters, 1)]
        for chapter, c in zip(chapters, book.chapters, strict=True):
            found = rules.extract(c.text, lang=book.lang, names=names, title=c.title, chapter=c.number)
            row = ExtractionRow(1, 1, chapter.id, c.number, "", "", found, RULES, RULES, 1)
            rows.append(RecordRow(row))
        return novel_builder(Novel(1, stem), chapters, rows, names, TaskConfig(use_ai=False)).graph()

    def _score(self, stem: str, graph: Graph) -> dict[str, Any]:
        nodes = [
            {
                "id": "/".join(ref),
                "label": node.label,
                "name": node.key,
                "properties": {"aliases": node.properties.get("aliases")},
            }
            for ref, node in graph.nodes.items()
        ]
        edges = [
            {"source": "/".join(e.source), "target": "/".join(e.target), "type": e.type}
            for e in graph.edges.values()
        ]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"nodes": nodes, "edges": edges}, file)
            file.flush()
            script, gold = str(self._shared / "eval_relations.py"), str(self.gold[stem])
            command = [sys.executable, script, gold, file.name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextmanager
def without(frames: Frames, table: str, k: int) -> Iterator[str]:
    """Leave out a frame; its name."""
    rows, by_word = frames.tables[table], frames._by_word
    one = rows.pop(k)
    was = {word: list(found) for word, found in by_word.items()}
    for word in one.words:
        by_word[word] = [pair for pair in by_word[word] if pair[1] is not one]
    yield f"{table} {k + 1} {one.type} {' '.join(one.words[:3]).replace(PERSON, '')}".strip()
    rows.insert(k, one)
    by_word.update(was)


def main() -> None:
    """Writes the table of a language."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lang", choices=["zh", "en"])
    parser.add_argument("shared", nargs="?", type=Path, default=ROOT.parent / "shared")
    args = parser.parse_args()
    books = Books(args.shared, args.lang)
    frames: Frames = import_module(f"kgnb.extract.{args.lang}.ties")._FRAMES
    whole, ties = books.measure()
    lines = [f"| all | {' | '.join(f'{whole[m]:.3f}' for m in MEASURES)} | {len(ties)} |"]
    for table, k in [(table, k) for table, rows in frames.tables.items() for k in range(len(rows))]:
        with without(frames, table, k) as name:
            found, left = books.measure()
        changes = " | ".join(f"{found[m] - whole[m]:+.3f}" for m in MEASURES)
        lines.append(f"| without {name} | {changes} | -{len(ties - left)} +{len(left - ties)} |")
        print(lines[-1], flush=True)
    write(f"ties {args.lang}", f"{len(books.read)} books | {' | '.join((*MEASURES, 'ties'))}", lines)


if __name__ == "__main__":
    main()
