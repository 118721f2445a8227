"""Characters that a reply names and the book doesn't: they are left out of the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import Extraction
from kgnb.graph.model import NodeKey

FindInText = Callable[[Collection[str]], Collection[str]]
"""Returns those of the names that stand in the book's text."""


class AbsentCharacters:
    """Characters whose names aren't in the text of the chapter whose reply has them.

    Either they are in another chapter, or the model knows them from another book.
    """

    def __init__(self) -> None:
        self._present: set[str] = set()
        self._forms: dict[str, set[str]] = defaultdict(set)  # absent name → its names

    def add(self, extraction: Extraction) -> None:
        """Register the characters of one chapter's extraction, present and absent."""
        absent = set(extraction.absent)
        named = {character.name for character in extraction.characters}
        named.update(extraction.referenced_names())
        self._present |= named - absent
        for name in absent:
            self._forms[name].add(name)
        for character in extraction.characters if absent else ():
            if character.name in absent:
                self._forms[character.name].update(a for a in character.aliases if not is_generic(a))

    def not_in_book(
        self, node_key: Callable[[str], NodeKey], known: Iterable[str], find_in_text: FindInText
    ) -> set[NodeKey]:
        """Return the node keys of the characters that are nowhere in the book.

        These are present in no chapter, not among the names ``known``, and ``find_in_text`` finds none of
        their names. ``node_key``: name → key of its node.
        """
        present = {node_key(name) for name in self._present.union(known)} if self._forms else ()
        absent: dict[NodeKey, set[str]] = defaultdict(set)
        for name, forms in self._forms.items():
            if (found := node_key(name)) not in present:
                absent[found] |= forms
        in_text = set(find_in_text(sorted(set().union(*absent.values())))) if absent else set()
        return {found for found, forms in absent.items() if not forms & in_text}
