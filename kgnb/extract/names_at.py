"""The name table of a book as a reader of its first chapters knows it, without later revelations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import NameEntry


def names_at(entries: Iterable[NameEntry], chapter: int) -> list[NameEntry]:
    """Return the entries with only those names that a reader of chapter ``chapter`` (number) knows to be
    theirs.

    A form that is only later known to be an entry's becomes an entry of its own, unless another entry already
    has it. See :func:`entry_at` for an example.
    """
    divided = [entry_at(entry, chapter) for entry in entries]
    known = {(one.kind, form) for one, *_ in divided for form in (one.name, *one.aliases)}
    later = {(one.kind, one.name): one for _, *others in divided for one in others}
    return [one for one, *_ in divided] + [one for key, one in later.items() if key not in known]


def entry_at(entry: NameEntry, chapter: int) -> tuple[NameEntry, ...]:
    """Return the entry with the names known in chapter ``chapter``, and behind it an entry for each name that
    is only later known to be the same person's.

    Tom Dale with aliases Tom and Mr. Dale, known since chapters 3, 1 and 5: in chapter 3 → Tom Dale (alias
    Tom), Mr. Dale; in chapter 1 → Tom, Tom Dale, Mr. Dale; in chapter 5 → the entry itself. If no name is
    known yet, the first to be known stays. Generic words stay aliases.
    """
    since = entry.since
    forms = (entry.name, *entry.aliases)
    if not any(since.get(form, 0) > chapter for form in forms):
        return (entry,)
    names = [form for form in forms if not is_generic(form)] or list(forms)
    known = [form for form in names if since.get(form, 0) <= chapter]
    known = known or [min(names, key=lambda form: since[form])]
    own = [form for form in names if form not in known]
    known += [form for form in forms if form not in names]
    return (_with_forms(entry, known), *(_alone(entry.kind, form, since) for form in own))


def _with_forms(entry: NameEntry, forms: list[str]) -> NameEntry:
    """Return the entry with ``forms`` alone: the first as its name, the others as aliases."""
    reasons = tuple(one for one in entry.reasons if one[0] in forms and one[1] in forms)
    since = {form: entry.since[form] for form in forms if form in entry.since}
    return replace(entry, name=forms[0], aliases=tuple(forms[1:]), reasons=reasons, since=since)


def _alone(kind: str, form: str, since: Mapping[str, int]) -> NameEntry:
    """Return an entry with one name, first mentioned in the chapter since which it is known."""
    return NameEntry(
        form, kind=kind, mentions=1, first_chapter=since[form], last_chapter=since[form], chapters=1
    )
