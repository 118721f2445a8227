"""Files of settings, one NAME=VALUE a line: ``.env`` of the working folder, which others may have made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from kgnb.core.errors import SettingsError
from kgnb.core.host import variable
from kgnb.core.kaggle_inputs import env_file

MAX_FILE_BYTES = 64 * 1024
"""Size above which a file is refused."""
ADDRESS, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"


def read_env_file(path: Path) -> dict[str, str]:
    """NAME → value of each line that has one. Raises OSError and UnicodeDecodeError.

    ``${NAME}`` stays as it is: else the file could put any variable of the environment into an address.
    """
    from dotenv import dotenv_values

    if path.stat().st_size > MAX_FILE_BYTES:
        raise OSError(0, f"> {MAX_FILE_BYTES >> 10} KB")
    values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    return {name.upper(): value for name, value in values.items() if value}


def folder_settings(names: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """Values of ``names`` from ``.env`` that neither the caller has ``given`` nor the environment sets.

    An address from the file gets the file's key, whatever the environment's is. Raises SettingsError where
    the file has an address without a key while the environment has one, and for a file that can't be read.
    """
    path = env_file()
    if path is None:
        return {}
    try:
        found = read_env_file(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8"
        raise SettingsError("secret.file_unreadable", path=path, reason=reason, names="") from None
    given = set(given)
    used = {n: found[n] for n in names if n in found and n not in given and not variable(n)}
    if ADDRESS in used and KEY not in given:
        used |= key_for_address(found, path, bool(variable(KEY)))
    return used


def key_for_address(found: Mapping[str, str], path: Path, has_other_key: bool) -> dict[str, str]:
    """The key that goes with the address in a file of settings.

    Raises SettingsError where only another source has a key: it must not go where a file says.
    """
    if key := found.get(KEY):
        return {KEY: key}
    if has_other_key:
        raise SettingsError("settings.key_elsewhere", path=path)
    return {}
