"""Kaggle's API through its own Python package (kaggle 2.2.5 or newer), in a process of its own.

That package finds the account by itself; no token passes through kgnb.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any, Literal, Self

from kgnb.core.errors import InputError, ServiceDown, ServiceRefused
from kgnb.core.known_secrets import environment_secrets
from kgnb.core.safe_text import one_line
from kgnb.core.secret_mask import masked
from kgnb.kaggle import api_process
from kgnb.kaggle.subprocesses import end

Tell = Callable[[str], None]
State = Literal[
    "QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED", "NEW_SCRIPT"
]
FINAL = ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED")

CALL_SECONDS = 120.0
"""For one call: a push is a request of 1 MB."""
TRANSFER_SECONDS = 3600.0
"""Limit for fetching a run's files, up to 20 GB, and for sending a dataset."""
LONGEST_LINE = 1 << 32
"""Bytes in an answer, a run's whole log for instance."""
_PUSH_REFUSALS = {
    "session count": "sessions_taken",
    "weekly": "quota_reached",
    "Notebook not found": "name_not_taken",
}
"""Words of a refused push, which has no code: "Maximum batch CPU session count of 5 reached." and "Maximum
weekly GPU quota of 30.00 hours reached." for instance."""
_REF = re.compile(r"^(?:/code)?/?([\w-]+/[\w-]+)$", re.A)
"""A notebook's name in an answer, "/code/OWNER/NAME" since 2025."""
LOWEST_VERSION = (2, 2, 5)
"""Of the package kaggle: older ones lack the quota and a push that only saves."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """An accepted notebook; ``kernel``: what Kaggle calls it (OWNER/NAME; "" when it doesn't say), which need
    not be what was asked for; ``not_added``: the parts of the request that Kaggle left out; ``warning``: of
    Kaggle's package, that an accelerator is retired for instance."""

    version: int | None
    url: str
    kernel: str = ""
    not_added: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """A run's state and, when it failed, Kaggle's reason."""

    state: State
    failure: str = ""

    @property
    def over(self) -> bool:
        """Whether the run has ended, with or without success."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Quota:
    """One accelerator's weekly quota in hours, and when the week ends (epoch seconds, None = unknown)."""

    used: float
    allowed: float
    refresh: float | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset's current version, and Kaggle's word for the state of its files: "ready", "failed", …"""

    private: bool
    version: int
    state: str


class SessionsTaken(ServiceRefused):
    """All of the account's sessions are taken; one gets free when a run ends."""


class ApiProcess:
    """:mod:`kgnb.kaggle.api_process`: started at the first request, ended after one that took too long."""

    def __init__(self) -> None:
        self.process: Process | None = None

    async def answer(
        self, call: str, arguments: Mapping[str, Any], emit: Tell, seconds: float | None
    ) -> Mapping[str, Any]:
        """Return the value of one call in the process; ``emit`` gets its events. Raises ServiceDown after
        ``seconds`` (None: no limit).
        """
        try:
            return await asyncio.wait_for(self._exchange(call, arguments, emit), seconds)
        except TimeoutError:
            await self.close()  # or its answer would be taken for that of the next request
            raise ServiceDown("kaggle.slow", service="kaggle", seconds=round(seconds or 0)) from None

    async def _exchange(self, call: str, arguments: Mapping[str, Any], emit: Tell) -> Mapping[str, Any]:
        """Return the process's answer to one request; events before it go to ``emit``. Raises ServiceDown if
        the process ended.
        """
        if self.process is None:
            self.process = await asyncio.create_subprocess_exec(
                *_command(), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LONGEST_LINE
            )
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"call": call, "arguments": arguments}).encode() + b"\n")
        while line := await process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if "event" not in answer:
                return answer
            emit(answer["event"])
        await self.close()
        raise ServiceDown("kaggle.down", service="kaggle", reason="kaggle: EOF")

    async def close(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is not None:
            await end(process)


def _command() -> list[str]:
    """Return how to start the process. Raises InputError when the package isn't installed, or is too old."""
    found = util.find_spec("kaggle")
    if not (found and found.origin and util.find_spec("six")):  # its own requirements forget six
        raise InputError("kaggle.not_installed")
    version = metadata.version("kaggle")
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < LOWEST_VERSION:
        raise InputError("kaggle.too_old", version=version, lowest=".".join(map(str, LOWEST_VERSION)))
    return [sys.executable, "-P", "-X", "utf8", str(api_process.__file__)]  # -P: no kaggle.py of this folder


class KaggleClient:
    """Kaggle's API, for one account. Use as an async context manager; it starts nothing before a call.

    Every method raises ServiceDown when Kaggle is unreachable or broken, ServiceRefused when it refuses,
    InputError when the package isn't installed.
    """

    def __init__(self, transport: ApiProcess | None = None) -> None:
        self._transport = transport or ApiProcess()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    # --- runs

    async def username(self) -> str:
        """Return the account's name. Raises ServiceRefused without a login."""
        name: str | None = await self.call("username")
        if not name:
            raise ServiceRefused("kaggle.no_login", service="kaggle")
        return name

    async def push(self, folder: Path, *, seconds: int | None = None, run: bool = True) -> Pushed:
        """Push the folder's notebook and start its run, which Kaggle kills after ``seconds``; ``run=False``
        only saves it. Return its name, version and page. Raises SessionsTaken.
        """
        printed: list[str] = []
        pushed = await self.call("push", emit=printed.append, folder=str(folder), limit=seconds, run=run)
        if reason := _reason(pushed["error"]):
            key = next((key for words, key in _PUSH_REFUSALS.items() if words in reason), "refused")
            kind = SessionsTaken if key == "sessions_taken" else ServiceRefused
            raise kind(f"kaggle.{key}", service="kaggle", reason=reason)
        left_out = (f"{kind}: {_reason(', '.join(names))}" for kind, names in pushed["invalid"].items())
        warning = _reason(" ".join(printed))
        named = _REF.search(str(pushed["ref"]))
        kernel = named[1] if named else ""
        return Pushed(pushed["version"], str(pushed["url"]), kernel, tuple(left_out), warning)

    async def status(self, kernel: str) -> KernelStatus:
        """Return the status of the latest run, or of the version that ``kernel`` names."""
        return KernelStatus(**await self.call("status", kernel=kernel))

    async def find_status(self, kernel: str) -> KernelStatus | None:
        """Return the status of the latest run; None when there is no such notebook."""
        found = await self.call("status", missing_ok=True, kernel=kernel)
        return found and KernelStatus(**found)

    async def logs(self, kernel: str) -> str:
        """Return the log of the latest run as Kaggle keeps it."""
        return str(await self.call("logs", kernel=kernel))

    async def follow_logs(self, kernel: str, tell: Tell) -> None:
        """Call ``tell`` with each piece of the log as the run prints it, until its end."""
        await self.call("follow_logs", seconds=None, emit=tell, kernel=kernel)

    async def output(self, kernel: str, folder: Path, pattern: str | None = None) -> list[Path]:
        """Fetch the files (those whose name ``pattern`` matches) and the log of the latest run, overwriting
        existing files; return their paths. Raises InputError where the folder can't be written.
        """
        fetched = await self.call(
            "output", seconds=TRANSFER_SECONDS, kernel=kernel, folder=str(folder), pattern=pattern
        )
        if reason := _reason(fetched["error"]):
            raise InputError("kaggle.cannot_write", folder=folder, reason=reason)
        return [Path(file) for file in fetched["files"]]

    async def quota(self) -> dict[str, Quota]:
        """Return "gpu" and "tpu" → weekly quota; without a key for what Kaggle leaves out."""
        found = await self.call("quota")
        refresh = found.pop("refresh")
        return {k: Quota(v["used"] / 3600, v["all"] / 3600, refresh) for k, v in found.items()}

    # --- datasets

    async def dataset(self, dataset: str) -> Dataset | None:
        """Return the dataset's state; None if it doesn't exist, or this account can't see it."""
        found = await self.call("dataset", missing_ok=True, dataset=dataset)
        return found and Dataset(**found)

    async def dataset_files(self, dataset: str) -> list[str]:
        """Return the names of a dataset's files, of many only the first page."""
        return list(map(str, await self.call("dataset_files", dataset=dataset)))

    async def send_dataset(self, folder: Path, *, new: bool) -> None:
        """Make a private dataset of a folder with a dataset-metadata.json, or (not ``new``) make the folder
        the only version of its dataset."""
        reason = await self.call("send_dataset", seconds=TRANSFER_SECONDS, folder=str(folder), new=new)
        if reason := _reason(reason):
            raise ServiceRefused("kaggle.refused", service="kaggle", reason=reason)

    async def delete_dataset(self, dataset: str) -> None:
        """Delete a dataset with all its versions."""
        await self.call("delete_dataset", dataset=dataset)

    async def call(
        self,
        call: str,
        *,
        seconds: float | None = CALL_SECONDS,
        emit: Tell = lambda _: None,
        missing_ok: bool = False,
        **arguments: Any,
    ) -> Any:
        """Return the value of one call of Kaggle's package in its process.

        None for a missing notebook or dataset with ``missing_ok``. Raises ServiceDown after ``seconds``
        (None: no limit) or where Kaggle is down, ServiceRefused for a refusal.
        """
        answer = await self._transport.answer(call, arguments, emit, seconds)
        if "value" in answer:
            return answer["value"]
        if missing_ok and answer["error"] == "missing":
            return None
        kind = ServiceDown if answer["error"] in ("down", "not_kaggle") else ServiceRefused
        key, facts = answer["error"], {"reason": _reason(str(answer["reason"])) or "?"}
        if key == "missing":  # the package guesses at length, Kaggle itself says 403
            named = [one for one in ("kernel", "dataset") if one in arguments]
            key = {"kernel": "no_run", "dataset": "no_dataset"}[named[0]] if named else "refused"
            facts |= {one: arguments[one] for one in named}
        raise kind(f"kaggle.{key}", service="kaggle", **facts)


def _reason(text: str) -> str:
    """Return Kaggle's words as one line of at most 300 characters, without secrets."""
    text = masked(text, (secret.get_secret_value() for secret in environment_secrets().values()))
    return one_line(" ".join(text.split()), 300)
