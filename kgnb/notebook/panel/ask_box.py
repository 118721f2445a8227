"""The graph tab's box for a question in words about the chosen book."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kgnb.app.context import App
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.graph.ask.answers import Answer
from kgnb.notebook.panel import html, widgets
from kgnb.notebook.panel.controller import PanelController
from kgnb.render.answer_text import answer_html


class AskBox:
    """A question, by whom it is answered, up to which chapter; ``book`` returns the chosen one's novel and
    task."""

    def __init__(self, controller: PanelController, book: Callable[[], tuple[int, int]]) -> None:
        self._controller, self._book = controller, book
        self.question = widgets.field(
            say("panel.f_question"), hint=say("panel.question_hint"), flex="1 1 320px"
        )
        self.until = widgets.field(say("panel.f_until"), 0, kind="number", flex="0 1 170px")
        self.provider = widgets.choice(
            say("panel.f_answers"), [(say("panel.no_model"), "")], flex="0 1 260px"
        )
        self.ask = widgets.button(controller, "panel.ask_book", self._ask, style="primary", width="96px")
        self.answer = widgets.html(margin="4px 0 8px 8px")
        row = widgets.row(self.question, self.until, self.provider, self.ask)
        self.box = widgets.column(widgets.html(html.part("panel.ask_part")), row, self.answer)

    def refresh(self, providers: Sequence[str]) -> None:
        """Offer these providers."""
        widgets.options(self.provider, [(say("panel.no_model"), ""), *((name, name) for name in providers)])

    def _ask(self) -> None:
        question, (novel, task) = self.question.value.strip(), self._book()
        if not question:
            raise InputError("panel.no_question")
        until, provider = self.until.value or None, self.provider.value or None

        async def answered(app: App) -> Answer:
            from kgnb.app.ask import ask_book

            return await ask_book(app, novel, task, question, until=until, provider=provider)

        self._controller.run(say("panel.answering"), answered, self._show, queue=provider is not None)

    def _show(self, found: Answer) -> None:
        widgets.show(self.answer, answer_html(found))
