"""All that a novel's graph is made from, as the record has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from kgnb.core.model import Chapter, Novel, Task, TaskConfig
from kgnb.extract import evidence
from kgnb.extract.model import NameEntry
from kgnb.graph.project.graph_builder import GraphBuilder
from kgnb.graph.project.settle import novel_builder
from kgnb.graph.resolve.decisions import Decision, combine_decisions
from kgnb.stores.ledger.extractions import SettleRows
from kgnb.stores.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class NovelRecord:
    """A novel's record; rows and texts are read page by page when the graph is made."""

    novel: Novel
    config: TaskConfig
    tasks: Sequence[Task]
    chapters: Sequence[Chapter]
    rows: SettleRows
    names: Sequence[NameEntry]
    decisions: list[Decision]
    find_in_text: Callable[[Collection[str]], Collection[str]]

    @classmethod
    async def read(cls, ledger: Ledger, novel: Novel, config: TaskConfig) -> NovelRecord:
        """Read it; ``config`` is extended by the kinds of things that the novel's tasks ask for.

        One after another: a node and its helpers have five connections together. Raises ServiceDown.
        """
        tasks = await ledger.tasks.of_novel(novel.id)
        texts = (text for _, text in ledger.books.texts_blocking(novel.id))
        return cls(
            novel,
            config.with_kinds_of(tasks),
            tasks,
            chapters=await ledger.books.chapters(novel.id),
            rows=await ledger.extractions.settle_rows(novel.id),
            names=await ledger.names.read(novel.id),
            decisions=await ledger.name_decisions.read(novel.id),
            find_in_text=lambda forms: evidence.names_in_texts(forms, texts),
        )

    def builder(self) -> GraphBuilder:
        """The builder of its graph, to be called once. Blocking; raises ServiceDown."""
        decisions = combine_decisions(self.decisions)
        return novel_builder(
            self.novel, self.chapters, self.rows, self.names, self.config, self.find_in_text, decisions
        )
