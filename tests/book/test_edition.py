"""Which chapters of a novel are which in its newest text."""

from __future__ import annotations

from itertools import permutations

import pytest

from kgnb.book.edition import StoredChapter, plan_chapters
from kgnb.book.model import BookChapter, text_hash


def text(letters: str) -> list[BookChapter]:
    """A book with a chapter for each letter, which is its text."""
    return [BookChapter(i, f"第{i}章", letter) for i, letter in enumerate(letters, 1)]


def after(stored: list[StoredChapter], letters: str) -> list[StoredChapter]:
    """The novel's chapters after this text was imported, by number."""
    plan = plan_chapters(stored, text(letters))
    found = {one.id: one for one in stored} | {one.id: one for one in plan.moved}
    found |= {old.id: StoredChapter(old.id, c.number, c.title, c.hash) for c, old in plan.changed}
    first = max(found, default=0) + 1
    found |= {i: StoredChapter(i, c.number, c.title, c.hash) for i, c in enumerate(plan.new, first)}
    gone = {one.id for one in plan.removed}
    return sorted((one for i, one in found.items() if i not in gone), key=lambda one: one.number)


def letters_of(chapters: list[StoredChapter]) -> str:
    letter = {text_hash(one): one for one in "abcdefgBCD"}
    return "".join(letter[one.hash] for one in chapters)


@pytest.mark.parametrize(
    "texts",
    [
        ["abcd", "acde"],  # one removed, one added
        ["abcd", "acde", "abcd"],  # and back
        ["abcd", "abCd"],
        ["abcd", "ab"],
        ["abcd", "ab", "abcde"],
        ["abc", "gabc"],
        ["aab", "aba"],
        ["abcd", "Bd"],
        ["abcd", "aCbd"],  # edited and moved
        ["abcd", "CBd"],
        *(["abcd", "".join(order)] for order in permutations("abcd")),
    ],
)
def test_a_novel_has_the_chapters_of_its_newest_text_each_once(texts: list[str]) -> None:
    stored: list[StoredChapter] = []
    for letters in texts:
        stored = after(stored, letters)
        assert [one.number for one in stored] == list(range(1, len(letters) + 1))
        assert letters_of(stored) == letters
        assert [one.title for one in stored] == [c.title for c in text(letters)]
        assert not plan_chapters(stored, text(letters)).changes_anything


def test_two_chapters_of_one_number_part_with_the_next_text() -> None:
    stored = [
        StoredChapter(i, n, "", text_hash(one)) for i, n, one in ((1, 1, "a"), (2, 2, "b"), (3, 2, "c"))
    ]
    assert letters_of(after(stored, "acd")) == "acd"
