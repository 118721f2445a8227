"""An Obsidian vault: the author's kit as a note for each part and each entity, linked with each other."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from itertools import chain, count

from kgnb.core.messages import say
from kgnb.render.export.markdown_format import body, escape, inline, section_text
from kgnb.render.kit.document import Kit, Link

LONGEST = 60
"""Characters of a note's file name: at most 240 bytes, as file systems take 255."""

_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*#^\[\]%]+')
"""What Windows forbids in a file's name, or Obsidian's links read as something else."""
_RESERVED = re.compile(r"(?i)(CON|PRN|AUX|NUL|COM\d|LPT\d)(\..*)?$")
"""Names that Windows keeps for devices, with any ending."""


def to_vault(kit: Kit) -> dict[str, str]:
    """Return path within the vault → text of the note: the contents ``TITLE.md``, and ``PART/NAME.md`` for
    each entity of a part, in file names without the characters that a file system refuses.

    Note names are unique in the whole vault, also without regard to case, so that a name works as a link.
    """
    entities = [(one, part.title) for part in kit.parts for one in part.sections if one.ref]
    titles = [kit.title, *(part.title for part in kit.parts), *(one.title for one, _ in entities)]
    start, *names = file_names(titles)
    parts, notes = list(zip(kit.parts, names, strict=False)), names[len(kit.parts) :]
    named = {one.ref: name for (one, _), name in zip(entities, notes, strict=True)}

    def link(to: Link) -> str:
        return f"[[{named[to.ref]}]]" if to.ref in named else escape(to.text)

    about = [f"{inline(one.parts, link)}\n\n" for one in kit.about]
    made = {start: _note(say("kit.contents"), (), [*about, *(f"- [[{name}]]\n" for _, name in parts)])}
    for part, name in parts:
        within = (text for one in part.sections if not one.ref for text in section_text(one, link))
        made[name] = _note(part.title, (), [*body(part, link), *within])
    folders = dict(zip((part.title for part, _ in parts), names, strict=False))
    for (one, kind), name in zip(entities, notes, strict=True):
        within = (text for inner in one.sections for text in section_text(inner, link))
        made[f"{folders[kind]}/{name}"] = _note(kind, one.aliases, [*body(one, link), *within])
    return {f"{path}.md": text for path, text in made.items()}


def file_names(titles: Iterable[str]) -> list[str]:
    """Return a file name without ending for each title, in order, valid on every system; equal titles get
    different names (also without regard to case).
    """
    taken: set[str] = set()
    return [_unique(title, taken) for title in titles]


def _note(tag: str, aliases: Iterable[str], lines: Iterable[str]) -> str:
    """A note with its front matter: JSON, which YAML reads as it is."""
    tags, others = (json.dumps(list(found), ensure_ascii=False) for found in ([tag], aliases))
    return f"---\ntags: {tags}\naliases: {others}\n---\n{''.join(lines)}"


def _unique(title: str, taken: set[str]) -> str:
    """A file name like the title that none of those ``taken`` is; it is added to them."""
    name = _NOT_IN_NAMES.sub("_", unicodedata.normalize("NFC", title)).lstrip(".")[:LONGEST].rstrip(". ")
    name = f"_{name}" if not name.strip() or _RESERVED.match(name) else name.strip()
    numbered = chain([name], (f"{name} ({number})" for number in count(2)))
    made = next(one for one in numbered if one.casefold() not in taken)
    taken.add(made.casefold())
    return made
