"""Decide whether a text is an edition of a stored novel, and which of its chapters are which: from names and
texts alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from kgnb.book.model import Book, BookChapter, count_words
from kgnb.core.labels import Lang

OWN_WORDS: dict[Lang, int] = {"zh": 50, "en": 30}
"""Least length of a chapter that is evidence, in :func:`count_words`: many books share shorter ones (empty
chapters, notices)."""
SAMPLED_PASSAGES = 20
"""Passages sampled from a chapter."""
PASSAGE_LENGTH: dict[Lang, int] = {"zh": 12, "en": 36}
"""Letters of a passage: long enough that two works of one author seldom share one, short enough that a few
changed words spare most."""
MIN_FOUND = 0.1
"""Least share of a chapter's passages that a revised edition of it has: other chapters have next to none."""


class Verdict(Enum):
    """``EDITION``: of this novel. ``UNSURE``: another book, maybe an edition. ``OTHER``: another book."""

    EDITION = "edition"
    UNSURE = "unsure"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class StoredNovel:
    """A novel that a new text is compared with; ``chapters``: length by hash of each different text."""

    title: str
    author: str
    chapters: Mapping[str, int]


def judge(
    book: Book, novel: StoredNovel, sample: Callable[[], Iterable[str]], fold: Callable[[str], str]
) -> Verdict:
    """Return EDITION if ``book`` is an edition of ``novel``, UNSURE if it may be, else OTHER.

    An edition replaces chapters, so in doubt it is none.

    - Never where both name their author and these differ, or the author is the same and the titles differ.
    - Where the titles are the same, if most chapters of either are in the other, or, with the same author, if
      most chapters of ``sample()`` (texts of the novel's chapters) have passages in the book.
    - Else if most chapters of each are in the other.

    "Most" means more than half of the chapters that are long enough and more than half of their length.
    ``fold`` gives the form in which names and passages are compared.
    """
    own = {chapter.hash: count_words(chapter.text, book.lang) for chapter in book.chapters}
    own, stored = _long_enough(own, book.lang), _long_enough(novel.chapters, book.lang)
    shared = own.keys() & stored.keys()
    of_book, of_novel = _is_most(shared, own), _is_most(shared, stored)
    same_title = _letters(book.title, fold) == _letters(novel.title, fold)
    authors = {_letters(name, fold) for name in (book.author, novel.author) if name}
    same_author = bool(book.author and novel.author and len(authors) == 1)
    unsure = Verdict.UNSURE if shared or (same_title and same_author) else Verdict.OTHER
    if len(authors) > 1 or (same_author and book.title_stated and not same_title):
        return unsure
    if same_title:
        is_edition = of_book or of_novel or (same_author and _is_revised(sample(), book, fold))
    else:
        is_edition = of_book and of_novel
    return Verdict.EDITION if is_edition else unsure


def _long_enough(chapters: Mapping[str, int], lang: Lang) -> dict[str, int]:
    """Return the chapters (hash → words) that are long enough to tell books apart."""
    return {text_hash: words for text_hash, words in chapters.items() if words >= OWN_WORDS[lang]}


def _is_most(shared: Iterable[str], chapters: Mapping[str, int]) -> bool:
    """Return whether ``shared`` are more than half of the chapters and of their words."""
    lengths = [chapters[text_hash] for text_hash in shared]
    return 2 * len(lengths) > len(chapters) and 2 * sum(lengths) > sum(chapters.values())


def _is_revised(chapters: Iterable[str], book: Book, fold: Callable[[str], str]) -> bool:
    """Return whether most of these chapters have passages in the book; False if all are too short to tell.

    New punctuation, white space, headings and inserted chapters change no passage.
    """
    size = PASSAGE_LENGTH[book.lang]
    sampled = [found for text in chapters if (found := _passages(_letters(text, fold), size))]
    if not sampled:
        return False
    whole = "".join(_letters(chapter.text, fold) for chapter in book.chapters)
    revised = [sum(p in whole for p in passages) >= MIN_FOUND * len(passages) for passages in sampled]
    return 2 * sum(revised) > len(revised)


def _letters(text: str, fold: Callable[[str], str]) -> str:
    """Return the folded text's letters and digits in lower case."""
    return "".join(filter(str.isalnum, fold(text).casefold()))


def _passages(letters: str, size: int) -> list[str]:
    """Return up to SAMPLED_PASSAGES passages of ``size`` letters, spread evenly."""
    step = max(1, (len(letters) - size) // SAMPLED_PASSAGES)
    return [letters[at : at + size] for at in range(0, len(letters) - size + 1, step)][:SAMPLED_PASSAGES]


# --- chapters -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredChapter:
    """A stored chapter; ``hash`` of its present text."""

    id: int
    number: int
    title: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChapterPlan:
    """How a novel's chapters become those of a text: chapters that are ``new``, that have another text
    (``changed``, with the stored chapter), that only have another number or title (``moved``, as they will
    be), and that the text lacks (``removed``).
    """

    new: Sequence[BookChapter]
    changed: Sequence[tuple[BookChapter, StoredChapter]]
    moved: Sequence[StoredChapter]
    removed: Sequence[StoredChapter]

    @property
    def changes_anything(self) -> bool:
        """Whether the plan adds, changes, renumbers or removes any chapter."""
        return bool(self.new or self.changed or self.moved or self.removed)


def plan_chapters(stored: Sequence[StoredChapter], chapters: Sequence[BookChapter]) -> ChapterPlan:
    """Return how the ``stored`` chapters of a novel become exactly the ``chapters`` of its newest text.

    Chapters are matched by their text, so that an inserted one changes none behind it, then by number.
    """
    twins: dict[str, list[StoredChapter]] = defaultdict(list)
    for one in stored:
        twins[one.hash].append(one)
    moved: list[StoredChapter] = []
    rest: list[BookChapter] = []
    for chapter in chapters:
        same = twins[chapter.hash]
        match = next((one for one in same if one.number == chapter.number), same[0] if same else None)
        if match is None:
            rest.append(chapter)
            continue
        same.remove(match)
        wanted = StoredChapter(match.id, chapter.number, chapter.title[:255], match.hash)
        if wanted != match:
            moved.append(wanted)
    unmatched = [one for same in twins.values() for one in same]
    by_number = {one.number: one for one in reversed(unmatched)}
    changed = [(chapter, by_number[chapter.number]) for chapter in rest if chapter.number in by_number]
    replaced = {one.id for _, one in changed}
    return ChapterPlan(
        new=[chapter for chapter in rest if chapter.number not in by_number],
        changed=changed,
        moved=moved,
        removed=sorted((one for one in unmatched if one.id not in replaced), key=lambda one: one.number),
    )
