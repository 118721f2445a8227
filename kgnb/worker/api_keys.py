"""API keys saved on request, in one private file of the user's outside any data folder.

A key is saved with its provider's address and used for no other: else anyone who can write the table
``ai_providers`` of a data folder could have it sent anywhere.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kgnb.core.addresses import origin
from kgnb.core.errors import SettingsError
from kgnb.core.files import PRIVATE, try_lock, write_json
from kgnb.core.foreign_json import json_object

PRIVATE_FOLDER = 0o700


@dataclass(frozen=True, slots=True)
class SavedKey:
    """A key and the origin (scheme, host, port) of the address that it is for."""

    key: SecretStr
    origin: str


class ApiKeys:
    """The file at ``path``. Calls block: call them in a thread from asynchronous code."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, SavedKey]:
        """Return lower-case provider name → saved key; {} if there is no file.

        Raises SettingsError if the file can't be read, or if others may read or write it.
        """
        try:
            with self.path.open("rb") as file:
                if _is_shared(os.fstat(file.fileno())):
                    raise SettingsError("keys.not_private", path=self.path)
                found = json.loads(file.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError("keys.unreadable", path=self.path, reason=error.strerror) from None
        except (ValueError, RecursionError):  # a JSON error's text would quote the content
            raise SettingsError("keys.unreadable", path=self.path, reason="JSON") from None
        return _parse(found)

    def save(self, provider: str, key: SecretStr, base_url: str, *, outside: Path) -> None:
        """Save the provider's key for its address.

        Raises SettingsError if the file can't be written or is in the folder ``outside``.
        """
        if self.path.resolve().is_relative_to(outside.resolve()):
            raise SettingsError("keys.in_data", path=self.path)
        self._change(provider, SavedKey(key, origin(base_url)))

    def forget(self, provider: str) -> None:
        """Remove the provider's key; raises SettingsError."""
        if provider.lower() in self.read():
            self._change(provider, None)

    def _change(self, provider: str, saved: SavedKey | None) -> None:
        try:
            self.path.parent.mkdir(parents=True, mode=PRIVATE_FOLDER, exist_ok=True)
            lock = try_lock(self.path.with_name(f".{self.path.name}.lock"), wait=True)
            assert lock is not None
            try:
                keys = self.read() | ({provider.lower(): saved} if saved else {})
                if saved is None:
                    keys.pop(provider.lower(), None)
                found = {
                    name: {"key": k.key.get_secret_value(), "origin": k.origin} for name, k in keys.items()
                }
                write_json(self.path, found, PRIVATE)
            finally:
                os.close(lock)
        except OSError as error:
            raise SettingsError("keys.unwritable", path=self.path, reason=error.strerror) from None


def _is_shared(status: os.stat_result) -> bool:
    """Return whether other users may read or write the file, or it is another user's."""
    return bool(stat.S_IMODE(status.st_mode) & 0o077) or status.st_uid != os.geteuid()


def _parse(content: Any) -> dict[str, SavedKey]:
    """Return name in lower case → key, of the valid entries of a file that a person may have edited; {} for
    what is no dict.
    """
    keys = {}
    for name, one in json_object(content).items():
        if isinstance(one, dict) and isinstance(one.get("key"), str) and isinstance(one.get("origin"), str):
            keys[name.lower()] = SavedKey(SecretStr(one["key"]), one["origin"])
    return keys
