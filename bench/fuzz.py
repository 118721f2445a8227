"""Coverage-guided fuzzing of what reads strangers' files and texts: seeds are mutated until a parser raises
an error that isn't kgnb's own.

    pip install atheris
    python bench/fuzz.py PARSER [--seconds 120] [--seeds bench/fuzz_seeds]

PARSER: book, epub, reply, item, amounts, folder. What was found to reach new code is kept in
``SEEDS/PARSER``, so that the next run goes on from there; what breaks a parser lies in the current folder as
crash-*, and is read by giving it as ``--seeds``.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["kgnb"]):
    from kgnb.book.reader import read_book, story_path
    from kgnb.core.amounts import parse_amounts, parse_prices
    from kgnb.core.errors import KgnbError
    from kgnb.extract.reply import parse
    from kgnb.stores.ledger.foreign_record import BrokenRecord, copy_foreign_record
    from kgnb.stores.queue.types import parse_member

REFUSALS = (KgnbError, BrokenRecord)
FOLDER = Path(tempfile.mkdtemp(prefix="kgnb-fuzz-"))


def reading(suffix: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A parser of files as one of bytes."""
    file = FOLDER / f"input{suffix}"

    def parser(data: bytes) -> object:
        file.write_bytes(data)
        return read(file)

    return parser


def taken_over(file: Path) -> None:
    """The record of a data folder that others made."""
    target = FOLDER / "target.db"
    target.unlink(missing_ok=True)
    copy_foreign_record(file, target, name="")


def amounts(data: bytes) -> None:
    """The values of settings."""
    for read in (parse_amounts, parse_prices):
        with contextlib.suppress(ValueError):
            read(data.decode("utf-8", "replace"))


def item(data: bytes) -> None:
    """A member of a queue's hashes."""
    parse_member(data.decode("utf-8", "replace"))


PARSERS: dict[str, Callable[[bytes], object]] = {
    "book": reading(".txt", read_book),
    "epub": reading(".epub", read_book),
    "reply": lambda data: parse(data.decode("utf-8", "replace"), provider="p"),
    "item": item,
    "amounts": amounts,
    "folder": reading(".db", taken_over),
}


def seeds(name: str) -> list[bytes]:
    """What each parser takes: small, and with each of its parts."""
    stories = [story_path(lang).read_text("utf-8")[:1_500] for lang in ("zh", "en")]
    found = {"characters": [{"name": "刘备", "aliases": ["玄德"]}], "relations": [["刘备", "ALLY", "关羽"]]}
    return {
        "book": [s.encode(e, "ignore") for s in stories for e in ("utf-8", "gb18030", "utf-16", "big5")],
        "epub": [epub(stories[0])],
        "reply": [f"<think>a</think>```json\n{json.dumps(found)}\n```".encode()],
        "item": [b'{"task_id": 7, "v": 1, "kgnb": {"opened": 0}}', b"c:7:3"],
        "amounts": [b"openai=3/15,deepseek/chat=2", b"60"],
        "folder": [database()],
    }[name]


def epub(text: str) -> bytes:
    """A book of one chapter."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(
            "META-INF/container.xml",
            '<container><rootfiles><rootfile full-path="c.opf"/></rootfiles></container>',
        )
        manifest = '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        archive.writestr("c.opf", f'<package>{manifest}<spine><itemref idref="a"/></spine></package>')
        archive.writestr("a.xhtml", f"<html><body><h1>一</h1><p>{text}</p></body></html>")
    return out.getvalue()


def database() -> bytes:
    """A SQLite file with a table of the record."""
    file = FOLDER / "seed.db"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE novels (id INTEGER PRIMARY KEY, title TEXT, author TEXT)")
        connection.execute("INSERT INTO novels VALUES (1, '书', '')")
        connection.commit()
    return file.read_bytes()


def main() -> None:
    """Fuzz one parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parser", choices=PARSERS)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seeds", type=Path, default=Path(__file__).parent / "fuzz_seeds")
    args = parser.parse_args()
    kept = args.seeds / args.parser
    kept.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds(args.parser)):
        (kept / f"seed-{number}").write_bytes(data)

    def one(data: bytes) -> None:
        with contextlib.suppress(*REFUSALS):
            PARSERS[args.parser](data)

    atheris.Setup([sys.argv[0], str(kept), f"-max_total_time={args.seconds}", "-timeout=20"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
