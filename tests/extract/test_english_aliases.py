"""English names of one person, in passages of several styles: patronymics, titles, ranks, diminutives."""

from __future__ import annotations

import pytest

from kgnb.extract.en.kin_fit import OF_FAMILY, of_family
from kgnb.extract.en.patronymics import patronymic
from kgnb.extract.en.persons import name_facts, split_name
from kgnb.extract.en.roles import ROLES
from tests.support.costs import steps
from tests.support.english import pages, people


@pytest.mark.parametrize(
    ("word", "father", "gender"),
    [
        ("Petrovich", "Petr", "m"),
        ("Petrovitch", "Petr", "m"),
        ("Petrovna", "Petr", "f"),
        ("Ivanych", "Ivan", "m"),
        ("Fomitch", "Fom", "m"),
        ("Fominichna", "Fom", "f"),
        ("Ilyich", "Il", "m"),
        ("Sergeyevich", "Serge", "m"),
        ("Sergeitch", "Serge", "m"),
        ("Nikitishna", "Nikit", "f"),
    ],
)
def test_a_patronymic_is_known_in_all_its_spellings(word: str, father: str, gender: str) -> None:
    assert patronymic(word) == (father, gender)


@pytest.mark.parametrize(
    "word", ["Heinrich", "Ulrich", "Aldrich", "Greenwich", "Fitch", "Switch", "Munich", "Rich"]
)
def test_other_words_are_no_patronymics(word: str) -> None:
    assert patronymic(word) is None


def test_given_name_and_patronymic_are_the_full_names_however_spelt() -> None:
    text = (
        pages(("Osip Karlovich", "Anne"), ("Dolin", "Anne"))
        + "\n\nOsip Karlovich Dolin sat down. Osip Karlych rose."
    )
    found = people(text)
    assert found["Osip Karlovich"] is found["Osip Karlovich Dolin"] is found["Osip Karlych"] is found["Dolin"]


@pytest.mark.parametrize("title", ["Mr.", "Dr."])
def test_what_stands_behind_a_title_is_a_surname_though_it_looks_like_a_patronymic(title: str) -> None:
    found = people(pages(("Lev Karlovich", "Anne"), (f"{title} Karlovich", "Anne")))
    assert found["Lev Karlovich"] is found[f"{title} Karlovich"]


def test_a_woman_with_a_mans_patronymic_has_a_surname() -> None:
    facts = name_facts(("Miriam Karlovich",))
    assert (facts.gender, facts.surnames) == ("f", {"Karlovich"})


def test_brother_and_sister_of_one_patronymic_are_two() -> None:
    found = people(pages(("Osip Karlovich", "Vera Karlovna"), ("Fyodor Karlovich", "Vera Karlovna")))
    assert len({found[name].name for name in ("Osip Karlovich", "Vera Karlovna", "Fyodor Karlovich")}) == 3


def test_a_patronymic_alone_is_his_who_is_near() -> None:
    text = pages(("Karlych", "Anne")) + "\n\nOsip Karlych stood at the door.\n\n" + pages(("Karlych", "Anne"))
    found = people(text)
    assert found["Karlych"] is found["Osip Karlych"]


def test_who_has_a_patronymic_needs_to_be_named_but_once() -> None:
    text = "\n\nThe door of the office opened slowly for Zosim Karlovich, who was wet."
    assert "Zosim Karlovich" in people(pages(("Tom Finch", "Anne")) + text)


def test_a_patronymic_is_no_surname() -> None:
    assert split_name("Osip Karlovich").last == ""
    assert split_name("Osip Karlovich Dolin").last == "Dolin"
    assert name_facts(("Osip Karlovich",)).surnames == frozenset()


@pytest.mark.parametrize(
    ("name", "gender"),
    [("Osip Karlovich", "m"), ("Zosima Karlovna", "f"), ("Countess Dolinova", "f"), ("Dolinova", "f")],
)
def test_slavic_endings_tell_women_from_men(name: str, gender: str) -> None:
    assert name_facts((name,)).gender == gender


def test_a_first_name_behind_a_title_is_no_surname() -> None:
    facts = name_facts(("Edmund Dale", "Mr. Edmund"))
    assert (facts.surnames, facts.is_young, facts.head) == ({"Dale"}, True, "")
    assert of_family(facts, name_facts(("Louisa Dale",)), ROLES["father"]) < OF_FAMILY


def test_a_surname_of_a_mans_form_is_not_the_daughters() -> None:
    text = pages(("Vera Karlovna Dolinov", "Anne"), ("Dolinov", "Anne"))
    found = people(text)
    assert found["Dolinov"] is not found["Vera Karlovna Dolinov"]


def test_a_russian_diminutive_is_whose_first_name_it_shortens() -> None:
    found = people(pages(("Avdotya Karlovna", "Anne")) + "\n\n" + pages(("Dunya", "Anne")))
    assert found["Dunya"] is found["Avdotya Karlovna"]


@pytest.mark.parametrize(
    ("one", "other"), [("Mister Dale", "Mr. Dale"), ("Miz Dale", "Mrs. Dale"), ("Widow Dale", "Mrs. Dale")]
)
def test_a_title_as_people_say_it_is_the_usual_one(one: str, other: str) -> None:
    found = people(pages((other, "Anne")) + f"\n\nNobody had seen {one}.\n\n" + pages((other, "Anne")))
    assert found[one] is found[other]


@pytest.mark.parametrize(("title", "first"), [("Mr.", "Edmund"), ("Miz", "Clara")])
def test_a_servant_calls_the_young_ones_by_title_and_first_name(title: str, first: str) -> None:
    found = people(
        pages((f"{first} Moss", "Anne"), (first, "Anne")) + f'\n\n"And {title} {first}?" said the cook.'
    )
    assert found[f"{title} {first}"] is found[first]


def talk(one: str, other: str) -> str:
    """Two people who answer each other, and sentences that hold one of them at most."""
    return (
        f'"You are late," said {one}.\n\n"I am," said {other}. "The ewe was in the brook again."\n\n'
        f'"She is no affair of mine. The wheel is," said {one}, and he pushed back his chair.\n\n'
        f"{other} ate some bread standing.\n\nAt noon {one} walked down to the weir.\n\n"
    )


def test_a_rank_is_not_the_wifes_whom_a_man_of_that_surname_answers() -> None:
    told = "Zarvin Dale danced every dance. Sergeant Dale put on his hat.\n\n"
    found = people((talk("Dale", "Zarvin") + told) * 3)
    assert found["Dale"] is found["Sergeant Dale"] is not found["Zarvin"]


@pytest.mark.parametrize(
    ("speeches", "talks", "turns", "two"),
    [
        (2, 'Tom.\n\n"Well, well," said Mr. Dale', 1, False),
        (1, 'Tom.\n\n"Well, well," said Mr. Dale', 1, True),
        (5, 'Tom.\n\n"Well, well," said Mr. Dale', 2, True),
        (5, 'Mr. Dale.\n\n"Well, well," said Tom', 2, True),
        (50, 'Tom.\n\n"Well, well," said Mr. Dale', 2, False),
    ],
)
def test_who_hardly_ever_answer_each_other_may_be_one(
    speeches: int, talks: str, turns: int, two: bool
) -> None:
    on = '"Quite so," said Tom Dale.\n\nThe rain had stopped.\n\n"Quite so," said Tom.\n\nHe rose.\n\n'
    more = '"No," said Mr. Dale.\n\nA dog barked.\n\n'
    found = people((on + more) * speeches + f'"Well," said {talks}.\n\nHe rose.\n\n' * turns)
    assert (found["Mr. Dale"] is not found["Tom Dale"]) is two


def test_a_rank_is_not_his_wifes() -> None:
    found = people(pages(("Sergeant Dale", "Anne"), ("Bronwen Dale", "Anne"), ("Bronwen", "Anne")))
    assert found["Bronwen"] is found["Bronwen Dale"] is not found["Sergeant Dale"]


@pytest.mark.parametrize(
    ("first", "then"), [("Captain Hugh Dale", "Sergeant Dale"), ("General Hugh Dale", "Captain Dale")]
)
def test_nobody_falls(first: str, then: str) -> None:
    found = people(pages((first, "Anne")) + "\n\n" + pages((then, "Anne")))
    assert found[then] is not found[first]


def test_two_officers_of_one_time_are_two() -> None:
    found = people(pages(("Lieutenant Hugh Dale", "Anne"), ("Colonel Dale", "Anne")))
    assert found["Colonel Dale"] is not found["Lieutenant Hugh Dale"]


def test_a_duke_who_keeps_company_with_whoever_bears_his_places_name_is_another() -> None:
    together = "The Duke of Ferrow walked down to the water with Ferrow. Nobody had told them.\n\n"
    found = people(pages(("Duke of Ferrow", "Anne"), ("Ferrow", "Anne")) + "\n\n" + together * 12)
    assert found["Ferrow"] is not found["Duke of Ferrow"]


@pytest.mark.parametrize(
    "told",
    [
        "Then the Doctor, Hugh Dale, who never slept, came in.",
        "Everybody obeyed the Doctor. His real name was Hugh Dale.",
    ],
)
def test_a_rank_is_his_who_is_said_to_be_it(told: str) -> None:
    found = people(pages(("the Doctor", "Anne")) + f"\n\n{told}\n\n" + pages(("the Doctor", "Anne")))
    assert found["Doctor"] is found["Hugh Dale"]


@pytest.mark.parametrize(
    "told",
    [
        "There were the Doctor, Hugh Dale, and Tom.",
        "There were the Doctor, Hugh Dale, Tom, and Peter Moss.",
        "The Doctor laughed. His wife's name was Moss. The other was Hugh Dale.",
    ],
)
def test_two_of_a_list_are_two(told: str) -> None:
    found = people(pages(("the Doctor", "Anne"), ("Hugh Dale", "Anne")) + f"\n\n{told}\n\n")
    assert found["Doctor"] is not found["Hugh Dale"]


def test_who_has_a_civil_office_is_also_mr() -> None:
    found = people(pages(("Director Dale", "Anne"), ("Mr. Hugh Dale", "Anne")))
    assert found["Director Dale"] is found["Mr. Hugh Dale"]


@pytest.mark.parametrize("short", ["Dor", "Dorry"])
@pytest.mark.parametrize("said", ['"Look, {}," said Tom Finch.', "Then {} came in."])
def test_a_name_that_begins_as_only_one_first_name_does_is_short_for_it(short: str, said: str) -> None:
    told, called = pages(("Dorvany", "Tom Finch")), f"\n\n{said.format(short)}\n\n{short} wept.\n\n"
    found = people(told + called * 2 + told)
    assert found[short] is found["Dorvany"]


@pytest.mark.parametrize("more", [["Dorvell"], ["Dorn", "Dorvell"]])  # also if another name stands between
def test_who_may_be_another_is_nobodys_short_form(more: list[str]) -> None:
    told = pages(("Dorvany", "Tom Finch"), *((name, "Tom Finch") for name in more))
    found = people(told + '\n\n"Look, Dor," said Tom Finch.\n\n"Stay here, Dor," said Tom Finch.\n\n' + told)
    assert "Dor" not in found or found["Dor"] is not found["Dorvany"]


def test_a_usual_first_name_is_not_short_for_another_usual_one() -> None:
    told = "\n\n".join(pages((name, "Tom Finch"), times=1) for name in ("Clara", "Clarabel") * 6)
    found = people(told)
    assert found["Clara"] is not found["Clarabel"]


def test_an_uncle_who_is_also_called_by_the_name_alone_may_have_it_for_short() -> None:
    told = "\n\n".join(pages((name, "Peter Moss"), times=1) for name in ("Dor", "Dorvany Finch") * 4)
    found = people(told + "\n\nNobody asked Uncle Dor.")
    assert found["Uncle Dor"] is found["Dor"] is found["Dorvany Finch"]
    told = told.replace("Dor ", "Aunt Dor ")
    found = people(told + "\n\nAunt Dorvany wept.\n\nNobody asked Aunt Dorvany Finch.")
    assert found["Aunt Dor"] is found["Dorvany Finch"], "an aunt as well"


@pytest.mark.parametrize(
    ("one", "other"), [("Mori-san", "Mori"), ("Rao-ji", "Rao"), ("Anne-girl", "Anne Dale")]
)
def test_an_honorific_behind_a_name_is_no_part_of_it(one: str, other: str) -> None:
    found = people(pages((one, "Anne"), (other, "Tom Finch")))
    assert found[one] is found[other]
    assert split_name("Anne-Marie").rest == ("Anne-Marie",)


def test_the_names_of_a_hostile_text_take_time_by_their_number() -> None:
    def needed(n: int) -> int:
        kinds = (
            "Ab{}",
            "Osip Ab{}ovich",
            "Captain Ab{}",
            "Lieutenant Ab{}",
            "Mr. Ab{}",
            "Ab{}ovich",
            "Ab{}-san",
        )
        words = ["".join("abcdefghij"[int(digit)] for digit in str(10_000 + k)) for k in range(n)]
        lines = [f'"Look, {kind.format(word)}," said Tom.' for word in words for kind in kinds]
        return steps(lambda: people("\n\n".join(lines)))

    assert needed(160) < 3 * needed(80)  # four times as many where every two are compared


def test_madam_anne_is_anne() -> None:
    found = people(pages(("Anne Dale", "Mr. Moss"), ("Madam Anne", "Mr. Moss"), ("Anne", "Mr. Moss")))
    assert found["Madam Anne"] is found["Anne"] is found["Anne Dale"]


def scenes(*names: str) -> str:
    """Pages on which each of the names is met in turn, with Rosa."""
    return "\n\n".join(pages((name, "Rosa"), times=1) for name in names)


RAIN = "\n\nThen the rain came down on the river and on the town, and nobody went out." * 20


def test_an_initial_in_the_middle_makes_nobody_else() -> None:
    found = people(scenes(*("George Dale", "George B. Dale") * 4))
    assert found["George Dale"] is found["George B. Dale"]
    of_places = people(scenes(*("King of Arden", "King of Brayton") * 4))
    assert of_places["King of Arden"] is not of_places.get("King of Brayton")


def test_saint_is_a_part_of_a_surname() -> None:
    found = people(scenes(*("Tom St. Bride", "Mr. St. Bride", "Tom") * 4))
    assert found["Tom St. Bride"] is found["Mr. St. Bride"] is found["Tom"]
    peer = people(scenes(*("Lord St. Bride", "St. Bride", "Lady St. Bride") * 4))
    assert peer["Lord St. Bride"] is peer["St. Bride"] is not peer["Lady St. Bride"]


def test_many_pronouns_say_more_of_a_ladys_sex_than_the_list_of_first_names() -> None:
    told = scenes(*("Lady Hugh Dale", "Hugh", "Lady Dale", "Hugh Dale") * 4)
    found = people(told + "\n\nThen Hugh took off her hat." * 10)
    assert found["Hugh"] is found["Lady Hugh Dale"] is found["Hugh Dale"] is found["Lady Dale"]
    few = people(told + "\n\nThen Hugh took off her hat." * 4)
    assert few["Hugh"] is not few["Lady Dale"]


def test_the_only_lady_of_a_full_name_and_title_bears_it_with_the_surname_alone() -> None:
    told = scenes(*("Countess Clara Dolinova", "Clara", "Countess Dolinova") * 4)
    found = people(told + "\n\nHere is Countess Dolinova, said Tom, as Clara entered." * 2)
    assert found["Countess Dolinova"] is found["Clara"]


@pytest.mark.parametrize("title", ["Hon.", "the Honourable"])
def test_honourable_makes_nobody_else(title: str) -> None:
    found = people(scenes(*(f"{title} Giles Dale", "Mr. Dale", "Giles Dale") * 4))
    assert found[f"{title.removeprefix('the ')} Giles Dale"] is found["Mr. Dale"] is found["Giles Dale"]


def test_two_names_run_together_once_are_no_second_surname() -> None:
    found = people(scenes(*("Anna Karlovna", "Anna Karlovna Dolina", "Clara") * 4, "Anna Karlovna Clara"))
    assert found["Anna Karlovna"] is found["Anna Karlovna Dolina"] is not found["Clara"]


HOUSEHOLD = scenes(*("Mrs. Dale", "Clara", "Mr. Dale", "Laura") * 3)


def test_mrs_dale_is_she_beside_whose_husband_mr_dale_is_named_and_who_is_never_beside_her() -> None:
    found = people(HOUSEHOLD + "\n\nClara laughed to think that her husband could not. Mr. Dale slept.")
    assert found["Mrs. Dale"] is found["Clara"]
    assert found["Mrs. Dale"] is not found["Laura"]


def test_a_rank_of_a_place_behind_a_name_is_whose_name_it_is() -> None:
    found = people(scenes(*("Dejan", "Queen of Arden") * 4) + "\n\nThen Dejan, Queen of Arden, rose.")
    assert found["Dejan"] is found["Queen of Arden"]
    two = people(
        scenes(*("Dejan", "Queen of Arden") * 4) + "\n\nThen Dejan, the Queen of Arden, and Tom rose."
    )
    assert two["Dejan"] is not two["Queen of Arden"]


def test_who_marries_a_lady_is_none_of_those_who_bear_her_name() -> None:
    text = scenes(*["Mr. Dale"] * 4) + "\n\n" + scenes(*("Miss Moss", "Mr. Finch") * 4)
    text += "\n\nMr. Dale married Miss Moss.\n\n" + scenes(*("Lady Arden", "Tom Roe") * 4)
    found = people(f"{text}\n\nLady Arden, formerly Miss Moss, sat there.")
    assert found["Lady Arden"] is found["Miss Moss"]


def test_a_first_name_is_rather_his_who_is_on_its_pages() -> None:
    first, second = scenes(*["Tom Dale"] * 3), scenes(*("Tom Finch", "Tom") * 2)
    found = people(first + RAIN * 9 + "\n\n" + second)
    assert found["Tom"] is found["Tom Finch"] is not found["Tom Dale"]


@pytest.mark.parametrize("boy", ["little Harry", "Harry"])
def test_a_child_is_not_mr_of_the_long_form(boy: str) -> None:
    met = scenes(*["Mr. Henry Dale"] * 4) + RAIN * 3 + "\n\n" + scenes(*("Harry", "Harry Dale") * 2)
    found = people(met + f"\n\nShe kissed {boy}. Then {boy} slept." * 4)
    assert (found["Harry Dale"] is found["Mr. Henry Dale"]) is (boy == "Harry")


def test_alexis_may_be_a_man() -> None:
    found = people(scenes(*("Alexis Arnovitch", "Arnovitch") * 4))
    assert found["Alexis Arnovitch"] is found["Arnovitch"]


def test_hal_dale_and_harold_dale_are_one_dr_dale() -> None:
    found = people(scenes(*("Hal Dale", "Harold Dale", "Dr. Dale") * 3))
    assert found["Dr. Dale"] is found["Hal Dale"] is found["Harold Dale"]
    other = people(scenes(*("Hal Dale", "Peter Dale", "Dr. Dale") * 3))
    assert other["Hal Dale"] is not other["Peter Dale"]


def test_a_servants_mr_tom_is_tom_dale_who_is_seldom_called_by_the_first_name_alone() -> None:
    called = '\n\n"Come, {0}," said Rosa. {0} laughed.\n\nThey asked for Mr. {0}.'
    found = people(scenes(*["Tom Dale"] * 4) + called.format("Tom"))
    assert found["Mr. Tom"] is found["Tom"] is found["Tom Dale"]
    lady = people(scenes(*["Anne Dale"] * 4) + called.format("Anne"))
    assert lady.get("Mr. Anne") is not lady["Anne"]


def test_a_clergyman_may_be_a_doctor() -> None:
    found = people(scenes(*("Reverend Peter Dale", "Doctor Dale") * 3))
    assert found["Doctor Dale"] is found["Reverend Peter Dale"]
    officer = people(scenes(*("Captain Peter Dale", "Doctor Dale") * 3))
    assert officer["Doctor Dale"] is not officer["Captain Peter Dale"]


KNOWN = "Edmund worked on. Then Edmund slept.\n\n" * 3 + "Edmund Dale had sheep.\n\n"
FARMER = '"Come," said Dale. The dog knew Dale.\n\n' * 3 + "Farmer Dale was content.\n\n"


def test_who_is_called_by_a_surname_is_the_only_man_who_is_known_by_it() -> None:
    found = people((KNOWN + FARMER) * 4 + "Shepherd Dale came. Mrs. Dale came.\n\n" * 2 + "Edwin Dale came.")
    assert found["Dale"] is found["Farmer Dale"] is found["Edmund"] is found["Edmund Dale"]
    assert found["Dale"] is not found["Mrs. Dale"]
