"""Books in SQL: import with identity and editions, novels, chapters, texts, and the novel's name table."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from kgnb.book.model import Book, BookChapter
from kgnb.core.errors import InputError
from kgnb.core.model import Chapter, Novel, beijing_now
from kgnb.extract.model import NameEntry
from kgnb.stores.ledger import editions
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import Database, Row, storable, upsert
from kgnb.stores.ledger.migrations import content_hash
from kgnb.stores.ledger.names import extend_names, read_names

PAGE = 500
"""Ids in one IN list."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. ``known``: this very text was there; ``edition``: another text of the novel was.

    ``new_chapters`` counts chapters that were added or whose text changed.
    """

    novel_id: int
    known: bool
    edition: bool
    new_chapters: int
    chapters: list[Chapter]


class Books:
    """The part of the ledger that knows books."""

    def __init__(self, sql: Database) -> None:
        self._sql = sql

    async def import_book(self, book: Book, *, file_path: str = "", file_size: int = 0) -> Imported:
        """Stores ``book`` once, in one transaction: nothing of it is there if anything fails.

        The same text finds its novel. Another text is an edition of a novel that kgnb imported if title and
        author agree (an author that isn't known agrees with nobody) and passages too, or if half of its
        chapters' texts occur there; it adds only new chapters and changes those of the same number.
        """
        try:
            return await self._sql.run(lambda c: self._import(c, book, file_path, file_size))
        except sa.exc.IntegrityError:  # another process stored the same text meanwhile: now it is found
            return await self._sql.run(lambda c: self._import(c, book, file_path, file_size))

    def _import(self, c: sa.Connection, book: Book, path: str, size: int) -> Imported:
        hashes = [chapter.hash for chapter in book.chapters]
        novel_id = _by_text(c, book)
        known = novel_id is not None
        if novel_id is None:
            novel_id = _edition_of(c, book, hashes)
        edition = novel_id is not None and not known
        if novel_id is None:
            novel_id = self._sql.insert(c, t.novels, [_novel_row(book, path, size)])
        else:  # two imports of one novel take turns
            c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())
        changed = self._write_chapters(c, novel_id, book, hashes)
        if changed:
            _count_chapters(c, novel_id)
        row = {"sha256": book.sha256, "novel_id": novel_id, "lang": book.lang, "edition": int(edition)}
        if not known:
            c.execute(sa.insert(t.books).values(**row, created_at=beijing_now()))
        return Imported(novel_id, known, edition, changed, _chapters(c, novel_id))

    def _write_chapters(self, c: sa.Connection, novel_id: int, book: Book, hashes: Sequence[str]) -> int:
        now = beijing_now()
        plan = _plan(_present(c, novel_id), book.chapters, hashes)
        for chapter, chapter_id in plan.changed:
            values = _chapter_row(novel_id, chapter, book.lang)
            c.execute(sa.update(t.chapters).where(t.chapters.c.id == chapter_id).values(**values))
        for chapter, chapter_id in plan.renumbered:
            values = {"chapter_number": chapter.number, "title": chapter.title[:255]}
            c.execute(sa.update(t.chapters).where(t.chapters.c.id == chapter_id).values(**values))
        before = c.scalar(sa.select(sa.func.max(t.chapters.c.id))) or 0
        for start in range(0, len(plan.new), PAGE):  # each with a copy of its text
            page = plan.new[start : start + PAGE]
            rows = [_chapter_row(novel_id, chapter, book.lang) | {"created_at": now} for chapter in page]
            self._sql.insert(c, t.chapters, rows)
        if plan.new or plan.changed:
            _remember_hashes(c, novel_id, before, plan)
        return len(plan.new) + len(plan.changed)

    async def find_book(self, sha256: str) -> int | None:
        """The novel that the text of this hash was imported as; None when it is unknown."""
        query = sa.select(t.books.c.novel_id).where(t.books.c.sha256 == sha256)
        return await self._sql.run(
            lambda c: next(iter(_living(c, c.scalars(query).all())), None), write=False
        )

    async def novel(self, novel_id: int) -> Novel:
        """The novel; raises InputError when there is none of this id."""
        row = await self._sql.run(
            lambda c: c.execute(sa.select(t.novels).where(t.novels.c.id == novel_id)).mappings().first(),
            write=False,
        )
        if row is None:
            raise InputError("ledger.no_novel", novel=novel_id)
        return Novel(row["id"], row["title"] or "", row["author"] or "")

    async def novels(self, limit: int = 100) -> list[Novel]:
        """Novels, newest first."""
        query = sa.select(t.novels).where(_alive()).order_by(t.novels.c.id.desc()).limit(limit)
        rows = await self._sql.run(lambda c: c.execute(query).mappings().all(), write=False)
        return [Novel(r["id"], r["title"] or "", r["author"] or "") for r in rows]

    async def chapters(
        self, novel_id: int, ids: Iterable[int] | None = None, *, first: int | None = None
    ) -> list[Chapter]:
        """The novel's chapters in order, or the ``first`` so many; those of ``ids`` among them."""
        wanted = None if ids is None else set(ids)
        found = await self._sql.run(lambda c: _chapters(c, novel_id, first), write=False)
        return [chapter for chapter in found if wanted is None or chapter.id in wanted]

    async def texts(self, chapter_ids: Iterable[int]) -> dict[int, str]:
        """The text of each chapter that is there, by id."""
        ids = list(dict.fromkeys(chapter_ids))
        return await self._sql.run(lambda c: _texts(c, ids), write=False)

    async def text_state(self, novel_id: int) -> str:
        """What changes whenever a chapter of the novel does: sha256 (hex) of their numbers and texts."""
        return await self._sql.run(lambda c: text_state(c, novel_id), write=False)

    # --- the novel's name table

    async def names(self, novel_id: int) -> list[NameEntry]:
        """The novel's name table, most mentioned first."""
        return await self._sql.run(lambda c: read_names(c, novel_id), write=False)

    async def learn_names(self, novel_id: int, entries: Sequence[NameEntry]) -> None:
        """Extends the name table until the book's next pre-scan; tasks under way keep their prompts."""
        await self._sql.run(lambda c: extend_names(c, novel_id, entries))


# --- import -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Plan:
    changed: list[tuple[BookChapter, int]]
    renumbered: list[tuple[BookChapter, int]]
    new: list[BookChapter]
    hashes: dict[int, str]  # of chapter number, for new and changed ones


def _alive() -> sa.ColumnElement[bool]:
    return sa.func.coalesce(t.novels.c.is_deleting, 0) == 0


def _living(c: sa.Connection, novel_ids: Sequence[int]) -> set[int]:
    query = sa.select(t.novels.c.id).where(t.novels.c.id.in_(novel_ids), _alive())
    return set(c.scalars(query))


def _by_text(c: sa.Connection, book: Book) -> int | None:
    """The novel that this very text was imported as."""
    found = c.scalar(sa.select(t.books.c.novel_id).where(t.books.c.sha256 == book.sha256))
    if found is None or found in _living(c, [found]):
        return found
    c.execute(sa.delete(t.books).where(t.books.c.novel_id == found))  # main deleted that novel
    return None


def _edition_of(c: sa.Connection, book: Book, hashes: Sequence[str]) -> int | None:
    """The novel of kgnb's own that this unknown text is an edition of. Main's own imports are left alone:
    their chapters may be cut otherwise, and an edition writes over chapters."""
    same = sa.select(t.novels.c.id, t.novels.c.title, t.novels.c.author).where(
        t.novels.c.title == book.title[:255], t.novels.c.id.in_(sa.select(t.books.c.novel_id)), _alive()
    )
    for novel_id, title, author in c.execute(same.order_by(t.novels.c.id)):
        named = book.author and (title, author) == (book.title[:255], book.author[:255])  # collations aside
        if named and _same_work(c, novel_id, book):
            return int(novel_id)
    distinct = list(set(hashes))
    shared: dict[int, set[str]] = defaultdict(set)
    for start in range(0, len(distinct), PAGE):
        page = t.chapter_hashes.c.text_hash.in_(distinct[start : start + PAGE])
        pairs = sa.select(t.chapter_hashes.c.novel_id, t.chapter_hashes.c.text_hash).where(page)
        for novel_id, text_hash in c.execute(pairs):
            shared[novel_id].add(text_hash)
    living = _living(c, list(shared))
    best = max((n for n in shared if n in living), key=lambda n: (len(shared[n]), -n), default=None)
    return best if best is not None and 2 * len(shared[best]) >= len(distinct) else None


def _same_work(c: sa.Connection, novel_id: int, book: Book) -> bool:
    ids = editions.spread([chapter_id for chapter_id, _, _ in _present(c, novel_id)])
    return editions.same_work(_texts(c, ids).values(), book)


def _present(c: sa.Connection, novel_id: int) -> list[tuple[int, int, str]]:
    """(id, number, hash) of the novel's chapters in order, hashed as they are now."""
    query = sa.select(t.chapters.c.id, t.chapters.c.chapter_number, content_hash(c))
    query = query.where(t.chapters.c.novel_id == novel_id).order_by(
        t.chapters.c.chapter_number, t.chapters.c.id
    )
    return [(i, n or 0, h) for i, n, h in c.execute(query)]


def _plan(
    present: Sequence[tuple[int, int, str]], chapters: Sequence[BookChapter], hashes: Sequence[str]
) -> _Plan:
    """Matches by text first (so that an inserted chapter changes none behind it), then by number."""
    by_hash: dict[str, list[tuple[int, int]]] = defaultdict(list)
    left = {chapter_id: number for chapter_id, number, _ in present}
    for chapter_id, number, text_hash in present:
        by_hash[text_hash].append((chapter_id, number))
    kept: list[tuple[BookChapter, int, int]] = []
    rest: list[tuple[BookChapter, str]] = []
    for chapter, text_hash in zip(chapters, hashes, strict=True):
        twins = by_hash[text_hash]
        if not twins:
            rest.append((chapter, text_hash))
            continue
        pick = next((x for x in twins if x[1] == chapter.number), twins[0])
        twins.remove(pick)
        left.pop(pick[0])
        kept.append((chapter, *pick))
    by_number = {number: chapter_id for chapter_id, number in reversed(left.items())}
    changed = [(c, by_number.pop(c.number)) for c, _ in rest if c.number in by_number]
    gone = len(left) > len(changed)  # this edition lacks chapters: then numbers in use stay
    moved = [] if gone else [(c, i) for c, i, number in kept if number != c.number]
    altered = {c.number for c, _ in changed}
    new = [c for c, _ in rest if c.number not in altered]
    return _Plan(changed, moved, new, {c.number: h for c, h in rest})


def _remember_hashes(c: sa.Connection, novel_id: int, before: int, plan: _Plan) -> None:
    fresh = sa.select(t.chapters.c.id, t.chapters.c.chapter_number).where(
        t.chapters.c.novel_id == novel_id, t.chapters.c.id > before
    )
    ids = [(i, n) for i, n in c.execute(fresh)] + [(i, chapter.number) for chapter, i in plan.changed]
    rows = [{"chapter_id": i, "novel_id": novel_id, "text_hash": plan.hashes[n]} for i, n in ids]
    upsert(c, t.chapter_hashes, rows, lambda _, new: {"text_hash": new.text_hash, "novel_id": new.novel_id})


def _novel_row(book: Book, path: str, size: int) -> Row:
    now = beijing_now()
    return {
        "title": book.title[:255],
        "author": book.author[:255],
        "description": "",
        "file_path": storable(path)[:500],
        "file_size": size,
        "total_chapters": 0,
        "total_word_count": 0,
        "tags": [],
        "is_deleting": 0,
        "chapters_parsed": 1,
        "created_at": now,
        "updated_at": now,
    }


def _chapter_row(novel_id: int, chapter: BookChapter, lang: str) -> dict[str, object]:
    words = len(chapter.text.split()) if lang == "en" else len("".join(chapter.text.split()))
    return {
        "novel_id": novel_id,
        "title": chapter.title[:255],
        # A copy: SQLite's driver leaves the UTF-8 in the very text that it is given.
        "content": chapter.text.encode().decode(),
        "chapter_number": chapter.number,
        "word_count": words,
    }


def _count_chapters(c: sa.Connection, novel_id: int) -> None:
    counts = sa.select(sa.func.count(), sa.func.sum(t.chapters.c.word_count))
    number, words = c.execute(counts.where(t.chapters.c.novel_id == novel_id)).one()
    values = {"total_chapters": number, "total_word_count": int(words or 0), "updated_at": beijing_now()}
    c.execute(sa.update(t.novels).where(t.novels.c.id == novel_id).values(**values))


def take_up_book(sql: Database, c: sa.Connection, book: Book) -> tuple[int, bool, list[int]]:
    """(novel, whether it was there, ids of the book's chapters): a record's book, which changes no other.

    The very same text finds its novel; any other text is a novel of its own.
    """
    hashes = [(chapter.number, chapter.hash) for chapter in book.chapters]
    known = _by_text(c, book)
    for there in [known, *_taken_up(c, known, hashes)] if known is not None else ():
        present = {(number, text_hash): i for i, number, text_hash in _present(c, there)}
        if all(one in present for one in hashes):
            return there, True, [present[one] for one in hashes]
    novel_id = sql.insert(c, t.novels, [_novel_row(book, "", 0)])
    now = beijing_now()
    rows = [_chapter_row(novel_id, one, book.lang) | {"created_at": now} for one in book.chapters]
    sql.insert(c, t.chapters, rows)
    _count_chapters(c, novel_id)
    ids = {number: i for i, number, _ in _present(c, novel_id)}
    remembered = [{"chapter_id": ids[n], "novel_id": novel_id, "text_hash": h} for n, h in hashes]
    upsert(c, t.chapter_hashes, remembered, lambda _, new: {"text_hash": new.text_hash})
    if known is None:
        row = {"sha256": book.sha256, "novel_id": novel_id, "lang": book.lang, "edition": 0}
        c.execute(sa.insert(t.books).values(**row, created_at=now))
    return novel_id, False, [ids[n] for n, _ in hashes]


def _taken_up(c: sa.Connection, known: int, hashes: Sequence[tuple[int, str]]) -> list[int]:
    """Other novels that may be the record's: its text was ``known`` by then, with other chapters."""
    h = t.chapter_hashes.c
    first = [text_hash for _, text_hash in hashes[:1]]
    found = c.scalars(sa.select(h.novel_id).where(h.text_hash.in_(first), h.novel_id != known).distinct())
    return sorted(_living(c, list(found)))


# --- reading ------------------------------------------------------------------------------------------------


def _chapters(c: sa.Connection, novel_id: int, first: int | None = None) -> list[Chapter]:
    k = t.chapters.c
    query = sa.select(k.id, k.novel_id, k.chapter_number, k.title, k.word_count)
    query = query.where(k.novel_id == novel_id).order_by(k.chapter_number, k.id).limit(first)
    return [
        Chapter(i, novel, number or 0, title or "", words or 0)
        for i, novel, number, title, words in c.execute(query)
    ]


def _texts(c: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(ids), PAGE):
        page = t.chapters.c.id.in_(ids[start : start + PAGE])
        rows = c.execute(sa.select(t.chapters.c.id, t.chapters.c.content).where(page))
        found.update((i, content or "") for i, content in rows)
    return found


def text_state(c: sa.Connection, novel_id: int) -> str:
    """See :meth:`Books.text_state`."""
    lines = (f"{number} {text_hash}" for _, number, text_hash in _present(c, novel_id))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def replace_names(c: sa.Connection, novel_id: int, entries: Sequence[NameEntry], state: str) -> None:
    """Makes a pre-scan's ``entries`` the table: it is what the present text gives, however the book grew.

    A scan of another ``state`` of the text leaves a table that is there.
    """
    c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())  # taking turns
    mine = t.names.c.novel_id == novel_id
    there = c.scalar(sa.select(sa.func.count()).select_from(t.names).where(mine))
    if there and state != text_state(c, novel_id):
        return
    c.execute(sa.delete(t.names).where(mine))
    extend_names(c, novel_id, entries)
