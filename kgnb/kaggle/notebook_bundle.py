"""A notebook that installs kgnb in its first cell: from the wheel that the cell carries, or from PyPI.

``kaggle kernels push`` sends the text of one file and nothing else, at most 1 MB of it.
"""

from __future__ import annotations

import ast
import asyncio
import io
import json
import lzma
import re
import tokenize
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from kgnb import _HOME, __version__
from kgnb.core.errors import InputError
from kgnb.kaggle.book_notebook import as_text
from kgnb.kaggle.cells import cell_text
from kgnb.kaggle.kernel_metadata import read_json

Notebook = dict[str, Any]

MOST_BYTES = 900_000
"""Of a whole notebook as Kaggle's client sends it; the server refuses 1 MB."""
CELL = "kgnb-embedded"
"""Id of the cell that installs kgnb."""
INSTALL_CELLS = (CELL, "install")
"""Ids of cells that install kgnb: that of an earlier bundle, and that of kgnb's own notebooks."""
EXTRAS = ("embedded",)
"""What a notebook installs of kgnb; packages that a place has are its own and never touched."""
PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of kgnb's code."""
ABOUT = ("METADATA", "WHEEL", "entry_points.txt", "licenses/LICENSE")
"""Files of an installation that a wheel has too."""
DOCUMENTED = {f"{home.replace('.', '/')}.py" for home in ("kgnb.__init__", *_HOME.values())}
"""Modules whose docstrings a carried wheel keeps: help() shows them to a notebook's user."""
_TEXT_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "pb": 0}]
"""xz for text, whose bytes have no position in a word."""


# --- kgnb's own wheel


@dataclass(frozen=True)
class Wheel:
    """kgnb as a wheel: its file name, and its files by path, without the list of them (RECORD)."""

    name: str
    files: Mapping[str, bytes]

    @cached_property
    def text(self) -> str:
        """The wheel's files as a cell carries them, which cells/install_carried.py.txt unpacks; takes two
        seconds.

        Neighbours of one kind compress best. Without comments, without docstrings that help() doesn't show a
        user, and without the page of the package index. GB18030 has any text, and Chinese in two bytes a
        character.
        """
        parts = []
        for path in sorted(self.files, key=lambda path: (Path(path).suffix, path)):
            data = self.files[path]
            kept = (data.partition(b"\n\n")[0] if path.endswith("/METADATA") else data).decode()
            parts += [path, _without_comments(kept, path) if path.endswith(".py") else kept]
        return as_text(lzma.compress("\0".join(parts).encode("gb18030"), filters=_TEXT_FILTERS))

    @property
    def metadata_path(self) -> str:
        """Path, within the wheel, of the file with name, version and requirements."""
        return next(path for path in self.files if path.endswith(".dist-info/METADATA"))

    def write(self, folder: Path) -> Path:
        """Write the wheel to a folder and return the file's path."""
        record = self.metadata_path.replace("METADATA", "RECORD")
        with zipfile.ZipFile(folder / self.name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in self.files.items():
                archive.writestr(path, data)
            archive.writestr(record, "".join(f"{path},,\n" for path in self.files))
        return folder / self.name


def _without_comments(code: str, path: str) -> str:
    """Return Python code without comments and docstrings, but with those of public names in
    :data:`DOCUMENTED`
    modules; each line stays at its number, as tracebacks tell it.
    """
    lines = code.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            (row, start), (_, end), line = token.start, token.end, lines[token.start[0] - 1]
            lines[row - 1] = line[:start].rstrip() + line[end:]
    for node in ast.walk(ast.parse(code)):
        public = path in DOCUMENTED and not (getattr(node, "name", None) or "").startswith("_")
        body = getattr(node, "body", None)
        for statement in body[public:] if isinstance(body, list) else ():
            match statement:
                case ast.Expr(ast.Constant(str()), lineno=first, end_lineno=int(last), col_offset=at):
                    lines[first - 1 : last] = [" " * at + '""\n', *["\n"] * (last - first)]
    return "".join(lines)


def checkout() -> Path | None:
    """Return the folder of the checkout that this kgnb runs from; None for an installed package."""
    return PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None


async def own_wheel() -> Wheel:
    """Return the wheel of the running kgnb: its files, and the metadata of its installation.

    Raises InputError where it isn't installed.
    """
    return await asyncio.to_thread(_own_wheel)


def _own_wheel() -> Wheel:
    """Return the wheel of the running kgnb. Raises InputError where it isn't installed."""
    try:
        own = metadata.distribution("kgnb")
    except metadata.PackageNotFoundError:
        raise InputError("bundle.no_wheel") from None
    found = [path for path in PACKAGE.rglob("*.*") if path.suffix != ".pyc" and path.is_file()]
    files = {f"kgnb/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in found}
    files |= {f"kgnb/notebooks/{path.name}": path.read_bytes() for path in own_notebooks().glob("*.ipynb")}
    about = {f"kgnb-{own.version}.dist-info/{name}": own.read_text(name) for name in ABOUT}
    files |= {path: text.encode() for path, text in about.items() if text}
    return Wheel(f"kgnb-{own.version}-py3-none-any.whl", dict(sorted(files.items())))


def requirements(wheel: Wheel, extras: Sequence[str] = EXTRAS) -> dict[str, tuple[str, str]]:
    """Return package → (lowest version that will do, version installed here or "") of the packages that a
    notebook installs for kgnb.
    """
    found = {}
    header = wheel.files[wheel.metadata_path].decode().partition("\n\n")[0]
    for name, rest in re.findall(r"^Requires-Dist: *([A-Za-z0-9._-]+)(.*)", header, re.M):
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", rest)
        if extra is None or extra[1] in extras:
            lowest = re.search(r">=\s*([\d.]+)", rest.partition(";")[0])
            tried = ""
            with suppress(metadata.PackageNotFoundError):
                tried = metadata.version(name)
            found[name] = (lowest[1] if lowest else "0", tried)
    return found


# --- notebooks


def own_notebooks() -> Path:
    """Return the folder of kgnb's own notebooks."""
    return (checkout() or PACKAGE) / "notebooks"


def notebook_path(name: str) -> Path:
    """Return the path of kgnb's own notebook ``name``, else of the file with this path. Raises InputError for
    neither.
    """
    own = own_notebooks() / f"{name}.ipynb"
    if re.fullmatch(r"\w+", name):
        if own.is_file():
            return own
        known = ", ".join(sorted(path.stem for path in own.parent.glob("*.ipynb")))
        raise InputError("bundle.no_such_notebook", name=name, known=known)
    if not Path(name).is_file():
        raise InputError("file.missing", path=name)
    return Path(name)


def read_notebook(path: Path) -> Notebook:
    """Return the notebook in the file. Raises InputError for anything else."""
    notebook = read_json(path, "bundle.not_a_notebook")
    try:
        if notebook["nbformat"] == 4 and all(isinstance(source_of(one), str) for one in notebook["cells"]):
            return dict(notebook)
    except (TypeError, KeyError):
        pass
    raise InputError("bundle.not_a_notebook", path=path)


def bundled(
    notebook: Notebook, wheel: Wheel | None, *, variables: Mapping[str, str] | None = None
) -> Notebook:
    """Return the notebook with a cell that sets ``variables`` and installs ``wheel`` (None: this version from
    PyPI).

    The cell replaces those that installed kgnb so far, else it comes before all other code. Outputs, widgets'
    state and other metadata are left out.
    """
    cells = notebook["cells"]
    ours = [i for i, cell in enumerate(cells) if cell.get("id") in INSTALL_CELLS]
    code = [i for i, cell in enumerate(cells) if cell["cell_type"] == "code"]
    at = (ours or code or [len(cells)])[0]
    kept = [cell for i, cell in enumerate(cells) if i not in ours]
    made = [
        _cell(cell["cell_type"], f"cell-{number:02}", source_of(cell)) for number, cell in enumerate(kept)
    ]
    hidden = {"_kg_hide-input": True, "jupyter": {"source_hidden": True}, "cellView": "form"}
    source = install_code(wheel, variables or {})
    made.insert(at, _cell("code", CELL, source) | {"metadata": hidden})
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": spec, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def install_code(wheel: Wheel | None, variables: Mapping[str, str]) -> str:
    """Return the code of the cell that sets ``variables`` and installs ``wheel`` (None: this version from
    PyPI).
    """
    facts = {
        "version": __version__,
        "variables": json.dumps(dict(variables), ensure_ascii=False, indent=4),
        "extras": f"[{','.join(EXTRAS)}]",
    }
    if wheel is None:
        return cell_text("install_from_pypi.py.txt", **facts)
    needs = json.dumps(requirements(wheel))
    facts |= {"needs": needs, "name": json.dumps(wheel.name), "wheel": wheel.text}
    return cell_text("install_carried.py.txt", **facts)


def written(notebook: Notebook) -> str:
    """Return the notebook as JSON text, as Kaggle's client will send it. Raises InputError when it is too
    large.
    """
    text = json.dumps(notebook)
    if len(text) > MOST_BYTES:
        raise InputError("bundle.too_large", kb=len(text) // 1000, limit=MOST_BYTES // 1000)
    return text


def _cell(cell_type: str, cell_id: str, source: str) -> dict[str, Any]:
    """Return a cell of a notebook."""
    cell = {"cell_type": cell_type, "id": cell_id, "metadata": {}, "source": source}
    return cell | {"outputs": [], "execution_count": None} if cell_type == "code" else cell


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text, also if it is stored as lines."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
