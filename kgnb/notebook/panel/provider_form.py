"""The form of the panel's providers tab: add a provider or change one; it is tested before it is saved."""

from __future__ import annotations

import time
from typing import Any

from pydantic import SecretStr

from kgnb.app import provider_probe, providers
from kgnb.app.context import App
from kgnb.app.provider_probe import Draft, ProviderProbe
from kgnb.core.addresses import holds_secret, origin, redacted_url
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.llm.presets import preset_named, presets
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.notebook.panel.secret_inputs import SecretBox


class ProviderForm:
    """The form. What fails its test is saved only when the button is pressed again."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self._known: dict[str, html.Item] = {}
        self._models: list[str] = []
        self._refused: Draft | None = None
        self._saved = False
        known = [(preset.title, preset.name) for preset in presets().values() if preset.base_url]
        self.preset = widgets.choice(say("panel.f_preset"), [(say("panel.other_endpoint"), ""), *known])
        self.preset.observe(lambda _: self._fill(), names="value")
        self.name = widgets.field(say("panel.f_provider"), hint="mine")
        self.url = widgets.field("base_url", hint="https://api.example.com/v1")
        self.model = widgets.field(say("panel.f_model"), kind="combobox", hint="model-name")
        self.key = SecretBox(say("panel.f_key"), say("panel.key_hint"), controller.wake)
        self.name.observe(lambda _: self._hint_key(), names="value")
        self.keep = widgets.checkbox(say("panel.keep_key"))
        self.list = widgets.button(say("panel.list_models"), controller.safely(self._list_models))
        self.add = widgets.button(say("panel.test_and_save"), controller.safely(self._add), style="primary")
        self._note = widgets.html()
        self.box = self._card()

    def _card(self) -> Any:
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
        self._hint_key()

    def _fill(self) -> None:
        """Write what the chosen preset knows into the form: only the key is left to type."""
        preset = presets().get(self.preset.value)
        if preset is not None:
            self.name.value, self.url.value, self.model.value = preset.name, preset.base_url, preset.model
        self._hint_key()

    def _hint_key(self) -> None:
        """Say whether a key is needed, and where one is made."""
        name = self.name.value.strip()
        preset, where = preset_named(name), ""
        if name.lower() in self._known:
            hint = say("panel.secret_hint")
        elif preset is None:
            hint = say("panel.key_hint")
        else:
            hint = say("panel.key_needed" if preset.needs_key else "panel.key_needless")
            where = say("panel.key_page", url=preset.key_url) if preset.key_url else ""
        self.key.hint(hint)
        widgets.show(self._note, html.block(html.dim(where)) if where else "")

    def _draft(self, default_model: str = "") -> Draft:
        """What is typed in. Raises InputError for what can't be asked."""
        name, url, model = self._typed()
        model = model or default_model
        if not (name and url and model):
            raise InputError("panel.add_needs")
        if holds_secret(url):
            self.url.value = ""  # a saved notebook holds what the form shows
            raise InputError("provider.url_secret", provider=name, url=redacted_url(url))
        preset, known = preset_named(name), self._known.get(name.lower())
        has_key = self.key.typed is not None or (known is not None and origin(known["url"]) == origin(url))
        if preset is not None and preset.needs_key and not has_key and origin(preset.base_url) == origin(url):
            raise InputError("panel.key_missing", provider=preset.title, url=preset.key_url)
        return Draft(name, url, model, self.key.typed)

    # --- clicks

    def _list_models(self) -> None:
        draft = self._draft(default_model="-")

        def listed(found: list[str]) -> str | tuple[str, str]:
            self._models = found
            if not found:
                return say("panel.no_models", provider=draft.name), "warn"
            return say("panel.models_listed", provider=draft.name, count=len(found))

        future = self._controller.node.call(lambda app: provider_probe.draft_models(app, draft), queue=False)
        self._controller.track(say("panel.listing_models", provider=draft.name), future, listed)

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
                return say("panel.draft_refused", reason=probe.error), "bad"
            return self._on_saved(draft, probe, in_memory=in_memory)

        self._controller.track(
            say("panel.asking", provider=draft.name), self._controller.node.call(work), done
        )

    def _is_in_memory(self, draft: Draft, *, keep: bool) -> bool:
        """Whether the provider is this node's alone, by its settings: its key is written nowhere."""
        known = self._known.get(draft.name.lower())
        own = known is not None and known["source"] == "environment"
        new_key = draft.key is not None and self._controller.node.settings.embedded_sql
        return (own or new_key) and not keep

    def _on_saved(self, draft: Draft, probe: ProviderProbe, *, in_memory: bool) -> str | tuple[str, str]:
        controller, self._refused, self._saved = self._controller, None, True
        if in_memory:
            changes: dict[str, Any] = {"provider_name": draft.name, "openai_base_url": draft.url}
            controller.use_settings(
                controller.settings_with(changes | {"openai_model": draft.model} | self._own_key(draft))
            )
        elif not controller.node.is_alive:
            controller.read_status()
        if probe.error:
            return say("panel.saved_anyway", provider=draft.name, reason=probe.error), "warn"
        return say("panel.added", provider=draft.name, model=draft.model, seconds=f"{probe.seconds:.1f}")

    def _own_key(self, draft: Draft) -> dict[str, Any]:
        """The key's setting: a known key goes to no other host than the one that it was given for."""
        settings = self._controller.node.settings
        if draft.key is not None:
            return {"openai_api_key": draft.key}
        same = origin(settings.openai_base_url) == origin(draft.url)
        return {} if same else {"openai_api_key": SecretStr("")}

    # --- refreshing

    def refresh(self, found: Any) -> None:
        """Take in the known providers, and what the last test brought."""
        self._known = {one["name"].lower(): one for one in found}
        if self._saved:
            self._saved = False
            self.key.take()
        if tuple(self.model.options) != tuple(self._models):
            self.model.options = tuple(self._models)
        anyway = self._refused == Draft(*self._typed(), self.key.typed)
        widgets.label(self.add, say("panel.save_anyway" if anyway else "panel.test_and_save"))

    def _typed(self) -> tuple[str, str, str]:
        """Name, address and model."""
        return self.name.value.strip(), self.url.value.strip(), self.model.value.strip()


async def _save(app: App, draft: Draft, *, row: bool) -> None:
    """Save the draft, as a row or as this node's own, and end the pause that its old key or address had."""
    if row:
        save_key = app.settings.embedded_sql
        await providers.add_provider(
            app, draft.name, url=draft.url, models=[draft.model], key=draft.key, save_key=save_key
        )
    else:
        await app.ledger.task_commands.change_model(draft.name, [draft.model])
    state = await providers.breaker_of(app).state(draft.name)
    if state.paused and not state.by_hand and state.until > time.time():
        await providers.breaker_of(app).resume(draft.name)
