"""What an English chapter says of kin, masters and friends, and what becomes of it over a book."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from kgnb import story_path
from kgnb.core.model import RULES, Chapter, Novel, TaskConfig
from kgnb.extract import name_scan, rules
from kgnb.extract.model import Extraction, NameEntry, Relation
from kgnb.graph.model import RELATION_GROUPS, ExtractionRow, SettleRow
from kgnb.graph.project.contradictions import refuted
from kgnb.graph.project.facts import TieFacts
from kgnb.graph.project.projection import novel_builder
from tests.support.fuzzing import grows_evenly

I_TELL = "I rose. I sat. I wept. I ate. I ran. "

PEOPLE = [
    NameEntry("Mr. Harland", (), "Character", 90),
    NameEntry("Mrs. Harland", (), "Character", 80),
    NameEntry("Nora Harland", ("Nora",), "Character", 70),
    NameEntry("Edwin Harland", ("Edwin",), "Character", 60),
    NameEntry("Captain Thorne", (), "Character", 50),
    NameEntry("Miss Pell", (), "Character", 40),
    NameEntry("Rufus", (), "Character", 30),
    NameEntry("Winifred", (), "Character", 30),
    NameEntry("Aunt Cicely", (), "Character", 20),
]


def confidences(text: str) -> dict[tuple[str, str, str], float]:
    found = rules.extract(text, lang="en", names=PEOPLE).relations
    return {(r.source, r.type, r.target): r.confidence for r in found if r.type != "KNOWS"}


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("None knew if he lived, but Rufus married Winifred.", ("Rufus", "SPOUSE", "Winifred")),
        ('"This is my brother, Rufus," said Winifred.', ("Rufus", "SIBLING", "Winifred")),
        ('"May I present my friend, Miss Pell?" said Rufus.', ("Miss Pell", "FRIEND", "Rufus")),
        ("Rufus went home. His sister Winifred had waited.", ("Rufus", "SIBLING", "Winifred")),
        ("Miss Pell's younger brother, Rufus, drowned.", ("Miss Pell", "SIBLING", "Rufus")),
        ("Winifred, Captain Thorne's wife, said nothing.", ("Captain Thorne", "SPOUSE", "Winifred")),
        ("Rufus was Captain Thorne's only son.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Mr. Harland called. Nora kissed her father.", ("Mr. Harland", "PARENT_OF", "Nora Harland")),
        ("Mr. Harland looked at his wife.\nMrs. Harland wept.", ("Mr. Harland", "SPOUSE", "Mrs. Harland")),
        ('"My brother is late," said Nora.\nEdwin came.', ("Edwin Harland", "SIBLING", "Nora Harland")),
        ("Captain Thorne whistled for his servant Rufus.", ("Captain Thorne", "LEADS", "Rufus")),
        ("Rufus, the apprentice of Captain Thorne, ran.", ("Captain Thorne", "MASTER_OF", "Rufus")),
        ("Rufus, the child of Captain Thorne, ran.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Rufus was the twin of Winifred.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus came with Winifred, who was his sister.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus and Winifred were brother and sister.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus sang. His mother was named Winifred.", ("Winifred", "PARENT_OF", "Rufus")),
        ("It was Winifred, who had married Rufus.", ("Rufus", "SPOUSE", "Winifred")),
        ("Winifred sighed. She had married Captain Thorne.", ("Captain Thorne", "SPOUSE", "Winifred")),
        (
            "Winifred sighed. Captain Thorne had at last married her.",
            ("Captain Thorne", "SPOUSE", "Winifred"),
        ),
        ("Winifred sighed. She was going to marry old Rufus.", ("Rufus", "SPOUSE", "Winifred")),
        ("Winifred sighed. She had taught Rufus his letters.", ("Winifred", "MASTER_OF", "Rufus")),
        ("Rufus' sister Winifred slept.", ("Rufus", "SIBLING", "Winifred")),
        ('"Rufus, Winifred\'s brother, slept," said Miss Pell.', ("Rufus", "SIBLING", "Winifred")),
        ('"I go, Uncle," said Rufus.\n\n"Go," said Mr. Harland.', ("Mr. Harland", "FAMILY", "Rufus")),
        ('"I go, Granny," said Rufus.\n\n"Go," said Winifred.', ("Rufus", "FAMILY", "Winifred")),
        ("Winifred sighed. She and Rufus were married in May.", ("Rufus", "SPOUSE", "Winifred")),
        ("Winifred sighed. Rufus and she were married in May.", ("Rufus", "SPOUSE", "Winifred")),
        ("Rufus sighed. Winifred and he were married in May.", ("Rufus", "SPOUSE", "Winifred")),
        ("They spoke of the marriage of Rufus and Miss Pell.", ("Miss Pell", "SPOUSE", "Rufus")),
        ("They spoke of Rufus's marriage with Miss Pell.", ("Miss Pell", "SPOUSE", "Rufus")),
        ("Miss Pell writes to her Sister, Winifred.", ("Miss Pell", "SIBLING", "Winifred")),
        ("Winifred (Rufus's sister) rose.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus—Winifred's brother—rose.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus, himself the son of Captain Thorne, rose.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Rufus and Winifred, Captain Thorne's children, rose.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Winifred rose. Her brother's name was Rufus.", ("Rufus", "SIBLING", "Winifred")),
        ("Winifred, daughter of the blacksmith Rufus, rose.", ("Rufus", "PARENT_OF", "Winifred")),
        ("The wife of Captain Thorne was Winifred.", ("Captain Thorne", "SPOUSE", "Winifred")),
        ('"Your sister Winifred is here," said Miss Pell to Rufus.', ("Rufus", "SIBLING", "Winifred")),
        ('Miss Pell told Rufus, "Your sister Winifred is here."', ("Rufus", "SIBLING", "Winifred")),
        ("Captain Thorne met Winifred and her husband Rufus.", ("Rufus", "SPOUSE", "Winifred")),
        ("Captain Thorne's first wife had been Winifred.", ("Captain Thorne", "SPOUSE", "Winifred")),
        ("Captain Thorne's two sons were Rufus and Edwin.", ("Captain Thorne", "PARENT_OF", "Edwin Harland")),
        ("Rufus, whose father was Captain Thorne, rose.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Rufus, whose sister Winifred had died, rose.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus had one sister. Her name was Winifred.", ("Rufus", "SIBLING", "Winifred")),
        ("Rufus had a sister who was called Winifred.", ("Rufus", "SIBLING", "Winifred")),
        ("Winifred, one of Captain Thorne's daughters, rose.", ("Captain Thorne", "PARENT_OF", "Winifred")),
        ("Rufus was the youngest of Miss Pell's brothers.", ("Miss Pell", "SIBLING", "Rufus")),
        ("The twins, Rufus and Winifred, rose.", ("Rufus", "SIBLING", "Winifred")),
        ("The two young brothers Rufus and Edwin rose.", ("Edwin Harland", "SIBLING", "Rufus")),
        ("Winifred became the wife of Captain Thorne.", ("Captain Thorne", "SPOUSE", "Winifred")),
        ("Captain Thorne made Winifred his wife.", ("Captain Thorne", "SPOUSE", "Winifred")),
        ("Rufus and Winifred became engaged.", ("Rufus", "SPOUSE", "Winifred")),
        ("Winifred was engaged to be married to Rufus.", ("Rufus", "SPOUSE", "Winifred")),
        ("Winifred gave birth to Rufus.", ("Winifred", "PARENT_OF", "Rufus")),
        ("Captain Thorne's friend and neighbour Rufus rose.", ("Captain Thorne", "FRIEND", "Rufus")),
        ("Rufus, formerly a pupil of Captain Thorne, rose.", ("Captain Thorne", "MASTER_OF", "Rufus")),
        ("Rufus had studied under Captain Thorne.", ("Captain Thorne", "MASTER_OF", "Rufus")),
        ("Rufus had always hated Captain Thorne.", ("Rufus", "HATES", "Captain Thorne")),
        ("Rufus frowned. Miss Pell had taught him his letters.", ("Miss Pell", "MASTER_OF", "Rufus")),
        ("Miss Pell taught Rufus his letters.", ("Miss Pell", "MASTER_OF", "Rufus")),
        ("Rufus had been in the service of Captain Thorne.", ("Rufus", "SERVES", "Captain Thorne")),
        ("Winifred frowned. She was in love with Rufus.", ("Winifred", "LOVES", "Rufus")),
        ("Winifred frowned. Rufus had fallen in love with her.", ("Rufus", "LOVES", "Winifred")),
        ("Winifred frowned. She and Miss Pell were old friends.", ("Miss Pell", "FRIEND", "Winifred")),
        ("Rufus and Captain Thorne were sworn enemies.", ("Captain Thorne", "ENEMY", "Rufus")),
        ("Rufus and Captain Thorne had been the best of friends.", ("Captain Thorne", "FRIEND", "Rufus")),
        ("Captain Thorne sent for his clerk, Rufus.", ("Captain Thorne", "LEADS", "Rufus")),
        ("Winifred wrote to her oldest and dearest friend, Miss Pell.", ("Miss Pell", "FRIEND", "Winifred")),
        (
            "\"You're the best friend I've ever had, Rufus,\" said Winifred.",
            ("Rufus", "FRIEND", "Winifred"),
        ),
        ("Winifred was not Rufus's daughter but his niece.", ("Rufus", "FAMILY", "Winifred")),
        ("It was Miss Pell, who was sister to that odious Rufus.", ("Miss Pell", "SIBLING", "Rufus")),
        (
            "Rufus slept. He was the only son of the late Captain Thorne.",
            ("Captain Thorne", "PARENT_OF", "Rufus"),
        ),
        (
            "Captain Thorne had three children, Rufus, Winifred and Edwin.",
            ("Captain Thorne", "PARENT_OF", "Winifred"),
        ),
        (
            'Winifred ran until her brother trod on her hem.\n\n"Rufus, you ox!"',
            ("Rufus", "SIBLING", "Winifred"),
        ),
        ('"I go, Aunt," said Rufus.\n\n"Go," said Aunt Cicely.', ("Aunt Cicely", "FAMILY", "Rufus")),
        ("If Winifred, the twin of Rufus, had come …", ("Rufus", "SIBLING", "Winifred")),
        ("Winifred feared her old enemy, Miss Pell.", ("Miss Pell", "ENEMY", "Winifred")),
        (
            "Captain Thorne kissed his daughters, Nora and Winifred.",
            ("Captain Thorne", "PARENT_OF", "Winifred"),
        ),
        (
            "Rufus slept. Winifred saw that her nephew Edwin was gone.",
            ("Edwin Harland", "FAMILY", "Winifred"),
        ),
        (
            "Mr. Harland slept. Nora and Edwin feared their father.",
            ("Mr. Harland", "PARENT_OF", "Nora Harland"),
        ),
        (
            "Mrs. Harland left. Nora missed her father and mother.",
            ("Mrs. Harland", "PARENT_OF", "Nora Harland"),
        ),
        ("Captain Thorne rose. The captain's son Rufus ran.", ("Captain Thorne", "PARENT_OF", "Rufus")),
        ("Rufus ran to his Aunt Cicely.", ("Aunt Cicely", "FAMILY", "Rufus")),
        ('"Aunt Cicely! Aunt Cicely!" cried Rufus.', ("Aunt Cicely", "FAMILY", "Rufus")),
        ("They left. Edwin and Nora Harland had slept.", ("Edwin Harland", "FAMILY", "Nora Harland")),
        ("Edwin left the room. Nora wept.", ("Edwin Harland", "FAMILY", "Nora Harland")),
        ("Mrs. Harland wept when Mr. Harland left.", ("Mr. Harland", "SPOUSE", "Mrs. Harland")),
        (
            "Winifred came; and as she spoke Miss Pell saw her brother Rufus.",
            ("Miss Pell", "SIBLING", "Rufus"),
        ),
        ("Winifred rang. Miss Pell was her sister.", ("Miss Pell", "SIBLING", "Winifred")),
        ("Nora said that Winifred had lost her brother Rufus.", ("Rufus", "SIBLING", "Winifred")),
        ("Captain Thorne had two sons, Rufus and Edwin.", ("Captain Thorne", "PARENT_OF", "Edwin Harland")),
        ("Rufus came. He had a sister named Winifred.", ("Rufus", "SIBLING", "Winifred")),
        (
            "Rufus and Winifred wept after the death of their brother Edwin.",
            ("Rufus", "SIBLING", "Winifred"),
        ),
        ("Rufus and Winifred lost their son Edwin.", ("Rufus", "SPOUSE", "Winifred")),
        (
            '"You are late," said Mrs. Harland.\n\n"Yes, mamma," said Nora.',
            ("Mrs. Harland", "PARENT_OF", "Nora Harland"),
        ),
        (
            '"Papa would ask you in," said Nora. "And Mr. Harland never lies."',
            ("Mr. Harland", "PARENT_OF", "Nora Harland"),
        ),
        (
            '"Come," said Rufus.\n\n"No," said Miss Pell.\n\n"My sister, Winifred, waits," he said.',
            ("Rufus", "SIBLING", "Winifred"),
        ),
        (
            '"Come," said Rufus.\n\n"No," said Miss Pell.\n\n"My sister, Winifred, waits."',
            ("Rufus", "SIBLING", "Winifred"),
        ),
        (
            '"Who is it?" asked Rufus.\n\n"Edwin. He\'s my brother," said Nora.',
            ("Edwin Harland", "SIBLING", "Nora Harland"),
        ),
        ('"You are my cousin, Rufus," said Nora.', ("Nora Harland", "FAMILY", "Rufus")),
        (
            '"Who are you?" said Rufus.\n\n"I am Edwin\'s sister," said Winifred.',
            ("Edwin Harland", "SIBLING", "Winifred"),
        ),
        (I_TELL + "My name is Rufus. My sister Winifred came.", ("Rufus", "SIBLING", "Winifred")),
        (
            I_TELL + 'My sister Winifred came.\n\n"Rufus!" she said.\n\n"Rufus!" cried Edwin.',
            ("Rufus", "SIBLING", "Winifred"),
        ),
        (
            I_TELL + '"Is my sister Nora here?" I said.\n\nMy name is Edwin.',
            ("Edwin Harland", "SIBLING", "Nora Harland"),
        ),
        ('"My brother, Rufus, waits." Miss Pell rose. "Let us go."', ("Miss Pell", "SIBLING", "Rufus")),
        (
            '"Come," said Rufus.\n\n"No," said Miss Pell.\n\nThen he said, "My sister, Winifred, waits."',
            ("Rufus", "SIBLING", "Winifred"),
        ),
        ('Rufus rose.\n\n"My sister, Winifred, waits," he said.', ("Rufus", "SIBLING", "Winifred")),
        ('"Who is it?" said Rufus.\n\n"You are my cousin," said Nora.', ("Nora Harland", "FAMILY", "Rufus")),
    ],
)
def test_what_is_said_of_a_tie(text: str, tie: tuple[str, str, str]) -> None:
    assert confidences(text)[tie] > 0.375  # odds that make a tie of the book


@pytest.mark.parametrize(
    "text",
    [
        "Nora and Winifred and Captain Thorne sat in the garden.",
        "Nora told Winifred that a mother should be kind to Rufus.",
        "Captain Thorne saw Miss Pell. His brother-in-law was away.",
        "He found his sister. She wept.",
        'Miss Pell ran until her father trod on her hem.\n\n"Rufus, you ox!"',
        "Winifred rose. She was in love with Rufus, and jealous of Winifred.",
        "Winifred sighed. Miss Pell had taught herself.",
        "Winifred asked Rufus about Nora's horse.",
        'Rufus came.\n"Is it your sister, Nora',
        "In praising his sister, Winifred forgot Rufus.",
        "Rufus and Nora Harland sat in the garden with Aunt Cicely.",
        '"Do not heed my friend, Miss Pell," said Rufus.',
        "Winifred waited for her beloved Miss Pell.",
        "If Captain Thorne had married Miss Pell, all would be well.",
        "Miss Pell rose. Winifred came. Rufus was not her brother.",
        "Winifred sighed. The parson thought she was to marry Rufus.",
        "Winifred sighed. Captain Thorne had married her to Rufus.",
        "Captain Thorne's sister was Winifred's guest.",
        "Winifred saw Rufus—her brother was late.",
        '"Your sister Winifred is here," said Miss Pell to the boy, to please Rufus\'s horse.',
        "Captain Thorne's sister and old Winifred rose.",
        "The sisters saw Nora and Winifred.",
        "Captain Thorne made Winifred his housekeeper.",
        "Rufus, whose horse Winifred rode, was Captain Thorne's groom's friend.",
        "Winifred sighed. Rufus had taught her a lesson.",
        "Winifred sighed. Rufus and she were friends with Miss Pell.",
        "Winifred sighed. If she were in love with Rufus, all would be well.",
        "They spoke of a marriage between Rufus and Miss Pell.",
        "Rufus rose. He was in love with Winifred, and jealous of Rufus.",
        '"Come, my child, Winifred!" said Rufus.',
        '"You are the best friend I have, Rufus!"',
        "Miss Pell came. Winifred, her children, and Rufus stayed.",
        "Captain Thorne had a wife and mother, Nora Harland's.",
        "We do so wish that Rufus had married Miss Pell.",
        '"Rufus, my son, come in," said Captain Thorne.',
        'My sister Winifred came. I rose.\n\n"Rufus!" she said.\n\n"Rufus!" cried Edwin.',
        I_TELL
        + "My sister Winifred came."
        + '\n\n"Rufus!" cried Miss Pell.\n\n"Edwin!" cried Miss Pell.' * 2,
        I_TELL + "My name is Rufus. And you, reader, loved your sister Winifred.",
        I_TELL + 'My name is Rufus.\n\n"Then, I said, my sister, Winifred, waits."',
        'Rufus rose.\n\n"Then, he said, my sister, Winifred, waits."',
        '"Rufus, your sister, Winifred, waits," said Rufus.',
        f"Rufus slept. {'Rain fell on the roofs and ' * 40}fell. His sister Winifred came.",
        '"You are late," said Miss Pell.\n\n"Yes, mamma," said Nora.',
        '"You are late," said Rufus.\n\n"Yes, papa," said Winifred.\n\n"Come," said Mr. Harland.',
        f'Mr. Harland slept. {"Rain fell. " * 20}"Her papa is ill," said Nora.',
        I_TELL + 'My sister Winifred came. Then Rufus slept.\n\n"Rufus!" she said.\n\n"Rufus!" she said.',
    ],
)
def test_company_and_strangers_are_no_kin(text: str) -> None:
    assert not [tie for tie, sure in confidences(text).items() if sure > 0.375]


@pytest.mark.parametrize("kin", ["father's brother", "fatherland"])
def test_what_begins_with_a_noun_of_kin_may_mean_another(kin: str) -> None:
    told = confidences(f"Mr. Harland slept. Nora missed her {kin}.")
    assert ("Mr. Harland", "PARENT_OF", "Nora Harland") not in told


@pytest.mark.parametrize(
    ("text", "son"),
    [
        ('"Come," said Rufus. "My father, Mr. Harland, is late," said Edwin.', "Edwin Harland"),
        ('"Come," said Rufus. Then Edwin said, "My father, Mr. Harland, is late."', "Edwin Harland"),
        ('"Come," said Edwin. "Is my father, Mr. Harland, late?" Rufus asked him again.', "Rufus"),
        ('"Come," said Rufus. "Go!" said Edwin. "My father, Mr. Harland, is late."', "Edwin Harland"),
        ('"My father, Mr. Harland, is late." Then Edwin said, "Go," and "Go," said Rufus.', ""),
        (
            '"Come, Rufus," said Nora. "Edwin, your father, Mr. Harland, is late," said Winifred.',
            "Edwin Harland",
        ),
    ],
)
def test_of_several_speakers_in_a_paragraph_each_says_his_own(text: str, son: str) -> None:
    kin = {tie for tie in confidences(text) if tie[1] == "PARENT_OF"}
    assert kin == ({("Mr. Harland", "PARENT_OF", son)} if son else set())


def test_a_paragraph_of_many_speakers_takes_time_by_its_length() -> None:
    told = '"I am here," said Rufus. "My father, Mr. Harland, is late," said Edwin. '
    assert grows_evenly(lambda n: rules.extract(told * n, lang="en", names=PEOPLE), 2_000)


def test_who_is_only_near_is_doubtful_until_the_book_says_it_often() -> None:
    text = "Winifred was pale.\nThen Rufus looked at his sister. He smiled."
    (sure,) = confidences(text).values()
    assert sure < 0.4
    assert ("Rufus", "SIBLING", "Winifred") not in ties_of([text])
    assert ("Rufus", "SIBLING", "Winifred") in ties_of([text] * 3)


def test_of_two_of_the_surname_the_brother_is_rather_who_has_a_first_name() -> None:
    found = confidences("Mr. Harland and Edwin came in. Nora kissed her brother.")
    brother, mister = (
        found.get((who, "SIBLING", "Nora Harland"), 0.0) for who in ("Edwin Harland", "Mr. Harland")
    )
    assert brother > 2 * mister


def test_of_a_crowd_nobody_is_meant() -> None:
    men = [NameEntry(f"Mr. {chr(65 + i)}ton", (), "Character", 9) for i in range(26)]
    men += [NameEntry(f"Captain {chr(65 + i)}ley", (), "Character", 9) for i in range(26)]
    text = f"Nora met {', '.join(m.name for m in men)}. He slept. Her brother came."
    found = rules.extract(text, lang="en", names=[*PEOPLE, *men]).relations
    assert not [r for r in found if r.type == "SIBLING"]


@pytest.mark.parametrize("name", ["Mrs. Edwin Harland", "Mrs. Edwin"])
def test_a_wife_is_named_after_her_husband(name: str) -> None:
    wife = NameEntry(name, (), "Character", 9)
    (found,) = rules.extract(f"{name} came in. Edwin slept.", lang="en", names=[*PEOPLE, wife]).relations
    assert (found.source, found.type, found.target) == ("Edwin Harland", "SPOUSE", name)


def test_a_lady_is_not_her_own_husband() -> None:
    wife = NameEntry("Mrs. Nora Harland", (), "Character", 9)
    assert not rules.extract(f"{wife.name} came in. Nora slept.", lang="en", names=[*PEOPLE, wife]).relations


def test_a_child_of_another_surname_takes_more_statements_still() -> None:
    text = "Captain Thorne was ill. He wrote. Captain Thorne sent his love.\nEdwin named his father."
    assert ("Captain Thorne", "PARENT_OF", "Edwin Harland") not in ties_of([text] * 2)
    assert ("Captain Thorne", "PARENT_OF", "Edwin Harland") in ties_of([text] * 6)


def ties_of(texts: list[str]) -> set[tuple[str, str, str]]:
    return ties([rules.extract(text, lang="en", names=PEOPLE) for text in texts], RULES)


STORY = {
    ("Captain Marlow", "PARENT_OF", "Clara Marlow"),
    ("Captain Marlow", "PARENT_OF", "Robert Marlow"),
    ("Clara Marlow", "SIBLING", "Robert Marlow"),
    ("Clara Marlow", "SPOUSE", "Edmund Hale"),
    ("Dr. Winter", "SIBLING", "Peter Winter"),
}
"""The family ties of the built-in story, as a reader finds them."""


def test_the_built_in_storys_family_ties_are_found_and_no_others() -> None:
    text = story_path("en").read_text("utf-8")
    parts = re.split(r"^Chapter \d+\..*$", text, flags=re.MULTILINE)[1:]
    names = name_scan.scan(list(enumerate(parts, 1)), "en")
    people = {e.name: {e.name, *e.aliases} for e in names if e.kind == "Character"}
    assert people["Dr. Winter"] >= {"Margaret", "Dr. Margaret Winter"}
    assert people["Captain Marlow"] >= {"Captain Josiah Marlow"}
    found = ties([rules.extract(part, lang="en", names=names) for part in parts], RULES, names)
    assert {tie for tie in found if tie[1] in RELATION_GROUPS["family"]} == STORY


def ties(
    found: list[Extraction], provider: str, people: Sequence[NameEntry] = PEOPLE
) -> set[tuple[str, str, str]]:
    chapters = [Chapter(i, 1, i, "", 1) for i in range(1, len(found) + 1)]
    rows = [
        SettleRow(ExtractionRow(1, 1, i, i, "", "", extraction, provider, "", 1))
        for i, extraction in enumerate(found, 1)
    ]
    graph = novel_builder(Novel(1, ""), chapters, rows, people, TaskConfig()).graph(whole=True)
    return {
        (e.source[1], e.type, e.target[1])
        for e in graph.edges.values()
        if e.source[0] == e.target[0] == "Character"
    }


def test_of_contradicting_kinships_the_often_stated_one_holds() -> None:
    wife = "Winifred, Captain Thorne's wife, came."
    sister = "Winifred, Captain Thorne's sister, came."
    assert ties_of([wife, sister, wife, wife]) == {("Captain Thorne", "SPOUSE", "Winifred"), *KNOWN}
    assert ties_of([wife, sister]) == {
        ("Captain Thorne", "SPOUSE", "Winifred"),
        ("Captain Thorne", "SIBLING", "Winifred"),
        *KNOWN,
    }


def test_brothers_and_sisters_are_of_one_generation() -> None:
    kin = [
        *["Winifred, the sister of Rufus, came. Captain Thorne, the brother of Rufus, came."] * 3,
        "Captain Thorne, the father of Winifred, came.",
        *["Miss Pell, the mother of Rufus, came."] * 3,
        "Captain Thorne had married Miss Pell.",
    ]
    wrong = {("Captain Thorne", "PARENT_OF", "Winifred"), ("Captain Thorne", "SPOUSE", "Miss Pell")}
    assert wrong <= ties_of([kin[3], kin[7]])
    assert wrong.isdisjoint(ties_of(kin))
    assert ("Captain Thorne", "PARENT_OF", "Winifred") in ties_of([*kin, *[kin[3]] * 4])


class CountedOdds(float):
    comparisons = 0

    def __lt__(self, other: float) -> bool:
        CountedOdds.comparisons += 1
        return super().__lt__(other)


def test_who_has_all_as_brothers_and_children_costs_no_square_of_them() -> None:
    person = ("Character", "Rufus")
    ties = {
        (person, kind, ("Character", f"{kind} {i}")): TieFacts(confidence=0.6, odds=CountedOdds(2.0))
        for kind in ("SIBLING", "PARENT_OF")
        for i in range(200)
    }
    assert refuted(ties) == set()
    assert 0 < CountedOdds.comparisons < 20 * len(ties)


@pytest.mark.parametrize(("guess", "holds"), [(0.49, True), (0.4, False)])
def test_a_guess_often_made_is_no_surer_than_made_once(guess: float, holds: bool) -> None:
    one, other = ("Character", "Rufus"), ("Character", "Winifred")
    often = {(one, "FAMILY", other): TieFacts(confidence=guess, odds=20.0)}
    once = {(one, "SIBLING", other): TieFacts(confidence=0.5, odds=1.0)}
    assert refuted(often | once) == (set() if holds else often.keys())


def test_who_is_of_one_family_is_the_father_if_one_chapter_says_so() -> None:
    texts = ["Mr. Harland bowed to Nora."] * 30
    assert ("Mr. Harland", "FAMILY", "Nora Harland") in ties_of(texts)
    found = ties_of([*texts, "Mr. Harland was Nora's father."])
    assert ("Mr. Harland", "PARENT_OF", "Nora Harland") in found
    assert ("Mr. Harland", "FAMILY", "Nora Harland") not in found


def test_who_seem_a_couple_are_mother_and_son_if_one_chapter_says_so() -> None:
    texts = ["Mr. Harland bowed to Mrs. Harland."] * 30
    assert ("Mr. Harland", "SPOUSE", "Mrs. Harland") in ties_of(texts)
    found = ties_of([*texts, "Mr. Harland loved his mother, Mrs. Harland."])
    assert ("Mrs. Harland", "PARENT_OF", "Mr. Harland") in found
    assert ("Mr. Harland", "SPOUSE", "Mrs. Harland") not in found


@pytest.mark.parametrize(("words", "alike"), [(25, True), (30, False)])
def test_the_quote_of_a_shared_surname_shows_both_names(words: int, alike: bool) -> None:
    text = f"The day was bright. Then Mr. Harland went {'away ' * words}and found Nora. The sea was high."
    found = [r for r in rules.extract(text, lang="en", names=PEOPLE).relations if r.type == "FAMILY"]
    assert bool(found) is alike
    for one in found:
        assert "Mr. Harland" in one.evidence
        assert "Nora" in one.evidence
        assert one.description == "the surname Harland"


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("Mr. Harland slept. Mrs. Harland met Edwin.", ("Edwin Harland", "FAMILY", "Mrs. Harland")),
        ("Mrs. Harland slept. Mr. Harland met Nora.", ("Mr. Harland", "FAMILY", "Nora Harland")),
    ],
)
def test_of_a_couple_neither_is_married_to_their_children(text: str, tie: tuple[str, str, str]) -> None:
    found = confidences(text)
    assert tie in found
    assert {t for t in found if t[1] == "SPOUSE"} <= {("Mr. Harland", "SPOUSE", "Mrs. Harland")}


def test_a_doctor_who_is_a_woman_is_nobodys_husband() -> None:
    doctor = NameEntry("Dr. Harland", ("Anne Harland", "Anne"), "Character", 9)
    found = rules.extract("Dr. Harland bowed to Mrs. Harland.", lang="en", names=[*PEOPLE, doctor])
    assert {r.type for r in found.relations} == {"FAMILY", "KNOWS"}


KNOWN = {("Captain Thorne", "KNOWS", "Winifred")}


def test_what_a_model_says_is_left_alone() -> None:
    said = [
        Relation(source="Rufus", target="Winifred", type=t, confidence=0.1) for t in ("SPOUSE", "SIBLING")
    ]
    found = ties([Extraction(relations=said)], "openai")
    assert found == {("Rufus", "SPOUSE", "Winifred"), ("Rufus", "SIBLING", "Winifred")}
    assert ties([Extraction(relations=said)], RULES) == set()


@pytest.mark.parametrize(
    "denial",
    [
        "Edwin met Nora Harland. They were not related.",
        '"Edwin is no relation of mine," said Nora Harland.',
        "Nora Harland bowed. She was no kinswoman of Edwin's.",
        "Edwin Harland (no relation) wrote to Rufus.",
        "Edwin met Nora Harland. They were no near kin.",
        "Edwin Harland—no blood relation of Nora's—wrote.",
        "Edwin and Nora Harland weren't related.",
        "Edwin Harland, unrelated to Nora, wrote.",
        "\"I'm no relative of Edwin's,\" said Nora Harland.",
        '"Is Nora Harland your sister?"\n\n"No relation, I am glad to say," said Edwin.',
    ],
)
def test_a_denial_anywhere_undoes_the_guess_of_a_surname(denial: str) -> None:
    named_together, pair = "Edwin came with Nora Harland.", ("Edwin Harland", "FAMILY", "Nora Harland")
    assert pair in ties_of([named_together, "Edwin met Nora Harland. She had no relations left."])
    chapters = [named_together, denial + " Edwin waved to Nora.", named_together]
    assert pair not in ties_of(chapters)
    told = "Edwin Harland", "SIBLING", "Nora Harland"
    assert told in ties_of([*chapters, "Edwin Harland's sister Nora wept."])
    assert pair in ties_of([*chapters, "Edwin Harland's cousin Nora wept."])


def test_a_title_that_ends_two_names_is_no_surname() -> None:
    people = [
        NameEntry(name, (), "Character", 9)
        for name in ("Red Queen", "White Queen", "Ann Knight", "Tom Knight", "Dorvan Moss", "Zarvin Moss")
    ]
    text = "The Red Queen met the White Queen. Ann Knight met Tom Knight. Dorvan Moss met Zarvin Moss."
    found = rules.extract(text, lang="en", names=people).relations
    kin = {("Ann Knight", "Tom Knight"), ("Dorvan Moss", "Zarvin Moss")}
    assert {(r.source, r.target) for r in found if r.type == "FAMILY"} == kin


@pytest.mark.parametrize(
    ("surer", "less"),
    [
        (
            "Rufus rose. He ate. He sat. His sister Winifred came.",
            "Rufus rose. Rain fell. It froze. His sister Winifred came.",
        ),
        ('"Aunt Cicely, come!" said Rufus.', '"I saw Aunt Cicely," said Rufus.'),
        (
            '"Who is it?" said Mr. Harland.\n\n"It is I, papa," said Rufus.',
            '"Who is it?" said Mr. Harland.\n\n"It is I, Father," said Rufus.',
        ),
        (
            '"Who is it?" said Mrs. Harland.\n\n"It is I, mamma," said Rufus.',
            '"Who is it?" said Mrs. Harland.\n\n"It is I, Mother," said Rufus.',
        ),
    ],
)
def test_one_way_to_say_it_is_surer_than_another(surer: str, less: str) -> None:
    (sure,), (unsure,) = confidences(surer).values(), confidences(less).values()
    assert sure > unsure


def test_a_pronoun_of_speech_means_nobody_of_another_paragraph() -> None:
    tie = "Edwin Harland", "FAMILY", "Winifred"
    assert tie not in confidences('"Winifred slept."\n\n"Rain fell, and her nephew Edwin was gone."')
    near, far = (
        confidences(f"Winifred slept.{between}Rain fell, and her nephew Edwin was gone.")[tie]
        for between in (" ", "\n\nThe wind rose. The sea rose. The ships had left.\n\n")
    )
    assert near > far


@pytest.mark.parametrize(
    "text",
    [
        "Rufus and Winifred were engaged in a long talk.",
        "Rufus followed Winifred into the garden.",
        "Captain Thorne was Rufus's father, Miss Pell was Rufus's mother.\n\n"
        'Rufus came. "And my father?" said Winifred to Rufus.',
    ],
)
def test_who_talks_walks_behind_or_has_parents_himself_is_no_more_than_near(text: str) -> None:
    assert not confidences(text).keys() & {
        ("Rufus", kind, "Winifred") for kind in ("SPOUSE", "FOLLOWS", "PARENT_OF")
    }


@pytest.mark.parametrize(("subject", "ties"), [("She", 0), ("They", 1)])
def test_whom_she_means_is_not_the_daughter_of_the_same_sentence(subject: str, ties: int) -> None:
    text = f"Winifred rose. Rufus slept. {subject} grieved at the loss of his daughter."
    assert len(confidences(text)) == ties


def test_a_parent_who_stands_near_may_have_parents_in_another_chapter() -> None:
    text = 'Rufus came. "And my father?" said Winifred to Rufus.'
    assert ("Rufus", "PARENT_OF", "Winifred") in confidences(text)
    assert ("Rufus", "SPOUSE", "Winifred") in confidences("Rufus and Winifred were engaged to be married.")
