"""Books in SQL: import with identity and editions, novels, chapters and their texts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from kgnb.book.edition import ChapterPlan, StoredChapter, StoredNovel, Verdict, judge, plan_chapters
from kgnb.book.model import Book, BookChapter, count_words
from kgnb.core.errors import InputError
from kgnb.core.labels import Lang, language_of
from kgnb.core.model import Chapter, Novel, beijing_now
from kgnb.extract.zh.script import fold
from kgnb.graph.resolve.decisions import GONE
from kgnb.stores.ledger import tables as t
from kgnb.stores.ledger.database import (
    Database,
    DatabasePart,
    Row,
    pages,
    reading,
    storable,
    transaction,
    upsert,
)
from kgnb.stores.ledger.migrations import content_hash

IDS_PER_STATEMENT = 500
LANGUAGE_CHAPTERS = 3
"""Chapters from which a book's language is detected."""
SAMPLED_CHAPTERS = 8
"""Of a stored novel, when it is compared with a new text."""
COMPARED_NOVELS = 8
"""Most novels that a new text is compared with, those that share most chapters with it first."""


@dataclass(frozen=True, slots=True)
class ImportedBook:
    """An imported book's novel, chapters in order, and its title as stored.

    ``before``: its (title, author) before this import gave it another, as the user said; else None.
    ``plan``: what was done to its chapters. ``similar``: another novel (id, title) of which this may be an
    edition.
    """

    novel_id: int
    chapters: list[Chapter]
    title: str
    before: tuple[str, str] | None = None
    plan: ChapterPlan | None = field(default=None, compare=False)
    similar: tuple[int, str] | None = field(default=None, compare=False)


class ChapterTexts:
    """(chapter number, text) of chapters, read page by page while iterated: a long book's texts never lie in
    memory together.

    Iterating blocks (use a thread) and raises ServiceDown like any read.
    """

    def __init__(self, database: Database, chapters: Sequence[Chapter]) -> None:
        self._database = database
        self._chapters = chapters

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for page in pages(self._chapters, IDS_PER_STATEMENT):
            read = partial(read_texts, chapter_ids=[chapter.id for chapter in page])
            texts = self._database.run_blocking(read, write=False)
            yield from ((chapter.number, texts.get(chapter.id, "")) for chapter in page)


class Books(DatabasePart):
    """Novels, chapters, and kgnb's hashes of them."""

    async def import_book(self, book: Book, *, file_path: str = "", file_size: int = 0) -> ImportedBook:
        """Store ``book`` in one transaction; return its novel, whether it is new, and its chapters.

        The same text finds its novel. Another text is an edition of a novel that kgnb imported where the user
        (``book.edition_of``) or :func:`kgnb.book.edition.judge` says so: the novel has that text's chapters
        from then on, and what was extracted from others counts again once they are back. The stored title and
        author stay, unless the user gave others. Raises InputError where ``edition_of`` is no novel that kgnb
        imported.
        """
        try:
            return await self._import(book, file_path, file_size)
        except sa.exc.IntegrityError:  # another process stored the same text meanwhile: now it is found
            return await self._import(book, file_path, file_size)

    @transaction
    def _import(self, c: sa.Connection, book: Book, file_path: str, file_size: int) -> ImportedBook:
        """Store a book in one transaction; see :meth:`import_book`."""
        known = _novel_of_text(c, book)
        earlier, similar = (known, None) if known and not book.edition_of else _find_edition(c, book)
        novel_id = earlier or self._database.insert(c, t.novels, [_novel_row(book, file_path, file_size)])
        chapters, plan = _write_chapters(self._database, c, novel_id, book)
        if known is None:
            _insert_book(c, novel_id, book, edition=earlier is not None)
        elif plan.changes_anything or known != novel_id:  # an earlier text again, or the user's word
            values = {"created_at": beijing_now()} | ({} if known == novel_id else {"edition": 1})
            its = t.books.c.sha256 == book.sha256
            c.execute(sa.update(t.books).where(its).values(novel_id=novel_id, **values))
        title, before = _rename(c, novel_id, book) if earlier else (book.title[:255], None)
        return ImportedBook(novel_id, chapters, title, before, plan, similar)

    @reading
    def find_novel_id(self, c: sa.Connection, sha256: str) -> int | None:
        """Return the id of the novel that a text was imported as; None for an unknown text.

        ``sha256``: hash of the text in hex.
        """
        found = c.scalars(sa.select(t.books.c.novel_id).where(t.books.c.sha256 == sha256)).all()
        return next(iter(existing_novels(c, found)), None)

    @reading
    def novel(self, c: sa.Connection, novel_id: int) -> Novel:
        """Return the novel. Raises InputError for an unknown id."""
        return read_novel(c, novel_id)

    @reading
    def chapters(self, c: sa.Connection, novel_id: int, ids: Collection[int] | None = None) -> list[Chapter]:
        """Return the novel's chapters sorted by number; only the chapters with these ``ids``, if given."""
        found = _read_chapters(c, novel_id)
        wanted = None if ids is None else set(ids)
        return [chapter for chapter in found if wanted is None or chapter.id in wanted]

    @reading
    def texts(self, c: sa.Connection, chapter_ids: Sequence[int]) -> dict[int, str]:
        """Return chapter id → text, for the chapters that exist; "" for a chapter without a text."""
        return read_texts(c, chapter_ids)

    @reading
    def language(self, c: sa.Connection, novel_id: int) -> Lang:
        """Return "zh" or "en" by the novel's first three chapters (``LANGUAGE_CHAPTERS``) in one text; see
        :func:`language`.
        """
        k = t.chapters.c
        query = sa.select(sa.func.coalesce(k.content, "")).where(k.novel_id == novel_id)
        return language_of(
            "".join(c.scalars(query.order_by(k.chapter_number, k.id).limit(LANGUAGE_CHAPTERS)))
        )

    @reading
    def chars(self, c: sa.Connection, novel_id: int) -> int:
        """Return the sum of the word counts of the novel's chapters; 0 for an unknown novel."""
        k = t.chapters.c
        return int(c.scalar(sa.select(sa.func.sum(k.word_count)).where(k.novel_id == novel_id)) or 0)

    def texts_blocking(self, novel_id: int) -> ChapterTexts:
        """Return an iterable of (chapter number, text) in the order of the chapters, which reads the texts
        page by page. Blocks.
        """
        read = partial(_read_chapters, novel_id=novel_id)
        return ChapterTexts(self._database, self._database.run_blocking(read, write=False))

    @reading
    def text_digest(self, c: sa.Connection, novel_id: int) -> str:
        """Return the sha256 (hex) of the numbers and texts of the novel's chapters: it changes with any
        text.
        """
        return text_digest(c, novel_id)

    @reading
    def newest_text(self, c: sa.Connection, novel_id: int) -> dict[str, str]:
        """Return ``{"sha256": …, "lang": …}`` of the novel's newest text; {} for a novel that kgnb
        didn't import.
        """
        b = t.books.c
        query = sa.select(b.sha256, b.lang).where(b.novel_id == novel_id).order_by(b.created_at.desc())
        row = c.execute(query).mappings().first()
        return dict(row) if row else {}


# --- import -------------------------------------------------------------------------------------------------


def novel_not_deleting() -> sa.ColumnElement[bool]:
    """Return the SQL condition that main isn't deleting the novel."""
    return sa.func.coalesce(t.novels.c.is_deleting, 0) == 0


def lock_novel(c: sa.Connection, novel_id: int) -> None:
    """Lock the novel's row until the commit, so that writers of its chapters, names or decisions take
    turns.
    """
    c.execute(sa.select(t.novels.c.id).where(t.novels.c.id == novel_id).with_for_update())


def existing_novels(c: sa.Connection, novel_ids: Collection[int]) -> set[int]:
    """Return the ids of ``novel_ids`` that exist and that main isn't deleting."""
    if not novel_ids:
        return set()
    query = sa.select(t.novels.c.id).where(t.novels.c.id.in_(list(novel_ids)), novel_not_deleting())
    return set(c.scalars(query))


def _novel_of_text(c: sa.Connection, book: Book) -> int | None:
    """Return the id of the novel that this very text was imported as; None for none, or a deleted one."""
    found = c.scalar(sa.select(t.books.c.novel_id).where(t.books.c.sha256 == book.sha256))
    if found is None or found in existing_novels(c, [found]):
        return found
    c.execute(sa.delete(t.books).where(t.books.c.novel_id == found))  # main deleted that novel
    return None


def _rename(c: sa.Connection, novel_id: int, book: Book) -> tuple[str, tuple[str, str] | None]:
    """Give the novel, and tasks named after it, the title and author that the user gave; return its title,
    and (title, author) before, None if nothing changed.
    """
    n, k = t.novels.c, t.tasks.c
    title, author = c.execute(sa.select(n.title, n.author).where(n.id == novel_id)).one()
    title, author = title or "", author or ""
    new = (book.given_title[:255] or title, book.given_author[:255] or author)
    if new == (title, author):
        return title, None
    values = {"title": new[0], "author": new[1], "updated_at": beijing_now()}
    c.execute(sa.update(t.novels).where(n.id == novel_id).values(**values))
    named = (k.novel_id == novel_id) & (k.task_name == title)
    c.execute(sa.update(t.tasks).where(named).values(task_name=new[0]))
    return new[0], (title, author)


def _find_edition(c: sa.Connection, book: Book) -> tuple[int | None, tuple[int, str] | None]:
    """Return (id of the novel of which this text is an edition or None, (id, title) of a novel of which it
    may be one or None).

    Only novels that kgnb imported count: main may split chapters differently. Raises InputError for an
    unknown ``edition_of``.
    """
    n = t.novels.c
    query = sa.select(n.id, n.title, n.author).where(n.id.in_(sa.select(t.books.c.novel_id)))
    novels = {
        i: (title or "", author or "") for i, title, author in c.execute(query.where(novel_not_deleting()))
    }
    if book.edition_of:
        if book.edition_of not in novels:
            raise InputError("ledger.no_novel", novel=book.edition_of)
        return book.edition_of, None
    similar = None
    for novel_id in _candidates(c, book, novels):
        sample = partial(_sample, c, novel_id)
        title, author = novels[novel_id]
        verdict = judge(book, StoredNovel(title, author, _lengths(c, novel_id)), sample, fold)
        if verdict is Verdict.EDITION:
            return novel_id, None
        if verdict is Verdict.UNSURE:
            similar = similar or (novel_id, title)
    return None, similar


def _candidates(c: sa.Connection, book: Book, novels: Mapping[int, tuple[str, str]]) -> list[int]:
    """Return the ids of novels with the book's title or some of its chapters, most shared chapters first, at
    most COMPARED_NOVELS.
    """
    h = t.chapter_hashes.c
    shared: Counter[int] = Counter()
    for page in pages(list({chapter.hash for chapter in book.chapters}), IDS_PER_STATEMENT):
        query = sa.select(h.novel_id, sa.func.count(h.text_hash.distinct()))
        counts = c.execute(query.where(h.text_hash.in_(page)).group_by(h.novel_id))
        shared.update({i: count for i, count in counts if i in novels})
    title = fold(book.title[:255])
    found = {i for i, (stored, _) in novels.items() if fold(stored) == title} | shared.keys()
    return sorted(found, key=lambda i: (-shared[i], i))[:COMPARED_NOVELS]


def _lengths(c: sa.Connection, novel_id: int) -> dict[str, int]:
    """Return hash of the text → number of words, for a novel's chapters."""
    query = sa.select(content_hash(c), sa.func.coalesce(t.chapters.c.word_count, 0))
    return dict(c.execute(query.where(t.chapters.c.novel_id == novel_id)).all())


def _sample(c: sa.Connection, novel_id: int) -> Iterable[str]:
    """Return the texts of some of the novel's chapters, from its beginning to its end."""
    ids = [one.id for one in _stored_chapters(c, novel_id)]
    sampled = ids[:: max(1, len(ids) // SAMPLED_CHAPTERS)][:SAMPLED_CHAPTERS]
    return read_texts(c, sampled).values()


def _stored_chapters(c: sa.Connection, novel_id: int) -> list[StoredChapter]:
    """Return the novel's chapters in order, each with the hash of its present text."""
    k = t.chapters.c
    query = sa.select(k.id, k.chapter_number, k.title, content_hash(c)).where(k.novel_id == novel_id)
    query = query.order_by(k.chapter_number, k.id)
    return [StoredChapter(i, number or 0, title or "", h) for i, number, title, h in c.execute(query)]


def _write_chapters(
    database: Database, c: sa.Connection, novel_id: int, book: Book
) -> tuple[list[Chapter], ChapterPlan]:
    """Make the novel's chapters those of the book; return them, and what was changed."""
    lock_novel(c, novel_id)
    stored = _stored_chapters(c, novel_id)
    plan = plan_chapters(stored, book.chapters)
    for page in pages([one.id for one in plan.removed], IDS_PER_STATEMENT):
        for column in (t.chapters.c.id, t.chapter_hashes.c.chapter_id):
            c.execute(sa.delete(column.table).where(column.in_(page)))
    for chapter, old in plan.changed:
        values = _chapter_row(novel_id, chapter, book.lang)
        c.execute(sa.update(t.chapters).where(t.chapters.c.id == old.id).values(**values))
    for one in plan.moved:
        values = {"chapter_number": one.number, "title": one.title}
        c.execute(sa.update(t.chapters).where(t.chapters.c.id == one.id).values(**values))
    earlier = _earlier_ids(c, novel_id, plan.new)
    _insert_chapters(database, c, novel_id, plan.new, book.lang, earlier)
    chapters = _read_chapters(c, novel_id)
    if plan.changes_anything:
        ids = {chapter.number: chapter.id for chapter in chapters}
        written = [*plan.new, *(chapter for chapter, _ in plan.changed)]
        _store_hashes(c, novel_id, [(chapter, ids[chapter.number]) for chapter in written])
        _store_counts(c, novel_id, chapters)
        _drop_early_names(c, novel_id)
        _move_decisions(c, novel_id, stored, chapters, book.chapters)
    return chapters, plan


def _insert_chapters(
    database: Database,
    c: sa.Connection,
    novel_id: int,
    chapters: Sequence[BookChapter],
    lang: Lang,
    earlier: Mapping[int, int],
) -> None:
    """Insert new chapters. A text that the novel had before gets its earlier id (by the chapter's number):
    what was extracted from it counts again."""
    now = beijing_now()
    for page in pages(chapters, IDS_PER_STATEMENT):  # each holds a copy of its texts
        rows = [_chapter_row(novel_id, chapter, lang) | {"created_at": now} for chapter in page]
        known = [
            row | {"id": earlier[row["chapter_number"]]} for row in rows if row["chapter_number"] in earlier
        ]
        database.insert(c, t.chapters, known)
        database.insert(c, t.chapters, [row for row in rows if row["chapter_number"] not in earlier])


def _earlier_ids(c: sa.Connection, novel_id: int, chapters: Sequence[BookChapter]) -> dict[int, int]:
    """Return number of a new chapter → id that its text had in the novel before, if there are extractions of
    it.
    """
    e = t.extractions.c
    query = sa.select(e.text_hash, e.chapter_id).where(e.novel_id == novel_id)
    removed = ~sa.exists().where(t.chapters.c.id == e.chapter_id)
    by_hash: dict[str, int] = dict(c.execute(query.where(removed)).all()) if chapters else {}
    by_id = {by_hash[chapter.hash]: chapter.number for chapter in chapters if chapter.hash in by_hash}
    return {number: i for i, number in by_id.items()}


def _move_decisions(
    c: sa.Connection,
    novel_id: int,
    before: Sequence[StoredChapter],
    after: Sequence[Chapter],
    book: Sequence[BookChapter],
) -> None:
    """Have decisions for a span of chapters hold for the same chapters under their new numbers. The texts
    (hashes) of those that left the book are kept with the decision, which holds for them when they are back.
    """
    d, numbers = t.name_decisions.c, {chapter.id: chapter.number for chapter in after}
    by_hash = {chapter.hash: chapter.number for chapter in book}
    last_before = max((one.number for one in before), default=0)
    query = sa.select(d.id, d.first_chapter, d.last_chapter, d.gone)
    query = query.where(d.novel_id == novel_id, d.first_chapter.is_not(None), d.undone_at.is_(None))
    for i, first, last, gone in c.execute(query).all():
        held = [one for one in before if first <= one.number <= last]
        left = {*json.loads(gone or "[]"), *(one.hash for one in held if one.id not in numbers)}
        span = [numbers[one.id] for one in held if one.id in numbers]
        span += [by_hash[text] for text in left if text in by_hash]
        ends = (min(span), max(span)) if span else GONE
        if last > last_before:  # an open end stays open
            ends = min(span, default=first), last
        texts = json.dumps(sorted(left - by_hash.keys()))
        values = {"first_chapter": ends[0], "last_chapter": ends[1], "gone": texts}
        c.execute(sa.update(t.name_decisions).where(d.id == i).values(**values))


def _store_hashes(c: sa.Connection, novel_id: int, chapters: Iterable[tuple[BookChapter, int]]) -> None:
    """Store the hashes of chapters with their ids."""
    rows = [{"chapter_id": i, "novel_id": novel_id, "text_hash": chapter.hash} for chapter, i in chapters]
    upsert(c, t.chapter_hashes, rows, lambda _, new: {"text_hash": new.text_hash, "novel_id": new.novel_id})


def _insert_book(c: sa.Connection, novel_id: int, book: Book, *, edition: bool) -> None:
    row = {"sha256": book.sha256, "novel_id": novel_id, "lang": book.lang, "edition": int(edition)}
    c.execute(sa.insert(t.books).values(**row, created_at=beijing_now()))


def _drop_early_names(c: sa.Connection, novel_id: int) -> None:
    """Have the text scanned anew for tasks whose names were frozen before they were opened."""
    f = t.task_facts.c
    opened = sa.exists().where(t.chapter_status.c.kg_task_id == f.task_id)
    early = f.novel_id == novel_id, f.names.is_not(None), ~opened
    c.execute(sa.update(t.task_facts).where(*early).values(names=None))


def _novel_row(book: Book, path: str, size: int) -> Row:
    """Return column → value of a new novel's row."""
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


def _chapter_row(novel_id: int, chapter: BookChapter, lang: Lang) -> dict[str, Any]:
    """Return column → value of a new chapter's row."""
    return {
        "novel_id": novel_id,
        "title": chapter.title[:255],
        # A copy: SQLite's driver caches the UTF-8 in the str object it is given.
        "content": chapter.text.encode().decode(),
        "chapter_number": chapter.number,
        "word_count": count_words(chapter.text, lang),
    }


def _store_counts(c: sa.Connection, novel_id: int, chapters: Sequence[Chapter]) -> None:
    words = sum(chapter.word_count for chapter in chapters)
    values = {"total_chapters": len(chapters), "total_word_count": words, "updated_at": beijing_now()}
    c.execute(sa.update(t.novels).where(t.novels.c.id == novel_id).values(**values))


def import_exported_book(database: Database, c: sa.Connection, book: Book) -> tuple[int, bool, list[int]]:
    """Store the book of an export; return (novel id, whether the novel was there, chapter ids in the book's
    order).

    A novel with the same text and all the book's chapters is used as it is. Any other text becomes a new
    novel; no stored chapter is changed.
    """
    hashes = [(chapter.number, chapter.hash) for chapter in book.chapters]
    known = _novel_of_text(c, book)
    for found in [known, *_other_candidates(c, known, hashes)] if known is not None else ():
        stored = {(one.number, one.hash): one.id for one in _stored_chapters(c, found)}
        if all(chapter in stored for chapter in hashes):
            return found, True, [stored[chapter] for chapter in hashes]
    novel_id = database.insert(c, t.novels, [_novel_row(book, "", 0)])
    ids = {chapter.number: chapter.id for chapter in _write_chapters(database, c, novel_id, book)[0]}
    if known is None:
        _insert_book(c, novel_id, book, edition=False)
    return novel_id, False, [ids[n] for n, _ in hashes]


def _other_candidates(c: sa.Connection, known: int, hashes: Sequence[tuple[int, str]]) -> list[int]:
    """Return the ids of other novels with the book's first chapter: an import made while ``known`` had other
    chapters.
    """
    h = t.chapter_hashes.c
    first = [text_hash for _, text_hash in hashes[:1]]
    found = c.scalars(sa.select(h.novel_id).where(h.text_hash.in_(first), h.novel_id != known).distinct())
    return sorted(existing_novels(c, found.all()))


# --- reading ------------------------------------------------------------------------------------------------


def read_novel(c: sa.Connection, novel_id: int) -> Novel:
    """Return the novel. Raises InputError for an unknown id."""
    row = c.execute(sa.select(t.novels).where(t.novels.c.id == novel_id)).mappings().first()
    if row is None:
        raise InputError("ledger.no_novel", novel=novel_id)
    return Novel(row["id"], row["title"] or "", row["author"] or "")


def _read_chapters(c: sa.Connection, novel_id: int) -> list[Chapter]:
    """Return a novel's chapters sorted by number."""
    k = t.chapters.c
    query = sa.select(k.id, k.novel_id, k.chapter_number, k.title, k.word_count)
    query = query.where(k.novel_id == novel_id).order_by(k.chapter_number, k.id)
    return [t.read_chapter(row) for row in c.execute(query)]


def read_texts(c: sa.Connection, chapter_ids: Sequence[int]) -> dict[int, str]:
    """Return chapter id → text, for the chapters that exist; "" for a chapter without a text."""
    found: dict[int, str] = {}
    for page in pages(chapter_ids, IDS_PER_STATEMENT):
        query = sa.select(t.chapters.c.id, t.chapters.c.content).where(t.chapters.c.id.in_(page))
        found.update((i, content or "") for i, content in c.execute(query))
    return found


def text_digest(c: sa.Connection, novel_id: int) -> str:
    """Return the sha256 (hex) of the numbers and text hashes of the novel's chapters."""
    return digest((one.number, one.hash) for one in _stored_chapters(c, novel_id))


def digest(chapters: Iterable[tuple[int, str]]) -> str:
    """Return the sha256 (hex) over (chapter number, text hash) pairs in the given order."""
    return hashlib.sha256("\n".join(f"{number} {h}" for number, h in chapters).encode()).hexdigest()
