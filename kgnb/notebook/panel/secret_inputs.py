"""Inputs whose values must not stay in a widget: a notebook saves widgets' values in plain text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from kgnb.core.errors import SettingsError
from kgnb.core.messages import say
from kgnb.notebook.panel import widget_helpers

MASK = "••••"


class SecretBox:
    """A password input that is emptied the moment something was typed; the value lives on in memory."""

    def __init__(self, label: str, hint: str, changed: Callable[[], None] = lambda: None) -> None:
        self.box = widget_helpers.field(label, kind="password", hint=hint)
        self._hint = hint
        self.typed: SecretStr | None = None
        """What was typed last; None = nothing."""
        self._changed = changed
        self.box.observe(self._read, names="value")

    def _read(self, change: dict[str, Any]) -> None:
        value, change = change["new"], {}
        if value:
            self.box.value = ""
            self.typed = SecretStr(value)
            self.box.placeholder = f"{MASK} {say('panel.secret_read')}"
            self._changed()

    def take(self) -> SecretStr | None:
        """What was typed; it is forgotten here."""
        taken, self.typed = self.typed, None
        self.box.placeholder = self._hint
        return taken


class AddressBox:
    """An input for a host or URL; user and password of a URL are taken out of the widget at once."""

    def __init__(self, label: str, hint: str, value: str, taken: Callable[[str, SecretStr], None]) -> None:
        """``taken(user, password)`` gets what a typed URL carried."""
        shown = value if "@" not in value else without_login(value)[0]
        self.box = widget_helpers.field(label, shown, hint=hint)
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
        """What is in the box."""
        return str(self.box.value).strip()


def without_login(url: str) -> tuple[str, str, SecretStr]:
    """(the URL without what stands before its host, user, password)."""
    scheme, mark, rest = url.strip().rpartition("://")
    login, _, place = rest.rpartition("@")
    user, _, password = login.partition(":")
    return scheme + mark + place, unquote(user), SecretStr(unquote(password))


def checked_address(url: str, service: str) -> str:
    """The address; raises SettingsError for one that no driver could read (whose error would quote it)."""
    try:
        parts = urlsplit(url if "://" in url else f"x://{url}")
        fits = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if url and not fits:
        raise SettingsError("panel.bad_address", service=service)
    return url
