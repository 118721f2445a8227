"""A reader's walk through the explorer's page of a whole book, in a real browser."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kgnb
from kgnb.app.api import BookGraph
from kgnb.book.reader import read_book
from kgnb.graph.importance import is_tie
from kgnb.graph.model import Graph
from tests.support.browser import watched

SHOWN = """() => {
  const told = [document.title], cy = document.getElementById('graph')._cyreg.cy;
  cy.elements().forEach(one => told.push(one.data('label') || ''));
  (function gather(node) {
    if (node.nodeType === 3) told.push(node.data);
    if (node.nodeType !== 1 || node.tagName === 'SCRIPT' || node.tagName === 'STYLE') return;
    for (const facts of node.attributes) told.push(facts.value);
    node.childNodes.forEach(gather);
  })(document.body);
  return told.join('\\n');
}"""
"""All that the page holds outside its data: texts, hidden or not, attributes, labels of the drawing."""
LOOK_UP = """names => names.map(name => {
  const box = document.getElementById('search');
  box.value = name;
  box.dispatchEvent(new Event('input'));
  return [name, [...document.querySelectorAll('#found li')].map(e => e.textContent)];
})"""


CARDS = 30
"""Cards that are opened at the chapter, of the most important."""


@dataclass(frozen=True, slots=True)
class Route:
    """Whom a walk meets: ``hero`` is found and expanded; ``later`` comes only after ``chapter``."""

    hero: str
    chapter: int
    later: tuple[str, ...]
    other: str
    """The end of a path from ``hero``."""


ROUTES = {
    "三国演义": Route("貂蝉", 20, ("姜维", "邓艾"), "诸葛亮"),
    "story.en": Route("Clara Marlow", 2, ("Sir Walter Ashby", "Colonel Bright"), "Tom Finch"),
    "PrideAndPrejudice": Route("Jane Bennet", 15, ("Colonel Fitzwilliam",), "Mrs. Gardiner"),
}
"""Title → a route through the book."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A built book: its graph, its page, and the texts of its chapters by number."""

    path: Path
    data: Path
    page: Path
    texts: list[str]

    @property
    def book(self) -> BookGraph:
        """The book, opened anew."""
        return kgnb.open(data=self.data)

    def command(self, *words: str) -> None:
        """Run a command on the book's folder."""
        command = [sys.executable, "-m", "kgnb", *words, "--data", str(self.data)]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def written(self, name: str = "page.html") -> Path:
        """The page as the book's record is now."""
        self.command("export", "-o", str(self.page.with_name(name)))
        return self.page.with_name(name)


def built(path: Path, folder: Path, *options: str) -> Walked:
    """Build a book by rules and write its page."""
    texts = [f"{one.title}\n{one.text}" for one in read_book(path).chapters]
    made = Walked(path, folder / "data", folder / "page.html", texts)
    made.command("build", str(path), "--provider", "rules", *options)
    made.written()
    return made


def names_of(graph: Graph) -> set[str]:
    """Every name that a character of the graph has."""
    people = (node for node in graph.nodes.values() if node.label == "Character")
    return {name for node in people for name in (node.text("name"), *node.texts("aliases"))}


def ties_of(graph: Graph) -> set[tuple[frozenset[str], str]]:
    """Who is tied with whom, each by the own name, and how."""
    ties = filter(is_tie, graph.edges.values())
    return {(frozenset((edge.source[1], edge.target[1])), edge.type) for edge in ties}


class Reader:
    """Somebody at the page, who looks, types and clicks."""

    def __init__(self, browser: Any, page: Path, **options: Any) -> None:
        self.page, self.said, self.asked = watched(browser, page, **options)
        self.page.wait_for_selector("body[data-ready]")

    def find(self, name: str) -> str:
        """Open the card of the best match; return its text."""
        self.page.fill("#search", name)
        self.page.keyboard.press("Enter")
        return str(self.page.inner_text("#panel"))

    def read_to(self, number: int) -> None:
        """Move the slider to the chapter of this number, counted from 1."""
        move = "(s, n) => { s.value = n; s.dispatchEvent(new Event('input')) }"
        self.page.locator("#chapter").evaluate(move, number - 1)

    def shown(self) -> str:
        """All that the page holds, hidden or not."""
        return str(self.page.evaluate(SHOWN))

    def looked_up(self, names: list[str]) -> dict[str, list[str]]:
        """Name → what the search offers for it."""
        return dict(self.page.evaluate(LOOK_UP, names))

    def first_quote(self) -> str:
        """Open the strongest tie of the card; return its first quote."""
        self.page.click("#panel .more")
        return str(self.page.inner_text("#panel blockquote >> nth=0"))

    def download(self, button: str, path: Path) -> Path:
        """Click a button that downloads a file."""
        if not self.page.is_visible(button):
            self.page.click(".tools summary")
        with self.page.expect_download() as waiting:
            self.page.click(button)
        waiting.value.save_as(path)
        return path

    def correct(self, form: int, **typed: str) -> None:
        """Fill in the form of this position on the open card and add it."""
        self.page.locator("#panel .fix summary").first.click()
        box = self.page.locator("#panel .fix details").nth(form)
        box.locator("summary").click()
        for name, text in typed.items():
            box.locator(f"[name={name}]").fill(text)
        box.locator("button").click()

    def close(self) -> None:
        """Leave; the page must have said nothing and fetched nothing."""
        assert self.said == []
        assert len(self.asked) == 1, "nothing is fetched"
        self.page.close()


def walk(browser: Any, one: Walked, route: Route, image: Path) -> dict[str, float]:
    """Walk through the page, assert what a reader must see and must not; return seconds of the steps."""
    seconds: dict[str, float] = {}
    reader = Reader(browser, one.page)
    for step in (_meets_the_hero, _stays_in_the_chapter, _plays, _finds_a_path):
        started = time.perf_counter()
        step(reader, one, route)
        seconds[step.__name__.strip("_")] = round(time.perf_counter() - started, 2)
    picture = reader.download("#png", image).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000, "more than an empty sheet"
    _corrects(browser, reader, one, route)
    reader.close()
    return seconds


def _meets_the_hero(reader: Reader, one: Walked, route: Route) -> None:
    card = reader.find(route.hero)
    assert reader.page.inner_text("#panel h2") == route.hero
    ties = one.book.neighbours(route.hero)
    drawn = "document.getElementById('graph')._cyreg.cy.nodes().length"
    before = reader.page.evaluate(drawn)
    if (expand := reader.page.locator("#panel .actions button")).count() > 1:
        expand.first.click()
        assert reader.page.evaluate(drawn) > before, "expanding brings neighbours in"
    assert any(str(row["name"]) in card for row in ties)
    text = "".join(one.texts)
    quote = reader.first_quote().split("\n")[0].strip("“”\"'… ")
    assert quote
    assert "".join(quote.split())[:12] in "".join(text.split()), "the quote is the book's"


def _stays_in_the_chapter(reader: Reader, one: Walked, route: Route) -> None:
    """At a chapter the page holds no name and no pair that a reader of it doesn't know, whoever is looked
    up."""
    reader.read_to(route.chapter)
    known, whole = one.book.at(route.chapter).graph(), one.book.graph()
    read = " ".join(" ".join(one.texts[: route.chapter]).split())  # names go on over lines
    unread = sorted(name for name in names_of(whole) if name not in read)
    assert set(route.later) <= set(unread)
    for name, offers in reader.looked_up(unread).items():
        assert len(offers) == 1, (name, offers)  # the sentence that nothing is found
        assert name not in offers[0], (name, offers)
    for name in [route.hero, *(str(row["name"]) for row in one.book.at(route.chapter).top(CARDS))]:
        reader.find(name)
        shown = reader.shown()
        told = [later for later in unread if later in shown]
        assert told == [], (name, told)
    state = reader.page.evaluate(STATE, route.chapter - 1)
    assert {(frozenset((a, b)), kind) for a, kind, b, *_ in state["ties"]} == ties_of(known)
    assert set(state["names"]) == names_of(known)


STATE = """now => {
  const model = Model(JSON.parse(document.getElementById('data').textContent)).at(now), state = model.state();
  const name = id => state.entities.get(id).name, all = [...state.entities.values()];
  return {
    names: all.flatMap(e => [e.name, ...e.aliases]),
    people: all.map(e => [e.name, e.aliases, e.chapters.map(c => model.data.chapters[c][0])]),
    ties: state.ties.map(t =>
      [name(t.a), t.kind, name(t.b), t.strength, t.seen.map(o => model.data.chapters[o[0]][0])]),
  };
}"""
"""What the page's model holds for a reader of the chapter at this position."""


def _plays(reader: Reader, one: Walked, route: Route) -> None:
    reader.read_to(len(one.texts) - 2)
    reader.page.click("#play")
    reader.page.wait_for_selector("#whole[disabled]")
    reader.page.wait_for_selector("#play[aria-pressed=false]")
    assert route.later[0] in reader.find(route.later[0])


def _finds_a_path(reader: Reader, one: Walked, route: Route) -> None:
    reader.find(route.hero)
    reader.page.locator("#panel .actions button").last.click()
    reader.find(route.other)
    steps = one.book.path(route.hero, route.other)
    assert reader.page.locator("#panel .relation").count() == len(steps) > 0


def _corrects(browser: Any, reader: Reader, one: Walked, route: Route) -> None:
    """Corrections are downloaded, applied by the command, and seen in the next page."""
    reader.page.keyboard.press("Escape")
    reader.find(route.hero)
    reader.correct(0, to=f"{route.hero} X", reason="test")
    reader.correct(5, text="noted")
    file = reader.download("#fixes", one.page.with_name("fixes.json"))
    one.command("fix", "--apply", str(file))
    second = Reader(browser, one.written("corrected.html"))
    card = second.find(f"{route.hero} X")
    assert second.page.inner_text("#panel h2") == f"{route.hero} X"
    assert route.hero in card
    assert "noted" in card
    second.close()
