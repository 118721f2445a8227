"""A reply's names in the script of the chapter that it was asked about. Pure.

Models like to answer a traditional text in simplified characters; what is shown is how the book writes it.
"""

from __future__ import annotations

from kgnb.extract.model import Extraction
from kgnb.extract.renaming import renamed
from kgnb.extract.zh.script import fold


def as_written(found: Extraction, text: str) -> Extraction:
    """The extraction with each name that stands in ``text`` in the other Chinese script as it stands there.

    The reply's own form stays an alias. A name that stands in the text, or in neither script, stays as it is.
    """
    plain = fold(text)

    def of(name: str) -> str:
        if name.isascii() or name in text:
            return name
        at = plain.find(folded := fold(name))
        return text[at : at + len(folded)] if at >= 0 and folded else name

    return found if plain == text and _is_simplified(found) else renamed(found, of)


def _is_simplified(found: Extraction) -> bool:
    names = "\n".join(_names(found))  # one look, not one for each
    return fold(names) == names


def _names(found: Extraction) -> list[str]:
    names = [x.name for x in found.characters] + [x.name for x in found.locations]
    names += [x.name for x in found.organizations] + [x.name for x in found.things]
    names += [alias for character in found.characters for alias in character.aliases]
    names += [name for relation in found.relations for name in (relation.source, relation.target)]
    return names + [name for event in found.events for name in (event.location, *event.participants)]
