"""Every setting with its variable, unit, default and reason.

Variables are the wire contract's (``REDIS_HOST``, ``DB_TYPE``, ``KG_…``) and kgnb's own (``KGNB_…``).
Sources: arguments, the environment, and what :mod:`kgnb.core.secrets` finds elsewhere.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from kgnb.core.addresses import (
    check_bolt_uri,
    check_host,
    check_redis_host,
    check_sentinels,
    holds_secret,
    in_url,
)
from kgnb.core.amounts import parse_amounts, parse_prices
from kgnb.core.errors import SettingsError
from kgnb.core.host import usable_cpus
from kgnb.core.messages import environment_language, say
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions, first_error, parse_options

MANY_PROVIDERS = 100
"""More providers than any node serves, so that an explicit number of slots is never divided among them."""
YEAR = 366 * 86_400
"""Seconds; more of anything is a slip, or overflows where it is added to a time."""
QUEUE_PREFIXES = ("kg:task:queue:", "kg:ai_queue:")


def _written(parse: Callable[[str], object]) -> BeforeValidator:
    """Return a validator that parses a setting's text; a list or dict that a program gives stays as it is."""
    return BeforeValidator(lambda given: parse(given) if isinstance(given, str) else given)


def _names(text: str, between: str) -> tuple[str, ...]:
    """Return the parts of a text between separators, without blanks and empty parts."""
    return tuple(filter(None, map(str.strip, re.split(between, text))))


_LOWER_KEYS = AfterValidator(lambda found: {name.lower(): value for name, value in found.items()})
_LOWER = AfterValidator(lambda names: tuple(map(str.lower, names)))
_Price = Annotated[tuple[NonNegativeFloat, ...], Field(min_length=2, max_length=3)]
Amounts = Annotated[Mapping[str, PositiveFloat], NoDecode, _written(parse_amounts), _LOWER_KEYS]
Prices = Annotated[Mapping[str, _Price], NoDecode, _written(parse_prices), _LOWER_KEYS]
Options = Annotated[Mapping[str, ProviderOptions], NoDecode, _written(parse_options)]
Names = Annotated[tuple[str, ...], NoDecode, _written(lambda text: _names(text, "[,，、;；]"))]
LowerNames = Annotated[tuple[str, ...], NoDecode, _written(lambda text: _names(text, ",")), _LOWER]
_LEVELS = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogLevel = Annotated[_LEVELS, BeforeValidator(lambda given: str(given).upper())]


class Settings(BaseSettings):
    """All settings of one process. ``repr`` never shows a secret."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    # --- data and language
    data: Path = Field(Path("kgnb-data"), validation_alias="KGNB_DATA")
    """Folder of the record (SQLite) and logs."""
    resume_from: str = Field("", validation_alias="KGNB_RESUME_FROM")
    """Folder or zip of an earlier run, from which an empty data folder is filled before its first use."""
    copy_to: str = Field("", validation_alias="KGNB_COPY_TO")
    """Folder that outlives this machine: the record is copied there every five minutes and at the end, and an
    empty data folder is filled from there."""
    lang: Literal["zh", "en"] = Field(default_factory=environment_language, validation_alias="KGNB_LANG")
    """Language of every text; by default the locale's, and Chinese where that says nothing."""

    # --- logs and metrics
    log_level: LogLevel = Field("INFO", validation_alias="LOG_LEVEL")
    log_json: bool = Field(False, validation_alias="KGNB_LOG_JSON")
    """Log lines as JSON objects: time, level, event, task, chapter, node, message."""
    metrics_port: int = Field(0, validation_alias="KGNB_METRICS_PORT", ge=0, le=65535)
    """Port of the Prometheus endpoint of `kgnb worker`; 0 = off."""
    metrics_host: str = Field("127.0.0.1", validation_alias="KGNB_METRICS_HOST")
    """Address of that endpoint; this machine only by default, as it has no password."""

    # --- services
    redis_host: str = Field("", validation_alias="REDIS_HOST")
    """Host name, or a redis:// or rediss:// URL; empty = embedded."""
    redis_port: int = Field(6379, validation_alias="REDIS_PORT", ge=1, le=65535)
    redis_password: SecretStr = Field(SecretStr(""), validation_alias="REDIS_PASSWORD")
    redis_db: int = Field(0, validation_alias="REDIS_DB", ge=0, le=1_000_000)
    redis_user: str = Field("", validation_alias="KGNB_REDIS_USER")
    """ACL user; empty = the default one. Ignored where REDIS_HOST is a URL."""
    redis_tls: bool = Field(False, validation_alias="KGNB_REDIS_TLS")
    """TLS to Redis with the system's certificates, also where REDIS_HOST is a redis:// URL."""
    redis_ca: str = Field("", validation_alias="KGNB_REDIS_CA")
    """CA file for TLS to Redis; implies KGNB_REDIS_TLS."""
    redis_sentinel: str = Field("", validation_alias="REDIS_SENTINEL")
    """Sentinels that name the Redis, ``host:port,…``; instead of REDIS_HOST and REDIS_PORT."""
    redis_sentinel_master: str = Field("mymaster", validation_alias="REDIS_SENTINEL_MASTER")
    redis_sentinel_password: SecretStr = Field(SecretStr(""), validation_alias="REDIS_SENTINEL_PASSWORD")
    """The sentinels' own password; REDIS_PASSWORD is the master's."""

    db_type: Literal["", "mysql", "sqlite"] = Field("", validation_alias="DB_TYPE")
    """Empty: mysql when DB_HOST is set, else sqlite."""
    db_host: str = Field("", validation_alias="DB_HOST")
    db_port: int = Field(3306, validation_alias="DB_PORT", ge=1, le=65535)
    db_user: str = Field("root", validation_alias="DB_USER")
    db_password: SecretStr = Field(SecretStr(""), validation_alias="DB_PASSWORD")
    db_name: str = Field("novel", validation_alias="DB_NAME")
    db_charset: Literal["utf8mb4", "utf8"] = Field("utf8mb4", validation_alias="DB_CHARSET")
    """Of the connection; every book needs utf8mb4, old servers may know utf8 only."""
    db_path: str = Field("", validation_alias="DB_PATH")
    """SQLite file; empty = kgnb.db in the data folder."""
    db_ssl: bool = Field(False, validation_alias="KGNB_DB_SSL")
    """TLS to MySQL with the system's certificates."""
    db_ssl_ca: str = Field("", validation_alias="KGNB_DB_SSL_CA")
    """CA file for TLS to MySQL; implies KGNB_DB_SSL."""
    db_pool_size: int = Field(3, validation_alias="DB_POOL_SIZE", ge=1, le=1_000)
    """Connections kept open; with the overflow a node has 5 at most."""
    db_pool_max_overflow: int = Field(2, validation_alias="DB_POOL_MAX_OVERFLOW", ge=0, le=1_000)
    db_pool_timeout: float = Field(30.0, validation_alias="DB_POOL_TIMEOUT", ge=0, le=YEAR)
    """Seconds to wait for a free connection."""
    db_pool_recycle: int = Field(3600, validation_alias="DB_POOL_RECYCLE", ge=-1, le=YEAR)
    """Seconds after which a connection is replaced; below MySQL's wait_timeout of 8 h."""
    db_pool_pre_ping: bool = Field(True, validation_alias="DB_POOL_PRE_PING")

    neo4j_uri: str = Field("", validation_alias="NEO4J_URI")
    """bolt://, bolt+s://, neo4j://, neo4j+s://; empty = none: the graph is read from the record."""
    neo4j_user: str = Field("neo4j", validation_alias="NEO4J_USER")
    neo4j_password: SecretStr = Field(SecretStr(""), validation_alias="NEO4J_PASSWORD")
    neo4j_database: str = Field("", validation_alias="KGNB_NEO4J_DATABASE")
    """Database name; empty = the server's default."""
    neo4j_ca: str = Field("", validation_alias="KGNB_NEO4J_CA")
    """CA file for TLS to Neo4j; implies +s in NEO4J_URI."""

    # --- the node
    node_name: str = Field("", validation_alias="KG_WORKER_NODE_NAME")
    """Empty = the host's name. -2, -3 … is added while a live node has the name."""
    slots: int = Field(2, validation_alias="KG_WORKERS_PER_PROVIDER", ge=1, le=5_000)
    """Chapters in flight per provider; 2 as in the old worker."""
    slots_each: Amounts = Field({}, validation_alias="KGNB_SLOTS")
    """Slots by provider, ``openai=5,deepseek=20``; others have KG_WORKERS_PER_PROVIDER."""
    providers: LowerNames = Field((), validation_alias="KG_WORKER_PROVIDERS")
    """Names to serve, comma-separated; empty = all active ones. Here they are in lower case."""
    max_slots: int = Field(50, validation_alias="KG_MAX_TOTAL_PROCESSES", ge=1, le=1_000_000)
    """Cap on a node's slots. Both caps protect the user's budget, not the machine: slots are cheap."""
    max_slots_per_provider: int = Field(
        10, validation_alias="KG_MAX_PROCESSES_PER_PROVIDER", ge=1, le=1_000_000
    )
    guard_interval: float = Field(30.0, validation_alias="KG_WORKER_GUARD_INTERVAL", gt=0, le=YEAR)
    """Seconds between two runs of the reconciler."""
    queue_prefix: str = Field("", validation_alias="KG_QUEUE_PREFIX")
    """Empty = both prefixes of the wire contract."""
    progress_channel: str = Field("kg:progress", validation_alias="KG_PROGRESS_CHANNEL")
    lease_seconds: float = Field(30.0, validation_alias="KGNB_LEASE_SECONDS", ge=2, le=YEAR)
    """Seconds after which a dead node's work goes to others; a live node renews every third of it."""
    drain_seconds: float = Field(10.0, validation_alias="KGNB_DRAIN_SECONDS", ge=0, le=YEAR)
    """Seconds for which a leaving node waits for chapters in flight."""
    session_seconds: float = Field(0.0, validation_alias="KGNB_SESSION_SECONDS", ge=0, le=YEAR)
    """Length of the session in seconds; 0 = the host's (Kaggle 12 h, with a TPU 9 h, Colab 12 h)."""
    session_margin: float = Field(900.0, validation_alias="KGNB_SESSION_MARGIN", ge=0, le=YEAR)
    """Seconds before the session's end at which a node leaves, at most a tenth of the session."""
    colab_paid: bool = Field(False, validation_alias="KGNB_COLAB_PAID")
    """Whether this Colab runtime is paid: the free ones must not run distributed workers."""

    # --- extraction and providers
    chunk_chars: int = Field(8_000, validation_alias="KGNB_CHUNK_CHARS", ge=200, le=10_000_000)
    """Characters of text in one request; an ordinary chapter fits."""
    assist: bool = Field(False, validation_alias="KGNB_ASSIST")
    """Whether the rules read all, and a model is asked only what they are unsure of."""
    kinds: Names = Field((), validation_alias="KGNB_THING_KINDS")
    """Kinds of entities beside the standard four (法宝,功法), comma-separated; empty = the config's."""
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL")
    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    openai_model: str = Field("", validation_alias="OPENAI_MODEL")
    provider_name: str = Field("openai", validation_alias="KGNB_PROVIDER_NAME")
    """Name of the provider that the OPENAI_… variables describe."""
    provider_options: Options = Field({}, validation_alias="KGNB_PROVIDER_OPTIONS")
    """Options by lower-case provider; as a variable JSON: {"deepseek": {"thinking": "on", "timeout": 9}}."""
    llm_timeout: float = Field(180.0, validation_alias="KGNB_LLM_TIMEOUT", gt=0, le=YEAR)
    """Timeout of one request in seconds; long chapters on slow models take two minutes."""
    llm_tries: int = Field(3, validation_alias="KGNB_LLM_TRIES", ge=1, le=100)
    """Attempts of one call on connection errors, timeouts and 5xx, before it counts as a provider failure."""
    rpm: Amounts = Field({}, validation_alias="KGNB_RPM")
    """Requests a minute of all nodes together: one number for every provider, or name=number,…"""
    tpm: Amounts = Field({}, validation_alias="KGNB_TPM")
    """Tokens a minute, prompt and reply together; same form."""
    budget: Amounts = Field({}, validation_alias="KGNB_BUDGET")
    """Money that a provider may cost in KGNB_BUDGET_DAYS, in the currency of KGNB_PRICES; same form."""
    budget_tokens: Amounts = Field({}, validation_alias="KGNB_BUDGET_TOKENS")
    """Tokens that a provider may use in KGNB_BUDGET_DAYS; same form."""
    budget_days: int = Field(30, validation_alias="KGNB_BUDGET_DAYS", ge=1, le=3_660)
    """Calendar days in Beijing time that a budget covers, today included."""
    prices: Prices = Field({}, validation_alias="KGNB_PRICES")
    """Prices of a million tokens, prompt/reply[/cached prompt]: name=2/8,name/model=2/8/0.2."""
    keys: str = Field("", validation_alias="KGNB_KEYS")
    """File of API keys saved on request; empty = kgnb/keys.json in the user's settings folder."""
    config_home: str = Field("", validation_alias="XDG_CONFIG_HOME")
    """The user's settings folder; empty = ~/.config."""
    cpu_workers: int | Literal["threads"] = Field(0, validation_alias="KGNB_CPU_WORKERS")
    """Processes for rules, pre-scan and refresh; 0 = the cores this process may use. "threads" starts none:
    where none can start or memory is short; the event loop then shares its core with them."""

    _provider: Provider | None = PrivateAttr(None)

    @property
    def provider(self) -> Provider | None:
        """The provider that a program gave as an object, in place of the one that OPENAI_… describe; None for
        none.
        """
        return self._provider

    def with_provider(self, provider: Provider, **changes: Any) -> Settings:
        """Return these settings with ``provider`` and its options in place of the environment's, and
        ``changes``: field → value.
        """
        own = {provider.lower_name: provider.options} if provider.options.model_fields_set else {}
        made = self.model_copy(update={**changes, "provider_options": {**self.provider_options, **own}})
        made._provider = provider
        return made

    @field_validator("cpu_workers", mode="before")
    @classmethod
    def _known_workers(cls, value: object) -> object:
        """Return "threads" or a number of workers. Raises ValueError for anything else."""
        if value != "threads" and not str(value).isdecimal():
            raise ValueError(say("rule.cpu_workers"))
        return value if value == "threads" else int(str(value))

    @field_validator("openai_base_url")
    @classmethod
    def _http(cls, url: str) -> str:
        """Return an http(s) address without a slash at its end, or "". Raises ValueError for any other, and
        for one with a login.
        """
        if url and not url.startswith(("http://", "https://")):
            raise ValueError(say("rule.http"))
        if holds_secret(url):
            raise ValueError(say("rule.no_login"))
        return url.rstrip("/")

    @field_validator("redis_ca", "db_ssl_ca", "neo4j_ca")
    @classmethod
    def _ca(cls, path: str) -> str:
        """Return the path of a file of certificates, or "". Raises ValueError for any other file."""
        if path:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
            except (ssl.SSLError, ValueError):  # the second: no path at all
                raise ValueError(say("rule.certificates", reason=say("rule.no_certificate"))) from None
            except OSError as error:
                raise ValueError(say("rule.certificates", reason=error.strerror)) from None
        return path

    _hosts = field_validator("db_host", "metrics_host")(check_host)
    _redis = field_validator("redis_host")(check_redis_host)
    _sentinels = field_validator("redis_sentinel")(check_sentinels)
    _bolt = field_validator("neo4j_uri")(check_bolt_uri)

    @field_validator(
        "db_name", "db_user", "redis_user", "neo4j_user", "neo4j_database", "redis_sentinel_master"
    )
    @classmethod
    def _name(cls, name: str) -> str:
        """Return a printable name of at most 255 characters. Raises ValueError."""
        if len(name) > 255 or not name.isprintable():
            raise ValueError(say("rule.name"))
        return name

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The fields as ``repr`` shows them: URLs without user and password."""
        for name, value in super().__repr_args__():
            if isinstance(value, str) and "://" in value and "@" in value:
                value = f"{value.partition('://')[0]}://***@{value.rpartition('@')[2]}"
            yield name, value

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """Return settings from ``given`` (field names), else from the environment, else the defaults.

        Raises SettingsError that names the variable and what is wrong with it, never its value.
        """
        # By alias: fields populated by name would also be read from variables such as LANG.
        aliased = {str(cls.model_fields[name].validation_alias): value for name, value in given.items()}
        try:
            return cls(**aliased)
        except ValidationError as error:
            name, reason = first_error(error)
            raise SettingsError("settings.invalid", name=name, reason=reason) from None

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Return variable → field, of all settings: {"KGNB_DATA": "data", …}."""
        return {str(field.validation_alias): name for name, field in cls.model_fields.items()}

    @classmethod
    def given_by(cls, found: Mapping[str, SecretStr]) -> dict[str, Any]:
        """Return the arguments for :meth:`load` in ``found`` (variable → value): field → value.

        Unknown variables are left out.
        """
        fields = {name: cls.variables()[name] for name in found if name in cls.variables()}
        secret = {n for n in fields.values() if cls.model_fields[n].annotation is SecretStr}
        return {
            field: found[name] if field in secret else found[name].get_secret_value()
            for name, field in fields.items()
        }

    @staticmethod
    def for_slots(slots: int | None) -> dict[str, int]:
        """Return the settings (field → value) for an explicit number of slots, which raises both caps; {} for
        None.
        """
        if slots is None:
            return {}
        return {"slots": slots, "max_slots_per_provider": slots, "max_slots": slots * MANY_PROVIDERS}

    @property
    def slots_by_hand(self) -> bool:
        """Whether the settings are those of :meth:`for_slots`: the caps don't limit the slots."""
        return all(getattr(self, name) == value for name, value in self.for_slots(self.slots).items())

    @property
    def embedded_redis(self) -> bool:
        """Whether the queue is the embedded one: no Redis host or sentinel is set."""
        return not (self.redis_host or self.redis_sentinel)

    @property
    def embedded_sql(self) -> bool:
        """Whether to use SQLite, in which API keys are never stored."""
        return self.db_type == "sqlite" or (self.db_type == "" and not self.db_host)

    @property
    def embedded_graph(self) -> bool:
        """Whether there is no Neo4j: NEO4J_URI isn't set."""
        return not self.neo4j_uri

    @property
    def redis_url(self) -> SecretStr:
        """URL of the Redis that the settings name, with user, password and options. Meaningless for an
        embedded queue.
        """
        tls = self.redis_tls or bool(self.redis_ca)
        if "://" in self.redis_host and not self.redis_sentinel:
            url = self.redis_host
            if tls and url.startswith("redis://"):
                url = url.replace("redis", "rediss", 1)
        else:
            user = quote(self.redis_user, safe="")
            password = quote(self.redis_password.get_secret_value(), safe="")
            auth = f"{user}:{password}@" if user or password else ""
            scheme = "rediss" if tls else "redis"
            server = f"{in_url(self.redis_host)}:{self.redis_port}"
            place = self.redis_sentinel.partition(",")[0] or server
            url = f"{scheme}://{auth}{place}/{self.redis_db}"
        more = self._redis_options(tls and url.startswith("rediss://"))
        if query := "&".join(f"{name}={value}" for name, value in more.items()):
            url += f"{'&' if '?' in url else '?'}{query}"
        return SecretStr(url)

    def _redis_options(self, tls: bool) -> dict[str, str]:
        """Return what the URL's query tells the driver and RedisConnection; {} without TLS and Sentinel."""
        options = {}
        if tls:  # older redis-py verifies the host name on request only
            options = {"ssl_check_hostname": "True"}
            options |= {"ssl_ca_certs": quote(self.redis_ca)} if self.redis_ca else {}
        if self.redis_sentinel:
            password = quote(self.redis_sentinel_password.get_secret_value(), safe="")
            options |= {"sentinel": self.redis_sentinel, "master": quote(self.redis_sentinel_master, safe="")}
            options |= {"sentinel_password": password} if password else {}
        return options

    @property
    def sqlite_path(self) -> Path:
        """Path of the SQLite file: DB_PATH if set, else ``kgnb.db`` in the data folder."""
        return Path(self.db_path) if self.db_path else self.data / "kgnb.db"

    @property
    def copy_folder(self) -> Path | None:
        """Absolute path of the folder that the record is copied to; None for no copy."""
        return Path(self.copy_to).expanduser().absolute() if self.copy_to else None

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Queue prefixes that this node serves: the one that is set, else all known ones."""
        return (self.queue_prefix,) if self.queue_prefix else QUEUE_PREFIXES

    @property
    def keys_path(self) -> Path:
        """Path of the file with saved API keys, outside any data folder."""
        if self.keys:
            return Path(self.keys).expanduser()
        given = Path(self.config_home)
        home = given if given.is_absolute() else Path.home() / ".config"
        return home / "kgnb" / "keys.json"

    @property
    def cpus(self) -> int:
        """Number of processes for CPU work, at least 1; 1 if threads are set."""
        return 1 if self.cpu_workers == "threads" else self.cpu_workers or usable_cpus()

    def slots_for(self, key: str = "", served: Iterable[str] = ()) -> int:
        """Return the number of slots of the provider ``key`` ("": any other), at least 1 and within both
        caps.

        All ``served`` share the total evenly; what one of them doesn't want goes to the others.
        """
        own, left, shares = self.slots_each, self.max_slots, dict[str, int]()
        wanted = {
            k: min(int(own.get(k, own.get("", self.slots))), self.max_slots_per_provider)
            for k in (*served, key)
        }
        for k in sorted(wanted, key=wanted.__getitem__):
            shares[k] = max(1, min(wanted[k], left // (len(wanted) - len(shares))))
            left -= shares[k]
        return shares[key]
