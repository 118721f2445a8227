"""`kgnb kaggle init|push`: what is refused before it leaves, the push, and the run until its end."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from kgnb.cli import options
from kgnb.cli.kaggle_bundle import (
    CODE,
    DEFAULT_NOTEBOOK,
    METADATA,
    Bundle,
    attach,
    bundle_of_notebook,
    complete,
    named_bundle,
)
from kgnb.cli.options import warn
from kgnb.core.endpoint import is_here
from kgnb.core.errors import InputError
from kgnb.core.formatting import duration
from kgnb.core.known_secrets import known_secrets
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.kaggle import book_notebook, datasets, kernels, notebook_bundle
from kgnb.kaggle.client import KaggleClient, KernelStatus, Pushed
from kgnb.kaggle.kernel_metadata import Metadata, accelerator
from kgnb.kaggle.notebook_bundle import Wheel
from kgnb.kaggle.secret_check import check_secrets
from kgnb.llm.local import PROVIDER

WORK = ("REDIS_HOST", "REDIS_SENTINEL", "KGNB_RESUME_FROM")
"""Variables that give a worker without a book something to do."""


# --- commands


async def init(args: argparse.Namespace, settings: Settings) -> int:
    """Write a folder that ``kaggle kernels push`` accepts; return 0."""
    folder = Path(args.folder)
    bundle = bundle_of_notebook(args, folder)
    async with KaggleClient() as client:
        await complete(args, client, bundle)
    text = _text(settings, bundle, await _wheel(args))
    await asyncio.to_thread(_write_files, folder, bundle.meta, text)
    print(say("kaggle.made", folder=folder, id=bundle.meta["id"]))
    return options.OK


async def push(args: argparse.Namespace, settings: Settings) -> int:
    """Push books, or a notebook; with ``--follow`` wait for the run and fetch its output. Return 1 if the run
    failed or inputs weren't added, else 0.
    """
    async with KaggleClient() as client:
        bundle = await named_bundle(args)
        await complete(args, client, bundle)
        _check_work(args, settings, bundle)
        _check_accelerator(args, bundle)
        if bundle.packed and args.public:
            warn(say("kaggle.public_books"))
        if args.dry_run:
            return _tell_dry(args, bundle, *await _composed(args, settings, bundle))
        await _check_account(args, client, bundle)
        text, dataset = await _composed(args, settings, bundle)
        if dataset:
            await datasets.send_books(client, dataset, bundle.packed, print)
        pushed = await _send(args, client, bundle, text)
        asked = bundle.meta["id"]
        name = pushed.kernel or asked
        kernel = f"{name}/{pushed.version}" if pushed.version else name
        print(say("kaggle.saved" if args.no_run else "kaggle.pushed", kernel=kernel, url=pushed.url))
        if _follows(args) and not args.no_run:
            print(say("kaggle.may_leave"))
        if name.lower() != asked.lower():
            warn(say("kaggle.renamed", kernel=name, asked=asked))
        if pushed.warning:
            warn(pushed.warning)
        for text in pushed.not_added:  # a run without its data or credentials is no success
            warn(say("kaggle.not_added", reason=text))
        code = await _stay(args, client, kernel, bundle)
        return code or (options.FAILED_CHAPTERS if pushed.not_added else options.OK)


async def _stay(args: argparse.Namespace, client: KaggleClient, kernel: str, bundle: Bundle) -> int:
    """With --follow or -o wait for the run's end, take the credentials away and fetch the output; return the
    exit code.
    """
    if args.no_run:
        return options.OK
    if not _follows(args):
        print(say("kaggle.follow_with", kernel=kernel))
        return options.OK
    secrets = args.secrets_dataset if args.delete_secrets else ""
    try:
        ended = await kernels.follow(client, kernel, print, pushed=True)
        if secrets:
            await datasets.delete_secrets(client, secrets)
            print(say("kaggle.secrets_deleted", dataset=secrets))
            secrets = ""
        return await fetch(
            client, kernel, args.output or output_folder(kernel), ended, books=bool(bundle.packed)
        )
    except asyncio.CancelledError:  # Ctrl-C ends the waiting only; the same command again would push again
        warn(say("kaggle.left_running", kernel=kernel))
        return options.INTERRUPTED
    finally:
        if secrets:
            warn(say("kaggle.secrets_stay", dataset=secrets))


def _follows(args: argparse.Namespace) -> bool:
    """Return whether the command waits for the run."""
    return bool(args.follow or args.output is not None)


def output_folder(kernel: str) -> str:
    """Return the default folder for a run's output: "kaggle-output/NAME" for OWNER/NAME."""
    return f"kaggle-output/{kernel.split('/')[:2][-1]}"


async def fetch(
    client: KaggleClient, kernel: str, output: str, ended: KernelStatus, *, books: bool = False
) -> int:
    """Fetch the output of a run that ended, of a run of ``books`` only what a person looks at; return 0 if
    the run is complete and no chapter is left, else 1.
    """
    pattern = book_notebook.RESULTS if books else None
    files = tell_files(kernel, await kernels.fetch_output(client, kernel, Path(output), pattern))
    for graph in book_notebook.results(files):
        print(say("kaggle.graph", path=one_line(graph)))
    if ended.state == "ERROR":
        warn(say("kaggle.see_logs", kernel=kernel))
    left = book_notebook.chapters_left(files) if books else 0
    if left:
        warn(say("kaggle.chapters_left", count=left))
    return options.OK if ended.state == "COMPLETE" and not left else options.FAILED_CHAPTERS


def tell_files(kernel: str, files: list[Path]) -> list[Path]:
    """Print the names of a run's output files and return the files."""
    print("\n".join(map(one_line, files)) or say("kaggle.no_output", kernel=kernel))
    return files


# --- before it leaves


def _check_work(args: argparse.Namespace, settings: Settings, bundle: Bundle) -> None:
    """Raises InputError for a run that would have nothing to do, or couldn't do it."""
    if args.delete_secrets and not (args.secrets_dataset and _follows(args)):
        raise InputError("kaggle.delete_needs")
    variables = bundle.variables
    able = args.no_run or args.secrets_dataset  # in the editor secrets are attached by hand
    if not bundle.packed:
        own_worker = not args.what and args.notebook in (None, DEFAULT_NOTEBOOK)
        if own_worker and not able and not any(name in variables for name in WORK):
            raise InputError("kaggle.nothing_to_do")
        return
    if able or "OPENAI_BASE_URL" in variables or args.provider == PROVIDER:
        return
    if args.provider not in (None, "rules"):
        raise InputError("kaggle.provider_needs_key", provider=args.provider)
    if args.provider is None and settings.openai_api_key.get_secret_value():
        warn(say("kaggle.rules_only"))


def _check_accelerator(args: argparse.Namespace, bundle: Bundle) -> None:
    """Raises InputError for an accelerator that nothing in the run uses: its hours are counted all the same;
    and for a model of the run's own without a GPU.

    kgnb's own notebooks use one only through a server in the notebook itself.
    """
    wanted = accelerator(bundle.meta)
    if args.provider == PROVIDER:
        if wanted != "gpu" or not bundle.packed:
            raise InputError("kaggle.local_needs_gpu")
        return
    served_there = is_here(urlsplit(bundle.variables.get("OPENAI_BASE_URL", "")).hostname or "")
    if wanted and not (args.no_run or bundle.is_theirs or served_there):
        raise InputError("kaggle.accelerator_unused", what=wanted.upper())


async def _check_account(args: argparse.Namespace, client: KaggleClient, bundle: Bundle) -> None:
    """Tells Kaggle's limits. Raises KgnbError for a run that they don't allow, or credentials that others
    could read."""
    if args.secrets_dataset:
        await datasets.check_secrets_dataset(client, args.secrets_dataset)
    found = bundle.earlier if not args.kernel else None
    await kernels.check_sources(client, bundle.meta, (args.secrets_dataset, found))
    if args.no_run:
        return
    wanted = accelerator(bundle.meta)
    seconds = kernels.check_session(args.timeout, tpu=wanted == "tpu")
    if wanted:
        await kernels.check_quota(client, wanted, print)
    print(say("kaggle.limit", length=duration(seconds)))


def _tell_dry(args: argparse.Namespace, bundle: Bundle, text: str, dataset: str) -> int:
    """Print what a push would send: metadata, the variables that the notebook sets, and its size;
    return 0.
    """
    kernels.check_session(args.timeout, tpu=accelerator(bundle.meta) == "tpu")
    print(json.dumps(bundle.meta, ensure_ascii=False, indent=2))
    for name, value in bundle.variables.items():
        print(f"{name}={one_line(value)}")
    if dataset:
        print(say("kaggle.sending_books", dataset=dataset, kb=len(bundle.packed) // 1000))
    print(say("kaggle.dry", kb=len(text) // 1000, limit=notebook_bundle.MOST_BYTES // 1000))
    return options.OK


async def _send(args: argparse.Namespace, client: KaggleClient, bundle: Bundle, text: str) -> Pushed:
    """Push the notebook's text with its metadata; return what Kaggle says."""
    with tempfile.TemporaryDirectory(prefix="kgnb-kaggle-") as made:
        await asyncio.to_thread(_write_files, Path(made), bundle.meta, text)
        if args.no_run:
            return await client.push(Path(made), run=False)
        patience = args.wait * 60.0
        return await kernels.push_when_free(
            client, Path(made), seconds=args.timeout, patience=patience, tell=warn
        )


async def _composed(args: argparse.Namespace, settings: Settings, bundle: Bundle) -> tuple[str, str]:
    """Return (the notebook's text, the dataset that brings the books where they make it too large,
    else "").
    """
    wheel = await _wheel(args)
    if not bundle.packed:
        return _text(settings, bundle, wheel), ""
    how = {"provider": args.provider, "earlier": bundle.earlier}
    bundle.notebook = book_notebook.notebook(book_notebook.carried(bundle.packed), **how)
    try:
        return _text(settings, bundle, wheel), ""
    except InputError as error:
        if error.key != "bundle.too_large":
            raise
    dataset = datasets.books_dataset(bundle.meta["id"])
    attach(bundle.meta, "dataset_sources", dataset)
    bundle.notebook = book_notebook.notebook(book_notebook.attached(dataset), **how)
    return _text(settings, bundle, wheel), dataset


async def _wheel(args: argparse.Namespace) -> Wheel | None:
    """Return kgnb's wheel; None to install from PyPI."""
    return None if args.pypi else await notebook_bundle.own_wheel()


def _text(settings: Settings, bundle: Bundle, wheel: Wheel | None) -> str:
    """Return the notebook with kgnb in it as it leaves. Raises InputError for a secret in it, or when
    it is too large.
    """
    made = notebook_bundle.bundled(bundle.notebook, wheel, variables=bundle.variables)
    text = notebook_bundle.written(made)
    check_secrets(made, wheel, known_secrets(settings))
    return text


def _write_files(folder: Path, meta: Metadata, notebook: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CODE).write_text(notebook, "utf-8")
        (folder / METADATA).write_text(json.dumps(meta, ensure_ascii=False, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InputError("kaggle.cannot_write", folder=folder, reason=error.strerror) from None
