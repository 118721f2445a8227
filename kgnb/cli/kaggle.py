"""`kgnb kaggle …`: runs on Kaggle, unattended, and the datasets of credentials and wheels that they use."""

from __future__ import annotations

import argparse
from pathlib import Path

from kgnb.cli import kaggle_push, options
from kgnb.cli.commands import ONE_PROVIDER
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.safe_text import many_lines
from kgnb.core.secrets import load_secrets
from kgnb.core.settings import Settings
from kgnb.kaggle import datasets, wheel_folder
from kgnb.kaggle.client import KaggleClient
from kgnb.kaggle.datasets import check_name, send_secrets
from kgnb.kaggle.kernel_metadata import NOBODY, check_kernel
from kgnb.kaggle.kernels import follow, log_lines, status_sentence

# --- a run


async def status(args: argparse.Namespace, _: Settings) -> int:
    """Print a run's state, once or until it ends; return 1 if it ended without success, else 0."""
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
    """Print what a run printed; return 0."""
    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        if args.follow:
            await client.follow_logs(kernel, lambda piece: print(many_lines(piece).rstrip("\n")))
        elif printed := log_lines(await client.logs(kernel)).rstrip("\n"):
            print(printed)
        else:
            options.warn(say("kaggle.no_logs", kernel=kernel))
    return options.OK


async def output(args: argparse.Namespace, _: Settings) -> int:
    """Fetch a run's output files; return 0."""
    kernel = check_kernel(args.kernel)
    async with KaggleClient() as client:
        folder = Path(args.output or kaggle_push.output_folder(kernel))
        kaggle_push.tell_files(kernel, await client.output(kernel, folder))
    return options.OK


# --- datasets


async def create_secrets(args: argparse.Namespace, _: Settings) -> int:
    """Make a private dataset of the named variables, their values read where kgnb reads its settings; return
    0. Raises InputError for a variable without value.
    """
    found = load_secrets(args.variables or ONE_PROVIDER)
    missing = [name for name in args.variables or ONE_PROVIDER[1:2] if name not in found]
    if missing:
        raise InputError("kaggle.no_such_secret", names=", ".join(missing))
    async with KaggleClient() as client:
        dataset = await _dataset(client, args.dataset)
        await send_secrets(client, dataset, {name: one.value for name, one in found.items()})
    print(say("kaggle.secrets_made", dataset=dataset, names=", ".join(found)))
    return options.OK


async def delete_secrets(args: argparse.Namespace, _: Settings) -> int:
    """Delete the dataset of :func:`create_secrets`; return 0."""
    async with KaggleClient() as client:
        dataset = await _dataset(client, args.dataset)
        await datasets.delete_secrets(client, dataset)
    print(say("kaggle.secrets_deleted", dataset=dataset))
    return options.OK


async def wheels(args: argparse.Namespace, _: Settings) -> int:
    """Write a folder that a notebook without Internet installs from, and print how it becomes a dataset;
    return 0.
    """
    owner = args.owner or NOBODY
    made = await wheel_folder.make_wheels(Path(args.folder), owner)
    dataset = f"{owner}/{wheel_folder.DATASET}"
    print(say("kaggle.wheels_made", count=len(made), folder=args.folder, dataset=dataset))
    return options.OK


async def _dataset(client: KaggleClient, name: str) -> str:
    """Return OWNER/NAME for a name, by default of this account. Raises InputError for an invalid one."""
    dataset = name if "/" in name else f"{await client.username()}/{name}"
    check_name(dataset)
    return dataset
