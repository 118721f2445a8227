"""The panel's providers tab: choose, pause and probe providers, set their slots, add an endpoint."""

from __future__ import annotations

import time
from typing import Any

from pydantic import SecretStr

from kgnb.app import providers
from kgnb.app.provider_probe import ProviderProbe, check_provider
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.model import RULES
from kgnb.core.settings import Settings
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import CONFIRM_SECONDS, PanelController
from kgnb.notebook.panel.provider_form import ProviderForm


class Row:
    """One provider."""

    def __init__(
        self, controller: PanelController, name: str, form: ProviderForm, *, rules: bool, served: bool
    ) -> None:
        self._controller, self.name, self._paused = controller, name, False
        self.about: html.Item = {}
        self._remove_clicked_at = 0.0
        self.served = widgets.checkbox("", served, width="26px", margin="0 6px 0 0")
        self._about = widgets.html(flex="1 1 220px")
        self.pause = widgets.button(say("panel.pause"), controller.safely(self._toggle_pause))
        self.test = widgets.button(say("panel.ask"), controller.safely(self._test))
        self.edit = widgets.button(say("panel.edit"), controller.safely(lambda: form.edit(self.about)))
        self.remove = widgets.button(say("panel.remove"), controller.safely(self._remove))
        slots = controller.node.settings.slots_for(name.lower())
        self.slots = widgets.field(say("panel.slots"), slots, kind="number", width="150px")
        self.slots.min, self.slots.max = 1, 500
        # The rules have as many as the cores are good for.
        buttons = widgets.row(self.pause, self.test, self.edit, self.remove, flex="0 0 auto")
        controls = [] if rules else [self.slots, buttons]
        self.box = widgets.row(self.served, self._about, *controls, grid_gap="2px 6px")
        self.box.add_class("kgnb-row")

    def update(self, one: html.Item) -> None:
        """Show the provider's current state."""
        self.about = one
        widgets.show(self._about, html.block(html.provider(one)))
        self._paused = one["state"] in ("paused", "limited")
        widgets.label(self.pause, say("panel.resume") if self._paused else say("panel.pause"))
        widgets.label(self.remove, say("panel.sure" if self._is_sure() else "panel.remove"))

    def _toggle_pause(self) -> None:
        if self._paused:
            self.resume()
            return
        future = self._controller.node.call(lambda app: providers.pause_provider(app, self.name))
        self._controller.track(say("panel.doing", what=say("panel.pause")), future, _paused)

    def resume(self) -> None:
        """End the provider's pause."""
        told = say("operate.provider_resumed", provider=self.name)
        future = self._controller.node.call(lambda app: providers.resume_provider(app, self.name))
        self._controller.track(say("panel.doing", what=say("panel.resume")), future, lambda _: told)

    def _test(self) -> None:
        future = self._controller.node.call(lambda app: check_provider(app, self.name))
        self._controller.track(say("panel.asking", provider=self.name), future, _tested)

    def _is_sure(self) -> bool:
        return time.monotonic() - self._remove_clicked_at < CONFIRM_SECONDS

    def _remove(self) -> None:
        """Remove the provider on a second click."""
        if not self._is_sure():
            self._remove_clicked_at = time.monotonic()
            return
        self._remove_clicked_at, controller = 0.0, self._controller
        told = say("panel.removed", provider=self.name)
        if self.about["source"] == "environment":
            given = {"openai_base_url": "", "openai_model": "", "provider_name": "openai"}
            controller.use_settings(controller.settings_with({**given, "openai_api_key": SecretStr("")}))
            return
        future = controller.node.call(lambda app: providers.remove_provider(app, self.name, delete=True))
        controller.track(say("panel.doing", what=say("panel.remove")), future, lambda _: told)


def _paused(pause: providers.ProviderPause) -> tuple[str, str]:
    return say("panel.provider_paused", provider=pause.provider, minutes=round(pause.seconds / 60)), "warn"


def _tested(tested: ProviderProbe) -> str | tuple[str, str]:
    if tested.error:
        return tested.error, "bad"
    return say("panel.answered", provider=tested.name, model=tested.model, seconds=f"{tested.seconds:.1f}")


class ProvidersTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._rows: dict[str, Row] = {}
        self._list = widgets.column()
        self._hint = widgets.html()
        self.apply = widgets.button(say("panel.apply_served"), controller.safely(self._apply))
        self.form = ProviderForm(controller)
        self.box = widgets.column(
            self._hint, self._list, widgets.row(self.apply, margin="8px 0 14px"), self.form.box
        )

    def resume(self, name: str) -> None:
        """End a provider's pause."""
        self._rows[name].resume()

    def edit(self, name: str) -> None:
        """Open the form for another key, address or model of a provider."""
        if name in self._rows:
            self.form.edit(self._rows[name].about)

    def _apply(self) -> None:
        chosen = [row.name for row in self._rows.values() if row.served.value]
        if self._rows and not chosen:
            raise InputError("panel.none_served")
        everybody = len(chosen) == len(self._rows)
        slots = {
            row.name: int(row.slots.value) for row in self._rows.values() if row.slots in row.box.children
        }
        changes: dict[str, Any] = {"providers": "" if everybody else ",".join(chosen)}
        if slots:  # explicit, so it raises both caps
            most = Settings.for_slots(max(slots.values()))
            each = ",".join(f"{name}={n}" for name, n in slots.items() if not set(name) & set(",="))
            changes |= most | {"slots": self._controller.node.settings.slots, "slots_each": each}
        self._controller.use_settings(self._controller.settings_with(changes))

    # --- refreshing

    def refresh(self, status: html.Item) -> None:
        """Show the current providers."""
        found = (status["cluster"] or {}).get("providers", ())
        wanted = self._controller.node.settings.wanted_providers
        for one in found:
            name = one["name"]
            if name not in self._rows:
                served = not wanted or name.lower() in wanted
                self._rows[name] = Row(
                    self._controller, name, self.form, rules=name.lower() == RULES, served=served
                )
            self._rows[name].update(one)
        self._rows = {one["name"]: self._rows[one["name"]] for one in found}
        widgets.children(self._list, [row.box for row in self._rows.values()])
        self.form.refresh(found)
        hint = say("panel.served_hint") if found else say("panel.no_providers")
        widgets.show(self._hint, html.block(html.dim(hint)))
