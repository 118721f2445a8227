"""What is attached to a notebook on Kaggle.

Anybody may have made it: nothing of it is installed, read for settings or resumed from unless the user names
it, as OWNER/NAME or by its path.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kgnb.core import host
from kgnb.core.errors import InputError

KINDS = ("datasets", "notebooks", "models", "competitions")
"""Folders of the inputs, each with one folder an owner."""
NAME = re.compile(r"[\w-]+/[\w-]+", re.ASCII)
"""OWNER/NAME as in the address of a dataset or notebook."""


def find_input(name: str, kinds: Sequence[str] = ("datasets", "notebooks")) -> Path | None:
    """Return the folder of the attached dataset or notebook output OWNER/NAME; None if it isn't attached."""
    if not NAME.fullmatch(name):
        return None
    # Notebooks made before 2026 see /kaggle/input/NAME, without the owner. It comes first: in their layout
    # `datasets` could be a stranger's dataset with folders like an owner's in it.
    slug = name.partition("/")[2]
    older = [] if slug in KINDS else [host.KAGGLE_INPUT / slug]
    folders = [*older, *(host.KAGGLE_INPUT / kind / name for kind in kinds)]
    return next((folder for folder in folders if folder.is_dir()), None)


def input_name(path: Path) -> str:
    """Return the name OWNER/NAME by which :func:`find_input` finds the input that contains ``path``; any
    other path as text.
    """
    parts = path.parts[len(host.KAGGLE_INPUT.parts) :]
    return "/".join(parts[1:3]) if len(parts) > 2 and parts[0] in KINDS else str(path)


def files_called(name: str) -> list[Path]:
    """Return the files of this name at the top of any attached input, sorted."""
    return sorted(path for at in ("*", "*/*/*") for path in host.KAGGLE_INPUT.glob(f"{at}/{name}"))


def holds_all_inputs(path: Path) -> bool:
    """Return whether ``path`` is a folder above the inputs of several owners, so that it names none
    of them.
    """
    root = host.KAGGLE_INPUT.resolve()
    return path.is_dir() and (
        root.is_relative_to(path.resolve()) or path.resolve() in {root / kind for kind in KINDS}
    )


def env_file() -> Path | None:
    """Return the working folder's ``.env``; None where there is none, or that folder is an input.

    Raises InputError where the working folder was deleted.
    """
    try:
        own = Path.cwd() / ".env"
    except FileNotFoundError:
        raise InputError("settings.no_working_folder") from None
    is_input = own.parent.resolve().is_relative_to(host.KAGGLE_INPUT.resolve())
    return own if own.is_file() and not is_input else None
