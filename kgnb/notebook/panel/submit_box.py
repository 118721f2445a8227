"""The run tab's box for a new book: a file, a path or a sample; what it is; an estimate; submit."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import ipywidgets as w

from kgnb.core.errors import InputError, SettingsError
from kgnb.core.formatting import compact, money
from kgnb.core.labels import Lang
from kgnb.core.messages import language, say
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController

if TYPE_CHECKING:
    from kgnb.app.context import App
    from kgnb.app.estimate import BookSize, Estimate
    from kgnb.app.submit import Plan

MAX_NAME_CHARS = 60
"""Bound on an uploaded file's name: in any script it fits a file system's 255 bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenBook:
    """A book that was chosen: an upload's name and content, or a path."""

    name: str = ""
    content: bytes = b""
    path: str = ""

    async def submitted(self, app: App, provider: str | None, title: str, author: str) -> Plan:
        """Import the book, queue its task and return the plan. Empty ``title`` and ``author`` leave the
        file's. Raises InputError.
        """
        from kgnb.app.submit import submit

        with self._file() as path:
            return await submit(app, path, provider, title=title or None, author=author or None)

    def look(self) -> tuple[str, str, BookSize]:
        """Return (title, author, size) as read from the file. Raises InputError."""
        from kgnb.app.estimate import BookSize
        from kgnb.book.reader import read_book

        with self._file() as path:
            book = read_book(path)
        return book.title, book.author, BookSize(book.lang, tuple(len(one.text) for one in book.chapters))

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """Yield the book's file; an upload's is deleted after the block."""
        if not self.content:
            yield Path(self.path).expanduser()
            return
        with tempfile.TemporaryDirectory(prefix="kgnb-") as folder:
            path = Path(folder, self.name)
            path.write_bytes(self.content)
            try:
                yield path
            except InputError as error:  # who chose a file on another machine knows its name alone
                if "path" in error.facts:
                    error.facts["path"] = self.name
                raise


class SubmitBox:
    """The box. A chosen book is read at once, so that its title and author can be put right before."""

    def __init__(self, controller: PanelController) -> None:
        self._controller = controller
        self.chosen: ChosenBook | None = None
        self._stated = ("", "")  # title and author in the file
        self._size: BookSize | None = None
        self._estimate: Estimate | None = None
        self.upload = w.FileUpload(
            accept=".txt,.md,.epub,.docx",
            multiple=False,
            description=say("panel.upload"),
            layout=w.Layout(width={"zh": "128px", "en": "150px"}[language()], margin="2px"),
        )
        self.upload.observe(controller.safely(self._uploaded), names="value")
        self.path = widgets.field(say("panel.f_path"), hint="/kaggle/input/…/book.txt", flex="1 1 260px")
        self.path.observe(controller.safely(self._typed), names="value")
        samples = [(say(f"panel.sample_{lang}"), lang) for lang in get_args(Lang)]
        self.sample = widgets.choice("", [(say("panel.samples"), ""), *samples], flex="0 1 170px")
        self.sample.observe(controller.safely(self._sampled), names="value")
        self.title = widgets.field(say("panel.f_title"), hint=say("panel.guessed"), flex="1 1 220px")
        self.author = widgets.field(say("panel.f_author"), hint=say("panel.guessed"), flex="1 1 180px")
        self.provider = widgets.choice(say("panel.f_by"), [(say("panel.by_default"), "")], flex="0 1 240px")
        # Not a click: a list that grows sets the choice anew.
        self.provider.observe(lambda _: self._forget_estimate(), names="value")
        self.reckon = widgets.button(controller, "panel.estimate", self._reckon, tip="panel.estimate_tip")
        self.submit = widgets.button(controller, "panel.submit", self._submit, style="primary", width="96px")
        self.about = widgets.html(flex="1 1 260px", margin="0 0 0 8px")
        gap = "2px 10px"
        self.box = widgets.card(
            say("panel.submit_title"),
            widgets.row(self.upload, self.path, self.sample, grid_gap=gap),
            widgets.row(self.title, self.author, self.provider, grid_gap=gap),
            widgets.row(self.reckon, self.submit, self.about, grid_gap=gap),
            margin="10px 0 12px",
        )

    # --- choosing

    def _uploaded(self) -> None:
        name, content = uploaded(self.upload)
        if content:
            empty(self.upload)
            self.path.value = ""
            self._choose(ChosenBook(name, content))

    def _typed(self) -> None:
        if path := self.path.value.strip():
            self._choose(ChosenBook(Path(path).name, path=path))
        elif self.chosen is not None and self.chosen.path:
            self._choose(None)

    def _sampled(self) -> None:
        from kgnb.book.reader import story_path

        if self.sample.value:
            self.path.value = str(story_path(self.sample.value))
            self.sample.value = ""

    def _choose(self, chosen: ChosenBook | None) -> None:
        from kgnb.app.api import spawn

        self.chosen, self._size, self._stated = chosen, None, ("", "")
        self.title.value = self.author.value = ""
        self._forget_estimate()
        if chosen is None:
            return

        def read(found: tuple[str, str, BookSize]) -> None:
            if self.chosen is chosen:
                self.title.value, self.author.value, self._size = found
                self._stated = found[:2]

        looking = spawn(asyncio.to_thread(chosen.look))
        self._controller.track(say("panel.looking_at", name=chosen.name), looking, read)

    def _forget_estimate(self) -> None:
        self._estimate = None

    # --- estimate and submit

    def _wanted(self) -> ChosenBook:
        """Return the chosen book. Raises InputError for none."""
        if self.chosen is None:
            raise InputError("panel.no_book")
        return self.chosen

    def _reckon(self) -> None:
        from kgnb.app.estimate import quick_estimate

        chosen, provider = self._wanted(), self.provider.value or None

        async def work(app: App) -> Estimate:
            size = self._size or (await asyncio.to_thread(chosen.look))[2]
            return await quick_estimate(app, size, provider)

        def done(found: Estimate) -> None:
            if self.chosen is chosen:
                self._estimate = found

        self._controller.run(say("panel.estimating"), work, done)

    def _submit(self) -> None:
        chosen, provider = self._wanted(), self.provider.value or None
        boxes = zip((self.title, self.author), self._stated, strict=True)
        title, author = (box.value.strip() if box.value != stated else "" for box, stated in boxes)

        async def work(app: App) -> tuple[Plan, SettingsError | None]:
            plan = await chosen.submitted(app, provider, title, author)
            return plan, None if provider else app.providers.passed_over()

        self._controller.run(say("panel.submitting", name=chosen.name), work, self._submitted)
        self.path.value = ""
        self._choose(None)

    def _submitted(self, done: tuple[Plan, SettingsError | None]) -> str:
        """Return the message of a submitted book, and what is lacking to start it."""
        plan, lack = done
        self._controller.read_status_of_others()
        key = "panel.found_finished" if plan.found_finished else "panel.submitted"
        facts = {"title": plan.imported.title, "task": plan.task.id, "chapters": plan.book.chapters}
        told = say(key, **facts, provider=plan.provider.name)
        alive = self._controller.node.is_alive
        why = [say("provider.passed_over", reason=str(lack))] if lack else []
        start = [] if alive or plan.found_finished else [say("panel.start_it")]
        return " ".join([told, *why, *start])

    # --- refreshing

    def refresh(self, providers: list[str]) -> None:
        """Offer these providers and show what is known of the chosen book."""
        widgets.options(self.provider, [(say("panel.by_default"), ""), *((name, name) for name in providers)])
        facts: list[str] = []
        if self._size is not None:
            size, name = self._size, self.chosen.name if self.chosen else ""
            counts = {"chapters": len(size.chapters), "chars": compact(sum(size.chapters))}
            facts.append(say("panel.book_size", name=name, lang=say(f"panel.lang_{size.lang}"), **counts))
        if self._estimate is not None:
            facts.append(estimate_text(self._estimate))
        widgets.show(self.about, *map(html.dim, facts))


def estimate_text(found: Estimate) -> str:
    """Return an estimate in words: requests, tokens, cost if known, and whether earlier books are its basis;
    that it is free without requests.
    """
    if not found.left.requests:
        return say("panel.estimate_free")
    tokens = compact(found.left.prompt_tokens + found.left.completion_tokens)
    facts = {"requests": found.left.requests, "tokens": tokens, "model": found.model}
    parts = [say("panel.estimated", **facts)]
    if found.left_cost is not None:
        parts.append(say("panel.estimated_cost", cost=f"{money(found.left_cost)} {found.currency}".strip()))
    parts.append(say("panel.estimated_measured" if found.measured else "panel.estimated_guess"))
    return "".join(parts)


def uploaded(upload: Any) -> tuple[str, bytes]:
    """Return the chosen file's name (without folders, shortened) and content; ("", b"") when none is chosen.
    Works with ipywidgets 7 and 8.
    """
    value = upload.value
    if not value:
        return "", b""
    if isinstance(value, dict):  # ipywidgets 7: {name: {"metadata": …, "content": …}}
        name, one = next(iter(value.items()))
    else:
        one = value[0]
        name = one["name"]
    last = Path(str(name).replace("\\", "/").replace("\0", "")).name
    if last in ("", ".", ".."):
        last = "book.txt"
    path = Path(last)
    return path.stem[:MAX_NAME_CHARS] + path.suffix[:8], bytes(one["content"])


def empty(upload: Any) -> None:
    """Forget the chosen file: a saved notebook would contain all of it."""
    if hasattr(upload, "_counter"):  # ipywidgets 7
        upload.data, upload.metadata = [], []
        upload.set_trait("_counter", 0)
        upload.set_trait("value", {})
    else:
        upload.value = ()
