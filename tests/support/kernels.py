"""Real kernels: cells run in them, and every way in which they end."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.support.commands import Place, environment
from tests.support.patience import SLOWEST, happens_within

OLD = os.environ.get("KGNB_TEST_OLD_PYTHON", "")
"""A Python with ipykernel 6.17.1, IPython 7.34 and ipywidgets 7.7.1 (scripts/test.sh makes it)."""


def pythons() -> list[Any]:
    """This one, and the one with the kernel of Kaggle and Colab; in CI both must be there."""
    missing = not OLD and os.environ.get("CI") != "true"
    skip = pytest.mark.skipif(missing, reason="KGNB_TEST_OLD_PYTHON is not set: scripts/test.sh makes one")
    return [pytest.param(sys.executable, id="current"), pytest.param(OLD, id="6.17.1", marks=skip)]


@dataclass
class Shown:
    """What a cell did: its output, and the error that ended it ("" = none)."""

    out: str = ""
    error: str = ""
    traceback: str = ""

    def json(self) -> Any:
        """Its last line, which must be JSON."""
        assert not self.error, self
        return json.loads(self.out.splitlines()[-1])


@dataclass
class Kernel:
    """A kernel in a process (group) of its own, its files and settings in ``place``."""

    place: Place
    python: str = sys.executable
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A test may shut it down in a thread; two that end one ZeroMQ context abort the process.
        self._ending = threading.Lock()
        self.manager = KernelManager(kernel_name="python3")
        spec = self.manager.kernel_spec
        assert spec is not None
        spec.argv = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        settings = {self.place.mark: "1", "KGNB_DATA": str(self.place.data), **self.place.env, **self.env}
        self.manager.start_kernel(env=environment(**settings), cwd=str(self.place.path))
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60 * SLOWEST)

    @property
    def pid(self) -> int:
        provisioner: Any = self.manager.provisioner
        return int(provisioner.process.pid)

    @property
    def is_alive(self) -> bool:
        return bool(self.manager.is_alive())

    def begin(self, code: str) -> str:
        """Starts a cell."""
        return str(self.client.execute(code, stop_on_error=False))

    def busy(self, code: str) -> str:
        """Starts a cell that says something, and waits until it has."""
        cell = self.begin(code)
        for kind, _ in self._messages(cell, 60):
            assert kind != "error"
            if kind == "stream":
                break
        return cell

    def _messages(self, cell: str, timeout: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kind and content of what the cell sends."""
        began, limit = time.monotonic(), timeout * SLOWEST
        while True:
            left = limit - (time.monotonic() - began)
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, left))
            except queue.Empty:
                raise AssertionError(f"the cell is still running after {limit} s") from None
            if message["parent_header"].get("msg_id") == cell:
                yield message["msg_type"], message["content"]

    def finish(self, cell: str, timeout: float = 60) -> Shown:
        """Waits for the cell's end; a slow machine has :data:`SLOWEST` times as long."""
        shown = Shown()
        for kind, content in self._messages(cell, timeout):
            if kind == "stream":
                shown.out += content["text"]
            elif kind == "error":
                shown.error, shown.traceback = content["ename"], "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                break
        return shown

    def run(self, code: str, timeout: float = 60) -> Shown:
        """A cell from beginning to end."""
        return self.finish(self.begin(code), timeout)

    def value(self, expression: str) -> Any:
        """An expression's value, by way of JSON."""
        return self.run(f"import json\nprint(json.dumps({expression}))").json()

    def until(self, expression: str, seconds: float = 40) -> Any:
        """Waits until the expression is true in the kernel."""
        deadline = time.monotonic() + seconds * SLOWEST
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, f"it never came to {expression}"
            time.sleep(0.1)
        return value

    def signal(self, number: int) -> None:
        """To the kernel's process alone."""
        os.kill(self.pid, number)

    def interrupt(self) -> None:
        """As a person's Interrupt button does it: SIGINT to the whole process group."""
        self.manager.interrupt_kernel()

    def shut_down(self) -> None:
        """As a person's Shut Down does it."""
        with self._ending:
            self.manager.shutdown_kernel()

    def gone(self, seconds: float) -> bool:
        return happens_within(seconds, lambda: not self.is_alive)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.client.stop_channels()
        with self._ending:
            if self.is_alive:
                self.manager.shutdown_kernel(now=True)
            self.manager.cleanup_resources()


@contextlib.contextmanager
def kernel(place: Place, python: str = sys.executable, **env: str) -> Iterator[Kernel]:
    """A kernel that ends with the block."""
    one = Kernel(place, python, env)
    try:
        yield one
    finally:
        one.close()
