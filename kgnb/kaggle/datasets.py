"""Private datasets that kgnb makes for its runs: of books too large for a notebook, and of credentials."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from kgnb.core.errors import InputError, ServiceDown, ServiceRefused
from kgnb.core.kaggle_inputs import NAME
from kgnb.core.messages import say
from kgnb.core.secrets import DATASET_FILE
from kgnb.kaggle.book_notebook import FILE as BOOKS_FILE
from kgnb.kaggle.client import Dataset, KaggleClient, Tell

NAME_LENGTH = range(6, 51)
"""Characters in a dataset's name."""
READY_SECONDS = 900.0
"""How long Kaggle may take to prepare a dataset's files."""
READY_PAUSE = 5.0
"""Seconds between looks at that."""


def books_dataset(kernel: str) -> str:
    """Return the name of the dataset with the books of the notebook ``kernel`` (OWNER/NAME)."""
    owner, _, slug = kernel.partition("/")
    return f"{owner}/{slug[: NAME_LENGTH.stop - 1 - len('-books')].rstrip('-')}-books"


async def send_books(client: KaggleClient, dataset: str, packed: bytes, tell: Tell) -> None:
    """Make the packed books the only content of the private dataset; return when Kaggle has prepared it."""
    tell(say("kaggle.sending_books", dataset=dataset, kb=len(packed) // 1000))
    await _send(client, dataset, BOOKS_FILE, packed)


async def send_secrets(client: KaggleClient, dataset: str, values: Mapping[str, SecretStr]) -> None:
    """Make ``values``, by variable, the only content of the private dataset."""
    await _send(client, dataset, DATASET_FILE, _env_file(values).encode())


async def delete_secrets(client: KaggleClient, dataset: str) -> None:
    """Delete a dataset of credentials. Raises InputError for any other, or where there is none."""
    if await _own(client, dataset, DATASET_FILE) is None:
        raise InputError("kaggle.no_dataset", dataset=dataset)
    await client.delete_dataset(dataset)


async def check_secrets_dataset(client: KaggleClient, dataset: str) -> None:
    """Raise InputError unless the dataset is there and private."""
    found = await client.dataset(dataset)
    if found is None:
        raise InputError("kaggle.no_dataset", dataset=dataset)
    if not found.private:
        raise InputError("kaggle.dataset_public", dataset=dataset)


def check_name(dataset: str) -> None:
    """Raise InputError for a name that Kaggle would refuse."""
    if not NAME.fullmatch(dataset) or len(dataset.partition("/")[2]) not in NAME_LENGTH:
        raise InputError("kaggle.bad_dataset", dataset=dataset)


def describe(folder: Path, dataset: str) -> None:
    """Write the metadata that makes the folder the dataset OWNER/NAME."""
    facts = {"id": dataset, "title": dataset.partition("/")[2], "licenses": [{"name": "other"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


async def _send(client: KaggleClient, dataset: str, file: str, data: bytes) -> None:
    check_name(dataset)
    before = await _own(client, dataset, file)
    with tempfile.TemporaryDirectory(prefix="kgnb-dataset-") as made:  # for this user alone
        folder = Path(made)
        describe(folder, dataset)
        (folder / file).write_bytes(data)
        await client.send_dataset(folder, new=before is None)
    await _ready(client, dataset, before.version if before else 0)


async def _own(client: KaggleClient, dataset: str, file: str) -> Dataset | None:
    """Return the dataset if there is one. Raises InputError unless it is private and has ``file`` alone:
    whatever else somebody keeps there must be neither replaced nor deleted."""
    found = await client.dataset(dataset)
    if found is not None and (not found.private or await client.dataset_files(dataset) != [file]):
        raise InputError("kaggle.not_ours", dataset=dataset, file=file)
    return found


async def _ready(client: KaggleClient, dataset: str, version: int) -> None:
    """Wait until a version after ``version`` is prepared: a run that starts before has no files."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        found = await client.dataset(dataset)
        if found and found.version > version and found.state == "ready":
            return
        if found and found.state == "failed":
            raise ServiceRefused("kaggle.dataset_failed", service="kaggle", dataset=dataset)
        if time.monotonic() > deadline:
            raise ServiceDown("kaggle.slow", service="kaggle", seconds=round(READY_SECONDS))
        await asyncio.sleep(READY_PAUSE)


def _env_file(values: Mapping[str, SecretStr]) -> str:
    """Return the text of a file that python-dotenv reads back as these values."""
    quoted = {
        name: value.get_secret_value().replace("\\", "\\\\").replace("'", "\\'")
        for name, value in values.items()
    }
    return "".join(f"{name}='{value}'\n" for name, value in quoted.items())
