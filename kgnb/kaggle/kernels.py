"""Runs on Kaggle, by way of its official command line (kaggle 2.2.5), each call a process with a time limit.

That program answers in sentences: most refusals are printed with exit code 0, so here, and only here, text is
read to tell one from another. It finds the account by itself; no token passes through kgnb.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Literal

from kgnb.core.errors import InputError, ServiceDown, ServiceRefused
from kgnb.core.host import environment_secrets
from kgnb.core.messages import say
from kgnb.core.safe_text import one_line
from kgnb.kaggle.subprocesses import subprocess

Metadata = dict[str, Any]
Tell = Callable[[str], None]
State = Literal[
    "QUEUED", "RUNNING", "COMPLETE", "ERROR", "CANCEL_REQUESTED", "CANCEL_ACKNOWLEDGED", "NEW_SCRIPT"
]

NOBODY = "INSERT_YOUR_USERNAME"
"""Kaggle's own placeholder for the owner."""
TEMPLATE: Metadata = {
    "id": f"{NOBODY}/kgnb-quickstart",
    "title": "kgnb quickstart",
    "code_file": "notebooks/quickstart.ipynb",
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
"""What kernel-metadata.json at the top of the repository says: an installed kgnb hasn't got that file."""
KNOWN = {*TEMPLATE, "id_no", "machine_shape", "docker_image", "docker_image_pinning_type"}
"""Fields that Kaggle's client reads; it drops all others without a word."""
LISTS = ("dataset_sources", "competition_sources", "kernel_sources", "model_sources", "keywords")
TITLE_LENGTH = range(5, 51)

CALL_SECONDS = 120.0
"""For one call: a push is a request of 1 MB."""
OUTPUT_SECONDS = 3600.0
"""Limit for fetching a run's files, up to 20 GB."""
CAP_PAUSE = 60.0
"""Seconds between attempts while Kaggle's limit of sessions is reached."""
POLL_PAUSE = 20.0
"""Seconds between reads of a run's status."""
LONGEST_LINE = 100_000
"""Characters shown of one log line."""
PATIENCE = 900.0
"""Seconds that Kaggle may be unreachable while a run is followed."""

FINAL = ("COMPLETE", "ERROR", "CANCEL_ACKNOWLEDGED")
SESSION_CAP = re.compile(r"Maximum \w+ \w+ session count of \d+ reached", re.I)
PUSHED = re.compile(r"Kernel version (?:(\d+) )?successfully pushed\.\s+Please check progress at (\S+)")
PUSH_ERROR = re.compile(r"Kernel push error: (.*)", re.S)
NOT_ADDED = re.compile(r"^The following are not valid (.+)$", re.M)
STATUS = re.compile(r'has status "(?:\w+\.)?(\w+)"')
FAILURE = re.compile(r'^Failure message: "(.*)"', re.M | re.S)
USERNAME = re.compile(r"^- username: (\S+)$", re.M)
DOWNLOADED = re.compile(r"^(?:Output file|Kernel log) downloaded to (.+?)\s*$", re.M)
NO_LOGIN = re.compile(r"Authentication required|\b401\b|Unauthenticated", re.I)
BROKEN = re.compile(
    r"\b429\b|\b5\d\d Server Error|problem on Kaggle's side|Max retries exceeded|timed out|"
    r"Connection ?(?:Error|aborted|refused|reset)|NameResolution|ProxyError",
    re.I,
)
KERNEL = re.compile(r"[\w-]+(?:/[\w-]+(?:/v?\d+)?)?", re.A)
SOURCE = re.compile(r"[\w-]+/[\w-]+", re.A)

CANCEL = """
import sys
from kaggle.api.kaggle_api_extended import KaggleApi
from kagglesdk.kernels.types.kernels_api_service import ApiCancelKernelSessionRequest
api = KaggleApi()
api.authenticate()
request = ApiCancelKernelSessionRequest()
request.kernel_session_id = int(sys.argv[1])
with api.build_kaggle_client() as client:
    answer = client.kernels.kernels_api_client.cancel_kernel_session(request)
print("Cancel error: " + answer.error_message if answer.error_message else "Cancelled")
"""
"""Cancels a session through Kaggle's Python API: its command line can't."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """An accepted run; ``not_added``: the parts of the request that Kaggle left out, in its words."""

    version: int | None
    url: str
    not_added: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelStatus:
    """A run's state and, when it failed, Kaggle's reason."""

    state: State
    failure: str = ""

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self.state in FINAL


# --- the command line


class KaggleCli:
    """Drives the official command line; ``command`` overrides how it is started.

    Every method raises ServiceDown when Kaggle is unreachable or broken, ServiceRefused when it refuses,
    InputError when the command line isn't installed.
    """

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command

    async def username(self) -> str:
        """Return the account that the command line is logged in as."""
        printed = await self._run("config", "view")
        found = USERNAME.search(printed)
        if not found or found[1] == "None":
            raise ServiceRefused("kaggle.no_login", service="kaggle")
        return found[1]

    async def push(
        self, folder: Path, *, seconds: int | None = None, patience: float = 0.0, tell: Tell = lambda _: None
    ) -> Pushed:
        """Push the folder and start the run, which Kaggle ends after ``seconds``.

        While all of the account's sessions are taken, try again for ``patience`` seconds.
        """
        limit = [] if seconds is None else ["--timeout", str(seconds)]
        deadline = time.monotonic() + patience
        while True:
            printed = await self._run("kernels", "push", "--path", str(folder), *limit)
            if not SESSION_CAP.search(printed):
                return _pushed(printed)
            if (left := deadline - time.monotonic()) <= 0:
                raise ServiceRefused("kaggle.sessions_taken", service="kaggle", reason=_reason(printed))
            tell(say("kaggle.waiting", reason=_reason(printed), minutes=max(1, round(left / 60))))
            await asyncio.sleep(min(CAP_PAUSE, left))

    async def status(self, kernel: str) -> KernelStatus:
        """Return the status of the latest run, or of the version that ``kernel`` names."""
        printed = await self._run("kernels", "status", kernel)
        found = STATUS.search(printed)
        if not found:
            raise _refused(printed)
        failure = FAILURE.search(printed)
        return KernelStatus(found[1].upper(), failure[1] if failure else "")  # type: ignore[arg-type]

    async def follow(self, kernel: str, tell: Tell, *, pause: float = POLL_PAUSE) -> KernelStatus:
        """Wait for the run's end and ``tell`` each change; Kaggle may be unreachable for a while."""
        last: KernelStatus | None = None
        reached_at = time.monotonic()
        while True:
            try:
                status = await self.status(kernel)
                reached_at = time.monotonic()
            except ServiceDown as error:
                if time.monotonic() - reached_at > PATIENCE:
                    raise
                tell(str(error))
            else:
                if status != last:
                    tell(status_sentence(kernel, status))
                if status.over:
                    return status
                last = status
            await asyncio.sleep(pause)

    async def logs(self, kernel: str) -> str:
        """Return what the latest run printed so far."""
        return "".join(_log_lines(await self._run("kernels", "logs", kernel)))

    async def follow_logs(self, kernel: str, tell: Tell) -> None:
        """Call ``tell`` with each line as the run prints it, until its end."""
        command = [*(self._command or found_command()), "kernels", "logs", "--follow", kernel]
        seen: deque[str] = deque(maxlen=21)
        async with subprocess(*command) as process:
            assert process.stdout is not None
            async for raw in process.stdout:
                seen.append(raw.decode("utf-8", "replace").rstrip("\n"))
                tell(_lines(seen[-1]))
            code = await process.wait()
        if code:
            raise _failed("\n".join(seen))

    async def output(self, kernel: str, folder: Path) -> list[Path]:
        """Fetch the files and the log of the latest run, overwriting existing files."""
        printed = await self._run(
            "kernels", "output", kernel, "--path", str(folder), "--force", seconds=OUTPUT_SECONDS
        )
        return [Path(path) for path in DOWNLOADED.findall(printed)]

    async def cancel(self, session: int) -> None:
        """Cancel the session with this number, which only Kaggle's pages show."""
        printed = await KaggleCli([sys.executable, "-P", "-c", CANCEL])._run(str(session))
        if "Cancel error" in printed or "Cancelled" not in printed:
            raise _refused(printed)

    async def _run(self, *args: str, seconds: float = CALL_SECONDS) -> str:
        """Run a command and return its output, without secrets."""
        async with subprocess(*(self._command or found_command()), *args) as process:
            try:
                out, _ = await asyncio.wait_for(process.communicate(), seconds)
            except TimeoutError:
                raise ServiceDown("kaggle.slow", service="kaggle", seconds=round(seconds)) from None
        printed = _without_secrets(out.decode("utf-8", "replace"))
        if process.returncode:
            raise _failed(printed)
        return printed


def found_command() -> list[str]:
    """Return how to start the official command line. Raises InputError when it isn't installed."""
    installed = util.find_spec("kaggle")
    if installed and installed.origin and util.find_spec("six"):  # its own requirements forget six
        return [sys.executable, "-P", "-X", "utf8", "-m", "kaggle"]  # -P: no kaggle.py of this folder
    if elsewhere := shutil.which("kaggle"):
        return [elsewhere]
    raise InputError("kaggle.not_installed")


# --- parsing its output


def _pushed(printed: str) -> Pushed:
    if error := PUSH_ERROR.search(printed):
        raise _refused(error[1])
    found = PUSHED.search(printed)
    if not found:
        raise _refused(printed)
    return Pushed(int(found[1]) if found[1] else None, found[2], tuple(NOT_ADDED.findall(printed)))


def _failed(printed: str) -> ServiceDown | ServiceRefused:
    if NO_LOGIN.search(printed):
        return ServiceRefused("kaggle.no_login", service="kaggle")
    if BROKEN.search(printed):
        return ServiceDown("kaggle.down", service="kaggle", reason=_reason(printed))
    return _refused(printed)


def _refused(printed: str) -> ServiceRefused:
    return ServiceRefused("kaggle.refused", service="kaggle", reason=_reason(printed))


def status_sentence(kernel: str, status: KernelStatus) -> str:
    """Return a run's status as a sentence."""
    text = say(f"kaggle.{status.state.lower()}", kernel=kernel)
    return f"{text}: {one_line(status.failure)}" if status.failure else text


def _reason(printed: str) -> str:
    """Return the first three lines that aren't warnings as one."""
    lines = [
        line.strip() for line in printed.splitlines() if line.strip() and not line.startswith("Warning:")
    ]
    return one_line(" ".join(lines[:3]), 300) or "?"


def _log_lines(printed: str) -> Iterator[str]:
    """The stored log is a JSON list of ``{stream_name, time, data}``; a running one's may be plain text."""
    try:
        events = json.loads(printed)
        yield from (_lines(str(event["data"])) for event in events)
    except (ValueError, TypeError, KeyError):
        yield _lines(printed)


def _lines(text: str) -> str:
    """Escape a log's text, hostile like the books and replies in it, except for its line breaks."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(one_line(line.expandtabs(), LONGEST_LINE) for line in lines)


def _without_secrets(printed: str) -> str:
    for secret in environment_secrets().values():
        printed = printed.replace(secret.get_secret_value(), "••••")
    return printed


# --- kernel-metadata.json


def read_metadata(path: Path) -> Metadata:
    """Read the metadata file. Raises InputError."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise InputError("book.missing", path=path) from None
    except OSError as error:
        raise InputError("book.unreadable", path=path, reason=error.strerror) from None
    except (ValueError, RecursionError):
        raise InputError("kaggle.metadata_broken", path=path) from None
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
    if owner in ("", NOBODY) or not SOURCE.fullmatch(f"{owner}/{slug}"):
        raise InputError("kaggle.bad_id", id=meta.get("id", ""))
    title = str(meta.get("title", ""))
    if len(title) not in TITLE_LENGTH:
        raise InputError("kaggle.bad_title", title=title)
    if slug_of(title) != slug.lower():
        raise InputError("kaggle.other_slug", title=title, slug=slug_of(title), id=meta["id"])
    for key, wanted in (("language", "python"), ("kernel_type", "notebook")):
        if meta.get(key) != wanted:
            raise InputError("kaggle.must_be", field=key, wanted=wanted)
    if not read_flag(meta, "enable_internet"):
        raise InputError("kaggle.needs_internet")
    for key in LISTS:
        listed = meta.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise InputError("kaggle.must_be", field=key, wanted='["…"]')
    for key in ("is_private", "enable_gpu", "enable_tpu"):
        read_flag(meta, key)


def read_flag(meta: Mapping[str, Any], key: str) -> bool:
    """Return a flag, True by default; like Kaggle's client, accept the text "true". Raises InputError."""
    value = meta.get(key, True)
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


def check_kernel(name: str) -> str:
    """Return ``name`` if it is SLUG, OWNER/SLUG or OWNER/SLUG/VERSION. Raises InputError."""
    if not KERNEL.fullmatch(name) or name.startswith("-"):
        raise InputError("kaggle.bad_kernel", kernel=name)
    return name
