"""Which ties that rules read hold over a whole book."""

from __future__ import annotations

from kgnb.core.labels import CHARACTER_RELATIONS
from kgnb.graph.project.contradictions import refuted, settled
from kgnb.graph.project.facts import TieFacts

Tie = tuple[str, str, str]


def lost(ties: dict[Tie, float], *, by_ai: bool = False) -> set[Tie]:
    """Those of ``ties`` (with their odds) that don't hold."""
    facts = {
        (("Character", one), kind, ("Character", other)): TieFacts(
            confidence=odds / (1 + odds), odds=odds, by_ai=by_ai
        )
        for (one, kind, other), odds in ties.items()
    }
    return {(one[1], kind, other[1]) for one, kind, other in refuted(facts)}


def test_what_is_likelier_than_not_holds() -> None:
    assert lost({("a", "SPOUSE", "b"): 1.0, ("c", "FRIEND", "d"): 0.9}) == {("c", "FRIEND", "d")}


def test_each_of_two_kinships_of_a_pair_lowers_the_other() -> None:
    wife, sister, mother = ("a", "SPOUSE", "b"), ("a", "SIBLING", "b"), ("b", "PARENT_OF", "a")
    assert lost({wife: 9.0, sister: 2.0}) == {sister}
    assert lost({wife: 9.0, sister: 9.0}) == {wife, sister}
    assert lost({mother: 9.0, ("a", "PARENT_OF", "b"): 9.0}) == {mother, ("a", "PARENT_OF", "b")}
    assert lost({wife: 9.0, ("a", "ENEMY", "b"): 9.0}) == set()


def test_brothers_and_sisters_are_of_one_generation() -> None:
    siblings = {("tom", "SIBLING", "x"): 6.0, ("ann", "SIBLING", "x"): 6.0}
    assert lost({**siblings, ("tom", "PARENT_OF", "ann"): 3.0}) == {("tom", "PARENT_OF", "ann")}
    assert lost({**siblings, ("tom", "PARENT_OF", "ann"): 9.0}) == set()


def test_another_brother_holds_however_much_is_said_of_the_first() -> None:
    assert lost({("a", "SIBLING", "b"): 20.0, ("a", "SIBLING", "c"): 2.0}) == set()


def test_children_of_one_parent_are_siblings_from_the_later_statement_on() -> None:
    father, ann, tom, bob = (("Character", name) for name in ("father", "ann", "tom", "bob"))

    def tie(chapter: int, confidence: float, odds: float) -> TieFacts:
        facts = TieFacts(
            chapters={chapter: chapter, 9: 9}, strengths={chapter: 4, 9: 9}, confidence=confidence
        )
        facts.odds, facts.texts = odds, {"evidence": f"quote {chapter}", "description": "child"}
        return facts

    ties = {
        (father, "PARENT_OF", tom): tie(3, 0.9, 9.0),
        (father, "PARENT_OF", ann): tie(2, 0.8, 4.0),
        (father, "PARENT_OF", bob): tie(1, 0.5, 1.0),
        (ann, "PARENT_OF", tom): tie(1, 0.6, 1.5),
    }
    assert settled(ties, ("PARENT_OF",)) == ties
    found = settled(ties, CHARACTER_RELATIONS)
    facts = found.pop((ann, "SIBLING", tom))
    assert found.keys() == {edge for edge in ties if edge[0] == father}  # nor is Ann the mother of Tom
    assert (facts.chapters, facts.strengths, facts.confidence) == ({3: 3}, {3: 4}, 0.72)
    assert facts.texts == {"evidence": "quote 3", "description": "father → ann, tom"}
    mother = ("Character", "mother")
    both = {(mother, "PARENT_OF", child): tie(4, 0.6, 1.5) for child in (tom, bob)}
    assert (bob, "SIBLING", tom) in settled({**ties, **both}, CHARACTER_RELATIONS)  # both parents
    stated = {**ties, (ann, "FAMILY", tom): tie(4, 0.9, 9.0)}
    assert (ann, "SIBLING", tom) not in settled(stated, CHARACTER_RELATIONS)


def follow(*ties: Tie, label: str = "") -> set[Tie]:
    """The ties that follow from ``ties``, of odds 3 and with this label."""
    facts = {
        (("Character", one), kind, ("Character", other)): TieFacts(
            texts={"description": label}, confidence=0.75, odds=3.0, chapters={1: 1}, strengths={1: 4}
        )
        for one, kind, other in ties
    }
    found = settled(facts, CHARACTER_RELATIONS)
    return {(one[1], kind, other[1]) for one, kind, other in found.keys() - facts.keys()}


def test_what_two_are_to_a_third_makes_them_kin() -> None:
    ann_tom, tom_bob = ("ann", "SIBLING", "tom"), ("tom", "SIBLING", "bob")
    mother = ("mother", "PARENT_OF", "tom")
    assert follow(ann_tom, tom_bob) == {("ann", "SIBLING", "bob")}
    assert follow(ann_tom, mother) == set()  # she may be a half-sister
    assert follow(mother, ("mother", "SPOUSE", "dale")) == {("dale", "FAMILY", "tom")}  # or his stepfather
    assert follow(mother, ("mother", "SPOUSE", "dale"), ("dale", "PARENT_OF", "tom")) == set()
    assert follow(("mother", "SIBLING", "aunt"), ("mother", "FAMILY", "x")) == set()


def test_brothers_by_an_oath_share_no_relatives() -> None:
    ties = ("刘备", "SIBLING", "张飞"), ("刘备", "SIBLING", "刘表")
    assert follow(*ties, label="弟") == {("刘表", "SIBLING", "张飞")}
    assert not follow(*ties, label="结为兄弟")


def test_what_a_model_says_is_left_alone() -> None:
    assert lost({("a", "SPOUSE", "b"): 0.1, ("a", "SIBLING", "b"): 0.2}, by_ai=True) == set()


def test_a_typed_tie_is_as_sure_as_all_that_is_said_of_it() -> None:
    tom, ann = ("Character", "tom"), ("Character", "ann")
    often = TieFacts(confidence=0.2, odds=1.5)
    very_often = TieFacts(confidence=0.2, odds=99.0)
    stated = TieFacts(confidence=0.9, odds=9.0)
    met = TieFacts(confidence=0.4, odds=9.0)
    kinds = {"SIBLING": often, "FRIEND": very_often, "LOVES": stated, "KNOWS": met}
    found = settled({(tom, kind, ann): facts for kind, facts in kinds.items()}, CHARACTER_RELATIONS)
    assert {kind: facts.confidence for (_, kind, _), facts in found.items()} == {
        "SIBLING": 0.6,
        "FRIEND": 0.7,
        "LOVES": 0.9,
        "KNOWS": 0.4,
    }
