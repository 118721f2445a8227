"""The panel's providers tab: choose, pause and probe providers, set their slots, add an endpoint."""

from __future__ import annotations

from typing import Any

from kgnb.app import providers
from kgnb.core.addresses import holds_secret, redacted_url
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.settings import Settings
from kgnb.llm.presets import presets
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.secret_inputs import SecretBox


class Row:
    """One provider."""

    def __init__(self, controller: PanelController, name: str, *, rules: bool, served: bool) -> None:
        self._controller, self.name, self._paused = controller, name, False
        self.about: html.Item = {}
        self.served = widgets.checkbox("", served, width="26px", margin="0 6px 0 0")
        self._about = widgets.html(flex="1 1 auto")
        self.pause = widgets.button(say("panel.pause"), controller.safely(self._toggle_pause), width="76px")
        self.test = widgets.button(say("panel.ask"), controller.safely(self._test), width="76px")
        slots = controller.node.settings.slots_for(name.lower())
        self.slots = widgets.field(say("panel.slots"), slots, kind="number", width="120px")
        self.slots.min, self.slots.max = 1, 500
        # The rules have as many as the cores are good for.
        controls = [] if rules else [self.slots, self.pause, self.test]
        self.box = widgets.row(self.served, self._about, *controls, wrap=False)
        self.box.add_class("kgnb-row")

    def update(self, one: html.Item) -> None:
        """Show the provider's current state."""
        self.about = one
        widgets.show(self._about, html.block(html.provider(one)))
        self._paused = one["state"] in ("paused", "limited")
        widgets.label(self.pause, say("panel.resume") if self._paused else say("panel.pause"))

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
        future = self._controller.node.call(lambda app: providers.probe_provider(app, self.name))
        self._controller.track(say("panel.asking", provider=self.name), future, _tested)


def _paused(pause: providers.ProviderPause) -> tuple[str, str]:
    return say("panel.provider_paused", provider=pause.provider, minutes=round(pause.seconds / 60)), "warn"


def _tested(tested: providers.ProviderProbe) -> str | tuple[str, str]:
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
        known = [(preset.title, preset.name) for preset in presets().values() if preset.base_url]
        self.preset = widgets.choice(say("panel.f_preset"), [(say("panel.other_endpoint"), ""), *known])
        self.preset.observe(lambda _: self._fill(), names="value")
        self.name = widgets.field(say("panel.f_provider"), hint="mine")
        self.url = widgets.field("base_url", hint="https://api.example.com/v1")
        self.model = widgets.field(say("panel.f_model"), hint="model-name")
        self.key = SecretBox(say("panel.f_key"), say("panel.key_hint"), controller.wake)
        self.keep = widgets.checkbox(say("panel.keep_key"))
        self.add = widgets.button(say("panel.add"), controller.safely(self._add), style="primary")
        self.box = widgets.column(
            self._hint, self._list, widgets.row(self.apply, margin="8px 0 14px"), self._form()
        )

    def _form(self) -> Any:
        half = {"flex": "1 1 280px"}
        return widgets.card(
            say("panel.add_title"),
            widgets.row(
                widgets.column(self.preset, self.name, self.url, **half),
                widgets.column(self.model, self.key.box, **half),
                grid_gap="14px",
                align_items="stretch",
            ),
            widgets.row(self.add, self.keep, grid_gap="12px"),
        )

    def resume(self, name: str) -> None:
        """End a provider's pause."""
        self._rows[name].resume()

    def edit(self, name: str) -> None:
        """Fill the form with a provider that is there, for another key, address or model."""
        if name in self._rows:
            about = self._rows[name].about
            self.name.value, self.url.value = name, about["url"]
            self.model.value = next(iter(about["models"]), "")

    # --- clicks

    def _fill(self) -> None:
        """Write what the chosen preset knows into the form: only the key is left to type."""
        preset = presets().get(self.preset.value)
        if preset is not None:
            self.name.value, self.url.value, self.model.value = preset.name, preset.base_url, preset.model

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

    def _add(self) -> None:
        name, url, model = (box.value.strip() for box in (self.name, self.url, self.model))
        if not (name and url and model):
            raise InputError("panel.add_needs")
        if holds_secret(url):
            self.url.value = ""  # a saved notebook holds what the form shows
            raise InputError("provider.url_secret", provider=name, url=redacted_url(url))
        key, node = self.key.take(), self._controller.node
        embedded = node.settings.embedded_sql
        if embedded and key is not None and not self.keep.value:
            settings = self._controller.settings_with(
                {"openai_base_url": url, "openai_model": model, "openai_api_key": key, "provider_name": name}
            )
            self._controller.use_settings(settings)  # the key stays in memory: nothing is written anywhere
            return
        future = node.call(
            lambda app: providers.add_provider(app, name, url=url, models=[model], key=key, save_key=embedded)
        )
        self._controller.track(say("panel.doing", what=say("panel.add")), future, self._added)

    def _added(self, added: providers.AddedProvider) -> str:
        if not self._controller.node.is_alive:
            self._controller.read_status()
        return say("panel.added", provider=added.name)

    # --- refreshing

    def refresh(self, status: html.Item) -> None:
        """Show the current providers."""
        found = (status["cluster"] or {}).get("providers", ())
        wanted = self._controller.node.settings.wanted_providers
        for one in found:
            name = one["name"]
            if name not in self._rows:
                served = not wanted or name.lower() in wanted
                self._rows[name] = Row(self._controller, name, rules=name.lower() == "rules", served=served)
            self._rows[name].update(one)
        self._rows = {one["name"]: self._rows[one["name"]] for one in found}
        widgets.children(self._list, [row.box for row in self._rows.values()])
        hint = say("panel.served_hint") if found else say("panel.no_providers")
        widgets.show(self._hint, html.block(html.dim(hint)))
