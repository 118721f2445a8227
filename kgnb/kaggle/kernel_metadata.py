"""kernel-metadata.json: what Kaggle's client reads, checked before anything leaves.

Kaggle ignores fields that it doesn't know, and makes another notebook when title and id disagree.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgnb.core.errors import InputError
from kgnb.core.input_file import reading
from kgnb.core.kaggle_inputs import NAME

Metadata = dict[str, Any]

NOBODY = "INSERT_YOUR_USERNAME"
"""Kaggle's own placeholder for the owner."""
TEMPLATE: Metadata = {
    "id": f"{NOBODY}/kgnb-quickstart",
    "title": "kgnb quickstart",
    "code_file": "dist/notebooks/quickstart.ipynb",
    "language": "python",
    "kernel_type": "notebook",
    "is_private": True,
    "enable_gpu": False,
    "enable_tpu": False,
    "enable_internet": True,
    "dataset_sources": [],
    "competition_sources": [],
    "kernel_sources": [],
    "model_sources": [],
    "keywords": [],
}
"""What kernel-metadata.json at the top of the repository says: an installed kgnb hasn't got that file. Its
notebook is the one that carries kgnb, made by scripts/notebooks.sh."""
KNOWN = {*TEMPLATE, "id_no", "machine_shape", "docker_image", "docker_image_pinning_type"}
"""Fields that Kaggle's client reads; it drops all others without a word."""
GPU = "NvidiaTeslaT4"
"""The machine of a run with a GPU (two T4); for none named, Kaggle once gave a P100, which it has retired."""
LISTS = ("dataset_sources", "competition_sources", "kernel_sources", "model_sources", "keywords")
LONGEST = 50
"""Characters of a title, and of the slug made of it."""
TITLE_LENGTH = range(5, LONGEST + 1)
MODEL = re.compile(r"[\w-]+/[\w-]+/\w+/[\w.-]+/\d+", re.A)
KERNEL = re.compile(r"[\w-]+(?:/[\w-]+(?:/v?\d+)?)?", re.A)


def read_json(path: Path, broken: str) -> Any:
    """Return the file's JSON value. Raises MissingFile, and InputError with the key ``broken`` for invalid
    JSON.
    """
    with reading(path):
        content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except ValueError:
        raise InputError(broken, path=path) from None


def read_metadata(path: Path) -> Metadata:
    """Return the metadata file's keys and values as they are; missing keys stay missing.

    Raises InputError where the file is missing or holds no JSON object.
    """
    found = read_json(path, "kaggle.metadata_broken")
    if not isinstance(found, dict):
        raise InputError("kaggle.metadata_broken", path=path)
    return found


def check_metadata(meta: Mapping[str, Any]) -> None:
    """Raise InputError for metadata that Kaggle would refuse, ignore or misread."""
    for key in meta:
        if key not in KNOWN:
            close = difflib.get_close_matches(key, KNOWN, 1) or ["-"]
            raise InputError("kaggle.unknown_key", field=key, close=close[0])
    owner, _, slug = str(meta.get("id", "")).partition("/")
    if owner in ("", NOBODY) or not NAME.fullmatch(f"{owner}/{slug}"):
        raise InputError("kaggle.bad_id", id=meta.get("id", ""))
    title = str(meta.get("title", ""))
    if len(title) not in TITLE_LENGTH:
        raise InputError("kaggle.bad_title", title=title)
    if slug_of(title) != slug.lower():
        raise InputError("kaggle.other_slug", title=title, slug=slug_of(title), id=meta["id"])
    for key, wanted in (("language", "python"), ("kernel_type", "notebook")):
        if meta.get(key) != wanted:
            raise InputError("kaggle.must_be", field=key, wanted=wanted)
    for key in LISTS:
        listed = meta.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise InputError("kaggle.must_be", field=key, wanted='["…"]')
    for key in ("is_private", "enable_gpu", "enable_tpu", "enable_internet"):
        read_flag(meta, key)


def check_internet(meta: Mapping[str, Any], wheels: str | None) -> None:
    """Raise InputError for a run that can't install kgnb's requirements: without Internet it takes them from
    the attached dataset ``wheels`` (OWNER/NAME)."""
    if not read_flag(meta, "enable_internet") and wheels not in meta.get("dataset_sources", []):
        raise InputError("kaggle.needs_internet")


def read_flag(meta: Mapping[str, Any], key: str) -> bool:
    """Return a flag of the metadata as Kaggle's client reads it: True and the text "True" → True; a missing
    one has the template's default. Raises InputError for other values.
    """
    value = meta.get(key, TEMPLATE[key])
    text = value.lower() if isinstance(value, str) else value
    if text not in (True, False, "true", "false"):
        raise InputError("kaggle.must_be", field=key, wanted="true/false")
    return text in (True, "true")


def slug_of(title: str) -> str:
    """Return the slug that Kaggle makes of a title."""
    try:
        from slugify import slugify  # what Kaggle's client uses, and brings along

        return str(slugify(title))
    except ImportError:
        return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def plain_title(title: str) -> str:
    """Return ``title`` if it is in ASCII, else its slug with blanks: for other titles Kaggle makes no new
    notebook ("Notebook not found"), as its slug of them differs from this one.
    """
    return title if title.isascii() else slug_of(title).replace("-", " ")


def title_and_slug(title: str, ending: str) -> tuple[str, str]:
    """Return (plain title that ends in ``ending``, the slug that Kaggle makes of it), both cut to the length
    that Kaggle takes.

    A Chinese title's slug is several times as long as the title.
    """
    for length in range(min(len(title), LONGEST - len(ending)), 0, -1):
        cut = title[:length].rstrip() + ending
        slug = slug_of(cut)
        if len(slug) <= LONGEST:
            return plain_title(cut), slug
    raise InputError("kaggle.bad_title", title=title)


def accelerator(meta: Mapping[str, Any]) -> str:
    """Return which quota the run is charged to: "gpu", "tpu" or "" for none."""
    shape = str(meta.get("machine_shape") or "").lower()
    if read_flag(meta, "enable_tpu") or shape.startswith("tpu"):
        return "tpu"
    return "gpu" if read_flag(meta, "enable_gpu") or shape else ""


def check_model(name: str) -> str:
    """Return ``name`` if it is OWNER/MODEL/FRAMEWORK/VARIATION/VERSION. Raises InputError."""
    if not MODEL.fullmatch(name):
        raise InputError("kaggle.bad_model", model=name)
    return name


def check_kernel(name: str) -> str:
    """Return ``name`` if it is SLUG, OWNER/SLUG or OWNER/SLUG/VERSION. Raises InputError."""
    if not KERNEL.fullmatch(name) or name.startswith("-"):
        raise InputError("kaggle.bad_kernel", kernel=name)
    return name
