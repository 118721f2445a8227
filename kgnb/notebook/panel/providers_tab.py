"""The panel's providers tab: choose, pause and test providers, set their slots, add or change one."""

from __future__ import annotations

import time
from typing import Any

from pydantic import SecretStr

from kgnb.app import provider_probe, providers
from kgnb.app.context import App
from kgnb.app.provider_probe import ProviderProbe, check_provider
from kgnb.core.addresses import holds_secret, origin, redacted_url
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.settings import Settings
from kgnb.llm.presets import preset_named, presets
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.secret_inputs import SecretBox


class ProvidersTab:
    """The tab."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self.form = ProviderForm(controller)
        self.rows = widgets.RowList(lambda about: Row(controller, about, self.form))
        self._hint = widgets.html()
        self.apply = widgets.button(controller, "panel.apply_served", self._apply)
        below = widgets.row(self.apply, margin="8px 0 14px")
        self.box = widgets.column(self._hint, self.rows.box, below, self.form.box)

    def resume(self, name: str) -> None:
        """End a provider's pause."""
        self.rows.rows[name].resume()

    def edit(self, name: str) -> None:
        """Open the form for another key, address or model of a provider."""
        if name in self.rows.rows:
            self.form.edit(self.rows.rows[name].about)

    def _apply(self) -> None:
        rows = self.rows.rows.values()
        chosen = [row.name for row in rows if row.served.value]
        if rows and not chosen:
            raise InputError("panel.none_served")
        slots = {row.name: int(row.slots.value) for row in rows if row.slots in row.box.children}
        changes: dict[str, Any] = {"providers": () if len(chosen) == len(rows) else chosen}
        if slots:  # explicit, so it raises both caps
            most = Settings.for_slots(max(slots.values()))
            changes |= most | {"slots": self._controller.node.settings.slots, "slots_each": slots}
        self._controller.use_settings(self._controller.settings_with(changes))

    def refresh(self, status: html.Item) -> None:
        """Show the current providers."""
        found = (status["cluster"] or {}).get("providers", ())
        self.rows.update({one["name"]: one for one in found})
        self.form.refresh(found)
        widgets.visible(self.apply, bool(found))
        widgets.show(self._hint, html.dim(say("panel.served_hint" if found else "panel.no_providers")))


class Row:
    """One provider."""

    def __init__(self, controller: PanelController, about: html.Item, form: ProviderForm) -> None:
        self._controller, self.about, self.name = controller, about, about["name"]
        key, settings = self.name.lower(), controller.node.settings
        served = not settings.providers or key in settings.providers
        self.served = widgets.checkbox("", served, width="26px", margin="0 6px 0 0")
        self._about = widgets.html(flex="1 1 220px")
        self.pause = widgets.button(controller, "panel.pause", self._toggle_pause)
        self.test = widgets.button(controller, "panel.ask", self._test)
        self.edit = widgets.button(controller, "panel.edit", lambda: form.edit(self.about))
        self._remove = widgets.ConfirmedButton(controller, "panel.remove", self._remove_it)
        self.slots = widgets.field(say("panel.slots"), settings.slots_for(key), kind="number", width="150px")
        self.slots.min, self.slots.max = 1, 5_000
        parts = (self.pause, self.test, self.edit, self._remove.button)
        # The rules have as many slots as the cores are good for.
        controls = [] if key == RULES else [self.slots, widgets.row(*parts, flex="0 0 auto")]
        self.box = widgets.row(self.served, self._about, *controls, grid_gap="2px 6px")
        self.box.add_class("kgnb-row")

    def update(self, one: html.Item) -> None:
        """Show the provider's current state."""
        self.about = one
        widgets.show(self._about, html.provider(one))
        widgets.label(self.pause, say("panel.resume" if self._is_paused else "panel.pause"))
        self._remove.refresh()

    @property
    def _is_paused(self) -> bool:
        """Return whether the provider is paused or rate-limited."""
        return self.about["state"] in ("paused", "limited")

    def _toggle_pause(self) -> None:
        if self._is_paused:
            self.resume()
            return
        doing = say("panel.doing", what=say("panel.pause"))
        self._controller.run(doing, lambda app: providers.pause_provider(app, self.name), _paused)

    def resume(self) -> None:
        """End the provider's pause."""
        doing = say("panel.doing", what=say("panel.resume"))
        told = say("operate.provider_resumed", provider=self.name)
        self._controller.run(doing, lambda app: providers.resume_provider(app, self.name), lambda _: told)

    def _test(self) -> None:
        doing = say("panel.asking", provider=self.name)
        self._controller.run(doing, lambda app: check_provider(app, self.name), _tested)

    def _remove_it(self) -> None:
        controller, told = self._controller, say("panel.removed", provider=self.name)
        if self.about["source"] == "environment":
            given = {"openai_base_url": "", "openai_model": "", "provider_name": "openai"}
            controller.use_settings(controller.settings_with({**given, "openai_api_key": SecretStr("")}))
            return
        doing = say("panel.doing", what=say("panel.remove"))
        controller.run(
            doing, lambda app: providers.remove_provider(app, self.name, delete=True), lambda _: told
        )


def _paused(pause: providers.ProviderPause) -> tuple[str, str]:
    """Return (message that a provider is paused, "warn")."""
    return say("panel.provider_paused", provider=pause.provider, minutes=round(pause.seconds / 60)), "warn"


def _tested(tested: ProviderProbe) -> str | tuple[str, str]:
    """Return the message of a successful test, or (error, "bad")."""
    if tested.error:
        return tested.error, "bad"
    return say("panel.answered", provider=tested.name, model=tested.model, seconds=f"{tested.seconds:.1f}")


class ProviderForm:
    """The form. What fails its test is saved only when the button is pressed again."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._known: dict[str, html.Item] = {}
        self._models: list[str] = []
        self._refused: Provider | None = None
        self._saved = False
        known = [(preset.title, preset.name) for preset in presets().values() if preset.base_url]
        self.preset = widgets.choice(say("panel.f_by"), [(say("panel.other_endpoint"), ""), *known])
        self.preset.observe(lambda _: self._fill(), names="value")
        self.name = widgets.field(say("panel.f_provider"), hint="mine")
        self.url = widgets.field(say("panel.f_url"), hint="https://api.example.com/v1")
        self.model = widgets.field(say("panel.f_model"), kind="combobox", hint="model-name")
        self.key = SecretBox(say("panel.f_key"), say("panel.key_hint"), controller.wake)
        self.name.observe(lambda _: self._hint_key(), names="value")
        self.keep = widgets.checkbox(say("panel.keep_key"))
        self.list = widgets.button(controller, "panel.list_models", self._list_models)
        self.add = widgets.button(controller, "panel.test_and_save", self._add, style="primary")
        self._note = widgets.html()
        self.box = self._card()

    def _card(self) -> Any:
        """Return the form's widgets in a card."""
        half = {"flex": "1 1 280px"}
        return widgets.card(
            say("panel.add_title"),
            widgets.row(
                widgets.column(self.preset, self.name, self.url, **half),
                widgets.column(self.key.box, self.model, self._note, **half),
                grid_gap="14px",
                align_items="stretch",
            ),
            widgets.row(self.add, self.list, self.keep, grid_gap="12px"),
        )

    # --- filling it

    def edit(self, about: html.Item) -> None:
        """Fill the form with a provider that is there, for another key, address or model."""
        self._known[about["name"].lower()] = about
        self.preset.value = ""
        self.name.value, self.url.value = about["name"], about["url"]
        self.model.value = next(iter(about["models"]), "")

    def _fill(self) -> None:
        """Write what the chosen preset knows into the form: only the key is left to type."""
        preset = presets().get(self.preset.value)
        if preset is not None:
            self.name.value, self.url.value, self.model.value = preset.name, preset.base_url, preset.model

    def _hint_key(self) -> None:
        """Say whether a key is needed, and where one is made."""
        name = self.name.value.strip()
        preset, where = preset_named(name), ""
        if name.lower() in self._known:
            hint = say("panel.secret_hint")
        elif not preset.name:
            hint = say("panel.key_hint")
        else:
            hint = say("panel.key_needed" if preset.needs_key else "panel.key_needless")
            where = say("panel.key_page", url=preset.key_url) if preset.key_url else ""
        self.key.hint(hint)
        widgets.show(self._note, html.dim(where) if where else "")

    def _draft(self, default_model: str = "") -> Provider:
        """Return the provider that is typed in. Raises InputError for what can't be asked."""
        draft = self._typed(default_model)
        name, url = draft.name, draft.base_url
        if not (name and url and draft.models[0]):
            raise InputError("panel.add_needs")
        if holds_secret(url):
            self.url.value = ""  # a saved notebook holds what the form shows
            raise InputError("provider.url_secret", provider=name, url=redacted_url(url))
        preset, known = preset_named(name), self._known.get(name.lower())
        has_key = self.key.typed is not None or (known is not None and origin(known["url"]) == origin(url))
        if preset.needs_key and not has_key and origin(preset.base_url) == origin(url):
            raise InputError("panel.key_missing", provider=preset.title, url=preset.key_url)
        return draft

    # --- clicks

    def _list_models(self) -> None:
        draft = self._draft(default_model="-")

        def listed(found: list[str]) -> str | tuple[str, str]:
            self._models = found
            if not found:
                return say("panel.no_models", provider=draft.name), "warn"
            return say("panel.models_listed", provider=draft.name, count=len(found))

        doing = say("panel.listing_models", provider=draft.name)
        self._controller.run(doing, lambda app: provider_probe.draft_models(app, draft), listed, queue=False)

    def _add(self) -> None:
        draft, keep = self._draft(), bool(self.keep.value)
        anyway = self._refused == draft
        in_memory = self._is_in_memory(draft, keep=keep)

        async def work(app: App) -> ProviderProbe:
            probe = await provider_probe.probe_draft(app, draft)
            if not probe.error or anyway:
                await _save(app, draft, row=not in_memory)
                await provider_probe.note_outcome(app, probe)
            return probe

        def done(probe: ProviderProbe) -> str | tuple[str, str]:
            if probe.error and not anyway:
                self._refused = draft
                if probe.kind == "provider.auth":
                    return say("panel.key_refused", provider=draft.name), "bad"
                return say("panel.draft_refused", reason=probe.error), "bad"
            return self._on_saved(draft, probe, in_memory=in_memory)

        self._controller.run(say("panel.asking", provider=draft.name), work, done)

    def _is_in_memory(self, draft: Provider, *, keep: bool) -> bool:
        """Return whether the provider is this node's alone, by its settings: its key is written nowhere."""
        known = self._known.get(draft.name.lower())
        own = known is not None and known["source"] == "environment"
        new_key = bool(draft.api_key) and self._controller.node.settings.embedded_sql
        return (own or new_key) and not keep

    def _on_saved(self, draft: Provider, probe: ProviderProbe, *, in_memory: bool) -> str | tuple[str, str]:
        """Use a saved provider; return the message, with the tone "warn" if its test failed."""
        controller, self._refused, self._saved = self._controller, None, True
        if in_memory:
            changes: dict[str, Any] = {"provider_name": draft.name, "openai_base_url": draft.base_url}
            controller.use_settings(
                controller.settings_with(changes | {"openai_model": draft.models[0]} | self._own_key(draft))
            )
        else:
            controller.read_status_of_others()
        if probe.error:
            return say("panel.saved_anyway", provider=draft.name, reason=probe.error), "warn"
        return say("panel.added", provider=draft.name, model=draft.models[0], seconds=f"{probe.seconds:.1f}")

    def _own_key(self, draft: Provider) -> dict[str, Any]:
        """Return the key's setting; {} to keep the present one, an empty one where the address is another
        host's: a known key goes to no other host than the one that it was given for.
        """
        settings = self._controller.node.settings
        if draft.api_key:
            return {"openai_api_key": draft.api_key}
        same = origin(settings.openai_base_url) == origin(draft.base_url)
        return {} if same else {"openai_api_key": SecretStr("")}

    # --- refreshing

    def refresh(self, found: Any) -> None:
        """Take in the known providers, and what the last test brought."""
        self._known = {one["name"].lower(): one for one in found}
        if self._saved:
            self._saved = False
            self.key.forget()
        self._hint_key()
        self.model.options = tuple(self._models)
        anyway = self._refused == self._typed()
        widgets.label(self.add, say("panel.save_anyway" if anyway else "panel.test_and_save"))

    def _typed(self, default_model: str = "") -> Provider:
        """Return the provider as the form says it, whole or not."""
        model = self.model.value.strip() or default_model
        key = self.key.typed or SecretStr("")
        return Provider(self.name.value.strip(), self.url.value.strip(), key, (model,))


async def _save(app: App, draft: Provider, *, row: bool) -> None:
    """Save the draft, as a row or as this node's own, and end the pause that its old key or address had."""
    if row:
        save_key = app.settings.embedded_sql
        await providers.add_provider(
            app,
            draft.name,
            url=draft.base_url,
            models=draft.models,
            key=draft.api_key or None,
            save_key=save_key,
        )
    else:
        await app.ledger.task_commands.change_model(draft.name, draft.models)
    state = await app.breaker.state(draft.name)
    if state.paused and not state.by_hand and state.until > time.time():
        await app.breaker.resume(draft.name)
