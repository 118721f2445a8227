"""The notebook of pushed books: it unpacks them, builds them and leaves the graphs.

The books travel in the notebook's own text while they are small, else in a private dataset. Either way they
are one opaque text or file: Kaggle unpacks archives among a dataset's files, an .epub too.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kgnb.core.errors import InputError
from kgnb.core.input_file import reading
from kgnb.core.kaggle_inputs import find_input
from kgnb.core.messages import say
from kgnb.kaggle.cells import cell_text
from kgnb.llm.local import PROVIDER

Notebook = dict[str, Any]

RESULTS = r"^[^/]*\.(html|json|log)$"
"""Pattern of the output files that a person looks at; the data folder beside them is for the next run."""
FILE = "books.kgnb"
"""The file's name in a dataset."""
LINE = 60_000
"""Characters in a line of the text: a page that shows the cell has a dozen lines of it, none too long for an
editor."""


# --- its cells


def notebook(books: str, *, provider: str | None, earlier: str | None) -> Notebook:
    """Return the notebook's cells: the title (markdown), then code: the ``books`` (of :func:`carried` or
    :func:`attached`), the choice of a local model where ``provider`` is "local", the build, the graphs.

    ``provider`` as in :func:`kgnb.build`. ``earlier``: the run (OWNER/NAME) whose output it goes on from.
    """
    build = cell_text("build.py.txt", earlier=json.dumps(earlier or ""), provider=repr(provider))
    prepare = [("code", cell_text("prepare_gpu.py.txt"))] if provider == PROVIDER else []
    title, graphs = cell_text("title.md"), cell_text("graphs.py.txt")
    cells = [("markdown", title), ("code", books), *prepare, ("code", build), ("code", graphs)]
    return {"cells": [{"cell_type": kind, "source": source} for kind, source in cells]}


def carried(packed: bytes) -> str:
    """Return the code of a cell that holds the packed books itself."""
    return cell_text("books_carried.py.txt", text=as_text(packed))


def attached(dataset: str) -> str:
    """Return the code of a cell that finds the packed books in a dataset (OWNER/NAME)."""
    return cell_text("books_attached.py.txt", dataset=json.dumps(dataset))


def earlier_data(run: str) -> str:
    """Return the data folder in the attached output of ``run`` (OWNER/NAME), for KGNB_RESUME_FROM; "" for no
    run, or one that ended before it had data.

    Raises InputError when the output isn't attached: to begin anew would pay for every chapter again.
    """
    from kgnb.stores.embedded.restore import find_data_folder  # slow, and only needed on Kaggle

    if not run:
        return ""
    output = find_input(run, ["notebooks"])
    if output is None:
        raise InputError("kaggle.earlier_missing", kernel=run)
    try:
        return str(find_data_folder(output))
    except InputError as error:
        if error.key != "resume.none":
            raise
        print(say("kaggle.earlier_empty", kernel=run))
        return ""


def results(files: list[Path]) -> list[Path]:
    """Return the pages with graphs (graph*.html) among fetched files, sorted; [] for none."""
    return sorted(file for file in files if file.name.startswith("graph") and file.suffix == ".html")


def chapters_left(files: list[Path]) -> int:
    """Return the number of unfinished chapters in the report (kgnb-report.json) among fetched files; 0
    without a readable report.
    """
    try:
        (report,) = [file for file in files if file.name == "kgnb-report.json"]
        left = json.loads(report.read_text("utf-8"))["left"]["chapters"]
        return max(0, int(left))
    except (OSError, ValueError, TypeError, KeyError):
        return 0


# --- the books


def pack(books: Sequence[Path]) -> bytes:
    """Return the books' files, in order, as the bytes of one compressed archive, under names that don't
    clash. Raises InputError for an unreadable file.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # compressed as a whole, below
        for number, book in enumerate(books, 1):
            with reading(book):
                content = book.read_bytes()
            archive.writestr(zipfile.ZipInfo(f"{number:03}/{book.name}"), content)
    return lzma.compress(target.getvalue(), preset=9)


def as_text(packed: bytes) -> str:
    """Return packed bytes as base85 text in lines of :data:`LINE` (60,000) characters, as a cell holds it."""
    text = base64.b85encode(packed).decode()  # 6 % shorter than base64
    return "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))


def unpack_text(text: str) -> list[Path]:
    """Write the books into a new folder and return their files, in the order in which they were packed."""
    return _unpack(base64.b85decode("".join(text.split())))


def unpack_dataset(dataset: str) -> list[Path]:
    """Like :func:`unpack_text`, for the file in the attached dataset OWNER/NAME. Raises InputError when it
    isn't attached.
    """
    folder = find_input(dataset, ["datasets"])
    if folder is None or not (folder / FILE).is_file():
        raise InputError("kaggle.books_missing", dataset=dataset)
    return _unpack((folder / FILE).read_bytes())


def _unpack(packed: bytes) -> list[Path]:
    """Write the packed books into a new folder; return their paths in order."""
    root = Path(tempfile.mkdtemp(prefix="kgnb-books-"))
    with zipfile.ZipFile(io.BytesIO(lzma.decompress(packed))) as archive:
        return [Path(archive.extract(name, root)) for name in sorted(archive.namelist())]
