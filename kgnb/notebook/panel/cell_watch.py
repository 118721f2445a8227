"""Watch whether a cell is running in this kernel: clicks have to wait for it, and the panel says so."""

from __future__ import annotations

import threading
import time
from typing import Any

from kgnb.core.host import ipython_shell

MIN_SECONDS = 1.0
"""Cells that run shorter are not reported."""


class CellWatch:
    """Watches the cells of this process's kernel; outside of a kernel nothing ever runs."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._shell: Any = None

    def watch(self) -> None:
        """Start watching, including the cell that calls this. Can be called again."""
        shell = ipython_shell()
        if getattr(shell, "kernel", None) is None or shell is self._shell:
            return
        self._shell = shell
        shell.events.register("pre_execute", self._on_cell_start)
        shell.events.register("post_execute", self._on_cell_end)
        if threading.current_thread() is threading.main_thread() and _in_a_cell(shell):
            self._on_cell_start()

    def forget(self) -> None:
        """Stop watching."""
        if self._shell is not None:
            self._shell.events.unregister("pre_execute", self._on_cell_start)
            self._shell.events.unregister("post_execute", self._on_cell_end)
            self._shell, self._since = None, None

    def _on_cell_start(self) -> None:
        self._since = time.monotonic()

    def _on_cell_end(self) -> None:
        self._since = None

    @property
    def seconds(self) -> float:
        """Seconds that the current cell has run; 0.0 without one, or for less than ``MIN_SECONDS`` (1.0)."""
        since = self._since
        lasted = 0.0 if since is None else time.monotonic() - since
        return lasted if lasted >= MIN_SECONDS else 0.0


def _in_a_cell(shell: Any) -> bool:
    """Return whether this call comes from a cell rather than a widget's click."""
    parent = shell.kernel.get_parent("shell") if hasattr(shell.kernel, "get_parent") else {}
    return bool(parent.get("header", {}).get("msg_type") == "execute_request")
