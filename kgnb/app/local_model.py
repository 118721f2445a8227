"""The provider ``local``: a model on this machine, served for as long as something here reads with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kgnb.app.context import App, open_app
from kgnb.core.errors import InputError
from kgnb.core.event_loop import in_thread
from kgnb.core.messages import say
from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.core.safe_text import one_line
from kgnb.core.settings import Settings
from kgnb.llm.local import PROVIDER
from kgnb.llm.local.engines import choose_engine
from kgnb.llm.local.fetch import fetch
from kgnb.llm.local.model_files import find_model
from kgnb.llm.local.running import running_servers
from kgnb.llm.local.server import LocalServer, hold_server

log = logging.getLogger(__name__)

TIMEOUT = 600.0
"""Seconds of one request: a CPU writes a few tokens a second. Below the 15 minutes that a chapter is held."""

_kept: dict[Path, LocalServer] = {}
"""What builds hold until this process ends: the next book finds its model loaded."""


@asynccontextmanager
async def open_to_work(
    settings: Settings, *, keep: bool = False, queue: bool = True, graph: bool = True
) -> AsyncIterator[App]:
    """Like :func:`open_app`, with the model's server running where the settings' provider is ``local``.

    ``keep``: keep the server until this process ends. Raises also InputError for a model that can't be used
    here, EngineError for a server that doesn't start.
    """
    server = None
    if _is_wanted(settings):
        server = await in_thread(_serve, settings)
        settings = settings_of(settings, server)
        if keep:
            earlier, _kept[server.folder] = _kept.get(server.folder), server
            if earlier is not None:
                earlier.close()
    try:
        async with open_app(settings, queue=queue, graph=graph) as app:
            yield app
    finally:
        if server is not None and _kept.get(server.folder) is not server:
            server.close()


def _is_wanted(settings: Settings) -> bool:
    """Return whether the settings ask for a model on this machine without naming a server."""
    named = settings.provider or Provider(settings.provider_name, settings.openai_base_url)
    return named.lower_name.strip() == PROVIDER and not named.base_url


def _serve(settings: Settings, given_up: threading.Event) -> LocalServer:
    """Fetch and start the settings' model; return its server. Blocks until ``given_up`` is set. Raises
    InputError, EngineError.
    """
    models = settings.provider.models if settings.provider else ()
    named = models[0] if models else settings.openai_model
    try:
        fetched = fetch(named, given_up, log.warning)
        model = find_model(str(fetched or named))
    except InputError as error:
        running = [f"{name} ({', '.join(models[:3])})" for name, models in running_servers().items()]
        if error.key not in ("local.no_model", "local.not_found") or not running:
            raise
        raise InputError("local.others_run", servers=one_line("; ".join(running))) from None
    engine = choose_engine(model)
    log.info(say("local.starting", model=model.name, slots=engine.slots, chars=engine.chunk_chars))
    return hold_server(model, engine, settings.keys_path.parent / "local", given_up)


def settings_of(settings: Settings, server: LocalServer) -> Settings:
    """Return ``settings`` with the server's address, key and model, and with chunks and slots that fit its
    memory where the user gave none.
    """
    engine, given = server.engine, settings.model_fields_set
    fitting = ProviderOptions(
        max_output_tokens=engine.reply_tokens, timeout=TIMEOUT, max_in_flight=engine.slots
    )
    options = fitting.merged(settings.provider_options.get(PROVIDER, ProviderOptions()))
    own = Provider(PROVIDER, server.url, server.key, (server.model.name,), options)
    changes: dict[str, Any] = {}
    if "chunk_chars" not in given:
        changes["chunk_chars"] = min(settings.chunk_chars, engine.chunk_chars)
    if not given & {"slots", "max_slots_per_provider"}:
        changes |= Settings.for_slots(engine.slots)
    return settings.with_provider(own, **changes)
