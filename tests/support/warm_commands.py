"""Commands of kgnb without the time that each takes to load other people's libraries.

A process that has loaded them, and nothing of kgnb, forks one process for each command; what that does from
there on is what ``python -m kgnb`` does: kgnb is loaded anew, with a session, an environment and a folder of
its own. That saves two thirds of a short command's processor time.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FIXED = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC", "TZ")
"""Variables that an interpreter reads when it starts: a command that has others starts one of its own."""


class Warm:
    """The process that forks; started with the first command, ended with this one."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._fixed = _fixed(env)
        self._turn = threading.Lock()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno())],
                env=dict(env),
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,  # as a command's are, which finds these open
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        atexit.register(self.close)

    def takes(self, env: Mapping[str, str]) -> bool:
        """Whether a command with this environment may be forked."""
        return _fixed(env) == self._fixed

    def start(self, args: Sequence[str], env: Mapping[str, str], cwd: Path) -> Forked:
        """``python -m kgnb ARGS``, its output in pipes."""
        out, err, end = os.pipe(), os.pipe(), os.pipe()
        theirs = [out[1], err[1], end[1]]
        asked = json.dumps({"args": list(args), "env": dict(env), "cwd": str(cwd)}).encode()
        try:
            with self._turn:
                socket.send_fds(self._ours, [asked], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        return Forked(out[0], err[0], end[0])

    def close(self) -> None:
        self._ours.close()
        self._process.wait(10)


class Forked:
    """A command under way."""

    def __init__(self, out: int, err: int, end: int) -> None:
        self._end = os.fdopen(end)
        self.pid = int(self._end.readline())
        self._said: dict[int, str] = {}
        self._readers = [threading.Thread(target=self._read, args=(fd,), daemon=True) for fd in (out, err)]
        self._fds = (out, err)
        for reader in self._readers:
            reader.start()

    def _read(self, fd: int) -> None:
        with os.fdopen(fd, encoding="utf-8") as pipe:
            self._said[fd] = pipe.read()

    def communicate(self, timeout: float | None = None) -> tuple[int, str, str]:
        """Exit code, stdout and stderr, once nobody holds its pipes any more; raises TimeoutExpired."""
        for reader in self._readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired("kgnb", timeout or 0)
        status = int(self._end.readline())
        self._end.close()
        return os.waitstatus_to_exitcode(status), self._said[self._fds[0]], self._said[self._fds[1]]

    def kill(self) -> None:
        """-9 to its whole group."""
        os.killpg(self.pid, signal.SIGKILL)


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(FIXED)}


# --- in the process that forks ------------------------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    """Forks for each request; returns in a command's own process. Ends when the channel does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        asked, fds, *_ = socket.recv_fds(channel, 1 << 20, 3)
        if not asked:
            os._exit(0)
        if os.fork():
            for fd in fds:
                os.close(fd)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        channel.close()
        _keep(json.loads(asked), *fds)
        return


def _keep(asked: dict[str, Any], out: int, err: int, end: int) -> None:
    """Forks the command and tells its pid and, at its end, how it ended; returns in the command."""
    if pid := os.fork():
        os.close(out)
        os.close(err)
        os.write(end, b"%d\n" % pid)
        os.write(end, b"%d\n" % os.waitpid(pid, 0)[1])
        os._exit(0)
    os.close(end)
    os.setsid()
    for fd, as_fd in ((out, 1), (err, 2)):
        os.dup2(fd, as_fd)
        os.close(fd)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["kgnb", *asked["args"]]
    sys.path[0] = asked["cwd"]


if __name__ == "__main__":
    import aiohttp  # noqa: F401
    import neo4j  # noqa: F401
    import pydantic_settings  # noqa: F401
    import redis.asyncio  # noqa: F401
    import sqlalchemy  # noqa: F401

    assert not any(name.split(".")[0] == "kgnb" for name in sys.modules)
    assert threading.active_count() == 1  # a fork copies none but its own
    gc.collect()
    gc.freeze()  # what is shared stays so: no collection in a command touches it
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("kgnb", run_name="__main__", alter_sys=True)
