"""The author's kit: contents, links, file names, the card specification, hostile names."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections import Counter
from pathlib import Path, PureWindowsPath
from typing import Any

import docx
import pytest
import yaml

from kgnb.core.errors import InputError
from kgnb.core.messages import language, use_language
from kgnb.graph.book_history import book_history
from kgnb.graph.continuity import contradictions
from kgnb.graph.model import Graph, GraphEdge, GraphNode
from kgnb.graph.relation_types import containment
from kgnb.render import export
from kgnb.render.export.cards_format import to_card_files, to_cards
from kgnb.render.export.markdown_format import escape, to_markdown
from kgnb.render.export.obsidian_format import to_vault
from kgnb.render.kit.document import Kit
from kgnb.render.kit.sections import build_kit

HOSTILE = [
    "=HYPERLINK(1)",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[[other|y]]",
    "![[embed]]",
    "---\ntags: evil\n---",
    "a: b # c",
    "`= this`",
    "{{random:a,b}} <char>",
    "@@depth 0",
    "/.*/",
    "| cell | cell |",
    "#tag https://evil.example www.evil.example",
    "1. item",
    "CON",
    "../../etc/passwd",
    "trailing. ",
    "same",
    "Same",
    "名" * 100,
    "\x00\x0b\u202e\ud800",
]


def graph(names: list[str]) -> Graph:
    made = Graph()
    chapters = [
        GraphNode("Chapter", str(n), {"id": n, "title": f"回 {n}", "chapter_number": n}) for n in (1, 2, 3)
    ]
    people = [
        GraphNode(
            "Character",
            name,
            {"name": name, "aliases": [f"{name}2"], "description": name, "chapters": [1, 2]},
        )
        for name in names
    ]
    places = [
        GraphNode("Location", n, {"name": n, "type": "城", "chapters": [1]}) for n in ("荆州", *names[:3])
    ]
    events = [
        GraphNode("Event", f"1_1_{n}", {"name": name, "chapter_number": 1, "sequence": n, "evidence": name})
        for n, name in enumerate(names, 1)
    ]
    for node in [*chapters, *people, *places, *events]:
        made.nodes[node.ref] = node
    for one, other in itertools.pairwise(people):
        facts: dict[str, Any] = {"strength": 7, "chapters": [1, 2], "evidence": one.key, "chapter_id": 1}
        edge = GraphEdge(one.ref, "ALLY", other.ref, facts | {"description": other.key, "extracted_by": "ai"})
        made.edges[edge.ref] = edge
        part = GraphEdge(one.ref, "PARTICIPATES_IN", events[0].ref, {})
        made.edges[part.ref] = part
    return made


def kit(names: list[str]) -> Kit:
    made = graph(names)
    return build_kit(made, book_history(made), title=names[0])


def test_what_the_kit_tells(tmp_path: Path) -> None:
    use_language("zh")
    text = export.write(graph(["刘备", "关羽"]), {}, tmp_path / "k.md", "md", title="三国").read_text("utf-8")
    assert text.startswith("# 三国\n")
    for told in ("又称：刘备2", "盟友（关羽；第 1–2 章）", "> 刘备 （第 1 章）", "大事记", "荆州"):
        assert told in text
    assert "[刘备](#刘备)" in text
    assert "0 " not in text.partition("## ")[0]  # only what there is
    assert {"组织", "物件", "前后矛盾"}.isdisjoint(re.findall("## (.+)", text))


def test_links_within_the_text_lead_to_headings_without_raw_markup() -> None:
    """By github-slugger's rule, as far as letters, digits, blanks and hyphens go."""
    names = ["Emma", "Mr. Darcy", "Mr Darcy", "Miss de Bourgh", "刘备", *HOSTILE]
    out = io.StringIO()
    to_markdown(kit(names), out)
    assert "<a " not in out.getvalue()
    seen: Counter[str] = Counter()
    anchors: list[str] = []
    for title in re.findall(r"^#+ (.*)$", out.getvalue(), re.M):
        bare = re.sub(r"\\(.)", r"\1", title).lower()
        slug = "".join(c for c in bare if c.isalnum() or c in " -_").replace(" ", "-")
        anchors.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    links = re.findall(r"\]\(#([^)]*)\)", out.getvalue())
    assert len(links) > 3 * len(names)
    assert {"emma-1", "mr-darcy", "mr-darcy-1", "miss-de-bourgh", "刘备"} <= set(links)
    assert {link for link in links if re.search(r"[^\W\d]", link)} <= {*anchors}


def test_cards_speak_the_books_language_and_begin_with_its_words(tmp_path: Path) -> None:
    use_language("zh")
    made = graph(["Anne Elliot", "Captain Wentworth"])
    made.nodes["Character", "Anne Elliot"].properties["traits"] = ["gentle"]
    place = export.write(
        made, {}, tmp_path / "k.cards.json", "cards", title="Persuasion", texts=[(1, "Anne.")]
    )
    text = place.read_text("utf-8")
    assert not re.search("[一-鿿]", re.sub("荆州|城|回", "", text))
    card = next(one["data"] for one in json.loads(text) if one["data"]["name"] == "Anne Elliot")
    assert (card["personality"], card["first_mes"]) == ("gentle", "Anne Elliot")
    assert language() == "zh"


def test_every_link_of_the_vault_resolves_and_every_name_is_a_file_on_windows() -> None:
    notes = to_vault(kit(HOSTILE))
    stems = [PureWindowsPath(path).stem for path in notes]
    assert len({stem.casefold() for stem in stems}) == len(stems)
    assert len(notes) == 1 + 3 + len(HOSTILE) + 4
    for path, text in notes.items():
        assert not PureWindowsPath(path).is_reserved()
        assert ".." not in path.split("/")
        for part in path.split("/"):
            assert not re.search(r'[<>:"\\|?*\x00-\x1f]', part)
            assert part == part.strip()
            assert len(part.encode()) < 255
            assert not part.removesuffix(".md").endswith((".", " "))
            assert not part.startswith(".")
        _, front, body = text.split("---\n", 2)
        assert set(yaml.safe_load(front)) == {"tags", "aliases"}
        for link in re.findall(r"(?<!\\)\[(?<!\\)\[([^\]]*)\]\]", body):
            assert link in stems, link


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.isprintable()])
def test_a_hostile_name_is_no_markup(name: str) -> None:
    """By CommonMark's own rule: a backslash makes punctuation a letter of the text."""
    escaped = escape(name)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped) == name
    bare = re.sub(r"\\.", "", escaped)
    assert not re.search(r"[`*_\[\]<>|#={}@]|://|www\.", bare)
    assert not re.match(r"\s*(?:[-+]\s|\d+[.)])", bare)


def test_a_hostile_book_as_word_document(tmp_path: Path) -> None:
    path = export.write(graph(HOSTILE), {}, tmp_path / "k.docx", "docx", title=HOSTILE[0])
    read = docx.Document(str(path))
    texts = [paragraph.text for paragraph in read.paragraphs]
    assert "<script>alert(1)</script>" in texts
    xml = read.element.xml
    instructions = re.findall(r"<w:instrText[^>]*>([^<]*)<", xml)
    assert len(instructions) == 1
    assert instructions[0].startswith("TOC ")
    anchors = set(re.findall(r'w:hyperlink w:anchor="([^"]+)"', xml))
    assert anchors
    assert anchors <= set(re.findall(r'bookmarkStart [^>]*w:name="([^"]+)"', xml))
    assert 'TargetMode="External"' not in xml


REQUIRED = {
    **dict.fromkeys(("name", "description", "creator", "character_version", "mes_example"), str),
    **dict.fromkeys(("system_prompt", "post_history_instructions", "first_mes"), str),
    **dict.fromkeys(("personality", "scenario", "creator_notes"), str),
    **dict.fromkeys(("tags", "alternate_greetings", "group_only_greetings"), list),
    "extensions": dict,
}
"""Fields of CharacterCardV3.data that aren't optional (SPEC_V3.md of kwaroran/character-card-spec-v3)."""
ENTRY = {
    "keys": list,
    "content": str,
    "extensions": dict,
    "enabled": bool,
    "insertion_order": int,
    "use_regex": bool,
}
OPTIONAL_OF_ENTRY = {"id": int, "name": str, "constant": bool}


def check_book(book: dict[str, Any]) -> None:
    assert set(book) == {"name", "extensions", "entries"}
    for entry in book["entries"]:
        assert set(entry) == {*ENTRY, *OPTIONAL_OF_ENTRY}
        assert all(type(entry[key]) is kind for key, kind in (ENTRY | OPTIONAL_OF_ENTRY).items())
        assert entry["keys"]
        assert all(isinstance(key, str) for key in entry["keys"])
        assert not entry["use_regex"]


def test_cards_follow_the_specification() -> None:
    cards = to_cards(kit(["刘备", "关羽", "张飞"]))
    assert {card["data"]["name"] for card in cards} == {"刘备", "关羽", "张飞"}
    for card in cards:
        assert (card["spec"], card["spec_version"]) == ("chara_card_v3", "3.0")
        assert set(card["data"]) == {*REQUIRED, "character_book"}
        assert all(type(card["data"][key]) is kind for key, kind in REQUIRED.items())
        check_book(card["data"]["character_book"])
    files = to_card_files(kit(["刘备", "关羽", "张飞"]))
    books = [made for text in files.values() if (made := json.loads(text))["spec"] == "lorebook_v3"]
    assert len(files) == 4
    assert len(books) == 1
    check_book(books[0]["data"])
    assert {"刘备", "荆州"} <= {key for entry in books[0]["data"]["entries"] for key in entry["keys"]}


def test_hostile_names_are_inert_in_cards() -> None:
    for card in to_cards(kit(HOSTILE)):
        texts = json.dumps(card, ensure_ascii=False).split('"')
        assert not any(
            re.search(r"\{\{|\}\}|@@|<[a-z]", text.replace("}}", "") if set(text) <= set("}{],: ") else text)
            for text in texts
        )
        for entry in card["data"]["character_book"]["entries"]:
            assert not any(key.startswith("/") for key in entry["keys"])


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "k.obsidian"
    place.mkdir()
    (place / "own.md").write_text("own")
    with pytest.raises(InputError):
        export.check_place(place)
    with pytest.raises(InputError):
        export.write(graph(["刘备"]), {}, place, "obsidian")
    assert [path.name for path in tmp_path.rglob("*")] == ["k.obsidian", "own.md"]
    (place / "own.md").unlink()
    export.write(graph(["刘备"]), {}, place, "obsidian", title="书")
    assert (place / "书.md").exists()
    assert not list(tmp_path.glob(".kgnb-*"))


# --- contradictions


def people(*names: str) -> Graph:
    made = Graph()
    for name in names:
        node = GraphNode("Character", name, {"name": name})
        made.nodes[node.ref] = node
    return made


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (["林默病故。", "林默说：“走吧。”"], ["after_death"]),
        (["林默去世了。", "“林默说：走吧。”众人不语。"], []),
        (["众人闻林默已死。", "林默说：“走吧。”"], []),  # told to them
        (["“林默死了。”她骗他。", "林默说：“走吧。”"], []),
        (["林默说：“走吧。”", "林默病故。"], []),
        (["林默今年二十岁。", "林默才十八岁。"], ["age"]),
        (["林默今年十八岁。", "林默已二十岁。"], []),
        (["林默之女今年二十岁。", "林默才十八岁。"], []),
        (["Ann Lee died in May.", '"Go," said Ann Lee.'], ["after_death"]),
        (["If Ann Lee died in May.", '"Go," said Ann Lee.'], []),
        (['"Ann Lee died in May."', '"Go," said Ann Lee.'], []),
        (["The mother of Ann Lee died.", '"Go," said Ann Lee.'], []),
        (["Ann Lee was thirty-two years old.", "Ann Lee, aged 30, came."], ["age"]),
        (["Ann Lee was twenty years old.", "Ann Lee, aged 30, came."], []),
    ],
)
def test_contradictions_of_texts(texts: list[str], kinds: list[str]) -> None:
    found = contradictions(people("林默", "Ann Lee"), list(enumerate(texts, 1)))
    assert [one.kind for one in found] == kinds
    for one in found:
        assert [number for number, _ in one.quotes] == [1, 2]
        assert all(quote in texts[number - 1] for number, quote in one.quotes)


def test_contradictions_of_parents() -> None:
    made = people("甲", "乙", "丙", "丁")
    for source, target in (("甲", "丁"), ("乙", "丁"), ("丙", "丁"), ("丁", "甲")):
        facts: dict[str, Any] = {"evidence": f"{source}之子{target}", "chapter_id": 1}
        edge = GraphEdge(("Character", source), "PARENT_OF", ("Character", target), facts)
        made.edges[edge.ref] = edge
    found = contradictions(made)
    assert sorted(one.kind for one in found) == ["each_other", "parents"]
    assert all(quote for one in found for _, quote in one.quotes)


def test_a_name_of_two_persons_says_nothing() -> None:
    made = people("林默", "沈砚")
    for node in made.nodes.values():
        node.properties["aliases"] = ["先生"]
    assert not contradictions(made, [(1, "先生病故。"), (2, "先生说：“走吧。”")])


# --- places


@pytest.mark.parametrize(
    ("word", "edge"),
    [
        ("包含", ("荆州", "襄阳")),
        ("位于", ("襄阳", "荆州")),
        ("part of", ("襄阳", "荆州")),
        ("contains", ("荆州", "襄阳")),
    ],
)
def test_a_place_of_a_reply_contains_another(word: str, edge: tuple[str, str]) -> None:
    source, target = (("Location", name) for name in edge)
    assert containment(source, target, word) == (("Location", "荆州"), "CONTAINS", ("Location", "襄阳"))
    assert containment(source, target, "KNOWS") is None
    assert containment(("Character", "甲"), target, word) is None


def test_places_within_places_are_told() -> None:
    use_language("zh")
    made = graph(["刘备"])
    inner = GraphNode("Location", "襄阳", {"name": "襄阳"})
    made.nodes[inner.ref] = inner
    edge = GraphEdge(("Location", "荆州"), "CONTAINS", inner.ref, {"evidence": "荆州襄阳", "chapter_id": 1})
    made.edges[edge.ref] = edge
    notes = to_vault(build_kit(made, book_history(made), title="书"))
    assert "属于：[[荆州]]" in notes["地点/襄阳.md"]
    assert "荆州襄阳" in notes["地点/襄阳.md"]
    assert "包含：[[襄阳]]" in notes["地点/荆州.md"]
