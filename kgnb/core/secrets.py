"""Passwords, keys and addresses from the sources that a host has, each with the name of its source.

Sources in order of precedence: environment, Kaggle Secrets, Colab's userdata, ``.env`` in the working folder,
``kgnb.env`` in an attached private dataset. ``KGNB_SECRETS_DATASET`` (OWNER/NAME) must name the dataset: else
any dataset attached for its books could set ``OPENAI_BASE_URL`` and receive the keys.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from kgnb.core import colab
from kgnb.core.errors import SettingsError
from kgnb.core.host import Host, detect_host, variable
from kgnb.core.kaggle_inputs import env_file, files_called, find_input
from kgnb.core.messages import use_language
from kgnb.core.model import Provider
from kgnb.core.settings import Settings

log = logging.getLogger(__name__)

NAMES = (
    *("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"),
    *("DB_TYPE", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME"),
    *("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD"),
    *("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "KGNB_PROVIDER_NAME"),
    *("KG_WORKER_NODE_NAME", "KG_WORKER_PROVIDERS", "KG_QUEUE_PREFIX"),
)
"""Names to ask Kaggle and Colab for: services and one provider. Each costs a request, so not every setting;
files are read for all settings."""

ENVIRONMENT, KAGGLE, COLAB = "environment", "Kaggle Secrets", "Colab userdata"
"""Names of sources; a file's is its path."""

MAX_FILE_BYTES = 64 * 1024
"""Size above which a file is refused."""
ADDRESS, KEY = "OPENAI_BASE_URL", "OPENAI_API_KEY"
DATASET_FILE = "kgnb.env"
DATASET_VARIABLE = "KGNB_SECRETS_DATASET"
RETRY_PAUSES = (1.0, 2.0, 4.0)
"""Seconds between attempts when Kaggle answers 429 or 5xx without a Retry-After."""
MAX_RETRY_PAUSE = 10.0
NAMES_TOLD = 4
"""How many names a message lists."""
CONCURRENT_REQUESTS = 3
"""Requests to Kaggle in flight: fast enough for twenty names, and seldom answered 429."""


_told: set[str] = set()
"""What was logged already: a notebook loads its settings in many cells."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value and the name of its source."""

    value: SecretStr
    source: str


class Secrets(dict[str, Secret]):
    """Secrets by variable name; ``troubles`` says why a source failed."""

    troubles: tuple[SettingsError, ...] = ()


class _Unread(Exception):
    """A source failed: the text's key and facts, and the names that it has but didn't give, if it says so."""

    def __init__(self, key: str, names: Sequence[str] = (), **facts: object) -> None:
        super().__init__(key)
        self.names, self.facts = names, facts

    def about(self, lacking: Sequence[str]) -> Iterator[SettingsError]:
        """Yield the error for a user who lacks these names; nothing where other sources had them."""
        names = [name for name in self.names or lacking if name in lacking]
        listed = ", ".join(names[:NAMES_TOLD]) + (" …" if len(names) > NAMES_TOLD else "")
        if names:
            yield SettingsError(f"secret.{self.args[0]}", names=listed, **self.facts)


def _errors(module: Any, name: str, *more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return ``more`` and a client's own error class, if its version has that."""
    return (*more, getattr(module, name)) if hasattr(module, name) else more


def load_secrets(
    names: Sequence[str] | None = None, *, host: Host | None = None, has_address: bool = False
) -> Secrets:
    """Return variable → value with its source, for ``names`` that any source has; by default :data:`NAMES`,
    and in files every setting.

    Blocks for a few requests on Kaggle and Colab. A source that fails raises nothing, as the next one may
    have the name: see ``troubles`` of the result. Raises SettingsError where ``.env`` holds an address
    without a key and another source has a key; but no file's address is taken where the caller
    ``has_address``.
    """
    host = host or detect_host()
    found, failed = Secrets(), list[_Unread]()
    asked = tuple(NAMES if names is None else names)
    in_files = tuple(Settings.variables() if names is None else names)
    for name in {*asked, *in_files}:
        if value := variable(name):
            found[name] = Secret(SecretStr(value), ENVIRONMENT)
    wanted = [name for name in asked if name not in found]
    source = {"kaggle": _read_kaggle, "colab": _read_colab}.get(host.kind)
    if source and wanted:
        try:
            source(found, wanted, host)
        except _Unread as error:
            failed.append(error)
    troubles: list[SettingsError] = []
    for path in _secret_files(host, troubles):
        values = _read_file(path, troubles)
        used = {n: v for n, v in values.items() if n in in_files and n not in found}
        if has_address:
            used.pop(ADDRESS, None)
        if ADDRESS in used and path == env_file():  # a dataset was named by the user
            used |= _key_for_address(values, path, KEY in found)
        found |= {name: Secret(SecretStr(value), str(path)) for name, value in used.items()}
    lacking = [name for name in wanted if name not in found]
    found.troubles = (*chain.from_iterable(error.about(lacking) for error in failed), *troubles)
    return found


def load_settings(
    *, host: Host | None = None, provider: Provider | None = None, **given: Any
) -> tuple[Settings, Secrets]:
    """Return (settings, secrets found), from ``given``, the environment and :func:`load_secrets`, in this
    order of precedence: what ``build``, ``open``, ``books``, Node and the command line start with.
    ``provider`` stands in for the environment's.

    Sets the language, and logs once in a process why a source failed. Raises SettingsError for an invalid
    value and for a file that can't be read.
    """
    host = host or detect_host()
    found = load_secrets(host=host, has_address=provider is not None or "openai_base_url" in given)
    elsewhere = {name: one.value for name, one in found.items() if one.source != ENVIRONMENT}
    if host.kind == "colab":
        given = _of_colab(given, found, has_provider=provider is not None)
    settings = Settings.load(**{**Settings.given_by(elsewhere), **given})
    if provider is not None:
        settings = settings.with_provider(provider)
    use_language(settings.lang)
    for trouble in found.troubles:
        if trouble.key == "secret.file_unreadable":
            raise trouble
        if str(trouble) not in _told:
            _told.add(str(trouble))
            log.warning("%s", trouble)
    return settings, found


def _of_colab(given: dict[str, Any], found: Secrets, *, has_provider: bool) -> dict[str, Any]:
    """Return the given settings with what two words mean on Colab: data folder ``drive`` and provider
    ``colab``, which nobody is asked about where the caller ``has_provider``.
    """
    if str(given.get("data", "")) == colab.DRIVE_WORD:
        given = {name: value for name, value in given.items() if name != "data"} | colab.drive_settings()
    named = found.get("KGNB_PROVIDER_NAME")
    name = given.get("provider_name") or (named.value.get_secret_value() if named else "")
    if (
        name == colab.PROVIDER
        and not has_provider
        and not {"openai_base_url", "openai_api_key"} & given.keys()
    ):
        default = {} if "OPENAI_MODEL" in found else colab.default_model()
        given = default | given | colab.provider_settings()
    return given


def _read_kaggle(found: Secrets, names: Sequence[str], _: Host) -> None:
    try:
        import kaggle_secrets
    except ImportError:
        raise _Unread("kaggle_no_client") from None
    try:
        client = kaggle_secrets.UserSecretsClient()
    except _errors(kaggle_secrets, "CredentialError"):
        raise _Unread("kaggle_no_token") from None

    def ask(name: str) -> None:
        if value := _request_kaggle(kaggle_secrets, client, name):
            found[name] = Secret(SecretStr(value), KAGGLE)

    ask(names[0])  # if this fails, the others would alike
    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
        errors = [one.exception() for one in [pool.submit(ask, name) for name in names[1:]]]
    for error in filter(None, errors):
        raise error


def _request_kaggle(module: Any, client: Any, name: str) -> str:
    """Return the value; "" if it isn't attached to the notebook. Raises _Unread after the last attempt."""
    for pause in (*RETRY_PAUSES, None):
        try:
            return str(client.get_secret(name))
        except _errors(module, "CredentialError"):
            raise _Unread("kaggle_refused", status=403) from None
        except _errors(module, "BackendError", ValueError) as error:  # ValueError: no JSON
            if "No user secrets exist" in str(error):  # Kaggle has no other sign of "not attached"
                return ""
            raise _Unread("kaggle_failed", reason=type(error).__name__) from None
        except OSError as error:
            status, wait = _status_and_wait(error)
            if status is None:
                raise _Unread("kaggle_offline") from None
            if status in (401, 403):
                raise _Unread("kaggle_refused", status=status) from None
            if pause is None or not (status == 429 or status >= 500):
                raise _Unread("kaggle_failed", reason=status) from None
            time.sleep(min(MAX_RETRY_PAUSE, pause if wait is None else wait))
    raise AssertionError("unreachable")


def _status_and_wait(error: BaseException) -> tuple[int | None, float | None]:
    """Return (status, Retry-After in seconds) of the HTTP error that Kaggle's client keeps in ``__cause__``;
    None for what it doesn't tell.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(getattr(cause, "code", None), int):
        cause = cause.__cause__
    if cause is None:
        return None, None
    after = (getattr(cause, "headers", None) or {}).get("Retry-After", "")
    return int(cause.code), float(after) if str(after).isdigit() else None  # type: ignore[attr-defined]


def _read_colab(found: Secrets, names: Sequence[str], host: Host) -> None:
    if not host.in_kernel:  # it asks the page, which only the notebook's own process can reach
        raise _Unread("colab_process")
    try:
        from google.colab import userdata
    except ImportError:
        raise _Unread("colab_no_client") from None
    denied: list[str] = []
    for name in names:
        try:
            if value := userdata.get(name):
                found[name] = Secret(SecretStr(value), COLAB)
        except _errors(userdata, "SecretNotFoundError"):
            continue
        except _errors(userdata, "NotebookAccessError"):
            denied.append(name)
        except _errors(userdata, "TimeoutException", TimeoutError):  # each takes 10 s: give up
            raise _Unread("colab_timeout") from None
    if denied:
        raise _Unread("colab_denied", denied)


def _secret_files(host: Host, troubles: list[SettingsError]) -> Iterator[Path]:
    """Yield the files with secrets: the folder's .env, then the named dataset's; what is missing goes to
    ``troubles``.
    """
    if own := env_file():
        yield own
    if dataset := variable(DATASET_VARIABLE):
        folder = find_input(dataset, ("datasets",))
        if folder is not None and (folder / DATASET_FILE).is_file():
            yield folder / DATASET_FILE
        else:
            troubles.append(SettingsError("secret.dataset_missing", dataset=dataset, file=DATASET_FILE))
    elif host.kind == "kaggle":
        troubles += (
            SettingsError("secret.dataset_unnamed", path=str(path), variable=DATASET_VARIABLE)
            for path in files_called(DATASET_FILE)
        )


def _read_file(path: Path, troubles: list[SettingsError]) -> dict[str, str]:
    """Return NAME in upper case → value of each line that has a value; {} for a file that can't be read,
    which is added to ``troubles``.

    ``${NAME}`` stays as it is: else the file could put any variable of the environment into an address.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OSError(0, f"> {MAX_FILE_BYTES >> 10} KB")
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8"
        troubles.append(SettingsError("secret.file_unreadable", path=str(path), reason=reason))
        return {}
    return {name.upper(): value for name, value in values.items() if value}


def _key_for_address(found: Mapping[str, str], path: Path, has_other_key: bool) -> dict[str, str]:
    """Return the key that goes with the address in ``.env``, which others may have made; {} for no key at
    all.

    Raises SettingsError where only another source has a key: it must not go where a file says.
    """
    if key := found.get(KEY):
        return {KEY: key}
    if has_other_key:
        raise SettingsError("settings.key_elsewhere", path=path)
    return {}
