"""What `kgnb kaggle init|push` sends: the notebook, its metadata and the variables that it sets."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgnb.cli.options import warn
from kgnb.core.errors import InputError
from kgnb.core.known_secrets import is_secret_name
from kgnb.core.messages import language, say
from kgnb.core.secrets import DATASET_FILE, DATASET_VARIABLE
from kgnb.kaggle import book_notebook, notebook_bundle
from kgnb.kaggle.client import KaggleClient
from kgnb.kaggle.datasets import check_name
from kgnb.kaggle.kernel_metadata import (
    GPU,
    NOBODY,
    TEMPLATE,
    Metadata,
    accelerator,
    check_internet,
    check_metadata,
    check_model,
    plain_title,
    read_flag,
    read_metadata,
    slug_of,
    title_and_slug,
)
from kgnb.llm.local import PROVIDER

METADATA = "kernel-metadata.json"
CODE = "kgnb.ipynb"
"""The notebook's file in a folder made by `kaggle init`."""
DEFAULT_NOTEBOOK = "worker"
GPU_MODEL = "qwen-lm/qwen-3/transformers/8b-awq/1"
"""The model of a run with its own GPU where none is named: Apache 2.0, 6.1 GB, one for each T4."""
DRY_OWNER = "OWNER"
"""Stands for the account in a dry run, which doesn't log in."""


@dataclass
class Bundle:
    """A notebook on its way: its metadata, its content, and the variables that it sets for itself."""

    meta: Metadata
    notebook: dict[str, Any]
    variables: dict[str, str] = field(default_factory=dict)
    packed: bytes = b""
    """The books, packed, if any travel."""
    earlier: str | None = None
    """The run (OWNER/NAME) whose output it goes on from."""
    is_theirs: bool = False
    """Whether the notebook is a person's own: kgnb can't know what it runs."""


async def named_bundle(args: argparse.Namespace) -> Bundle:
    """Return what the command line names for a push: books, or a person's folder or notebook. Raises
    InputError for a mixture or a missing file.
    """
    named = [Path(one) for one in args.what]
    folders = [one for one in named if await asyncio.to_thread(one.is_dir)]
    if not named or folders == named[:1]:
        folder = named[0] if named else None
        if named[1:]:
            raise InputError("kaggle.book_or_notebook")
        if folder is not None and not await asyncio.to_thread((folder / METADATA).is_file):
            raise InputError("file.missing", path=folder / METADATA)
        return bundle_of_notebook(args, folder)
    if args.notebook:
        raise InputError("kaggle.book_or_notebook")
    return await _bundle_of_books(args, named)


async def _bundle_of_books(args: argparse.Namespace, books: list[Path]) -> Bundle:
    """Return the metadata for a notebook of these books, and the packed books. Raises InputError."""
    from kgnb.app.submit import read  # slow, and of no use to the other commands

    titles = [(await read(book, None, None)).title for book in books]  # no run for what isn't a book
    more = f" +{len(titles) - 1}" if titles[1:] else ""
    title, slug = title_and_slug(args.title or f"kgnb {titles[0]}", more)
    meta = TEMPLATE | {"title": title, "id": f"{NOBODY}/{slug}"}
    packed = await asyncio.to_thread(book_notebook.pack, books)
    return Bundle(meta | {"code_file": CODE}, {}, packed=packed)


def bundle_of_notebook(args: argparse.Namespace, source: Path | None) -> Bundle:
    """Return the metadata of the folder ``source`` (None: of the template), with the notebook that the
    metadata or the options name.
    """
    theirs = source if source is not None and (source / METADATA).is_file() else None
    meta: Metadata = dict(read_metadata(theirs / METADATA) if theirs else TEMPLATE)
    meta["id"] = str(meta.get("id", ""))
    if args.notebook or theirs is None:
        code = notebook_bundle.notebook_path(args.notebook or DEFAULT_NOTEBOOK)
    else:
        code = theirs / str(meta.get("code_file", ""))
    if args.title or theirs is None:
        title = plain_title(args.title or f"kgnb {code.stem}")
        meta |= {"title": title, "id": f"{meta['id'].partition('/')[0]}/{slug_of(title)}"}
    is_theirs = code.resolve().parent != notebook_bundle.own_notebooks().resolve()
    return Bundle(meta | {"code_file": CODE}, notebook_bundle.read_notebook(code), is_theirs=is_theirs)


async def complete(args: argparse.Namespace, client: KaggleClient, bundle: Bundle) -> None:
    """Adds what options and the account say to the metadata and the variables, and checks these."""
    meta = bundle.meta
    if meta["id"].startswith(f"{NOBODY}/") or args.owner:
        owner = args.owner or (DRY_OWNER if args.dry_run else await client.username())
        meta["id"] = f"{owner}/{meta['id'].partition('/')[2]}"
    _apply_options(args, meta)
    check_metadata(meta)
    bundle.variables = _variables(args, meta)
    if wheels := bundle.variables.get("KGNB_WHEELS"):
        attach(meta, "dataset_sources", wheels)
    check_internet(meta, None if args.pypi else wheels)
    if bundle.packed and not args.dry_run:
        await _go_on(args, client, bundle)
    elif len(args.kernel) == 1 and not bundle.packed:
        bundle.variables.setdefault("KGNB_RESUME_FROM", args.kernel[0])


def _apply_options(args: argparse.Namespace, meta: Metadata) -> None:
    for given, key, value in (
        (args.gpu, "enable_gpu", True),
        (args.tpu, "enable_tpu", True),
        (args.accelerator, "machine_shape", args.accelerator),
        (args.public, "is_private", False),
        (args.no_internet, "enable_internet", False),
    ):
        if given:
            meta[key] = value
    if accelerator(meta) == "gpu" and not meta.get("machine_shape"):
        meta["machine_shape"] = GPU
    if args.provider == PROVIDER and not (args.model_source or args.model):
        attach(meta, "model_sources", GPU_MODEL)
    for option in ("dataset", "kernel", "model_source"):
        for source in getattr(args, option):
            attach(meta, f"{option.removesuffix('_source')}_sources", source)
    for source in meta.get("model_sources", []):
        check_model(source)


def attach(meta: Metadata, key: str, source: str) -> None:
    """Adds a source to one of the metadata's lists."""
    if source not in meta.get(key, []):
        meta[key] = [*meta.get(key, []), source]


async def _go_on(args: argparse.Namespace, client: KaggleClient, bundle: Bundle) -> None:
    """Attaches the output of the books' last run, or of --kernel's: what was paid for stays."""
    if args.fresh:
        return
    own = bundle.meta["id"]
    if args.kernel:
        bundle.earlier = args.kernel[0]
        return
    status = await client.find_status(own)
    if status is None or status.state == "NEW_SCRIPT":
        return
    if not status.over:
        raise InputError("kaggle.still_running", kernel=own)
    bundle.earlier = own
    attach(bundle.meta, "kernel_sources", own)
    print(say("kaggle.goes_on", kernel=own))


def _variables(args: argparse.Namespace, meta: Metadata) -> dict[str, str]:
    """Return variables the notebook sets for itself: plain settings, and where its credentials are. Raises
    InputError for a secret.
    """
    # The report names the notebook where it says how to go on.
    variables = {"KGNB_KERNEL": meta["id"], "KGNB_LANG": language()}
    for given in args.set:
        name, equals, value = given.partition("=")
        if not equals or not name.replace("_", "a").isalnum():
            raise InputError("kaggle.bad_set", given=name)
        if is_secret_name(name):
            raise InputError("kaggle.secret_set", name=name)
        variables[name] = value
    if args.provider == PROVIDER:
        variables["KGNB_PROVIDER_NAME"] = PROVIDER
    if args.model:
        variables["OPENAI_MODEL"] = args.model
    if timeout := args.timeout:  # a kill: the node must know it, to leave before
        variables.setdefault("KGNB_SESSION_SECONDS", str(timeout))
    if args.secrets_dataset:
        _check_secrets(args.secrets_dataset, meta)
        variables[DATASET_VARIABLE] = args.secrets_dataset
        attach(meta, "dataset_sources", args.secrets_dataset)
    return variables


def _check_secrets(dataset: str, meta: Metadata) -> None:
    """Raises InputError unless dataset and notebook are both this account's, and private."""
    owner = meta["id"].partition("/")[0]
    check_name(dataset)
    if dataset.partition("/")[0].lower() != owner.lower():
        raise InputError("kaggle.foreign_secrets", dataset=dataset, owner=owner)
    if not read_flag(meta, "is_private"):
        raise InputError("kaggle.public_secrets", dataset=dataset)
    warn(say("kaggle.secrets_warning", dataset=dataset, file=DATASET_FILE))
