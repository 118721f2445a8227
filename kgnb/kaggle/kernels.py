"""Runs on Kaggle: push one when a session is free, follow it, read its log, know the limits."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from kgnb.core.errors import InputError, ServiceDown, ServiceRefused
from kgnb.core.formatting import date_and_time
from kgnb.core.kaggle_inputs import NAME
from kgnb.core.messages import say
from kgnb.core.notebook_services import find_service
from kgnb.core.safe_text import many_lines, one_line
from kgnb.kaggle.client import KaggleClient, KernelStatus, Pushed, SessionsTaken, Tell
from kgnb.kaggle.kernel_metadata import Metadata

CAP_PAUSE = 60.0
"""Seconds between attempts while Kaggle's limit of sessions is reached."""
POLL_PAUSE = 20.0
"""Seconds between looks at a run."""
PATIENCE = 900.0
"""Seconds that Kaggle may be unreachable while a run is followed."""
UNSEEN_SECONDS = 120.0
"""How long Kaggle may deny a notebook that it has just taken, and the output of a run that has just ended."""


# --- limits


def check_session(seconds: int | None, *, tpu: bool) -> float:
    """Return the limit of a run in seconds: ``seconds``, for None Kaggle's own limit. Raises InputError for
    more than Kaggle gives.
    """
    kaggle = find_service("kaggle", {})
    longest = (kaggle and kaggle.session_seconds(tpu=tpu)) or math.inf
    if seconds is not None and seconds > longest:
        raise InputError("kaggle.session_too_long", seconds=seconds, longest=round(longest))
    return longest if seconds is None else float(seconds)


async def check_quota(client: KaggleClient, accelerator: str, tell: Tell) -> None:
    """Tell what is left this week of "gpu" or "tpu". Raises ServiceRefused when nothing is."""
    try:
        quota = (await client.quota()).get(accelerator)
    except ServiceRefused as error:  # some kinds of login may not ask; the push shows whether it may run
        tell(str(error))
        return
    if quota is None:
        return
    facts = {
        "what": accelerator.upper(),
        "used": f"{quota.used:.1f}",
        "allowed": f"{quota.allowed:.1f}",
        "refresh": date_and_time(quota.refresh) if quota.refresh else "?",
    }
    if quota.used >= quota.allowed:
        raise ServiceRefused("kaggle.quota_used", service="kaggle", **facts)
    tell(say("kaggle.quota", **facts))


async def check_sources(client: KaggleClient, meta: Metadata, checked: Container[str | None]) -> None:
    """Raise InputError for an attached dataset, or output of an own run, that isn't there: Kaggle would leave
    it out and start the run all the same. ``checked``: sources that are known to be there."""
    owner = meta["id"].partition("/")[0]
    for dataset in meta.get("dataset_sources", []):
        name = "/".join(dataset.split("/")[:2])  # a third part is a version
        if not NAME.fullmatch(name):
            raise InputError("kaggle.bad_dataset", dataset=dataset)
        if dataset not in checked and await client.dataset(name) is None:
            raise InputError("kaggle.no_dataset", dataset=dataset)
    for kernel in meta.get("kernel_sources", []):
        # Of other accounts only the output is to be seen.
        own = kernel.partition("/")[0].lower() == owner.lower()
        if own and kernel not in checked and await client.find_status(kernel) is None:
            raise InputError("kaggle.no_kernel", kernel=kernel)


# --- a run


async def push_when_free(
    client: KaggleClient,
    folder: Path,
    *,
    seconds: int | None = None,
    patience: float = 0.0,
    tell: Tell = lambda _: None,
) -> Pushed:
    """Push the folder, start the run and return it; while all sessions are taken, try again for ``patience``
    seconds. Raises SessionsTaken after that.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await client.push(folder, seconds=seconds)
        except SessionsTaken as error:
            if (left := deadline - time.monotonic()) <= 0:
                raise
            tell(say("kaggle.waiting", reason=error.facts["reason"], minutes=max(1, round(left / 60))))
            await asyncio.sleep(min(CAP_PAUSE, left))


async def follow(client: KaggleClient, kernel: str, tell: Tell, *, pushed: bool = False) -> KernelStatus:
    """Wait for the run's end and return its last status; ``tell`` gets each change.

    Kaggle may be unreachable for a while, and may not know at once what was just ``pushed``.
    """
    last: KernelStatus | None = None
    began = reached_at = time.monotonic()
    while True:
        try:
            status = await client.status(kernel)
            reached_at = time.monotonic()
        except ServiceDown as error:
            if time.monotonic() - reached_at > PATIENCE:
                raise
            tell(str(error))
        except ServiceRefused as error:
            if not pushed or error.key != "kaggle.no_run" or time.monotonic() - began > UNSEEN_SECONDS:
                raise
        else:
            if status != last:
                tell(status_sentence(kernel, status))
            if status.over:
                return status
            last = status
        await asyncio.sleep(POLL_PAUSE)


async def fetch_output(
    client: KaggleClient, kernel: str, folder: Path, pattern: str | None = None
) -> list[Path]:
    """Fetch the output of a run that has ended, as ``client.output`` does, and return the files; wait for its
    log, which may come later.
    """
    deadline = time.monotonic() + UNSEEN_SECONDS
    while True:
        files = await client.output(kernel, folder, pattern)
        if files or time.monotonic() > deadline:
            return files
        await asyncio.sleep(POLL_PAUSE)


def status_sentence(kernel: str, status: KernelStatus) -> str:
    """Return a run's status as a sentence, with the reason of a failure."""
    text = say(f"kaggle.{status.state.lower()}", kernel=kernel)
    return f"{text}: {one_line(status.failure)}" if status.failure else text


# --- its log


def log_lines(stored: str) -> str:
    """Return a stored log, a JSON list of ``{stream_name, time, data}`` or plain text, as printable text."""
    with suppress(ValueError, TypeError, KeyError):
        stored = "".join(str(event["data"]) for event in json.loads(stored))
    return many_lines(stored)
