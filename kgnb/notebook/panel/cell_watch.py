"""Whether a cell is running in this kernel: clicks wait for it, and the panel says so."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

QUIET_SECONDS = 1.0
"""Shorter cells aren't worth a word."""


class CellWatch:
    """Follows the cells of the kernel that this process is; outside of one nothing is ever busy."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._shell: Any = None

    def watch(self) -> None:
        """From now on; knows of the cell that calls it too. Once is enough."""
        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
        if shell is None or getattr(shell, "kernel", None) is None or shell is self._shell:
            return
        self._shell = shell
        shell.events.register("pre_execute", self._begins)
        shell.events.register("post_execute", self._ends)
        if threading.current_thread() is threading.main_thread() and _in_a_cell(shell):
            self._begins()

    def forget(self) -> None:
        """Follows no more."""
        if self._shell is not None:
            self._shell.events.unregister("pre_execute", self._begins)
            self._shell.events.unregister("post_execute", self._ends)
            self._shell, self._since = None, None

    def _begins(self) -> None:
        self._since = time.monotonic()

    def _ends(self) -> None:
        self._since = None

    @property
    def seconds(self) -> float:
        """How long the running cell has been running; 0 where none has for long enough to matter."""
        since = self._since
        lasted = 0.0 if since is None else time.monotonic() - since
        return lasted if lasted >= QUIET_SECONDS else 0.0


def _in_a_cell(shell: Any) -> bool:
    """Whether this call comes from a cell and not from a widget's click."""
    parent = shell.kernel.get_parent("shell") if hasattr(shell.kernel, "get_parent") else {}
    return bool(parent.get("header", {}).get("msg_type") == "execute_request")
