"""Who tells an English book in the first person, and the ties of "I"."""

from __future__ import annotations

import pytest

from kgnb.extract import name_scan, rules
from kgnb.extract.en.narrator import read
from kgnb.extract.en.writings import writings
from kgnb.extract.model import NameEntry

PEOPLE = [
    NameEntry("Tom Harrow", ("Tom", "Mr. Harrow"), mentions=40, narrator=True),
    *(NameEntry(name, mentions=9) for name in ("Nora", "Edwin Pell", "Captain Thorne", "Walter Marsh", "Pa")),
]
I_TELL = "I was eighteen that year. I kept the ledger, and I slept where I could. I asked for nothing.\n"
SHORT = {"PARENT_OF": "P", "SIBLING": "S", "SPOUSE": "M", "FAMILY": "F", "FRIEND": "R"}

BOOK = (
    "My name is Tom Harrow. I kept the ledger at the wharf, and I knew all the captains.\n"
    '"Come in, Tom," said Edwin Pell. I went in. Edwin Pell looked at me, and I sat down.',
    'Captain Thorne was drunk when I found him. "Leave me, Tom," said Captain Thorne. I left him.\n'
    "I told Edwin Pell of it, and Edwin Pell laughed. I did not laugh.",
    'I could not sleep. Captain Thorne walked about above me. "Tom!" he called. "Tom, bring a light!"\n'
    "I brought it up. Captain Thorne was gone, and so was Edwin Pell.",
)


def ties(text: str) -> set[tuple[str, str, str]]:
    found = rules.extract(text, lang="en", names=PEOPLE).relations
    return {(SHORT[r.type], r.source, r.target) for r in found if r.type in SHORT}


def tellers(*chapters: str) -> list[str]:
    return [e.name for e in name_scan.scan(list(enumerate(chapters, 1)), "en") if e.narrator]


class TestWhoTells:
    def test_who_says_his_name_and_is_called_by_it(self) -> None:
        assert tellers(*BOOK) == ["Tom Harrow"]

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            *(
                (text, 1)
                for text in ("I'm Tom.", "I was christened Tom.", "I, Tom, went.", "They called me Tom.")
            ),
            *(
                (text, 0)
                for text in ("I was Tom's clerk.", "His name is Tom.", "They called Tom.", "I saw Tom.")
            ),
        ],
    )
    def test_what_he_says_of_himself(self, text: str, says: int) -> None:
        at = text.index("Tom")
        assert read(text).teller("Tom", [(at, at + 3)]).says == says

    def test_who_is_only_called(self) -> None:
        assert tellers(BOOK[0].replace("My name is Tom Harrow. ", ""), *BOOK[1:]) == ["Tom"]

    def test_also_where_chapters_begin_with_long_speech(self) -> None:
        tale = '"The ship was late," said Captain Thorne. "It rained on the wharf and in the yard."\n' * 60
        assert tellers(BOOK[0], *(tale + text + "I went home. " * 8 for text in BOOK[1:])) == ["Tom Harrow"]

    def test_not_who_is_called_more_often_but_told_of_too(self) -> None:
        calls = "".join(
            f'\n"Stop, Edwin Pell," said Captain Thorne. Edwin Pell {did}.' for did in ("ran", "sat") * 5
        )
        assert tellers(BOOK[0] + calls, *BOOK[1:]) == ["Tom Harrow"]
        assert tellers(BOOK[0].replace("My name is Tom Harrow. ", "") + calls, *BOOK[1:]) == ["Tom"]

    def test_nobody_in_the_third_person(self) -> None:
        assert tellers(*(text.replace("I ", "he ").replace("me", "him") for text in BOOK)) == []
        assert tellers(*(text.replace("I ", "Tom Harrow ") for text in BOOK)) == []
        assert tellers(*(text.replace("I ", "It ") for text in BOOK)) == []

    def test_nobody_where_the_first_person_is_told_in_speech(self) -> None:
        tale = [text.replace('"', "'").replace("\n", '"\n"') for text in BOOK]
        assert tellers(*(f'The old man began. "{text}" Edwin Pell heard him out.' for text in tale)) == []


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("My sister Nora was ill.", ("S", "Nora", "Tom Harrow")),
        ("I married Nora in the spring.", ("M", "Nora", "Tom Harrow")),
        ("Nora had married me in the spring.", ("M", "Nora", "Tom Harrow")),
        ("Nora and I were married in the spring.", ("M", "Nora", "Tom Harrow")),
        ("Edwin Pell was my uncle.", ("F", "Edwin Pell", "Tom Harrow")),
        ("My old friend Walter Marsh came by.", ("R", "Tom Harrow", "Walter Marsh")),
    ],
)
def test_kin_of_who_tells(text: str, tie: tuple[str, str, str]) -> None:
    assert ties(I_TELL + text) == {tie}


@pytest.mark.parametrize(
    "text",
    [
        '"My sister Nora is ill," said Edwin Pell.',
        '"I told Pa of it," said Edwin Pell. Her Pa was ill, too.',
        "She was not my aunt. Nora never was.",
        "I saw Nora. Edwin Pell came with his sister Nora.",
    ],
)
def test_kin_of_others_are_not_the_narrators(text: str) -> None:
    assert not [tie for tie in ties(I_TELL + text) if "Tom Harrow" in tie or "Pa" in tie]


def test_a_chapter_in_which_he_is_named_is_told_by_somebody_else() -> None:
    text = I_TELL + "Tom Harrow sat by me. Tom laughed. Tom had been drinking. My sister Nora saw Tom."
    assert not [tie for tie in ties(text) if "Tom Harrow" in tie]


@pytest.mark.parametrize(
    ("title", "tells"),
    [
        *(
            (title, True)
            for title in (
                *("Nora", "NORA", "Chapter 3: Nora", "IV. Nora", "Part Two — Nora", "12 Nora"),
                *("Nora's Journal", "CHAPTER II NORA'S DIARY--_continued_"),
            )
        ),
        *((title, False) for title in ("", "Chapter 3", "Finding Nora", "Nora's Letter", "Nora and Tom")),
    ],
)
def test_a_chapter_whose_title_is_a_name_is_told_by_its_bearer(title: str, tells: bool) -> None:
    names = [NameEntry(n.name, n.aliases, mentions=9) for n in PEOPLE]
    found = rules.extract(I_TELL + "My uncle, Edwin Pell, was ill.", lang="en", names=names, title=title)
    ends = {(r.source, r.target) for r in found.relations}
    assert ends == ({("Edwin Pell", "Nora")} if tells else set())


def test_he_is_present_where_he_says_so() -> None:
    found = rules.extract(I_TELL + "I saw Nora on the stairs. I called to Nora.", lang="en", names=PEOPLE)
    assert [c.name for c in found.characters] == ["Tom Harrow", "Nora"]
    assert [(r.source, r.target, r.evidence) for r in found.relations] == [
        ("Nora", "Tom Harrow", "I saw Nora on the stairs.")
    ]


JOURNALS = [
    NameEntry(name, mentions=9) for name in ("Nora Pell", "Captain Thorne", "Walter Marsh", "Edwin Pell")
]


def told_by(*parts: str) -> set[tuple[str, str, str]]:
    text = "\n\n".join(("The ship lay in the harbour.", *parts))
    found = rules.extract(text, lang="en", names=JOURNALS).relations
    return {(SHORT[r.type], r.source, r.target) for r in found if r.type in SHORT}


def test_each_journal_and_letter_in_a_chapter_is_told_by_its_writer() -> None:
    hers, his = I_TELL + "My brother, Edwin Pell, was ill.", I_TELL + "My old friend Walter Marsh came by."
    both = {("S", "Edwin Pell", "Nora Pell"), ("R", "Captain Thorne", "Walter Marsh")}
    assert told_by("_Nora Pell's Journal._", hers, "CAPTAIN THORNE'S DIARY--continued", his) == both
    assert told_by("Letter, Nora Pell to Walter Marsh.", hers, "Telegram from Captain Thorne", his) == both
    assert told_by("Nora Pell's Journal", hers, 'Cutting from "The Gull"', his) == {
        ("S", "Edwin Pell", "Nora Pell")
    }


@pytest.mark.parametrize(
    "line",
    [
        "Nora Pell's journal lay open on the table.",
        "She had read Nora Pell's journal.",
        "Letters from the front came late.",
        "Letter by letter she read it.",
        "The Mate's Journal",
    ],
)
def test_a_sentence_about_a_journal_begins_none(line: str) -> None:
    assert "S" not in {kind for kind, _, _ in told_by(line, I_TELL + "My brother, Edwin Pell, was ill.")}


def test_a_hostile_heading_takes_time_by_its_length() -> None:
    assert (
        writings(f"Nora Pell's Journal{'.' * 200_000}!\n{'(' * 200_000}") == []
    )  # half an hour if by its square


def test_a_journal_that_tells_of_its_writer_is_told_by_somebody_else() -> None:
    told = "Nora Pell sat there. Nora Pell laughed. Then I left Nora Pell. My brother, Edwin Pell, was ill."
    assert ("S", "Edwin Pell", "Nora Pell") not in told_by("Nora Pell's Journal", told)


def test_nobody_tells_the_whole_of_a_chapter_of_journals() -> None:
    text = f"{I_TELL}\n\nNora Pell's Journal\n\n{I_TELL}"
    names = [*PEOPLE, *JOURNALS]
    assert rules.narrator_of(text, lang="en", names=names) is None
    assert rules.narrator_of(I_TELL, lang="en", names=names) == PEOPLE[0]
