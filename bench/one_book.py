"""The run of one book in a fresh Python: ``python bench/one_book.py FILE zh|en``, which quality.py starts.

Little else than kgnb is imported, since the seconds count from this Python's start.
"""

from __future__ import annotations

import multiprocessing
import pickle
import re
import resource
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if TYPE_CHECKING:
    from kgnb.core.labels import Lang
    from kgnb.extract.model import Extraction, NameEntry

HEADING = re.compile(
    r"^\s*(?:第[〇零一二三四五六七八九十百千\d]+[回章节卷]|CHAPTER\s+[IVXLC\d]+|Chapter\s+[IVXLC\d]+).{0,60}$",
    re.M,
)
"""A short line: a longer one is a heading that the chapter's first line goes on with."""
PART = 20_000
"""Characters of a part where a book has no headings."""


def chapters_of(text: str) -> list[tuple[int, str]]:
    """(number, text) by plain heading lines, what stands before them first; without any, equal parts."""
    found = [m.span() for m in HEADING.finditer(text)]
    if not found:
        return [(i, text[a : a + PART]) for i, a in enumerate(range(0, len(text), PART), 1)]
    starts = (0, *(end for _, end in found))
    ends = (*(start for start, _ in found), len(text))
    return [
        (i, text[a:b]) for i, (a, b) in enumerate(zip(starts, ends, strict=True)) if i or text[a:b].strip()
    ]


def extract_part(texts: Sequence[str], lang: Lang, entries: list[NameEntry]) -> tuple[list[Extraction], int]:
    """What the chapters give, and this process's peak memory."""
    from kgnb.extract import rules

    return [rules.extract(t, lang=lang, names=entries) for t in texts], peak()


def send(to: Connection, texts: Sequence[str], lang: Lang, entries: list[NameEntry]) -> None:
    """In the fork: its half."""
    to.send(extract_part(texts, lang, entries))


def peak() -> int:
    """Peak memory of this process in KiB; ``ru_maxrss`` begins with that of the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def read_book(path: Path, lang: Lang) -> dict[str, Any]:
    """Names, extractions in the order of the chapters, seconds of the pre-scan, and memory."""
    from kgnb.core.process_tuning import tune_process
    from kgnb.extract import name_scan

    tune_process()
    began = time.perf_counter()
    chapters = chapters_of(path.read_text(encoding="utf-8"))
    entries = name_scan.scan(chapters, lang, forks=True)
    scan_kib = peak() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # and its forks'
    scanned = time.perf_counter() - began
    texts = [text for _, text in chapters]
    half = len(texts) // 2
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(
        target=send, args=(there, texts[half:], lang, entries)
    )
    other.start()
    first, _ = extract_part(texts[:half], lang, entries)
    second, memory = here.recv()
    other.join()
    found = {"names": entries, "extractions": first + second, "scan_s": scanned}
    return found | {"kib": max(scan_kib, memory + peak())}


def main() -> None:
    """Writes a line when the last relation is there, then what was found."""
    path, lang = sys.argv[1:]
    found = read_book(Path(path), cast("Lang", lang))
    sys.stdout.buffer.write(b"done\n")
    sys.stdout.buffer.flush()
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
