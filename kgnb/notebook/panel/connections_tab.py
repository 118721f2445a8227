"""The panel's connections tab: addresses of Redis, SQL and Neo4j, and whether they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr

from kgnb.app.api import spawn
from kgnb.app.doctor import Check, check_service
from kgnb.core.messages import say
from kgnb.core.secret_mask import MASK
from kgnb.core.settings import Settings
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.secret_inputs import AddressBox, SecretBox, checked_address, without_login

EMBEDDED: dict[str, dict[str, Any]] = {
    "redis": {"redis_host": "", "redis_password": SecretStr(""), "redis_sentinel": ""},
    "sql": {"db_type": "sqlite", "db_host": "", "db_password": SecretStr("")},
    "bolt": {"neo4j_uri": "", "neo4j_password": SecretStr("")},
}
"""The settings that select the embedded engine."""
ADDRESS = {"redis": "redis_host", "sql": "db_host", "bolt": "neo4j_uri"}
SECRET = {"redis": "redis_password", "sql": "db_password", "bolt": "neo4j_password"}
PLAIN = {
    "redis": (("redis_port", "number"), ("redis_db", "number")),
    "sql": (("db_port", "number"), ("db_name", "text"), ("db_user", "text")),
    "bolt": (("neo4j_user", "text"), ("neo4j_database", "text")),
}
LOGIN = {"redis": (), "sql": ("db_user",), "bolt": ("neo4j_user",)}
"""Fields that, like the address, name the account: a stored password isn't sent to another one."""


class Service:
    """One service's card."""

    def __init__(self, controller: PanelController, name: str) -> None:
        self._controller, self.name = controller, name
        self.tested: Check | None = None
        """The result of the last test."""
        settings = controller.node.settings
        known = getattr(settings, ADDRESS[name])
        self._user = without_login(known)[1]  # of a Redis URL
        label = say(f"panel.f_{ADDRESS[name]}")
        self.address = AddressBox(label, say("panel.embedded_hint"), known, self._taken)
        self.fields = {
            key: widgets.field(say(f"panel.f_{key}"), getattr(settings, key), kind=kind)
            for key, kind in PLAIN[name]
        }
        self.secret = SecretBox(say("panel.f_password"), say("panel.secret_hint"), controller.wake)
        self.source = widgets.html()
        self.result = widgets.html()
        self.test = widgets.button(controller, "panel.test", self._test)
        self.box = widgets.card(
            say(f"panel.service_{name}"),
            self.source, self.address.box, *self.fields.values(), self.secret.box,
            widgets.row(self.test), self.result,
            flex="1 1 250px", min_width="230px",
        )  # fmt: skip

    def _taken(self, user: str, password: SecretStr) -> None:
        """Move the login of a typed URL into the fields, so that no widget holds the password."""
        if user and self.name != "redis":
            self.fields[LOGIN[self.name][0]].value = user
        elif user:
            self._user = user
        self.secret.typed = password

    # --- form to settings

    def changes(self) -> dict[str, Any]:
        """Return field of Settings → value, as the form describes the service; without an address those of
        the embedded one. Raises SettingsError for an unreadable address.
        """
        address = checked_address(self.address.value, say(f"panel.service_{self.name}"))
        now = self._controller.node.settings
        if not address:  # sentinels are not in the form: they stay
            return {} if self.name == "redis" and now.redis_sentinel else dict(EMBEDDED[self.name])
        found: dict[str, Any] = {key: box.value for key, box in self.fields.items()}
        before = getattr(now, ADDRESS[self.name])
        same = without_login(before)[0] == address and all(
            getattr(now, k) == found[k] for k in LOGIN[self.name]
        )
        found[ADDRESS[self.name]] = before if same else address
        if self.secret.typed is not None:
            found[SECRET[self.name]] = self.secret.typed
            found[ADDRESS[self.name]] = address
        elif not same:
            found[SECRET[self.name]] = SecretStr("")  # a password is only for the account it was given for
        if self.name == "sql":
            found["db_type"] = "mysql"
        return self._as_url(found) if self.name == "redis" else found

    def _as_url(self, found: dict[str, Any]) -> dict[str, Any]:
        """Return ``found``, changed in place: a typed password goes into a Redis URL, which carries its login
        itself.
        """
        host, found["redis_sentinel"] = found["redis_host"], ""
        if "://" in host and "@" not in host and (password := found.get("redis_password")):
            scheme, _, rest = host.partition("://")
            user = quote(self._user, safe="")
            secret = quote(password.get_secret_value(), safe="")
            found["redis_host"] = f"{scheme}://{user}:{secret}@{rest}"
        return found

    def is_changed(self, settings: Settings) -> bool:
        """Return whether ``settings`` describe another service of this kind than the node's settings."""
        now = self._controller.node.settings
        names = EMBEDDED[self.name].keys() | {key for key, _ in PLAIN[self.name]}
        return any(getattr(settings, name) != getattr(now, name) for name in names)

    def fill(self, settings: Settings) -> None:
        """Show other settings and forget the typed secret."""
        self.secret.forget()
        self.address.box.value = without_login(getattr(settings, ADDRESS[self.name]))[0]
        for key, box in self.fields.items():
            box.value = getattr(settings, key)

    # --- testing

    def _test(self) -> None:
        settings = self._controller.settings_with(self.changes())
        self.tested = None

        def tested(check: Check) -> tuple[str, str]:
            self.tested = check
            words = say("panel.tested", service=say(f"panel.service_{self.name}"))
            return (words, "good") if check.ok else (say("panel.test_failed", service=check.name), "bad")

        doing = say("panel.testing", service=say(f"panel.service_{self.name}"))
        self._controller.track(doing, spawn(check_service(settings, self.name)), tested)

    # --- refreshing

    def refresh(self) -> None:
        """Show the source of the values and the result of the last test."""
        widgets.show(self.source, html.dim(self._source_text()))
        if (check := self.tested) is None:
            widgets.show(self.result)
        else:
            widgets.show(self.result, html.note(check.detail, "good" if check.ok else "bad"))

    def _source_text(self) -> str:
        """Return where the service's address came from, and whether a password is set."""
        settings = self._controller.node.settings
        if not getattr(settings, ADDRESS[self.name]):
            return say("panel.from_embedded", folder=settings.data)
        known = Settings.model_fields[ADDRESS[self.name]].validation_alias
        source = self._controller.source(str(known))
        secret = getattr(settings, SECRET[self.name]).get_secret_value()
        kept = secret or "@" in getattr(settings, ADDRESS[self.name])
        return say("panel.from", source=source) + (f" · {MASK}" if kept else "")


class ConnectionsTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._refused: Settings | None = None
        self._used: Settings | None = None
        self.services = [Service(controller, name) for name in ADDRESS]
        self.apply = widgets.button(controller, "panel.test_and_use", self._apply, style="primary")
        self.embed = widgets.button(controller, "panel.use_embedded", self._embed)
        self.paid = widgets.checkbox(
            say("panel.colab_paid"),
            controller.node.settings.colab_paid,
            display="" if controller.node.host.kind == "colab" else "none",
        )
        intro = widgets.html(html.dim(say("panel.connect_intro")))
        cards = (service.box for service in self.services)
        middle = widgets.row(*cards, grid_gap="10px", align_items="stretch", margin="8px 0")
        self.box = widgets.column(intro, middle, self.paid, widgets.row(self.apply, self.embed))

    def _apply(self) -> None:
        changes: dict[str, Any] = {"colab_paid": bool(self.paid.value)}
        for service in self.services:
            changes |= service.changes()
        settings = self._controller.settings_with(changes)
        changed = [s for s in self.services if s.is_changed(settings) and getattr(settings, ADDRESS[s.name])]
        if not changed or settings == self._refused:  # asked about already
            self._use(settings, changes)
        else:
            self._test_and_use(settings, changes, changed)

    def _test_and_use(self, settings: Settings, changes: dict[str, Any], changed: Sequence[Service]) -> None:
        """Test the changed services and use the settings when all answer; else only on a second click."""

        async def check_all() -> list[Check]:
            return list(await asyncio.gather(*(check_service(settings, s.name) for s in changed)))

        def tested(checks: list[Check]) -> tuple[str, str]:
            for service, check in zip(changed, checks, strict=True):
                service.tested = check
            if all(check.ok for check in checks):
                self._use(settings, changes)
                return say("panel.tested_and_used"), "good"
            self._refused = settings
            failed = ", ".join(check.name for check in checks if not check.ok)
            return say("panel.not_used", services=failed), "bad"

        names = ", ".join(say(f"panel.service_{service.name}") for service in changed)
        self._controller.track(say("panel.testing", service=names), spawn(check_all()), tested)

    def _embed(self) -> None:
        changes = EMBEDDED["redis"] | EMBEDDED["sql"] | EMBEDDED["bolt"]
        self._use(self._controller.settings_with(changes), changes)

    def _use(self, settings: Settings, changes: dict[str, Any]) -> None:
        self._refused, self._used = None, settings
        self._controller.use_settings(settings, typed=changes)

    def refresh(self, _: html.Item) -> None:
        """Update every card."""
        widgets.label(self.apply, say("panel.use_anyway" if self._refused else "panel.test_and_use"))
        if self._used is not None:
            settings, self._used = self._used, None
            for service in self.services:
                service.fill(settings)
        for service in self.services:
            service.refresh()
