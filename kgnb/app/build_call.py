"""``kgnb.build``: tells what it reads before it imports what reads it: seconds on a slow machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgnb.core import colab
from kgnb.core.model import Provider
from kgnb.core.secrets import load_settings
from kgnb.core.settings import Settings
from kgnb.llm.local import PROVIDER as LOCAL
from kgnb.render.progress_bar import tell_reading
from kgnb.worker.provider_sources import check_named

if TYPE_CHECKING:
    from kgnb.app.api import BookGraph


def build(
    book: str | Path,
    provider: str | Provider | None = None,
    *,
    model: str | Path | None = None,
    slots: int | None = None,
    title: str | None = None,
    author: str | None = None,
    edition_of: int | None = None,
    data: str | Path | None = None,
    kinds: str = "",
    assist: bool = False,
    again: bool = False,
    progress: bool = True,
) -> BookGraph:
    """Turn a book (.txt, .md, .epub, .docx) into a knowledge graph and return it.

    ``provider``: ``"rules"``, a provider's name, or a :class:`kgnb.Provider` with its key; by default the one
    that ``OPENAI_…`` describe, else the rules; ``"colab"``: Colab's own models, there; ``"local"``: a model
    on this machine, of which ``model`` is the file, folder or attached name. ``slots``: chapters in flight,
    over both caps. ``data``: the data folder; on Colab ``"drive"`` keeps a copy of its record on Drive and
    goes on from that. ``kinds``: of things that an LLM extracts too, ``"法宝,功法"`` (KGNB_THING_KINDS).
    ``assist``: the rules read all, and the model is asked only about passages that they are unsure of.
    ``edition_of``: the novel (number) of which this text is an edition, where kgnb takes it for another book
    and says so. The same book again is found, not paid again, and an unfinished one goes on where it was.
    Raises the KgnbError tree of :mod:`kgnb.core.errors`.
    """
    settings = _settings(data, slots, kinds, provider, model, assist)
    if progress:
        tell_reading(book)
    from kgnb.app.api import build_book

    name = provider.name if isinstance(provider, Provider) else provider
    return build_book(settings, Path(book), name, title, author, edition_of, again=again, progress=progress)


def _settings(
    data: str | Path | None,
    slots: int | None,
    kinds: str,
    provider: str | Provider | None,
    model: str | Path | None,
    assist: bool,
) -> Settings:
    """Return the settings for a call of build; None, "" and False leave what is set elsewhere."""
    given: dict[str, Any] = {} if data is None else {"data": Path(data)}
    if isinstance(provider, Provider) and not provider.is_rules:
        check_named(provider)
        given["provider"] = replace(provider, models=(str(model),)) if model else provider
    elif provider in (colab.PROVIDER, LOCAL):
        given["provider_name"] = provider
    given |= {"openai_model": str(model)} if model else {}
    given |= {"kinds": kinds} if kinds else {}
    given |= {"assist": True} if assist else {}
    return load_settings(**given | Settings.for_slots(slots))[0]
