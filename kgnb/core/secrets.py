"""Passwords, keys and addresses from the sources that a host has, each with the name of its source.

Sources in order of precedence: environment, Kaggle Secrets, Colab's userdata, ``.env`` in the working folder,
``kgnb.env`` in an attached private dataset. ``KGNB_SECRETS_DATASET`` (OWNER/NAME) must name the dataset: else
any dataset attached for its books could set ``OPENAI_BASE_URL`` and receive the keys.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from kgnb.core import colab
from kgnb.core.errors import SettingsError
from kgnb.core.host import Host, detect_host, variable
from kgnb.core.kaggle_inputs import env_file, files_called, find_input
from kgnb.core.messages import use_language
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


class SecretTrouble(SettingsError):
    """Why a source gave nothing; ``missing``: it works, but doesn't have these ``names``."""

    def __init__(self, key: str, *, names: Sequence[str], missing: bool = False, **facts: object) -> None:
        listed = ", ".join(names[:NAMES_TOLD])
        super().__init__(key, names=listed if len(names) <= NAMES_TOLD else f"{listed} …", **facts)
        self.names = tuple(names)
        self.missing = missing

    def about(self, names: Sequence[str]) -> SecretTrouble:
        """The same trouble with other names."""
        facts = {key: fact for key, fact in self.facts.items() if key != "names"}
        return SecretTrouble(self.key, names=names, missing=self.missing, **facts)


@dataclass(frozen=True, slots=True)
class Secret:
    """A value and the name of its source."""

    value: SecretStr
    source: str


class Secrets(dict[str, Secret]):
    """Secrets by variable name; ``troubles`` says for each source why it gave no others."""

    troubles: tuple[SecretTrouble, ...] = ()


def load_secrets(
    names: Sequence[str] | None = None, *, host: Host | None = None, has_address: bool = False
) -> Secrets:
    """Look ``names`` up in all sources; by default :data:`NAMES`, and in files every setting.

    Blocks for a few requests on Kaggle and Colab. A source that fails raises nothing, as the next one may
    have the name: see ``troubles`` of the result. Raises SettingsError where
    ``.env`` holds an address without a key and another source has a key; but no file's address is taken
    where the caller ``has_address``.
    """
    host = host or detect_host()
    found = Secrets()
    troubles: list[SecretTrouble] = []
    asked = tuple(NAMES if names is None else names)
    in_files = tuple(Settings.variables() if names is None else names)
    for name in {*asked, *in_files}:
        if value := variable(name):
            found[name] = Secret(SecretStr(value), ENVIRONMENT)
    source = {"kaggle": _read_kaggle, "colab": _read_colab}.get(host.kind)
    if source and (wanted := [name for name in asked if name not in found]):
        troubles += source(found, wanted, host)
    for path in _secret_files(host, troubles):
        values = _read_file(path, troubles)
        used = {n: v for n, v in values.items() if n in in_files and n not in found}
        if has_address:
            used.pop(ADDRESS, None)
        if ADDRESS in used and path == env_file():  # a dataset was named by the user
            used |= _key_for_address(values, path, KEY in found)
        found |= {name: Secret(SecretStr(value), str(path)) for name, value in used.items()}
    found.troubles = tuple(_unresolved(troubles, found))
    return found


def load_settings(*, host: Host | None = None, **given: Any) -> tuple[Settings, Secrets]:
    """Settings from ``given``, the environment and :func:`load_secrets`, in this order of precedence: what
    every face (``build``, ``open``, ``books``, Node, the command line) starts with.

    Sets the language, and logs why a source failed once a process. Raises SettingsError for an invalid
    value and for a file that can't be read.
    """
    host = host or detect_host()
    found = load_secrets(host=host, has_address="openai_base_url" in given)
    elsewhere = {name: one.value for name, one in found.items() if one.source != ENVIRONMENT}
    if host.kind == "colab":
        given = _of_colab(given, found)
    settings = Settings.load(**{**Settings.given_by(elsewhere), **given})
    use_language(settings.lang)
    for trouble in found.troubles:
        if trouble.key == "secret.file_unreadable":
            raise trouble
        if not trouble.missing and str(trouble) not in _told:
            _told.add(str(trouble))
            log.warning("%s", trouble)
    return settings, found


def _of_colab(given: dict[str, Any], found: Secrets) -> dict[str, Any]:
    """The given settings with what two words mean on Colab: data folder ``drive`` and provider ``colab``."""
    if str(given.get("data", "")) == colab.DRIVE_WORD:
        given = {name: value for name, value in given.items() if name != "data"} | colab.drive_settings()
    named = found.get("KGNB_PROVIDER_NAME")
    name = given.get("provider_name") or (named.value.get_secret_value() if named else "")
    if name == colab.PROVIDER and not {"openai_base_url", "openai_api_key"} & given.keys():
        default = {} if "OPENAI_MODEL" in found else colab.default_model()
        given = default | given | colab.provider_settings()
    return given


def _unresolved(troubles: Iterable[SecretTrouble], found: Secrets) -> Iterator[SecretTrouble]:
    """The troubles without the names that a later source had."""
    for trouble in troubles:
        names = [name for name in trouble.names if name not in found]
        if names or not trouble.names:
            yield trouble.about(names)


def _read_kaggle(found: Secrets, names: Sequence[str], host: Host) -> list[SecretTrouble]:
    try:
        import kaggle_secrets
    except ImportError:
        return [SecretTrouble("secret.kaggle_no_client", names=names)]
    try:
        client = kaggle_secrets.UserSecretsClient()
    except _error_class(kaggle_secrets, "CredentialError"):
        return [SecretTrouble("secret.kaggle_no_token", names=names)]

    def ask(name: str) -> SecretStr | SecretTrouble | None:
        return _request_kaggle(kaggle_secrets, client, name)

    first = ask(names[0])
    if isinstance(first, SecretTrouble):  # the others would fail alike
        return [first.about(names)]
    with ThreadPoolExecutor(CONCURRENT_REQUESTS) as pool:
        answers = dict(zip(names, [first, *pool.map(ask, names[1:])], strict=True))
    found |= {
        name: Secret(value, KAGGLE)
        for name, value in answers.items()
        if isinstance(value, SecretStr) and value
    }
    failed = {name: value for name, value in answers.items() if isinstance(value, SecretTrouble)}
    kinds = {one.key: one for one in failed.values()}
    troubles = [one.about([n for n in failed if failed[n].key == one.key]) for one in kinds.values()]
    if missing := [name for name, value in answers.items() if value is None]:
        # A run from the editor has at least one secret attached if it uses any; a pushed run has none.
        pushed = host.batch and len(missing) == len(names)
        key = "secret.kaggle_pushed" if pushed else "secret.kaggle_not_attached"
        troubles.append(SecretTrouble(key, names=missing, missing=True))
    return troubles


def _request_kaggle(module: Any, client: Any, name: str) -> SecretStr | SecretTrouble | None:
    """The value, None if it isn't attached to the notebook, or the trouble after the last attempt."""
    for pause in (*RETRY_PAUSES, None):
        try:
            return SecretStr(client.get_secret(name))
        except _error_class(module, "CredentialError"):
            return SecretTrouble("secret.kaggle_refused", names=[name], status=403)
        except _error_class(module, "BackendError") as error:
            if "No user secrets exist" in str(error):  # Kaggle has no other sign of "not attached"
                return None
            return SecretTrouble("secret.kaggle_odd", names=[name], reason=type(error).__name__)
        except OSError as error:
            status, wait = _status_and_wait(error)
            if status is None:
                return SecretTrouble("secret.kaggle_offline", names=[name])
            if status in (401, 403):
                return SecretTrouble("secret.kaggle_refused", names=[name], status=status)
            if pause is None or not (status == 429 or status >= 500):
                key = "secret.kaggle_busy" if status == 429 else "secret.kaggle_failed"
                return SecretTrouble(key, names=[name], status=status)
            time.sleep(min(MAX_RETRY_PAUSE, pause if wait is None else wait))
        except ValueError as error:  # no JSON in the answer
            return SecretTrouble("secret.kaggle_odd", names=[name], reason=type(error).__name__)
    raise AssertionError("unreachable")


def _status_and_wait(error: BaseException) -> tuple[int | None, float | None]:
    """(status, Retry-After in seconds) of the HTTP error that Kaggle's client keeps in ``__cause__``."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(getattr(cause, "code", None), int):
        cause = cause.__cause__
    if cause is None:
        return None, None
    after = (getattr(cause, "headers", None) or {}).get("Retry-After", "")
    return int(cause.code), float(after) if str(after).isdigit() else None  # type: ignore[attr-defined]


class _NeverRaisedError(Exception):
    """Stands in for an error class that this version of a service's client lacks."""


def _error_class(module: Any, name: str) -> type[Exception]:
    found: type[Exception] = getattr(module, name, _NeverRaisedError)
    return found


def _read_colab(found: Secrets, names: Sequence[str], host: Host) -> list[SecretTrouble]:
    if not host.in_kernel:  # it asks the page, which only the notebook's own process can reach
        return [SecretTrouble("secret.colab_process", names=names)]
    try:
        from google.colab import userdata
    except ImportError:
        return [SecretTrouble("secret.colab_no_client", names=names)]
    denied: list[str] = []
    absent: list[str] = []
    troubles: list[SecretTrouble] = []
    for index, name in enumerate(names):
        try:
            if value := userdata.get(name):
                found[name] = Secret(SecretStr(value), COLAB)
        except _error_class(userdata, "SecretNotFoundError"):
            absent.append(name)
        except _error_class(userdata, "NotebookAccessError"):
            denied.append(name)
        except (_error_class(userdata, "TimeoutException"), TimeoutError):  # each takes 10 s: give up
            troubles.append(SecretTrouble("secret.colab_timeout", names=names[index:]))
            break
    if denied:
        troubles.append(SecretTrouble("secret.colab_denied", names=denied))
    if absent:
        troubles.append(SecretTrouble("secret.colab_not_found", names=absent, missing=True))
    return troubles


def _secret_files(host: Host, troubles: list[SecretTrouble]) -> Iterator[Path]:
    if own := env_file():
        yield own
    if dataset := variable(DATASET_VARIABLE):
        folder = find_input(dataset, ("datasets",))
        if folder is not None and (folder / DATASET_FILE).is_file():
            yield folder / DATASET_FILE
        else:
            trouble = SecretTrouble("secret.dataset_missing", names=(), dataset=dataset, file=DATASET_FILE)
            troubles.append(trouble)
    elif host.kind == "kaggle":
        troubles += (
            SecretTrouble("secret.dataset_unnamed", names=(), path=str(path), variable=DATASET_VARIABLE)
            for path in files_called(DATASET_FILE)
        )


def _read_file(path: Path, troubles: list[SecretTrouble]) -> dict[str, str]:
    """NAME → value of each line that has a value.

    ``${NAME}`` stays as it is: else the file could put any variable of the environment into an address.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OSError(0, f"> {MAX_FILE_BYTES >> 10} KB")
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8"
        troubles.append(SecretTrouble("secret.file_unreadable", names=(), path=str(path), reason=reason))
        return {}
    return {name.upper(): value for name, value in values.items() if value}


def _key_for_address(found: Mapping[str, str], path: Path, has_other_key: bool) -> dict[str, str]:
    """The key that goes with the address in ``.env``, which others may have made.

    Raises SettingsError where only another source has a key: it must not go where a file says.
    """
    if key := found.get(KEY):
        return {KEY: key}
    if has_other_key:
        raise SettingsError("settings.key_elsewhere", path=path)
    return {}
