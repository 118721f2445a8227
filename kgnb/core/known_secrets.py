"""What this process knows to be secret: no report, notebook or message may take it along."""

from __future__ import annotations

from pydantic import SecretStr

from kgnb.core.host import variables
from kgnb.core.settings import Settings

SECRET_WORDS = ("KEY", "TOKEN", "PASSWORD", "PASSWD", "SECRET", "CREDENTIAL")
"""Words in the names of variables that hold secrets."""
SECRET_NAMES = ("KGNB_PROVIDER_OPTIONS",)
"""Variables that may hold secrets by another name."""
SECRET_PARTS = {"PASS", "PWD", "PW"}
"""Words of which one is enough where it stands alone: DB_PASS, not COMPASS."""
NO_SECRETS = ("KGNB_KEYS", "KGNB_SECRETS_DATASET", "PWD", "OLDPWD")
"""Names with such a word that hold a path or a name."""
SHORTEST_SECRET = 8
"""Characters below which a value counts as an ordinary word (``test``), not as a secret."""


def known_secrets(settings: Settings) -> dict[str, SecretStr]:
    """Return variable → secret, of all that this process knows: none may leave with a report or a notebook.

    Texts shorter than SHORTEST_SECRET (8) are left out, as ordinary words may be equal to them.
    """
    values = {name: getattr(settings, field) for name, field in Settings.variables().items()}
    found = {name: value for name, value in values.items() if isinstance(value, SecretStr)}
    found["REDIS_HOST"] = SecretStr(password_in(settings.redis_url.get_secret_value()))
    for provider, options in settings.provider_options.items():
        found |= {f"KGNB_PROVIDER_OPTIONS {provider} {i}": one for i, one in enumerate(options.secrets, 1)}
    if settings.provider is not None:
        found["Provider"] = settings.provider.api_key
    # Those of the environment too where the settings have others in their stead.
    found |= {f"${name}": value for name, value in environment_secrets().items()}
    return {name: value for name, value in found.items() if len(value) >= SHORTEST_SECRET}


def environment_secrets() -> dict[str, SecretStr]:
    """Return variable → secret in the environment, also passwords inside of URLs; without texts shorter than
    SHORTEST_SECRET (8).
    """
    found = {
        name: value if is_secret_name(name) else password_in(value) for name, value in variables().items()
    }
    return {name: SecretStr(value) for name, value in found.items() if len(value) >= SHORTEST_SECRET}


def is_secret_name(name: str) -> bool:
    """Return whether a variable of this name holds a secret: OPENAI_API_KEY → True; see
    :data:`SECRET_WORDS`.
    """
    name = name.upper()
    if name in NO_SECRETS:
        return False
    is_told = name in SECRET_NAMES or not SECRET_PARTS.isdisjoint(name.split("_"))
    return is_told or any(word in name for word in SECRET_WORDS)


def password_in(url: str) -> str:
    """Return the password in a URL's login as it is written there; "" without one."""
    login, at, _ = url.partition("://")[2].rpartition("@")
    return login.partition(":")[2] if at else ""
