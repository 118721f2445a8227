"""The explorer's page in a real browser: everybody, as a reader of any chapter knows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgnb.core.messages import texts, use_language
from kgnb.extract.model import Character, Extraction, Relation
from kgnb.graph.book_history import book_history
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.project.corrections import correct
from kgnb.graph.query import GraphQuery
from kgnb.graph.resolve.correction_file import read_corrections
from kgnb.graph.resolve.decisions import Decision
from kgnb.render.explorer import page as explorer
from tests.support.browser import chromium, watched

EVIL = (
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "\u2028window.pwned=1//'\"`${window.pwned=1}",
    "@@DATA@@@@SCRIPT@@",
    "\x00\x0b\ud800&lt;b&gt;<!--<script>",
    "__proto__",
    "javascript:window.pwned=1",
)
CHAPTERS = 6


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


def person(graph: Graph, name: str, chapters: list[int], *aliases: str, **facts: Any) -> tuple[str, str]:
    known = {"name": name, "aliases": list(aliases), "chapters": chapters, "count": len(chapters)}
    graph.nodes["Character", name] = GraphNode("Character", name, known | facts)
    return ("Character", name)


def tie(graph: Graph, source: str, kind: str, target: str, chapters: list[int], **facts: Any) -> None:
    known: dict[str, Any] = {
        "chapters": chapters,
        "count": len(chapters),
        "strength": 4,
        "extracted_by": "ai",
    }
    edge = GraphEdge(("Character", source), kind, ("Character", target), known | facts)
    graph.edges[edge.ref] = edge


def novel() -> Graph:
    """Pip meets the convict in chapter 1, hears of Magwitch in 3, and learns in 5 that they are one.

    Estella comes in 6, a daughter of Magwitch's."""
    graph = Graph()
    for number in range(1, CHAPTERS + 1):
        facts = {"title": f"Chapter {number}", "chapter_number": number}
        graph.nodes["Chapter", str(number)] = GraphNode("Chapter", str(number), facts)
    person(graph, "Pip", [1, 2, 3, 4, 5, 6], protagonist_score=100)
    person(graph, "Magwitch", [1, 3, 5, 6], "the convict", description="A convict with a fortune.")
    person(graph, "Joe", [1, 2], "Joe Gargery")
    person(graph, "Estella", [6])
    tie(graph, "Magwitch", "KNOWS", "Pip", [1, 3, 5])
    tie(graph, "Joe", "FAMILY", "Pip", [1, 2])
    tie(graph, "Magwitch", "PARENT_OF", "Estella", [6], evidence="she is his child")
    for name, node in {n.key: n for n in graph.nodes.values() if n.label == "Character"}.items():
        for number in node.numbers("chapters"):
            seen = GraphEdge(("Character", name), "APPEARS_IN", ("Chapter", str(number)), {})
            graph.edges[seen.ref] = seen
    facts = {"name": "the marshes", "chapters": [1, 4], "type": "marsh"}
    graph.nodes["Location", "the marshes"] = GraphNode("Location", "the marshes", facts)
    return graph


def row(
    chapter: int, people: list[Character], *told: tuple[str, str, str, int, str]
) -> tuple[int, Extraction]:
    relations = [
        Relation(source=source, type=kind, target=target, strength=strength, evidence=quote)
        for source, kind, target, strength, quote in told
    ]
    return chapter, Extraction(characters=people, relations=relations)


RICH = Character(name="Magwitch", aliases=["the convict"], description="A convict with a fortune.")
ROWS = (
    row(
        1,
        [Character(name="the convict"), Character(name="Pip"), Character(name="Joe")],
        ("Pip", "KNOWS", "the convict", 6, "Keep still, you little devil!"),
        ("Joe", "FAMILY", "Pip", 8, "ever the best of friends"),
    ),
    row(3, [Character(name="Magwitch")], ("Magwitch", "KNOWS", "Pip", 2, "a man called Magwitch")),
    row(5, [RICH], ("Magwitch", "KNOWS", "Pip", 9, "my convict of the marshes")),
    row(6, [Character(name="Estella")], ("Magwitch", "PARENT_OF", "Estella", 9, "she is his child")),
)


def write(path: Path, graph: Graph, rows: Any = ROWS, title: str = "Great Expectations") -> Path:
    path.write_text(explorer.html(graph, book_history(graph, rows, {}), title=title), encoding="utf-8")
    return path


def find(page: Any, name: str) -> str:
    page.fill("#search", name)
    page.keyboard.press("Enter")
    return str(page.inner_text("#panel"))


def read_to(page: Any, chapter: int) -> None:
    move = "(s, n) => { s.value = n; s.dispatchEvent(new Event('input')) }"
    page.evaluate(f"n => ({move})(document.getElementById('chapter'), n)", chapter - 1)


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    use_language("en")
    path = write(tmp_path / "g.html", novel())
    opened, said, asked = watched(browser, path)
    opened.wait_for_selector("body[data-ready]")
    yield opened
    assert said == []
    assert asked == [(tmp_path / "g.html").as_uri()], "nothing is fetched"
    opened.close()


def test_everybody_is_found_by_any_name_with_ties_and_quotes(page: Any) -> None:
    assert page.evaluate("document.body.dataset.ready") == "4/3"
    card = find(page, "joe garg")
    assert "Joe" in card
    assert "Family" in card or texts("en")["relation.FAMILY"] in card
    page.click("#panel .more")
    assert "ever the best of friends" in page.inner_text("#panel")
    card = find(page, "marsh")
    assert "Pip" in card, "who is in a place's chapters"


def test_a_reader_of_chapter_three_sees_nothing_later(page: Any) -> None:
    read_to(page, 3)
    everything = page.inner_text("body")
    assert "Estella" not in everything
    assert "Chapter 4" not in everything
    assert "with a fortune" not in find(page, "Magwitch")
    assert "the convict" not in page.inner_text("#panel"), "that they are one is told in chapter 5"
    assert "fortune" not in find(page, "the convict")
    page.click("#panel .more")
    quotes = page.inner_text("#panel")
    assert "Keep still" in quotes
    assert "my convict" not in quotes
    page.fill("#search", "Estella")
    assert texts("en")["explorer.no_match_yet"] in page.inner_text("#found")
    page.keyboard.press("Escape")
    page.click("#whole")
    card = find(page, "the convict")
    assert "with a fortune" in card
    assert page.inner_text("#panel h2") == "Magwitch"
    assert "Estella" in card


def test_counts_and_strengths_are_those_of_the_chapters_read(page: Any) -> None:
    read_to(page, 1)
    assert "characters: 3, ties: 2" in page.inner_text("#counts")
    assert "strength 6" in find(page, "the convict")
    read_to(page, 5)
    assert "characters: 3" in page.inner_text("#counts")
    assert "strength 6" in find(page, "Magwitch"), "(6 + 2 + 9) / 3, halves up"


def test_what_is_unknown_and_what_comes_later_are_told_alike(page: Any) -> None:
    read_to(page, 3)
    said = []
    for wanted in ("Estella", "zzzz"):
        page.fill("#search", wanted)
        said.append(page.inner_text("#found"))
    assert said[0] == said[1]


def test_nothing_stays_dim_when_who_was_chosen_is_not_there_yet(page: Any) -> None:
    find(page, "Estella")
    page.evaluate("document.getElementById('graph')._cyreg.cy.getElementById('n3').emit('mouseover')")
    read_to(page, 1)
    assert page.evaluate("document.getElementById('graph')._cyreg.cy.elements('.dim').length") == 0


def test_a_name_longer_than_the_books_is_found_where_no_other_is(page: Any) -> None:
    find(page, "Estella Havisham")
    assert page.inner_text("#panel h2") == "Estella"
    read_to(page, 5)
    assert texts("en")["explorer.no_match_yet"] in find(page, "Estella Havisham")


def test_two_names_give_what_joins_them_and_a_number_its_chapter(page: Any) -> None:
    assert "ever the best of friends" in find(page, "Pip and Joe")
    assert page.inner_text("#panel h2") == "Joe · Pip"
    find(page, "joe, estella")
    assert page.inner_text("#panel h2") == "Joe → Estella", "the way between two without a tie"
    find(page, "chapter 3")
    assert page.evaluate("document.getElementById('chapter').value") == "2"
    assert texts("en")["explorer.no_match_yet"] in find(page, "Joe Estella"), "who isn't known yet"
    find(page, "Pip")
    assert "1–3" in page.inner_text("#panel"), "the chapters by number"


def test_relatives_come_first_and_two_know_each_other_since_their_first_tie(
    browser: Any, tmp_path: Path
) -> None:
    use_language("en")
    graph = novel()
    tie(graph, "Joe", "KNOWS", "Magwitch", [1, 2, 3, 4, 5], strength=10)
    tie(graph, "Joe", "KNOWS", "Estella", [6])
    tie(graph, "Joe", "MASTER_OF", "Magwitch", [6], strength=3)
    rows = [
        *ROWS,
        row(3, [], ("Joe", "KNOWS", "Magwitch", 10, "")),
        row(6, [], ("Joe", "MASTER_OF", "Magwitch", 3, "he said")),
    ]
    page, _, _ = watched(browser, write(tmp_path / "g.html", graph, sorted(rows, key=lambda r: r[0])))
    page.wait_for_selector("body[data-ready]")
    find(page, "Joe")
    lines = page.locator("#panel .tie").all_inner_texts()
    assert "Pip" in lines[0], "family, weaker than another's"
    assert "Magwitch" in lines[1]
    assert "strength 10" in lines[1]
    assert "chapters: 6" in lines[1]
    chips = page.locator("#panel .tie").nth(1).locator(".kind").all_inner_texts()
    assert [" ".join(chip.split()) for chip in chips] == ["pupil since ch. 6", "knows since ch. 1"]
    page.close()


def test_a_tie_that_a_reader_added_says_so_and_gives_the_reason(browser: Any, tmp_path: Path) -> None:
    """It has no chapter of its own: neither a quote nor a first chapter is claimed."""
    use_language("en")
    graph = novel()
    fixes = [
        Decision(1, "tie", ("Joe", "Magwitch"), detail="FRIEND", reason="they ate together"),
        Decision(2, "tie", ("Joe", "Estella"), detail="SIBLING", chapters=(6, 6), reason="a guess"),
    ]
    assert correct(graph, fixes) == []
    page, said, _ = watched(browser, write(tmp_path / "g.html", graph))
    page.wait_for_selector("body[data-ready]")
    card = find(page, "Joe")
    assert card.count("added by a reader") == 2
    assert "since ch. 6" in " ".join(page.inner_text("#panel .tie >> text=Estella >> xpath=..").split())
    page.locator("#panel .tie", has_text="Magwitch").locator(".more").click()
    shown = page.inner_text("#panel")
    assert "they ate together" in shown
    assert texts("en")["explorer.no_quotes"] not in shown
    assert said == []
    page.close()


def test_what_rules_read_is_not_shown_as_if_it_was_told(browser: Any, tmp_path: Path) -> None:
    """The description of a rule's tie is a scrap of its quote, unless it is a kinship word."""
    graph = novel()
    tie(graph, "Joe", "ENEMY", "Estella", [6], extracted_by="rule", description=", and then fought")
    tie(graph, "Joe", "SIBLING", "Magwitch", [5], extracted_by="rule", description="brother")
    page, _, _ = watched(browser, write(tmp_path / "g.html", graph))
    page.wait_for_selector("body[data-ready]")
    for name, told in (("Estella", False), ("Magwitch", True)):
        find(page, "Joe")
        page.locator("#panel .tie", has_text=name).locator(".more").click()
        assert ("and then fought" in page.inner_text("#panel")) is False
        assert ("brother" in page.inner_text("#panel")) is told
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_stand_out_from_the_paper_in_both_themes(browser: Any, tmp_path: Path, scheme: str) -> None:
    """Contrast of at least 3 (WCAG 1.4.11) for what is stated; those who only meet stay in the background."""
    graph = novel()
    for kind in ("SPOUSE", "LOVES", "FRIEND", "ENEMY", "LEADS"):
        tie(graph, "Joe", kind, "Estella", [6])
    page, _, _ = watched(browser, write(tmp_path / "g.html", graph), color_scheme=scheme)
    page.wait_for_selector("body[data-ready]")
    found = page.evaluate(CONTRASTS, ["family", "love", "friendship", "enmity", "hierarchy"])
    assert min(found) >= (4.5 if scheme == "dark" else 2.5), found
    page.close()


CONTRASTS = """groups => {
  const style = getComputedStyle(document.documentElement);
  const light = name => {
    const hex = style.getPropertyValue(name).trim().slice(1);
    const full = hex.length === 3 ? [...hex].map(c => c + c).join('') : hex;
    const [r, g, b] = [0, 2, 4].map(i => parseInt(full.slice(i, i + 2), 16) / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return groups.map(group => {
    const [high, low] = [light('--paper'), light('--' + group)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  });
}"""


def test_a_search_without_a_match_leaves_no_card_that_could_be_its_answer(page: Any) -> None:
    find(page, "Joe")
    card = find(page, "Miss Havisham")
    assert texts("en")["explorer.no_match"] in card
    assert "Joe" not in card
    assert "Joe" in find(page, "Joe")


def test_from_a_quote_to_its_chapter_there_is_a_way_back(browser: Any, tmp_path: Path) -> None:
    """Where the tie is known later only, the card says so."""
    use_language("en")
    graph = novel()
    tie(graph, "Joe", "FRIEND", "Pip", [2, 4], extracted_by="rule", evidence="what larks")
    rows = [*ROWS[:1], row(2, [], ("Joe", "FRIEND", "Pip", 4, "what larks")), *ROWS[1:]]
    tie(graph, "Joe", "MASTER_OF", "Estella", [2], extracted_by="rule")
    rows[1][1].relations.append(
        Relation(source="Joe", type="MASTER_OF", target="Estella", evidence="so he said")
    )
    path = tmp_path / "g.html"
    history = book_history(graph, rows, {})
    path.write_text(explorer.html(graph, history, title="Great Expectations"), encoding="utf-8")
    page, said, _ = watched(browser, path)
    page.wait_for_selector("body[data-ready]")
    find(page, "Estella")
    page.locator("#panel .tie").filter(has_text="Joe").locator(".more").click()
    assert "so he said" in page.inner_text("#panel")
    page.locator("#panel blockquote .at").first.click()
    assert texts("en")["explorer.tie_later"] in page.inner_text("#panel"), "Estella comes in chapter 6"
    page.locator("#panel .action").first.click()
    assert "so he said" in page.inner_text("#panel")
    assert page.is_disabled("#whole"), "the whole book again"
    assert said == []
    page.close()


def test_names_are_found_in_either_script(browser: Any, tmp_path: Path) -> None:
    graph = novel()
    person(graph, "刘备", [1], "玄德")
    page, said, _ = watched(browser, write(tmp_path / "g.html", graph, ()))
    page.wait_for_selector("body[data-ready]")
    assert "玄德" in find(page, "劉備")
    assert said == []
    page.close()


def test_nobody_stands_on_another_in_an_early_chapter(browser: Any, tmp_path: Path) -> None:
    use_language("en")
    graph = novel()
    for number in range(120):  # more than are laid out with the page
        person(graph, f"Guest {number}", [1])
        tie(graph, f"Guest {number}", "KNOWS", "Pip", [1])
    for number in range(90):
        person(graph, f"Later {number}", [2, 3, 4, 5, 6])
    page, said, _ = watched(browser, write(tmp_path / "g.html", graph, ()))
    page.wait_for_selector("body[data-ready]")
    read_to(page, 1)
    apart = """() => {
      const nodes = document.getElementById('graph')._cyreg.cy.nodes().toArray();
      return [nodes.length, Math.min(...nodes.flatMap((a, i) => nodes.slice(i + 1).map(b =>
        Math.hypot(a.position().x - b.position().x, a.position().y - b.position().y)
          - (a.data('r') + b.data('r')) / 2)))];
    }"""
    shown, gap = page.evaluate(apart)
    assert shown > 60
    assert gap > 0
    assert said == []
    page.close()


def test_a_pair_has_one_line_that_names_all_its_ties(browser: Any, tmp_path: Path) -> None:
    use_language("en")
    graph = novel()
    tie(graph, "Magwitch", "KNOWS", "Estella", [6])
    page, _, _ = watched(browser, write(tmp_path / "g.html", graph))
    page.wait_for_selector("body[data-ready]")
    words = texts("en")
    find(page, "Estella")
    assert page.inner_text("#panel .tie .kind >> nth=0").startswith(words["explorer.parent"])
    assert words["relation.KNOWS"] in page.inner_text("#panel .tie")
    assert page.locator("#panel .tie").count() == 1
    find(page, "Magwitch")
    assert page.inner_text("#panel .tie .kind >> nth=0").startswith(words["explorer.child"]), (
        "before mere acquaintances"
    )
    page.close()


def test_by_keyboard_the_focus_stays_where_the_card_is(page: Any) -> None:
    """Enter on a name opens the card, and the next Tab is in it; a list of choices keeps its arrow keys."""
    focused = "document.activeElement.id || document.activeElement.tagName"
    page.keyboard.press("/")
    page.keyboard.type("Jo")
    assert page.get_attribute("#found li.on", "id") == page.get_attribute("#search", "aria-activedescendant")
    page.keyboard.press("Enter")
    page.locator("#panel .tie .who").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(focused) == "panel"
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('panel').contains(document.activeElement)")
    before = page.inner_text("#now")
    page.locator("#panel .fix summary").first.click()
    page.locator("#panel .fix details summary").nth(3).click()
    page.locator("#panel .fix select:visible").first.focus()
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#now") == before
    page.keyboard.press("Escape")


def test_a_place_tells_who_is_in_its_chapters(page: Any) -> None:
    read_to(page, 3)
    assert "Magwitch" in page.inner_text("#panel .present"), "chapter 3 itself"
    find(page, "the marshes")
    page.locator("#panel .present").first.wait_for()
    assert page.locator("#panel .present").count() == 1, "chapter 4 is not read"
    assert "Joe" in page.inner_text("#panel .present")


def test_play_goes_on_to_the_end(page: Any) -> None:
    read_to(page, 5)
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    page.wait_for_selector("#whole[disabled]")
    page.wait_for_selector("#play[aria-pressed=false]")


def test_the_path_is_the_books(page: Any) -> None:
    query = GraphQuery(novel())
    steps = query.path(("Character", "Joe"), ("Character", "Estella"))
    names = [steps[0].source.name, *(step.target.name for step in steps)]
    find(page, "Joe")
    page.get_by_role("button", name=texts("en")["explorer.path_from"]).click()
    card = find(page, "Estella")
    told = page.evaluate("[...document.querySelectorAll('#panel .relation .who')].map(e => e.textContent)")
    assert told == names[1:]
    assert page.inner_text("#panel h2") == "Joe → Estella"
    assert "she is his child" in card


def test_filters_hide_and_expanding_brings_in(page: Any) -> None:
    find(page, "Joe")
    page.locator("#legend button").filter(has_text=texts("en")["picture.family"]).click()
    assert page.locator("#panel .tie").count() == 0
    page.evaluate("m => { m.value = 1; m.dispatchEvent(new Event('input')) }", page.query_selector("#many"))
    page.keyboard.press("Escape")
    assert "drawn: 1" in page.inner_text("#counts")
    find(page, "Pip")
    page.get_by_role("button", name=texts("en")["explorer.expand"]).click()
    assert "drawn: 3" in page.inner_text("#counts")
    page.get_by_role("button", name=texts("en")["explorer.collapse"]).click()
    assert "drawn: 1" in page.inner_text("#counts")


def test_pictures_and_corrections_are_downloaded(page: Any, tmp_path: Path) -> None:
    for name, start in (("#png", b"\x89PNG"), ("#svg", b"<svg")):
        page.click(".tools summary") if not page.is_visible(name) else None
        with page.expect_download() as waiting:
            page.click(name)
        assert Path(waiting.value.path()).read_bytes().startswith(start)
    page.click(".tools summary")
    find(page, "Joe")
    page.click("#panel .fix summary")
    page.locator("#panel .fix details summary").first.click()
    form = page.locator("#panel .fix form").first
    form.locator("[name=to]").fill("Joe the blacksmith")
    form.locator("[name=reason]").fill("so he is called")
    form.locator("button").click()
    page.click("#panel .more")
    page.locator("#panel .fix summary").first.click()
    page.locator("#panel .fix details summary").first.click()
    page.locator("#panel .fix form").first.locator("button").click()
    with page.expect_download() as waiting:
        page.click("#fixes")
    made = read_corrections(Path(waiting.value.path()).read_bytes(), "x.json")
    assert [(one.kind, one.names) for one in made] == [
        ("rename", ("Joe", "Joe the blacksmith")),
        ("untie", ("Joe", "Pip")),
    ]
    assert made[0].reason == "so he is called"


def test_a_link_leads_to_a_person_and_a_chapter(browser: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "g.html", novel())
    page, said, _ = watched(browser, path)
    page.goto(path.as_uri() + "#who=the+convict&chapter=3")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert page.inner_text("#panel h2") == "the convict"
    assert said == []
    page.close()


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    graph = novel()
    for evil in EVIL:
        person(graph, evil, [1], f"{evil} alias", description=evil, title=evil, traits=[evil], note=evil)
        tie(graph, evil, "KNOWS", "Pip", [1], evidence=evil, label=evil, description=evil)
    rows = [
        (1, Extraction(relations=[Relation(source="Pip", target=e, evidence=e) for e in EVIL if e.strip()])),
        *ROWS[1:],
    ]
    page, said, asked = watched(browser, write(tmp_path / "evil.html", graph, rows, title=EVIL[0]))
    page.wait_for_selector("body[data-ready]")
    for evil in EVIL:
        find(page, re.sub(r"[\x00-\x1f\ud800\u2028]", "", evil)[:20])
    assert page.evaluate("window.pwned") is None
    assert said == []
    assert len(asked) == 1
    page.close()


def test_a_book_without_people_says_so(browser: Any, tmp_path: Path) -> None:
    page, said, _ = watched(browser, write(tmp_path / "none.html", Graph(), ()))
    page.wait_for_selector("body[data-ready]")
    assert texts("zh")["explorer.nothing"] in page.inner_text("#panel")
    assert said == []
    page.close()


def test_the_page_holds_no_script_but_its_own(tmp_path: Path) -> None:
    text = write(tmp_path / "g.html", novel()).read_text("utf-8")
    assert text.count("<script") == text.count("</script") == 3
    data = re.search(r'id="data">(.*?)</script>', text)
    assert data is not None
    assert {p["forms"][0][0] for p in json.loads(data[1])["people"]} == {"Pip", "Magwitch", "Joe", "Estella"}
