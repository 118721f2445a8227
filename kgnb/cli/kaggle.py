"""`kgnb kaggle init|push|status|logs|output|stop`: a notebook that runs on Kaggle unattended."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.cli import options
from kgnb.cli.parser import Commands, Parser
from kgnb.core.errors import InputError
from kgnb.core.messages import say

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kgnb.core.settings import Settings
    from kgnb.kaggle.kernels import KaggleCli, Metadata

METADATA = "kernel-metadata.json"
CODE = "kgnb.ipynb"
"""The notebook's file in a folder made by `kaggle init`."""
DEFAULT_NOTEBOOK = "worker"


# --- init and push


async def init(args: argparse.Namespace, settings: Settings) -> int:
    """Writes a folder that `kaggle kernels push` accepts."""
    from kgnb.kaggle.kernels import KaggleCli

    folder = Path(args.folder)
    meta = await _write_notebook_folder(args, settings, KaggleCli(), folder, source=folder)
    print(say("kaggle.made", folder=folder, id=meta["id"]))
    return options.OK


async def push(args: argparse.Namespace, settings: Settings) -> int:
    """Pushes a notebook and, unless told otherwise, follows its run to the end."""
    from kgnb.kaggle.kernels import KaggleCli

    kaggle = KaggleCli()
    with tempfile.TemporaryDirectory(prefix="kgnb-kaggle-") as made:
        source = Path(args.folder) if args.folder else None
        if source is not None and not await asyncio.to_thread((source / METADATA).is_file):
            raise InputError("book.missing", path=source / METADATA)
        meta = await _write_notebook_folder(args, settings, kaggle, Path(made), source=source)
        pushed = await kaggle.push(Path(made), seconds=args.timeout, patience=args.wait * 60.0, tell=_warn)
    kernel = f"{meta['id']}/{pushed.version}" if pushed.version else meta["id"]
    print(say("kaggle.pushed", kernel=kernel, url=pushed.url))
    for text in pushed.not_added:  # a run without its data or credentials is no success
        _warn(say("kaggle.not_added", reason=text))
    if args.no_follow:
        return options.FAILED_CHAPTERS if pushed.not_added else options.OK
    try:
        code = await _follow(kaggle, kernel, args.output)
    except asyncio.CancelledError:  # Ctrl-C ends the waiting only; the same command again would push again
        _warn(say("kaggle.left_running", kernel=kernel))
        return options.INTERRUPTED
    return options.FAILED_CHAPTERS if pushed.not_added else code


async def _follow(kaggle: KaggleCli, kernel: str, output: str | None) -> int:
    ended = await kaggle.follow(kernel, print)
    if output:
        await _fetch_output(kaggle, kernel, output)
    else:
        print(say("kaggle.fetch_with", kernel=kernel))
    return options.OK if ended.state == "COMPLETE" else options.FAILED_CHAPTERS


async def _write_notebook_folder(
    args: argparse.Namespace, settings: Settings, kaggle: KaggleCli, folder: Path, *, source: Path | None
) -> Metadata:
    """Write the notebook with kgnb embedded and kernel-metadata.json to ``folder``; return the metadata."""
    from kgnb.kaggle import notebook_bundle
    from kgnb.kaggle.kernels import check_metadata

    meta, code = _metadata_and_notebook(args, source)
    if meta["id"].startswith("INSERT_") or args.owner:
        owner = args.owner or await kaggle.username()
        meta["id"] = f"{owner}/{meta['id'].partition('/')[2]}"
    check_metadata(meta)
    variables = _notebook_variables(args, meta)
    notebook = notebook_bundle.read_notebook(code)
    wheel = await notebook_bundle.own_wheel()
    made = notebook_bundle.parcel(notebook, wheel, variables=variables)
    notebook_bundle.check_secrets(made, wheel, _known_secrets(settings))
    text = notebook_bundle.written(made)
    await asyncio.to_thread(_write_files, folder, meta, text)
    return meta


def _metadata_and_notebook(args: argparse.Namespace, source: Path | None) -> tuple[Metadata, Path]:
    """Metadata of ``source``, else of the template, changed by options; and the notebook's path."""
    from kgnb.kaggle import notebook_bundle
    from kgnb.kaggle.kernels import NOBODY, TEMPLATE, read_metadata, slug_of

    root = notebook_bundle.checkout()
    at = next((f for f in (source, root) if f is not None and (f / METADATA).is_file()), None)
    meta: Metadata = dict(read_metadata(at / METADATA)) if at else dict(TEMPLATE)
    meta["id"] = str(meta.get("id", ""))
    theirs = at is not None and at == source  # an installed kgnb has neither
    blank = meta["id"].startswith(f"{NOBODY}/") and not theirs  # the template as it comes
    if args.notebook or blank or at is None:
        code = notebook_bundle.notebook_path(args.notebook or DEFAULT_NOTEBOOK)
    else:
        code = at / str(meta.get("code_file", ""))
    if args.title or blank or (args.notebook and not theirs):
        title = args.title or f"kgnb {code.stem}"
        meta |= {"title": title, "id": f"{meta['id'].partition('/')[0]}/{slug_of(title)}"}
    meta["code_file"] = CODE
    for option, key in (("gpu", "enable_gpu"), ("tpu", "enable_tpu")):
        if getattr(args, option):
            meta[key] = True
    if args.public:
        meta["is_private"] = False
    for option, key in (("dataset", "dataset_sources"), ("kernel", "kernel_sources")):
        listed = meta.get(key, [])
        meta[key] = [*listed, *(one for one in getattr(args, option) if one not in listed)]
    return meta, code


def _notebook_variables(args: argparse.Namespace, meta: Metadata) -> dict[str, str]:
    """Variables the notebook sets for itself: plain settings, and where its credentials are."""
    from kgnb.core.host import is_secret_name
    from kgnb.core.secrets import DATASET_FILE, DATASET_VARIABLE
    from kgnb.kaggle.kernels import SOURCE, read_flag

    variables: dict[str, str] = {}
    for given in args.set:
        name, equals, value = given.partition("=")
        if not equals or not name.replace("_", "a").isalnum():
            raise InputError("kaggle.bad_set", given=name)
        if is_secret_name(name):
            raise InputError("kaggle.secret_set", name=name)
        variables[name] = value
    if args.secrets_dataset:
        dataset = args.secrets_dataset
        owner = meta["id"].partition("/")[0]
        if not SOURCE.fullmatch(dataset):
            raise InputError("kaggle.bad_dataset", dataset=dataset)
        if dataset.partition("/")[0].lower() != owner.lower():
            raise InputError("kaggle.foreign_secrets", dataset=dataset, owner=owner)
        if not read_flag(meta, "is_private"):
            raise InputError("kaggle.public_secrets", dataset=dataset)
        _warn(say("kaggle.secrets_warning", dataset=dataset, file=DATASET_FILE))
        variables[DATASET_VARIABLE] = dataset
        if dataset not in meta["dataset_sources"]:
            meta["dataset_sources"] = [*meta["dataset_sources"], dataset]
    return variables


def _known_secrets(settings: Settings) -> Mapping[str, SecretStr]:
    """Every secret of the settings and the environment, by variable: none may be in what is pushed."""
    from pydantic import SecretStr

    from kgnb.core.host import SHORTEST_SECRET, environment_secrets
    from kgnb.core.settings import Settings

    found = environment_secrets()
    for variable, field in Settings.variables().items():
        value = getattr(settings, field)
        if isinstance(value, SecretStr) and len(value) >= SHORTEST_SECRET:
            found[variable] = value
    return found


def _write_files(folder: Path, meta: Metadata, notebook: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CODE).write_text(notebook, "utf-8")
        (folder / METADATA).write_text(json.dumps(meta, ensure_ascii=False, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InputError("kaggle.cannot_write", folder=folder, reason=error.strerror) from None


def _warn(text: str) -> None:
    print(f"kgnb: {text}", file=sys.stderr, flush=True)


# --- a run


async def status(args: argparse.Namespace, _: Settings) -> int:
    """Prints a run's state, once or until it ends."""
    from kgnb.kaggle.kernels import KaggleCli, check_kernel, status_sentence

    kernel = check_kernel(args.kernel)
    if args.follow:
        return await _follow(KaggleCli(), kernel, args.output)
    found = await KaggleCli().status(kernel)
    print(status_sentence(kernel, found))
    return options.FAILED_CHAPTERS if found.over and found.state != "COMPLETE" else options.OK


async def logs(args: argparse.Namespace, _: Settings) -> int:
    """Prints what a run printed."""
    from kgnb.kaggle.kernels import KaggleCli, check_kernel

    kernel = check_kernel(args.kernel)
    if args.follow:
        await KaggleCli().follow_logs(kernel, print)
    else:
        print((await KaggleCli().logs(kernel)).rstrip("\n"))
    return options.OK


async def output(args: argparse.Namespace, _: Settings) -> int:
    """Fetches a run's output files."""
    from kgnb.kaggle.kernels import KaggleCli, check_kernel

    await _fetch_output(KaggleCli(), check_kernel(args.kernel), args.output)
    return options.OK


async def _fetch_output(kaggle: KaggleCli, kernel: str, output: str) -> None:
    files = await kaggle.output(kernel, Path(output))
    print("\n".join(map(str, files)) or say("kaggle.no_output", kernel=kernel))


async def stop(args: argparse.Namespace, _: Settings) -> int:
    """Stops a run, or says where a person can."""
    from kgnb.kaggle.kernels import KaggleCli, check_kernel, status_sentence

    kaggle, kernel = KaggleCli(), check_kernel(args.kernel)
    found = await kaggle.status(kernel)
    if found.over:
        print(status_sentence(kernel, found))
        return options.OK
    if args.session is None:
        # Kaggle's interface takes a session's number and gives it to nobody (Kaggle/kaggle-cli#1172).
        owner, _slash, rest = kernel.partition("/")
        page = f"https://www.kaggle.com/code/{owner}/{rest.partition('/')[0]}" if rest else "kaggle.com"
        raise InputError("kaggle.stop_by_hand", kernel=kernel, page=page)
    await kaggle.cancel(args.session)
    print(say("kaggle.stopping", kernel=kernel))
    return options.OK


# --- the parser


def add_kaggle(commands: Commands[Parser]) -> None:
    """Declares `kgnb kaggle` and its commands."""
    parts = options.family(commands, "kaggle")
    adding = options.command(parts, "init", init, text="kaggle_init")
    about = say("cli.help_kaggle_dir")
    options.file_argument(adding, "folder", completes="directory", metavar="DIR", help=about)
    _notebook_options(adding)
    _declare_push(parts)
    for name, run in (("status", status), ("logs", logs), ("output", output), ("stop", stop)):
        added = options.command(parts, name, run, text=f"kaggle_{name}")
        added.add_argument("kernel", metavar="OWNER/NAME", help=say("cli.help_kaggle_kernel"))
        if run in (status, logs):
            added.add_argument("-f", "--follow", action="store_true", help=say("cli.help_kaggle_follow"))
        if run is status:
            _output_option(added)
        if run is output:
            _output_option(added, default="kaggle-output")
        if run is stop:
            about = say("cli.help_kaggle_session")
            added.add_argument("--session", type=options.row_id, metavar="N", help=about)


def _declare_push(parts: Commands[Parser]) -> None:
    added = options.command(parts, "push", push, text="kaggle_push")
    about = say("cli.help_kaggle_from")
    options.file_argument(added, "folder", completes="directory", metavar="DIR", nargs="?", help=about)
    _notebook_options(added)
    added.add_argument(
        "--timeout", type=options.seconds, metavar="SECONDS", help=say("cli.help_kaggle_timeout")
    )
    added.add_argument(
        "--wait", type=float, default=120.0, metavar="MINUTES", help=say("cli.help_kaggle_wait")
    )
    added.add_argument("--no-follow", action="store_true", help=say("cli.help_kaggle_no_follow"))
    _output_option(added)


def _output_option(added: Parser, default: str | None = None) -> None:
    about = say("cli.help_kaggle_output_dir")
    names = ("-o", "--output")
    options.file_argument(added, *names, completes="directory", metavar="DIR", default=default, help=about)


def _notebook_options(added: Parser) -> None:
    added.add_argument("--notebook", metavar="worker|quickstart|FILE", help=say("cli.help_kaggle_notebook"))
    added.add_argument("--title", help=say("cli.help_kaggle_title"))
    added.add_argument("--owner", metavar="NAME", help=say("cli.help_kaggle_owner"))
    added.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=say("cli.help_kaggle_set")
    )
    for option in ("gpu", "tpu", "public"):
        added.add_argument(f"--{option}", action="store_true", help=say(f"cli.help_kaggle_{option}"))
    for option in ("dataset", "kernel"):
        about = say(f"cli.help_kaggle_{option}_source")
        added.add_argument(f"--{option}", action="append", default=[], metavar="OWNER/NAME", help=about)
    added.add_argument("--secrets-dataset", metavar="OWNER/NAME", help=say("cli.help_kaggle_secrets_dataset"))
