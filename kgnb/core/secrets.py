"""Passwords, keys and addresses from wherever a place keeps them, each with the name of its source.

Order, first wins: environment, Kaggle Secrets, Colab's userdata, ``.env`` in the working folder, ``kgnb.env``
in an attached private dataset. Asking a person is a function of its own, for places where somebody sits.

The dataset must be named by ``KGNB_SECRETS_DATASET`` (OWNER/NAME): else any dataset attached for its books
could bring its own ``OPENAI_BASE_URL`` and be sent the keys.
"""

from __future__ import annotations

import getpass
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kgnb.core.errors import SettingsError
from kgnb.core.host import KAGGLE_INPUT, Host, detect_host, variable
from kgnb.core.messages import say
from kgnb.core.settings import Settings

NAMES = (
    *("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_DB"),
    *("DB_TYPE", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME"),
    *("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD"),
    *("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "KGNB_PROVIDER_NAME"),
    *("KG_WORKER_NODE_NAME", "KG_WORKER_PROVIDERS", "KG_QUEUE_PREFIX"),
)
"""What a notebook's secrets are asked for: services and one provider. Each costs a request, so not every
setting; files are read for all of them."""

ENVIRONMENT, KAGGLE, COLAB, PROMPT = "environment", "Kaggle Secrets", "Colab userdata", "prompt"
"""Sources; a file's is its path."""

DATASET_FILE = "kgnb.env"
DATASET_VARIABLE = "KGNB_SECRETS_DATASET"
MOST_BYTES = 64 * 1024
"""A larger .env is none."""
PAUSES = (1.0, 2.0, 4.0)
"""Seconds between tries when Kaggle says 429 or breaks, unless it names its own."""
LONGEST_PAUSE = 10.0
AT_ONCE = 3
"""Requests to Kaggle in flight: quick enough for twenty names, and seldom answered 429."""


class SecretTrouble(SettingsError):
    """Why a source gave nothing; ``missing`` = it answered, and just doesn't have these ``names``."""

    def __init__(self, key: str, *, names: Sequence[str], missing: bool = False, **facts: object) -> None:
        super().__init__(key, names=", ".join(names), **facts)
        self.names = tuple(names)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Secret:
    """A value and where it came from."""

    value: SecretStr
    source: str

    @property
    def masked(self) -> str:
        """Enough to recognise a long one by, never enough to use it."""
        text = self.value.get_secret_value()
        return "••••" + (text[-3:] if len(text) >= 20 else "")


class Secrets(dict[str, Secret]):
    """What was found, by variable name; ``troubles`` says why the rest wasn't, source by source."""

    troubles: tuple[SecretTrouble, ...] = ()


def load_secrets(names: Sequence[str] | None = None, *, place: Host | None = None) -> Secrets:
    """Everything that is found of ``names``; without them :data:`NAMES`, and from files every setting.

    Blocks for a few requests on Kaggle and Colab; on Colab it must be called by the main thread. Raises
    nothing for a source that fails: a name may come from the next one, so that is told in ``troubles``.
    """
    place = place or detect_host()
    found = Secrets()
    troubles: list[SecretTrouble] = []
    asked = tuple(NAMES if names is None else names)
    in_files = tuple(Settings.variables() if names is None else names)
    for name in {*asked, *in_files}:
        if value := variable(name):
            found[name] = Secret(SecretStr(value), ENVIRONMENT)
    source = {"kaggle": _from_kaggle, "colab": _from_colab}.get(place.kind)
    if source and (wanted := [name for name in asked if name not in found]):
        troubles += source(found, wanted, place)
    for path in _files(place, troubles):
        for name, value in _lines(path, troubles):
            if name in in_files and name not in found:
                found[name] = Secret(SecretStr(value), str(path))
    found.troubles = tuple(_still_true(troubles, found))
    return found


def find_secret(name: str, *, place: Host | None = None) -> Secret | None:
    """One secret, or None where no source has it.

    Raises SecretTrouble when a source that might have it failed.
    """
    found = load_secrets((name,), place=place)
    for trouble in found.troubles:
        if name not in found and not trouble.missing:
            raise trouble
    return found.get(name)


def load_settings(*, place: Host | None = None, **given: Any) -> tuple[Settings, Secrets]:
    """Settings from ``given``, environment and everything that :func:`load_secrets` finds.

    Raises SettingsError for a value that doesn't fit.
    """
    found = load_secrets(place=place)
    elsewhere = {name: one.value for name, one in found.items() if one.source != ENVIRONMENT}
    return Settings.load(**{**Settings.given_by(elsewhere), **given}), found


def prompt_secret(name: str, *, place: Host | None = None) -> Secret:
    """Asks the person in front of the screen; nothing is echoed. Raises SecretTrouble where nobody sits."""
    place = place or detect_host()
    if not place.interactive:
        raise SecretTrouble("secret.nobody_here", names=[name])
    value = getpass.getpass(say("secret.prompt", name=name))
    if not value:
        raise SecretTrouble("secret.nothing_typed", names=[name])
    return Secret(SecretStr(value), PROMPT)


def _still_true(troubles: Iterable[SecretTrouble], found: Secrets) -> Iterator[SecretTrouble]:
    """Troubles without the names that a later source had after all."""
    for trouble in troubles:
        names = [name for name in trouble.names if name not in found]
        if names or not trouble.names:
            facts = {k: v for k, v in trouble.facts.items() if k != "names"}
            yield SecretTrouble(trouble.key, names=names, missing=trouble.missing, **facts)


# --- Kaggle


def _from_kaggle(found: Secrets, names: Sequence[str], place: Host) -> list[SecretTrouble]:
    try:
        import kaggle_secrets
    except ImportError:
        return [SecretTrouble("secret.kaggle_no_client", names=names)]
    try:
        client = kaggle_secrets.UserSecretsClient()
    except _class(kaggle_secrets, "CredentialError"):
        return [SecretTrouble("secret.kaggle_no_token", names=names)]

    def ask(name: str) -> SecretStr | SecretTrouble | None:
        return _ask_kaggle(kaggle_secrets, client, name)

    first = ask(names[0])
    if isinstance(first, SecretTrouble):  # the same for all of them
        return [SecretTrouble(first.key, names=names, **_bare(first))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(names, [first, *pool.map(ask, names[1:])], strict=True))
    found |= {
        name: Secret(value, KAGGLE)
        for name, value in answers.items()
        if isinstance(value, SecretStr) and value
    }
    failed = {name: value for name, value in answers.items() if isinstance(value, SecretTrouble)}
    troubles = [
        SecretTrouble(key, names=[n for n in failed if failed[n].key == key], **_bare(one))
        for key, one in {one.key: one for one in failed.values()}.items()
    ]
    if missing := [name for name, value in answers.items() if value is None]:
        # An editor's run has at least one attached where it uses any; a pushed one never has.
        pushed = place.batch and len(missing) == len(names)
        key = "secret.kaggle_pushed" if pushed else "secret.kaggle_not_attached"
        troubles.append(SecretTrouble(key, names=missing, missing=True))
    return troubles


def _bare(trouble: SecretTrouble) -> dict[str, Any]:
    return {k: v for k, v in trouble.facts.items() if k != "names"}


def _ask_kaggle(module: Any, client: Any, name: str) -> SecretStr | SecretTrouble | None:
    """The value, None where it isn't attached, or what went wrong after a few tries."""
    for pause in (*PAUSES, None):
        try:
            return SecretStr(client.get_secret(name))
        except _class(module, "CredentialError"):
            return SecretTrouble("secret.kaggle_refused", names=[name], status=403)
        except _class(module, "BackendError") as error:
            if "No user secrets exist" in str(error):  # the one sign that Kaggle gives for "not attached"
                return None
            return SecretTrouble("secret.kaggle_odd", names=[name], reason=type(error).__name__)
        except OSError as error:
            status, wait = _http(error)
            if status is None:
                return SecretTrouble("secret.kaggle_offline", names=[name])
            if status in (401, 403):
                return SecretTrouble("secret.kaggle_refused", names=[name], status=status)
            if pause is None or not (status == 429 or status >= 500):
                key = "secret.kaggle_busy" if status == 429 else "secret.kaggle_failed"
                return SecretTrouble(key, names=[name], status=status)
            time.sleep(min(LONGEST_PAUSE, pause if wait is None else wait))
        except ValueError as error:  # no JSON in the answer
            return SecretTrouble("secret.kaggle_odd", names=[name], reason=type(error).__name__)
    raise AssertionError("unreachable")


def _http(error: BaseException) -> tuple[int | None, float | None]:
    """(status, Retry-After in seconds) of the HTTP error below: Kaggle's client hides it in ``__cause__``."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(getattr(cause, "code", None), int):
        cause = cause.__cause__
    if cause is None:
        return None, None
    after = (getattr(cause, "headers", None) or {}).get("Retry-After", "")
    return int(cause.code), float(after) if str(after).isdigit() else None  # type: ignore[attr-defined]


class _NeverError(Exception):
    """In place of an error class that this version of a service's client lacks."""


def _class(module: Any, name: str) -> type[Exception]:
    found: type[Exception] = getattr(module, name, _NeverError)
    return found


# --- Colab

_colab_seen: dict[str, SecretStr | None] = {}
"""Answers so far: a name is asked for once, as each question may open a dialog."""


def _from_colab(found: Secrets, names: Sequence[str], _: Host) -> list[SecretTrouble]:
    if threading.current_thread() is not threading.main_thread():
        known = [name for name in names if _colab_seen.get(name)]
        found |= {name: Secret(value, COLAB) for name in known if (value := _colab_seen[name])}
        unknown = [name for name in names if name not in _colab_seen]
        return [SecretTrouble("secret.colab_thread", names=unknown)] if unknown else []
    try:
        from google.colab import userdata
    except ImportError:
        return [SecretTrouble("secret.colab_no_client", names=names)]
    denied: list[str] = []
    troubles: list[SecretTrouble] = []
    for index, name in enumerate(names):
        try:
            if name not in _colab_seen:
                _colab_seen[name] = SecretStr(userdata.get(name))
        except _class(userdata, "SecretNotFoundError"):
            _colab_seen[name] = None
        except _class(userdata, "NotebookAccessError"):
            denied.append(name)  # asked again next time: it may have been granted since
        except (_class(userdata, "TimeoutException"), TimeoutError):  # 10 s each: no more of them
            troubles.append(SecretTrouble("secret.colab_timeout", names=names[index:]))
            break
        if value := _colab_seen.get(name):
            found[name] = Secret(value, COLAB)
    if denied:
        troubles.append(SecretTrouble("secret.colab_denied", names=denied))
    if missing := [name for name in names if name in _colab_seen and _colab_seen[name] is None]:
        troubles.append(SecretTrouble("secret.colab_not_found", names=missing, missing=True))
    return troubles


# --- files


def _files(place: Host, troubles: list[SecretTrouble]) -> Iterator[Path]:
    if (own := Path.cwd() / ".env").is_file():
        yield own
    owner, _, name = variable(DATASET_VARIABLE).partition("/")
    if name:
        # Kaggle mounts a dataset at /kaggle/input/NAME, lately at /kaggle/input/datasets/OWNER/NAME.
        for folder in (KAGGLE_INPUT / "datasets" / owner / name, KAGGLE_INPUT / name):
            if (folder / DATASET_FILE).is_file():
                yield folder / DATASET_FILE
                return
        dataset = f"{owner}/{name}"
        troubles.append(SecretTrouble("secret.dataset_missing", names=(), dataset=dataset, file=DATASET_FILE))
    elif place.kind == "kaggle":
        troubles += (
            SecretTrouble("secret.dataset_unnamed", names=(), path=str(path), variable=DATASET_VARIABLE)
            for pattern in ("*", "*/*/*")
            for path in sorted(KAGGLE_INPUT.glob(f"{pattern}/{DATASET_FILE}"))
        )


def _lines(path: Path, troubles: list[SecretTrouble]) -> Iterator[tuple[str, str]]:
    """(NAME, value) of each line that has a value."""
    from dotenv import dotenv_values

    try:
        if path.stat().st_size > MOST_BYTES:
            raise OSError(0, f"> {MOST_BYTES >> 10} KB")
        values = dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "UTF-8"
        troubles.append(SecretTrouble("secret.file_unreadable", names=(), path=str(path), reason=reason))
        return
    yield from ((name.upper(), value) for name, value in values.items() if value)
