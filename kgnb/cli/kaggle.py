"""``kgnb kaggle init|push|status|logs|output|stop``: a notebook that runs on Kaggle unattended."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb.cli.options import FAILED_CHAPTERS, INTERRUPTED, OK, command, row_id, seconds
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from kgnb.kaggle.kernels import KaggleCli, Metadata

METADATA = "kernel-metadata.json"
CODE = "kgnb.ipynb"
"""What the notebook is called in a folder that is made here."""
DEFAULT_NOTEBOOK = "worker"


# --- init and push


async def _init(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli

    folder = Path(args.folder)
    meta = await _prepare(args, settings, KaggleCli(), folder, source=folder)
    print(say("kaggle.made", folder=folder, id=meta["id"]))
    return OK


async def _push(args: argparse.Namespace, settings: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli

    kaggle = KaggleCli()
    with tempfile.TemporaryDirectory(prefix="kgnb-kaggle-") as made:
        source = Path(args.folder) if args.folder else None
        if source is not None and not await asyncio.to_thread((source / METADATA).is_file):
            raise InputError("book.missing", path=source / METADATA)
        meta = await _prepare(args, settings, kaggle, Path(made), source=source)
        pushed = await kaggle.push(Path(made), seconds=args.timeout, patience=args.wait * 60.0, tell=_tell)
    kernel = f"{meta['id']}/{pushed.version}" if pushed.version else meta["id"]
    print(say("kaggle.pushed", kernel=kernel, url=pushed.url))
    for text in pushed.not_added:  # a run without its data or credentials is no success
        _tell(say("kaggle.not_added", reason=text))
    if args.no_follow:
        return FAILED_CHAPTERS if pushed.not_added else OK
    try:
        code = await _followed(kaggle, kernel, args.output)
    except asyncio.CancelledError:  # Ctrl-C ends the waiting only; the same command again would push again
        _tell(say("kaggle.left_running", kernel=kernel))
        return INTERRUPTED
    return FAILED_CHAPTERS if pushed.not_added else code


async def _followed(kaggle: KaggleCli, kernel: str, output: str | None) -> int:
    status = await kaggle.follow(kernel, print)
    if output:
        await _fetch(kaggle, kernel, output)
    else:
        print(say("kaggle.fetch_with", kernel=kernel))
    return OK if status.state == "COMPLETE" else FAILED_CHAPTERS


async def _prepare(
    args: argparse.Namespace, settings: Settings, kaggle: KaggleCli, folder: Path, *, source: Path | None
) -> Metadata:
    """Writes the notebook with kgnb in it and its kernel-metadata.json into ``folder``; returns these."""
    from kgnb.kaggle import notebook_bundle
    from kgnb.kaggle.kernels import check_metadata

    meta, code = _described(args, source)
    if meta["id"].startswith("INSERT_") or args.owner:
        owner = args.owner or await kaggle.username()
        meta["id"] = f"{owner}/{meta['id'].partition('/')[2]}"
    check_metadata(meta)
    variables = _variables(args, meta)
    notebook = notebook_bundle.read_notebook(code)
    wheel = await notebook_bundle.own_wheel()
    made = notebook_bundle.parcel(notebook, wheel, variables=variables)
    notebook_bundle.check_secrets(made, wheel, _known_secrets(settings))
    text = notebook_bundle.written(made)
    await asyncio.to_thread(_write, folder, meta, text)
    return meta


def _described(args: argparse.Namespace, source: Path | None) -> tuple[Metadata, Path]:
    """(metadata, its notebook's path), from the folder's own file, else the template; options win."""
    from kgnb.kaggle import notebook_bundle
    from kgnb.kaggle.kernels import NOBODY, TEMPLATE, read_metadata, slug_of

    root = notebook_bundle.checkout()
    at = next(
        (f for f in (source, root) if f is not None and (f / METADATA).is_file()),
        None,
    )
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
        meta[key] = [
            *meta.get(key, []),
            *(one for one in getattr(args, option) if one not in meta.get(key, [])),
        ]
    return meta, code


def _variables(args: argparse.Namespace, meta: Metadata) -> dict[str, str]:
    """What the notebook sets for itself: plain settings, and where its credentials lie."""
    from kgnb.core.host import is_secret_name
    from kgnb.core.secrets import DATASET_FILE, DATASET_VARIABLE
    from kgnb.kaggle.kernels import SOURCE, is_private

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
        if not is_private(meta):
            raise InputError("kaggle.public_secrets", dataset=dataset)
        _tell(say("kaggle.secrets_warning", dataset=dataset, file=DATASET_FILE))
        variables[DATASET_VARIABLE] = dataset
        if dataset not in meta["dataset_sources"]:
            meta["dataset_sources"] = [*meta["dataset_sources"], dataset]
    return variables


def _known_secrets(settings: Settings) -> Mapping[str, SecretStr]:
    """Every secret within reach, by variable: none of them may be in what leaves."""
    from pydantic import SecretStr

    from kgnb.core.host import SHORTEST_SECRET, environment_secrets

    found = environment_secrets()
    for variable, field in Settings.variables().items():
        value = getattr(settings, field)
        if isinstance(value, SecretStr) and len(value) >= SHORTEST_SECRET:
            found[variable] = value
    return found


def _write(folder: Path, meta: Metadata, notebook: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CODE).write_text(notebook, "utf-8")
        (folder / METADATA).write_text(json.dumps(meta, ensure_ascii=False, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise InputError("kaggle.cannot_write", folder=folder, reason=error.strerror) from None


def _tell(text: str) -> None:
    print(f"kgnb: {text}", file=sys.stderr, flush=True)


# --- a run


async def _status(args: argparse.Namespace, _: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli, check_kernel, said_of

    kernel = check_kernel(args.kernel)
    if args.follow:
        return await _followed(KaggleCli(), kernel, args.output)
    status = await KaggleCli().status(kernel)
    print(said_of(kernel, status))
    return FAILED_CHAPTERS if status.over and status.state != "COMPLETE" else OK


async def _logs(args: argparse.Namespace, _: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli, check_kernel

    kernel = check_kernel(args.kernel)
    if args.follow:
        await KaggleCli().follow_logs(kernel, print)
    else:
        print((await KaggleCli().logs(kernel)).rstrip("\n"))
    return OK


async def _output(args: argparse.Namespace, _: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli, check_kernel

    await _fetch(KaggleCli(), check_kernel(args.kernel), args.output)
    return OK


async def _fetch(kaggle: KaggleCli, kernel: str, output: str) -> None:
    files = await kaggle.output(kernel, Path(output))
    print("\n".join(map(str, files)) or say("kaggle.no_output", kernel=kernel))


async def _stop(args: argparse.Namespace, _: Settings) -> int:
    from kgnb.kaggle.kernels import KaggleCli, check_kernel, said_of

    kaggle, kernel = KaggleCli(), check_kernel(args.kernel)
    status = await kaggle.status(kernel)
    if status.over:
        print(said_of(kernel, status))
        return OK
    if args.session is None:
        # Kaggle's interface takes a session's number and gives it to nobody (Kaggle/kaggle-cli#1172).
        owner, _slash, rest = kernel.partition("/")
        page = f"https://www.kaggle.com/code/{owner}/{rest.partition('/')[0]}" if rest else "kaggle.com"
        raise InputError("kaggle.stop_by_hand", kernel=kernel, page=page)
    await kaggle.cancel(args.session)
    print(say("kaggle.stopping", kernel=kernel))
    return OK


# --- the parser


def add_kaggle(commands: Any) -> None:
    """Declares ``kaggle`` and its parts."""
    added = commands.add_parser("kaggle", help=say("cli.help_kaggle"), description=say("cli.help_kaggle"))
    parts = added.add_subparsers(dest="part", required=True, metavar="COMMAND")
    init = command(parts, "init", _init, text="kaggle_init")
    init.add_argument("folder", metavar="DIR", help=say("cli.help_kaggle_dir"))
    _notebook_options(init)
    push = command(parts, "push", _push, text="kaggle_push")
    push.add_argument("folder", metavar="DIR", nargs="?", help=say("cli.help_kaggle_from"))
    _notebook_options(push)
    push.add_argument("--timeout", type=seconds, metavar="SECONDS", help=say("cli.help_kaggle_timeout"))
    push.add_argument(
        "--wait", type=float, default=120.0, metavar="MINUTES", help=say("cli.help_kaggle_wait")
    )
    push.add_argument("--no-follow", action="store_true", help=say("cli.help_kaggle_no_follow"))
    push.add_argument("-o", "--output", metavar="DIR", help=say("cli.help_kaggle_output_dir"))
    for name, run in (("status", _status), ("logs", _logs), ("output", _output), ("stop", _stop)):
        one = command(parts, name, run, text=f"kaggle_{name}")
        one.add_argument("kernel", metavar="OWNER/NAME", help=say("cli.help_kaggle_kernel"))
        if name in ("status", "logs"):
            one.add_argument("-f", "--follow", action="store_true", help=say("cli.help_kaggle_follow"))
        if name == "status":
            one.add_argument("-o", "--output", metavar="DIR", help=say("cli.help_kaggle_output_dir"))
        if name == "output":
            one.add_argument(
                "-o",
                "--output",
                metavar="DIR",
                default="kaggle-output",
                help=say("cli.help_kaggle_output_dir"),
            )
        if name == "stop":
            one.add_argument("--session", type=row_id, metavar="N", help=say("cli.help_kaggle_session"))


def _notebook_options(added: argparse.ArgumentParser) -> None:
    added.add_argument("--notebook", metavar="worker|quickstart|FILE", help=say("cli.help_kaggle_notebook"))
    added.add_argument("--title", help=say("cli.help_kaggle_title"))
    added.add_argument("--owner", metavar="NAME", help=say("cli.help_kaggle_owner"))
    added.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help=say("cli.help_kaggle_set")
    )
    for option in ("gpu", "tpu", "public"):
        added.add_argument(f"--{option}", action="store_true", help=say(f"cli.help_kaggle_{option}"))
    for option in ("dataset", "kernel"):
        added.add_argument(
            f"--{option}",
            action="append",
            default=[],
            metavar="OWNER/NAME",
            help=say(f"cli.help_kaggle_{option}_source"),
        )
    added.add_argument("--secrets-dataset", metavar="OWNER/NAME", help=say("cli.help_kaggle_secrets_dataset"))
