"""Books that travel to a run: in the notebook's own text while they are small, else in a private dataset.

Either way they are one opaque text or file: Kaggle unpacks archives among a dataset's files, an .epub too.
"""

from __future__ import annotations

import base64
import io
import lzma
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from kgnb.core.errors import InputError
from kgnb.core.input_file import reading
from kgnb.core.kaggle_inputs import find_input

FILE = "books.kgnb"
"""The file's name in a dataset."""
LINE = 60_000
"""Characters in a line of the text: a page that shows the cell has a dozen lines of it, none too long for an
editor."""


def pack(books: Sequence[Path]) -> bytes:
    """Return the books' files, in order, under names that don't clash. Raises InputError."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # compressed as a whole, below
        for number, book in enumerate(books, 1):
            with reading(book):
                content = book.read_bytes()
            archive.writestr(zipfile.ZipInfo(f"{number:03}/{book.name}"), content)
    return lzma.compress(target.getvalue(), preset=9)


def as_text(packed: bytes) -> str:
    """Return packed bytes as a cell carries them, in lines."""
    text = base64.b85encode(packed).decode()  # 6 % shorter than base64
    return "\n".join(text[at : at + LINE] for at in range(0, len(text), LINE))


def unpack_text(text: str) -> list[Path]:
    """Write the books into a new folder and return their files, in the order in which they were packed."""
    return _unpack(base64.b85decode("".join(text.split())))


def unpack_dataset(dataset: str) -> list[Path]:
    """:func:`unpack_text` for the attached dataset OWNER/NAME. Raises InputError when it isn't attached."""
    folder = find_input(dataset, ["datasets"])
    if folder is None or not (folder / FILE).is_file():
        raise InputError("kaggle.books_missing", dataset=dataset)
    return _unpack((folder / FILE).read_bytes())


def _unpack(packed: bytes) -> list[Path]:
    root = Path(tempfile.mkdtemp(prefix="kgnb-books-"))
    with zipfile.ZipFile(io.BytesIO(lzma.decompress(packed))) as archive:
        return [Path(archive.extract(name, root)) for name in sorted(archive.namelist())]
