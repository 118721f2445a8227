"""A client's hold on a local model's server: starts it or joins the one that runs, tells how it died."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import SecretStr

from kgnb.core.addresses import origin
from kgnb.core.errors import EngineError
from kgnb.core.files import Hold, is_locked, read_json, try_lock
from kgnb.core.safe_text import one_line
from kgnb.core.shortages import is_full
from kgnb.llm import error_mapping
from kgnb.llm.local.engines import Engine, own_process
from kgnb.llm.local.keeper import CLIENTS, KEEPER, LOG, NOTE, TRY_SECONDS, Plan
from kgnb.llm.local.model_files import Model

SAID_CHARS = 300
"""Of the server's last lines, in an error."""
_WRONG = re.compile(r"(?i)error|fail|out of memory")
_POLL = 0.05


class LocalServer(Hold):
    """A server that lives at least as long as this process holds it; :meth:`close` lets go."""

    def __init__(
        self, folder: Path, hold: int, model: Model, engine: Engine, note: Mapping[str, str]
    ) -> None:
        super().__init__(hold)
        self.folder, self.model, self.engine = folder, model, engine
        self.url, self.key = note["url"], SecretStr(note["key"])
        error_mapping.last_words[origin(self.url)] = self.last_words

    @property
    def alive(self) -> bool:
        """Whether the server's keeper process still runs."""
        return _is_kept(self.folder)

    def last_words(self) -> str:
        """Return the last lines of a server that died for good, and the log's path; "" while it runs or
        restarts.
        """
        note = read_json(self.folder / NOTE)
        return f"{_said(note)} ({self.folder / LOG})" if "error" in note and not self.alive else ""


def hold_server(model: Model, engine: Engine, home: Path, stop: threading.Event | None = None) -> LocalServer:
    """Start the model's server, or join it if it runs; return it once the model is loaded. Blocks until then,
    or until ``stop`` is set.

    ``home``: a folder of the user's own. Raises EngineError with the server's last lines.
    """
    stat = model.path.stat()
    identity = f"{model.path}:{model.size}:{stat.st_mtime_ns}:{engine.slots}:{engine.window}"
    folder = home / hashlib.sha256(identity.encode()).hexdigest()[:16]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _start_or_join(folder, model, engine, stop or threading.Event())
    except OSError as error:
        raise EngineError("local.folder", path=folder, reason=error.strerror or error) from error


def _start_or_join(folder: Path, model: Model, engine: Engine, stop: threading.Event) -> LocalServer:
    """Return the folder's running server, started where needed. Raises EngineError."""
    deadline = time.monotonic() + 2 * engine.seconds + TRY_SECONDS
    starting = try_lock(folder / "start.lock", wait=True)
    hold = os.open(folder / CLIENTS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(hold, fcntl.LOCK_SH)  # waits for the end of a keeper that was about to stop
        keeper = None
        if not _is_kept(folder):
            (folder / NOTE).unlink(missing_ok=True)
            keeper = _start_keeper(folder, model, engine)
        while time.monotonic() < deadline and not stop.wait(_POLL):
            note = read_json(folder / NOTE)
            if "url" in note:
                return LocalServer(folder, hold, model, engine, note)
            if keeper.poll() is not None if keeper else not _is_kept(folder):
                raise _failure(note, folder, model)
        raise EngineError("local.start_timeout", model=model.name, log=folder / LOG, said="")
    except BaseException:
        os.close(hold)
        raise
    finally:
        if starting is not None:
            os.close(starting)


def _start_keeper(folder: Path, model: Model, engine: Engine) -> subprocess.Popen[bytes]:
    """Start the process that keeps the model's server, and return it."""
    plan = Plan(str(folder), engine.command, engine.environment, model.name, engine.seconds)
    with (folder / LOG).open("ab") as log:
        log.truncate(0)
        keeper = subprocess.Popen(  # noqa: S603 (our own interpreter and code)
            own_process("keeper"),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    assert keeper.stdin is not None
    with suppress(BrokenPipeError), keeper.stdin:
        keeper.stdin.write(json.dumps(asdict(plan)).encode() + b"\n")
    return keeper


def _failure(note: Mapping[str, str], folder: Path, model: Model) -> EngineError:
    """Return the error of a server that didn't start, from the keeper's note."""
    if not note:  # the keeper couldn't even write why
        reason = os.strerror(errno.ENOSPC) if is_full(folder) else os.strerror(errno.EIO)
        return EngineError("local.folder", path=folder, reason=reason)
    said = note.get("said", "")
    key = "start_timeout" if note.get("error") == "start_timeout" else "start_failed"
    if "out of memory" in said.lower() or "failed to allocate" in said.lower():
        key = "out_of_memory"
    return EngineError(f"local.{key}", model=model.name, log=folder / LOG, said=_said(note))


def _said(note: Mapping[str, str]) -> str:
    """Return the last lines of a note that look like errors, else its last lines, in one line."""
    lines = [line for line in note.get("said", "").splitlines() if line.strip()]
    wrong = [line for line in lines if _WRONG.search(line)]
    return one_line(" ".join(" ".join((wrong or lines)[-3:]).split())[-SAID_CHARS:])


def _is_kept(folder: Path) -> bool:
    """Return whether a keeper process has the folder's lock."""
    return is_locked(folder / KEEPER)
