"""A book's names as a reader of its first chapters knows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import NameEntry


def names_at(entries: Iterable[NameEntry], chapter: int) -> list[NameEntry]:
    """Return the entries with the forms that are known to be theirs in ``chapter``, as :func:`entry_at` does.

    A form that will be somebody's later, and is somebody else's now, is not one more person.
    """
    divided = [entry_at(entry, chapter) for entry in entries]
    known = {(one.kind, form) for one, *_ in divided for form in (one.name, *one.aliases)}
    later = {(one.kind, one.name): one for _, *others in divided for one in others}
    return [one for one, *_ in divided] + [one for key, one in later.items() if key not in known]


def entry_at(entry: NameEntry, chapter: int) -> tuple[NameEntry, ...]:
    """Return the entry with the forms that are known in ``chapter``, called by the first of them, and behind
    it one entry for each form of which it is only known later whose it is.

    Where none is known yet it keeps the form that will be the first. A generic word, which names nobody by
    itself, stays with the entry and gives it no name.
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
    reasons = tuple(one for one in entry.reasons if one[0] in forms and one[1] in forms)
    since = {form: entry.since[form] for form in forms if form in entry.since}
    return replace(entry, name=forms[0], aliases=tuple(forms[1:]), reasons=reasons, since=since)


def _alone(kind: str, form: str, since: Mapping[str, int]) -> NameEntry:
    return NameEntry(
        form, kind=kind, mentions=1, first_chapter=since[form], last_chapter=since[form], chapters=1
    )
