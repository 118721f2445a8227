"""`kgnb kaggle …`: runs on Kaggle, unattended, and the datasets of credentials and wheels that they use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kgnb.cli import kaggle_push, options
from kgnb.cli.parser import Commands, Parser
from kgnb.core.errors import InputError
from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.settings import Settings
    from kgnb.kaggle.client import KaggleClient

PROVIDER = ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "KGNB_PROVIDER_NAME")
"""Variables of one provider: what a run needs to use it, and no more."""


# --- a run


async def status(args: argparse.Namespace, _: Settings) -> int:
    """Prints a run's state, once or until it ends."""
    from kgnb.kaggle.client import KaggleClient
    from kgnb.kaggle.kernel_metadata import check_kernel
    from kgnb.kaggle.kernels import follow, status_sentence

    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        if not args.follow and args.output is None:
            found = await client.status(kernel)
            print(status_sentence(kernel, found))
        else:
            found = await follow(client, kernel, print)
            if args.output is not None:
                return await kaggle_push.fetch(client, kernel, args.output, found)
            print(say("kaggle.fetch_with", kernel=kernel))
    return options.FAILED_CHAPTERS if found.over and found.state != "COMPLETE" else options.OK


async def logs(args: argparse.Namespace, _: Settings) -> int:
    """Prints what a run printed."""
    from kgnb.kaggle.client import KaggleClient
    from kgnb.kaggle.kernel_metadata import check_kernel
    from kgnb.kaggle.kernels import log_lines, printable

    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        if args.follow:
            await client.follow_logs(kernel, lambda piece: print(printable(piece).rstrip("\n")))
        else:
            print(log_lines(await client.logs(kernel)).rstrip("\n"))
    return options.OK


async def output(args: argparse.Namespace, _: Settings) -> int:
    """Fetches a run's output files."""
    from kgnb.kaggle.client import KaggleClient
    from kgnb.kaggle.kernel_metadata import check_kernel

    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        files = await client.output(kernel, Path(args.output or kaggle_push.output_folder(kernel)))
    print("\n".join(map(str, files)) or say("kaggle.no_output", kernel=kernel))
    return options.OK


async def stop(args: argparse.Namespace, _: Settings) -> int:
    """Says where a person stops a run."""
    from kgnb.kaggle.client import KaggleClient
    from kgnb.kaggle.kernel_metadata import check_kernel
    from kgnb.kaggle.kernels import status_sentence

    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        found = await client.status(kernel)
    if found.over:
        print(status_sentence(kernel, found))
        return options.OK
    # Kaggle's interface takes a session's number and gives it to nobody (Kaggle/kaggle-cli#1174, 2026-08).
    owner, _slash, rest = kernel.partition("/")
    page = f"https://www.kaggle.com/code/{owner}/{rest.partition('/')[0]}" if rest else "kaggle.com"
    raise InputError("kaggle.stop_by_hand", kernel=kernel, page=page)


# --- datasets


async def create_secrets(args: argparse.Namespace, _: Settings) -> int:
    """Makes a private dataset of the named variables, their values read where kgnb reads its settings."""
    from kgnb.core.secrets import load_secrets
    from kgnb.kaggle.client import KaggleClient
    from kgnb.kaggle.datasets import send_secrets

    found = load_secrets(args.variables or PROVIDER)
    missing = [name for name in args.variables or PROVIDER[1:2] if name not in found]
    if missing:
        raise InputError("kaggle.no_such_secret", names=", ".join(missing))
    async with KaggleClient() as client:
        dataset = await _dataset(client, args.dataset)
        await send_secrets(client, dataset, {name: one.value for name, one in found.items()})
    print(say("kaggle.secrets_made", dataset=dataset, names=", ".join(found)))
    return options.OK


async def delete_secrets(args: argparse.Namespace, _: Settings) -> int:
    """Deletes such a dataset."""
    from kgnb.kaggle import datasets
    from kgnb.kaggle.client import KaggleClient

    async with KaggleClient() as client:
        dataset = await _dataset(client, args.dataset)
        await datasets.delete_secrets(client, dataset)
    print(say("kaggle.secrets_deleted", dataset=dataset))
    return options.OK


async def wheels(args: argparse.Namespace, _: Settings) -> int:
    """Writes a folder that a notebook without Internet installs from, and says how it becomes a dataset."""
    from kgnb.kaggle.kernel_metadata import NOBODY
    from kgnb.kaggle.wheels import DATASET, make_wheels

    owner = args.owner or NOBODY
    made = await make_wheels(Path(args.folder), owner)
    print(say("kaggle.wheels_made", count=len(made), folder=args.folder, dataset=f"{owner}/{DATASET}"))
    return options.OK


async def _dataset(client: KaggleClient, name: str) -> str:
    from kgnb.kaggle.datasets import check_name

    dataset = name if "/" in name else f"{await client.username()}/{name}"
    check_name(dataset)
    return dataset


# --- the parser


def add_kaggle(commands: Commands[Parser]) -> None:
    """Declares `kgnb kaggle` and its commands."""
    parts = options.family(commands, "kaggle")
    kaggle_push.add_init_and_push(parts)
    for name, run in (("status", status), ("logs", logs), ("output", output), ("stop", stop)):
        added = options.command(parts, name, run, text=f"kaggle_{name}")
        added.add_argument("kernel", metavar="OWNER/NAME", help=say("cli.help_kaggle_kernel"))
        if run in (status, logs):
            added.add_argument("-f", "--follow", action="store_true", help=say("cli.help_kaggle_follow"))
        if run in (status, output):
            kaggle_push.output_option(added)
    _declare_secrets(parts)
    added = options.command(parts, "wheels", wheels, text="kaggle_wheels")
    about = say("cli.help_kaggle_wheels_dir")
    options.file_argument(added, "folder", completes="directory", metavar="DIR", help=about)
    added.add_argument("--owner", metavar="NAME", help=say("cli.help_kaggle_wheels_owner"))


def _declare_secrets(parts: Commands[Parser]) -> None:
    secrets = options.family(parts, "secrets", text="kaggle_secrets", dest="secrets_part")
    for name, run in (("create", create_secrets), ("delete", delete_secrets)):
        added = options.command(secrets, name, run, text=f"kaggle_secrets_{name}")
        added.add_argument("dataset", metavar="NAME", help=say("cli.help_kaggle_dataset_name"))
        if run is create_secrets:
            about = say("cli.help_kaggle_variables", default=" ".join(PROVIDER))
            added.add_argument("variables", metavar="VARIABLE", nargs="*", help=about)
