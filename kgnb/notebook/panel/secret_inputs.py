"""Inputs for secrets. They empty their widget at once, because notebooks save widget values in plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.core.secret_mask import MASK
from kgnb.notebook.panel import widgets


class SecretBox:
    """A password input that empties itself as soon as something was typed; the value stays in memory."""

    def __init__(self, label: str, hint: str, changed: Callable[[], None] = lambda: None) -> None:
        self.box = widgets.field(label, kind="password", hint=hint)
        self._hint = hint
        self.typed: SecretStr | None = None
        """The last input; None: there was none."""
        self._changed = changed
        self.box.observe(self._read, names="value")

    def _read(self, change: dict[str, Any]) -> None:
        value, change = change["new"], {}
        if value:
            self.box.value = ""
            self.typed = SecretStr(value)
            self.box.placeholder = f"{MASK} {say('panel.secret_read')}"
            self._changed()

    def hint(self, text: str) -> None:
        """Show another hint while nothing is typed."""
        self._hint = text
        if self.typed is None and self.box.placeholder != text:
            self.box.placeholder = text

    def forget(self) -> None:
        """Forget the input."""
        self.typed = None
        self.box.placeholder = self._hint


class AddressBox:
    """An input for a host or URL that removes a URL's user and password from the widget at once."""

    def __init__(self, label: str, hint: str, value: str, taken: Callable[[str, SecretStr], None]) -> None:
        """``taken(user, password)`` is called with the login of a typed URL."""
        self.box = widgets.field(label, without_login(value)[0], hint=hint)
        self._taken = taken
        self.box.observe(self._read, names="value")

    def _read(self, change: dict[str, Any]) -> None:
        value, change = change["new"], {}
        if "@" in value:
            self.box.value = ""
            shown, user, password = without_login(value)
            self.box.value = shown
            self._taken(user, password)

    @property
    def value(self) -> str:
        """The address in the box, without white space at its ends."""
        return str(self.box.value).strip()


def without_login(url: str) -> tuple[str, str, SecretStr]:
    """Return (URL without its login, user, password), both decoded; "" for each that is missing.

    "redis://a:b%40@host/0" → ("redis://host/0", "a", "b@").
    """
    scheme, mark, rest = url.strip().rpartition("://")
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    return scheme + mark + place, unquote(user), SecretStr(unquote(password))


def checked_address(url: str, service: str) -> str:
    """Return ``url`` unchanged, "" too. Raises SettingsError, without the URL in it, if it has no host or an
    invalid port: a driver's own error would quote its password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"x://{url}")
        fits = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if url and not fits:
        raise SettingsError("panel.bad_address", service=service)
    return url
