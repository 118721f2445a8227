"""Write a reply's names in the script of the chapter it was asked about.

Models tend to answer a traditional text in simplified characters; names are shown as the book writes them.
"""

from __future__ import annotations

from kgnb.extract.model import Extraction
from kgnb.extract.renaming import renamed
from kgnb.extract.zh.script import fold


def in_original_script(extraction: Extraction, text: str) -> Extraction:
    """Return the extraction with names that ``text`` has in the other Chinese script as written there.

    The reply's own form stays an alias. A name that occurs as it is, or in neither script, is left alone.
    """
    folded_text = fold(text)

    def original(name: str) -> str:
        if name.isascii() or name in text:
            return name
        at = folded_text.find(folded := fold(name))
        return text[at : at + len(folded)] if at >= 0 and folded else name

    if folded_text == text:
        names = "\n".join(_names(extraction))  # one fold, not one for each
        if fold(names) == names:
            return extraction
    return renamed(extraction, original)


def _names(found: Extraction) -> list[str]:
    lists = (found.characters, found.locations, found.organizations, found.things)
    names = [item.name for items in lists for item in items]
    names += [alias for character in found.characters for alias in character.aliases]
    return names + [event.location for event in found.events] + found.referenced_names()
