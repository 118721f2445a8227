"""The notebook services that kgnb knows, from the table beside this file: what tells them, how they end."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Kind = Literal["kaggle", "colab", "vscode", "jupyter", "ipython", "terminal", "server"]


@dataclass(frozen=True, slots=True)
class NotebookService:
    """One row of the table, whose head explains the fields. 0 and "": no limit, nothing, or not published."""

    name: str
    kind: Kind
    source: str
    hours: float
    idle_minutes: float
    idle: Literal["cell", "page", "none"]
    kept: str
    secrets: str
    gpu: str
    variables: tuple[str, ...] = ()
    folder: str = ""
    tpu_hours: float = 0

    def is_here(self, environment: Mapping[str, str]) -> bool:
        """Return whether one of the service's variables in ``environment``, or its folder, shows that this
        process runs there.
        """
        return any(map(environment.get, self.variables)) or bool(self.folder and Path(self.folder).is_dir())

    def session_seconds(self, *, tpu: bool) -> float | None:
        """Return the length of a session in seconds; None if no end is known."""
        return ((self.tpu_hours if tpu else 0) or self.hours) * 3600.0 or None


@cache
def notebook_services() -> tuple[NotebookService, ...]:
    """Return all known services, in the file's order."""
    rows = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))["service"]
    return tuple(NotebookService(**row | {"variables": tuple(row.get("variables", ()))}) for row in rows)


def find_service(kind: Kind, environment: Mapping[str, str]) -> NotebookService | None:
    """Return the first service of this ``kind`` that shows itself in ``environment``, else the kind's plain
    one; None for an unknown kind.
    """
    fitting = [one for one in notebook_services() if one.kind == kind]
    plain = [one for one in fitting if not (one.variables or one.folder)]
    return next(iter([one for one in fitting if one.is_here(environment)] or plain or fitting), None)
