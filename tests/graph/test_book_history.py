"""What a reader of a chapter knows: names that are linked later are somebody else until then."""

from __future__ import annotations

from kgnb.extract.model import Character, Extraction, Location, Relation
from kgnb.graph.book_history import book_history
from kgnb.graph.model import Graph, GraphEdge, GraphNode

MAGWITCH, PIP = ("Character", "Magwitch"), ("Character", "Pip")


def novel() -> Graph:
    """Pip meets the convict in chapter 1, hears of a Magwitch in 3, and learns in 5 that they are one."""
    graph = Graph()
    for ref, facts in (
        (MAGWITCH, {"name": "Magwitch", "aliases": ["Provis", "the convict"], "chapters": [1, 3, 5, 6]}),
        (PIP, {"name": "Pip", "aliases": [], "chapters": [1, 2, 3, 5, 6]}),
    ):
        graph.nodes[ref] = GraphNode(*ref, facts)
    ties = {"strength": 4, "count": 3, "chapters": [1, 3, 6]}
    graph.edges[MAGWITCH, "KNOWS", PIP] = GraphEdge(MAGWITCH, "KNOWS", PIP, ties)
    return graph


ROWS = (
    (
        1,
        Extraction(
            characters=[Character(name="the convict", description="a fearful man"), Character(name="Pip")],
            locations=[Location(name="the marshes", description="flat")],
            relations=[Relation(source="Pip", target="the convict", strength=6, evidence="Keep still!")],
        ),
    ),
    (
        3,
        Extraction(
            characters=[Character(name="Magwitch"), Character(name="Pip")],
            relations=[
                Relation(source="Magwitch", target="Pip", strength=2, evidence="not there", unverified=True)
            ],
        ),
    ),
    (5, Extraction(characters=[Character(name="Magwitch", aliases=["the convict"])])),
)


def test_a_name_that_is_linked_later_belongs_to_somebody_else_until_then() -> None:
    found = book_history(novel(), ROWS, {})
    convict = found.people[MAGWITCH]
    assert convict.since == {"Magwitch": 5, "Provis": 6, "the convict": 1}
    assert convict.chapters == {"the convict": {1, 5}, "Magwitch": {3, 5}, "": {6}}


def test_what_the_name_scan_knows_comes_before_what_replies_say() -> None:
    found = book_history(novel(), ROWS, {"Magwitch": 3, "Provis": 4})
    assert found.people[MAGWITCH].since == {"Magwitch": 3, "Provis": 4, "the convict": 1}


def test_a_tie_has_each_chapters_strength_quote_and_names() -> None:
    first, second, last = book_history(novel(), ROWS, {}).ties[MAGWITCH, "KNOWS", PIP]
    assert (first.chapter, first.strength, first.quote) == (1, 6, "Keep still!")
    assert (first.source, first.target) == ("the convict", "Pip")
    assert (second.chapter, second.quote) == (3, ""), "a quote that isn't in the text is none"
    assert (last.chapter, last.strength, last.source) == (6, 4, ""), "no row: the edge's own strength"


def test_a_description_is_of_the_chapter_that_gives_it() -> None:
    described = book_history(novel(), ROWS, {}).described
    assert described == {MAGWITCH: 1, ("Location", "the marshes"): 1}


def test_a_name_of_two_people_says_nothing() -> None:
    graph = novel()
    graph.nodes[PIP].properties["aliases"] = ["Provis"]
    rows = [(1, Extraction(characters=[Character(name="Provis")]))]
    assert "Provis" not in book_history(graph, rows, {}).people[MAGWITCH].chapters


def said(chapter: int, source: str, kind: str, target: str, confidence: float) -> tuple[int, Extraction]:
    """A chapter whose rules read one tie."""
    people = [Character(name=name) for name in {source, target}]
    tie = Relation(source=source, target=target, type=kind, confidence=confidence)
    return chapter, Extraction(characters=people, relations=[tie])


def test_a_tie_that_later_chapters_refute_holds_until_then() -> None:
    graph, (pip, magwitch) = novel(), (PIP, MAGWITCH)
    ties = {"strength": 5, "chapters": [3], "extracted_by": "rule"}
    graph.edges = {(pip, "PARENT_OF", magwitch): GraphEdge(pip, "PARENT_OF", magwitch, ties)}
    rows = [said(1, "Magwitch", "PARENT_OF", "Pip", 0.8), said(3, "Pip", "PARENT_OF", "Magwitch", 0.95)]
    found = book_history(graph, rows, {}, ("PARENT_OF",))
    assert found.turns == {(magwitch, "PARENT_OF", pip): [1, 3], (pip, "PARENT_OF", magwitch): [3]}
    assert [here.chapter for here in found.ties[magwitch, "PARENT_OF", pip]] == [1]
    assert list(book_history(graph, rows, {}).ties) == list(graph.edges), "without types those of the graph"


def test_a_tie_that_a_reader_took_away_never_holds() -> None:
    graph = novel()
    graph.edges = {}
    rows = [said(1, "Magwitch", "PARENT_OF", "Pip", 0.8)]
    assert book_history(graph, rows, {}, ("PARENT_OF",)).ties == {}


def test_two_names_of_one_person_know_each_other_until_they_are_one() -> None:
    found = book_history(novel(), [said(3, "the convict", "KNOWS", "Provis", 0.9)], {"Provis": 5}, ("KNOWS",))
    [here] = found.ties[MAGWITCH, "KNOWS", MAGWITCH]
    assert (here.source, here.target) == ("Provis", "the convict")


def test_of_two_names_in_the_first_chapter_the_one_known_first_is_the_person() -> None:
    rows = [(1, Extraction(characters=[Character(name="the convict"), Character(name="Provis")]))]
    since = book_history(novel(), rows, {"the convict": 4, "Provis": 1}).people[MAGWITCH].since
    assert (since["Provis"], since["the convict"]) == (1, 4)


def test_a_tie_has_the_chapters_of_the_graph() -> None:
    """Rows of a tie that was refuted, and then inferred from others, are no chapters of it."""
    graph = novel()
    graph.edges[MAGWITCH, "KNOWS", PIP].properties["chapters"] = [1]
    assert [one.chapter for one in book_history(graph, ROWS, {}).ties[MAGWITCH, "KNOWS", PIP]] == [1]


def test_a_tie_that_follows_from_others_has_their_quote() -> None:
    """Brothers whom no chapter calls so: the graph has the statement that one of them is the father's."""
    graph = novel()
    facts = {"strength": 3, "chapters": [3], "evidence": "his second son", "extracted_by": "rule"}
    graph.edges = {(MAGWITCH, "SIBLING", PIP): GraphEdge(MAGWITCH, "SIBLING", PIP, facts)}
    [here] = book_history(graph, (), {}).ties[MAGWITCH, "SIBLING", PIP]
    assert (here.chapter, here.quote) == (3, "his second son")
