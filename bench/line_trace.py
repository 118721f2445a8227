"""Notes which test executes which line, in every process that a test starts.

Copied as ``sitecustomize.py`` to the root of a tree, it traces all its interpreters; the one of the tests
itself calls :func:`start`. A line ``test, path, number`` is added to ``lines.tsv`` there as soon as it is
first executed, so that killed processes count too. For a Lua script the number is 0.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

ROOT = os.path.dirname(os.path.abspath(__file__)).removesuffix("/bench")
TRACED = tuple(f"{ROOT}/kgnb/{name}/" for name in ("stores/queue", "stores/ledger", "stores/graph", "worker"))
_seen: set[tuple[str, str, int]] = set()


def start() -> None:
    """Trace this process and all its threads."""
    threading.settrace(_call)
    sys.settrace(_call)


def _call(frame: Any, _event: str, _value: object) -> Any:
    path = frame.f_code.co_filename
    if not path.startswith(TRACED):
        return None
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    if not test:
        return None
    if frame.f_code.co_name == "script_call":
        _note(test, f"{ROOT}/kgnb/stores/queue/lua/{frame.f_locals['name']}.lua", 0)

    def line(frame: Any, event: str, _value: object) -> Any:
        if event == "line":
            _note(test, path, frame.f_lineno)
        return line

    _note(test, path, frame.f_lineno)
    return line


def _note(test: str, path: str, number: int) -> None:
    place = (test, path, number)
    if place in _seen:
        return
    _seen.add(place)
    file = os.open(f"{ROOT}/lines.tsv", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, f"{test}\t{path[len(ROOT) + 1 :]}\t{number}\n".encode())
    os.close(file)


if __name__ == "sitecustomize":
    start()
