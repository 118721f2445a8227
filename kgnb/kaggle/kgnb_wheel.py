"""kgnb's own wheel, for a notebook to carry or a folder of wheels to hold."""

from __future__ import annotations

import ast
import asyncio
import io
import lzma
import re
import tempfile
import tokenize
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, util
from pathlib import Path

from kgnb.core.errors import InputError
from kgnb.kaggle.packed_books import as_text
from kgnb.kaggle.subprocesses import pip

EXTRAS = ("embedded",)
"""What a notebook installs of kgnb; packages that a place has are its own and never touched."""
BUILD_SECONDS = 180.0
UNCALLED = tuple(f"kgnb/{name}/" for name in ("cli", "extract", "kaggle", "llm", "stores", "worker"))
"""Packages of which a notebook's user calls nothing and is handed nothing: help() has no use there."""
_TEXT_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "pb": 0}]
"""xz for text, whose bytes have no position in a word."""


@dataclass(frozen=True)
class Wheel:
    """kgnb as a wheel: its file name, and its files by path, without the list of them (RECORD)."""

    name: str
    files: Mapping[str, bytes]

    @cached_property
    def text(self) -> str:
        """The wheel's files as a cell carries them, which :data:`notebook_bundle.INSTALL` unpacks; takes two
        seconds.

        Neighbours of one kind compress best. Without what nobody misses there: comments, docstrings of
        private names and of packages that no user calls, and the page of the package index. GB18030 has any
        text, and Chinese in two bytes a character.
        """
        parts = []
        for path in sorted(self.files, key=lambda path: (Path(path).suffix, path)):
            data = self.files[path]
            kept = (data.partition(b"\n\n")[0] if path.endswith("/METADATA") else data).decode()
            parts += [path, _without_comments(kept, path) if path.endswith(".py") else kept]
        return as_text(lzma.compress("\0".join(parts).encode("gb18030"), filters=_TEXT_FILTERS))

    @property
    def metadata_path(self) -> str:
        """Path of the file with name, version and requirements."""
        return next(path for path in self.files if path.endswith(".dist-info/METADATA"))

    def write(self, folder: Path) -> Path:
        """Write the wheel to a folder and return its file."""
        record = self.metadata_path.replace("METADATA", "RECORD")
        with zipfile.ZipFile(folder / self.name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in self.files.items():
                archive.writestr(path, data)
            archive.writestr(record, "".join(f"{path},,\n" for path in self.files))
        return folder / self.name


def _without_comments(code: str, path: str) -> str:
    """Python code with each line at its number, as tracebacks tell it, and all that help() shows of what a
    user calls."""
    called = not path.startswith(UNCALLED)
    lines = code.splitlines(keepends=True)
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.COMMENT:
            (row, start), (_, end), line = token.start, token.end, lines[token.start[0] - 1]
            lines[row - 1] = line[:start].rstrip() + line[end:]
    for node in ast.walk(ast.parse(code)):
        public = called and not (getattr(node, "name", None) or "").startswith("_")
        body = getattr(node, "body", None)
        for statement in body[public:] if isinstance(body, list) else ():
            match statement:
                case ast.Expr(ast.Constant(str()), lineno=first, end_lineno=int(last), col_offset=at):
                    lines[first - 1 : last] = [" " * at + '""\n', *["\n"] * (last - first)]
    return "".join(lines)


def checkout() -> Path | None:
    """The checkout that this kgnb runs from, or None where it is an installed package."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


async def own_wheel() -> Wheel:
    """This very kgnb: built from its checkout, or put together again from the installed files.

    Raises InputError where neither works.
    """
    root = checkout()
    if root is None:
        return await asyncio.to_thread(_from_installed)
    with tempfile.TemporaryDirectory(prefix="kgnb-wheel-") as folder:
        await _pip_wheel(root, folder)
        return await asyncio.to_thread(_built, Path(folder))


def _built(folder: Path) -> Wheel:
    (path,) = folder.glob("kgnb-*.whl")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/RECORD")]
        return Wheel(path.name, {name: archive.read(name) for name in names})


async def _pip_wheel(root: Path, folder: str) -> None:
    isolated = [] if util.find_spec("hatchling") is None else ["--no-build-isolation"]
    words = ("wheel", "--no-deps", *isolated, "--wheel-dir", folder, str(root))
    if reason := await pip(*words, seconds=BUILD_SECONDS):
        raise InputError("bundle.no_wheel", reason=reason)


def _from_installed() -> Wheel:
    try:
        own = metadata.distribution("kgnb")
    except metadata.PackageNotFoundError:
        raise InputError("bundle.no_wheel", reason="kgnb: no .dist-info") from None
    info = f"kgnb-{own.version}.dist-info"
    left_out = {f"{info}/{name}" for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")}
    files = {
        str(path): Path(str(path.locate())).read_bytes()
        for path in own.files or ()
        if path.parts[0] in ("kgnb", info) and path.suffix != ".pyc" and str(path) not in left_out
    }
    if "kgnb/__init__.py" not in files:  # an editable install whose checkout is gone
        raise InputError("bundle.no_wheel", reason="kgnb: RECORD")
    return Wheel(f"kgnb-{own.version}-py3-none-any.whl", files)


def pins(wheel: Wheel, extras: Sequence[str] = EXTRAS) -> dict[str, str]:
    """The version here of each package that the notebook installs: what kgnb was tried with.

    Of one that isn't here the requirement's own lower bound is all there is.
    """
    found = {}
    header = wheel.files[wheel.metadata_path].decode().partition("\n\n")[0]
    for name, rest in re.findall(r"^Requires-Dist: *([A-Za-z0-9._-]+)(.*)", header, re.M):
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", rest)
        if extra is None or extra[1] in extras:
            with suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(name)
    return found
