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
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.patience import SLOWEST

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

    def start(
        self, args: Sequence[str], env: Mapping[str, str], cwd: Path, *, nice: int = 0, **streams: Any
    ) -> Forked:
        """``python -m kgnb ARGS``, its output in pipes unless ``streams`` say otherwise (as for Popen)."""
        asked = {"args": list(args), "env": dict(env), "cwd": str(cwd), "nice": nice}
        return Forked(lambda fds: self._fork(asked, fds), **streams)

    def _fork(self, asked: dict[str, Any], fds: list[int]) -> None:
        with self._turn:
            socket.send_fds(self._ours, [json.dumps(asked).encode()], fds)

    def close(self) -> None:
        self._ours.close()
        self._process.wait(10 * SLOWEST)


class Forked(subprocess.Popen[str]):
    """A command under way: a Popen whose process another one forks and waits for, and tells how it ended."""

    def __init__(self, fork: Callable[[list[int]], None], **streams: Any) -> None:
        self._fork = fork
        pipe = subprocess.PIPE
        super().__init__("kgnb", text=True, encoding="utf-8", **{"stdout": pipe, "stderr": pipe, **streams})

    def _execute_child(self, *given: Any) -> None:
        p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite = given[10:16]
        end, theirs = os.pipe()
        self._end = os.fdopen(end, "rb")
        try:
            self._fork([0 if p2cread == -1 else p2cread, c2pwrite, errwrite, theirs])
        finally:
            os.close(theirs)
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)
        self.pid = int(self._end.readline())
        self._child_created = True

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if wait_flags & os.WNOHANG and not select.select([self._end], [], [], 0)[0]:
            return 0, 0
        return self.pid, int(self._end.readline() or signal.SIGKILL)

    def _internal_poll(self, _deadstate: int | None = None) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):
            try:
                pid, status = self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)
            finally:
                self._waitpid_lock.release()
        return self.returncode


def _fixed(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(FIXED)}


# --- in the process that forks ------------------------------------------------------------------------------


def _serve(channel: socket.socket) -> None:
    """Forks for each request; returns in a command's own process. Ends when the channel does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the keepers
    while True:
        asked, fds, *_ = socket.recv_fds(channel, 1 << 20, 4)
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


def _keep(asked: dict[str, Any], given: int, out: int, err: int, end: int) -> None:
    """Forks the command and tells its pid and, at its end, how it ended; returns in the command."""
    if pid := os.fork():
        for fd in (given, out, err):
            os.close(fd)
        os.write(end, b"%d\n" % pid)
        os.write(end, b"%d\n" % os.waitpid(pid, 0)[1])
        os._exit(0)
    os.close(end)
    os.setsid()
    for fd, as_fd in ((given, 0), (out, 1), (err, 2)):
        os.dup2(fd, as_fd)
        os.close(fd)
    os.nice(asked["nice"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["kgnb", *asked["args"]]
    sys.path[0] = asked["cwd"]


if __name__ == "__main__":
    import aiohttp  # noqa: F401
    import neo4j  # noqa: F401
    import openai.resources.chat  # noqa: F401
    import pydantic_settings  # noqa: F401
    import redis.asyncio  # noqa: F401
    import sqlalchemy  # noqa: F401

    assert not any(name.split(".")[0] == "kgnb" for name in sys.modules)
    assert threading.active_count() == 1  # a fork copies none but its own
    gc.collect()
    gc.freeze()  # what is shared stays so: no collection in a command touches it
    _serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("kgnb", run_name="__main__", alter_sys=True)
