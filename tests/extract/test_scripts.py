"""劉備 and 刘备 are one person: names are compared folded, and shown as the book writes them."""

from __future__ import annotations

import re

import pytest

from kgnb.core.model import TaskConfig
from kgnb.extract import name_scan, rules
from kgnb.extract.generic_words import is_generic
from kgnb.extract.model import LISTS, Extraction, NameEntry
from kgnb.extract.renaming import in_original_script
from kgnb.extract.zh import script
from kgnb.graph.model import Graph, RecordRow
from kgnb.graph.project.projection import novel_builder
from tests.support.built_graphs import NOVEL, chapter, people, row, settled, tie
from tests.support.paths import STORIES

HEADING = re.compile(r"^第.+章.*$", re.M)

PAIRS = script._TABLE.read_text("utf-8").splitlines()[1].split()
TRADITIONAL = {ord(pair[1]): pair[0] for pair in reversed(PAIRS)}


def chapters(story: str, *, traditional: bool) -> list[tuple[int, str]]:
    text = (STORIES / f"{story}.txt").read_text("utf-8")
    parts = [p.translate(TRADITIONAL) if traditional else p for p in HEADING.split(text)[1:]]
    return list(enumerate(parts, 1))


def folded(entry: NameEntry) -> tuple[object, ...]:
    forms = [script.simplified(f, traditional=True) for f in (entry.name, *entry.aliases)]
    return (forms, entry.kind, entry.mentions, entry.first_chapter, entry.last_chapter, entry.chapters)


class TestFold:
    @pytest.mark.parametrize(
        "pair", ["劉備 刘备", "諸葛亮 诸葛亮", "范閑 范闲", "葉凡 叶凡", "鍾會 钟会", "於吉 於吉"]
    )
    def test_the_spellings_of_a_name_share_a_form(self, pair: str) -> None:
        one, other = pair.split()
        assert script.fold(one) == script.fold(other)

    def test_a_character_of_both_scripts_stays(self) -> None:
        assert script.fold("李乾") != script.fold("李干")
        assert script.simplified("乾隆說", traditional=False) == "乾隆说"
        assert script.simplified("乾淨", traditional=True) == "干净"

    def test_simplified_english_and_anything_else_stays_as_it_is(self) -> None:
        for text in ("曹操字孟德，小字阿瞒。", "Elizabeth Bennet", "", "a\ud800\U0001f600\x00", "ナルト"):
            assert script.simplified(text, traditional=True) == text

    def test_no_fold_changes_a_length_and_folding_twice_is_folding_once(self) -> None:
        everything = "".join(map(chr, (*range(0x3400, 0xA000), *range(0x20000, 0x2A6E0))))
        once = script.simplified(everything, traditional=True)
        assert len(once) == len(everything)
        assert script.simplified(once, traditional=True) == once

    def test_the_script_is_told_by_the_text(self) -> None:
        assert script.is_traditional("卻說曹操引軍，與劉備戰於徐州。")
        assert not script.is_traditional("却说曹操引军，与刘备战于徐州，大获全胜而归。劉備不敌。" * 5)
        assert not script.is_traditional("")

    def test_a_form_beyond_the_basic_plane_is_folded_to_the_one_within_it(self) -> None:
        assert script.fold("何𬘭") == "何綝"
        assert max(script.simplified("綝銶顗勣", traditional=True)) <= "\uffff"


class TestPreScan:
    @pytest.mark.parametrize("char", ["綝", "𬘭"])
    def test_a_name_may_have_a_character_whose_simplified_form_is_beyond_the_basic_plane(
        self, char: str
    ) -> None:
        city = [(n, text.replace("雯", char)) for n, text in chapters("city", traditional=False)]
        assert f"周晓{char}" in [e.name for e in name_scan.scan(city, "zh")]

    @pytest.mark.parametrize("story", ["city", "xianxia"])
    def test_a_traditional_book_gives_what_the_simplified_one_gives(self, story: str) -> None:
        plain = name_scan.scan(chapters(story, traditional=False), "zh")
        found = name_scan.scan(chapters(story, traditional=True), "zh")
        assert sorted(map(folded, found)) == sorted(map(folded, plain))
        text = "".join(t for _, t in chapters(story, traditional=True))
        assert all(e.name in text for e in found)
        assert any(e.name != script.fold(e.name) for e in found)

    def test_both_spellings_in_one_book_are_one_entry_named_by_the_more_frequent_one(self) -> None:
        *plain, last = chapters("city", traditional=False)
        mixed = [*plain, chapters("city", traditional=True)[-1]]
        (entry,) = [e for e in name_scan.scan(mixed, "zh") if script.fold(e.name) == "周晓雯"]
        (same,) = [e for e in name_scan.scan([*plain, last], "zh") if e.name == "周晓雯"]
        assert entry.name == "周晓雯"
        assert (entry.mentions, entry.chapters) == (same.mentions, same.chapters)
        assert any(a != script.fold(a) for a in entry.aliases)


class TestRules:
    TEXT = "劉備之弟關羽在荊州，謂張飛曰：“吾二人義結金蘭。”劉備與曹操交戰。"
    NAMES = (
        NameEntry("劉備", ("玄德",), "Character", 9),
        NameEntry("關羽", (), "Character", 5),
        NameEntry("張飛", (), "Character", 5),
        NameEntry("曹操", (), "Character", 5),
        NameEntry("荊州", (), "Location", 3),
    )

    def found(self, text: str, entries: tuple[NameEntry, ...]) -> Extraction:
        return rules.extract(text, lang="zh", names=entries)

    def test_names_and_quotes_are_those_of_the_text(self) -> None:
        found = self.found(self.TEXT, self.NAMES)
        assert {c.name for c in found.characters} == {"劉備", "關羽", "張飛", "曹操"}
        assert [x.name for x in found.locations] == ["荊州"]
        ties = {(r.source, r.type, r.target): r for r in found.relations}
        assert ("劉備", "ENEMY", "曹操") in {*ties, *((t, k, s) for s, k, t in ties)}
        assert any("SIBLING" in tie for tie in ties)
        assert all(r.evidence in self.TEXT for r in found.relations)
        assert any("戰" in r.description for r in found.relations)

    def test_a_book_in_both_scripts_is_read_by_one_table(self) -> None:
        table = (NameEntry("劉備", ("刘备", "玄德"), "Character", 9), *self.NAMES[1:])
        found = self.found("刘备见了关羽。玄德大喜。", table)
        assert next((c.name, c.aliases) for c in found.characters) == ("劉備", ["刘备", "玄德"])
        assert "關羽" in {c.name for c in found.characters}
        assert {(r.source, r.target) for r in found.relations} <= {("劉備", "關羽"), ("關羽", "劉備")}


def characters(graph: Graph) -> dict[str, list[str]]:
    return {n.key: n.properties["aliases"] for n in graph.nodes.values() if n.label == "Character"}


class TestSettle:
    LIU = NameEntry("劉備", ("玄德",), "Character", 90, reasons=(("玄德", "劉備", "字", 0.99),))
    GUAN = NameEntry("關羽", ("雲長",), "Character", 40)

    def test_two_chapters_replies_in_two_scripts_make_one_node_and_both_forms_are_known(self) -> None:
        graph = settled(
            {"characters": people("劉備", "關羽"), "relations": [tie("劉備", "關羽", "FRIEND")]},
            {"characters": people("刘备", "关羽"), "relations": [tie("关羽", "刘备", "FRIEND")]},
            {"characters": people("劉備", "关羽"), "relations": [tie("劉備", "关羽", "FRIEND")]},
        )
        assert characters(graph) == {"劉備": ["刘备"], "关羽": ["關羽"]}
        (edge,) = (e for e in graph.edges.values() if e.type == "FRIEND")
        assert edge.properties["count"] == 3

    def test_the_form_of_the_books_name_table_is_shown_whatever_the_replies_write(self) -> None:
        content = {"characters": people("刘备", aliases=["云长"]), "locations": [{"name": "荆州"}]}
        places = NameEntry("荊州", (), "Location", 9)
        graph = settled(content, content, names=[self.LIU, places])
        assert list(characters(graph)) == ["劉備"]
        assert {"刘备", "玄德"} <= set(characters(graph)["劉備"])
        assert ("Location", "荊州") in graph.nodes
        assert ("Location", "荆州") not in graph.nodes

    def test_a_table_with_both_forms_as_two_entries_is_one_person(self) -> None:
        table = [NameEntry("刘备", ("皇叔",), "Character", 9), self.LIU]
        contents = [{"characters": people(name)} for name in ("刘备", "劉備", "皇叔", "玄德")]
        graph = settled(*contents, names=table)
        assert characters(graph) == {"劉備": ["刘备", "玄德", "皇叔"]}

    def test_events_and_their_places_and_people_go_along(self) -> None:
        event = {
            "name": "會盟",
            "participants": ["刘备", "劉備"],
            "location": "荆州",
            "evidence": "劉備與眾人會盟",
        }
        graph = settled({"events": [event], "characters": people("刘备"), "locations": [{"name": "荊州"}]})
        (node,) = [n for n in graph.nodes.values() if n.label == "Event"]
        assert node.properties["participants"] == list(characters(graph))
        assert len([e for e in graph.edges.values() if e.type == "OCCURS_IN"]) == 1
        assert len([n for n in graph.nodes.values() if n.label == "Location"]) == 1

    def test_an_alias_of_another_spelling_that_is_somebody_else_is_not_shown(self) -> None:
        graph = settled(
            {"characters": [*people("劉備", aliases=["关羽"]), *people("關羽")]},
            {"characters": people("关羽"), "relations": [tie("劉備", "關羽")]},
        )
        assert "关羽" not in characters(graph)["劉備"]

    def test_the_order_of_rows_changes_nothing(self) -> None:
        forms = ["劉備", "刘备", "刘备", "劉備", "关羽", "關羽"]
        rows = [RecordRow(row(i, {"characters": people(name)})) for i, name in enumerate(forms, 1)]
        every = [chapter(i) for i in range(1, 7)]
        one = novel_builder(NOVEL, every, rows, [self.GUAN, self.LIU], TaskConfig()).graph()
        other = novel_builder(NOVEL, every[::-1], rows[::-1], [self.LIU, self.GUAN], TaskConfig()).graph()
        assert one == other

    def test_simplified_books_go_through_unchanged(self) -> None:
        content = {"characters": people("刘备"), "relations": [tie("刘备", "关羽")]}
        graph = settled(content, names=[NameEntry("刘备", ("玄德",), "Character", 9)])
        assert characters(graph) == {"刘备": ["玄德"], "关羽": []}

    @pytest.mark.parametrize("word", ["父親", "師父", "將軍", "老爺", "丞相"])
    def test_titles_are_for_everybody_in_both_scripts(self, word: str) -> None:
        assert is_generic(word)


class TestReplies:
    TEXT = "劉備與關羽飲於荊州。李乾亦至。"

    def written(self, text: str, **content: object) -> Extraction:
        return in_original_script(Extraction.model_validate(content), text)

    def test_a_simplified_reply_to_a_traditional_text_has_the_names_of_the_text(self) -> None:
        found = self.written(
            self.TEXT,
            characters=people("刘备", "关羽", "李乾", "曹操", "赵云"),
            locations=[{"name": "荆州"}],
            events=[{"name": "饮酒", "participants": ["刘备", "关羽"], "location": "荆州"}],
            relations=[tie("刘备", "关羽")],
        )
        assert [c.name for c in found.characters] == ["劉備", "關羽", "李乾", "曹操", "赵云"]
        assert found.characters[0].aliases == ["刘备"]
        assert found.locations[0].name == found.events[0].location == "荊州"
        assert found.events[0].participants == ["劉備", "關羽"]
        assert (found.relations[0].source, found.relations[0].target) == ("劉備", "關羽")

    def test_and_the_other_way_round(self) -> None:
        assert self.written("刘备大笑。", characters=people("劉備")).characters[0].name == "刘备"

    @pytest.mark.parametrize("field", ["name", "aliases", "participants", "location", "source", "target"])
    def test_and_the_other_way_round_wherever_a_name_may_stand(self, field: str) -> None:
        lists = [kind for kind, item in LISTS.items() if field in item.model_fields]
        for kind in lists if field != "aliases" else ["characters"]:  # a thing's stay as they are
            plain = {n: "关羽" for n in ("name", "source", "target") if n in LISTS[kind].model_fields}
            found = self.written("刘备大笑。关羽大怒。", **{kind: [plain | {field: "劉備"}]})
            assert "刘备" in found.model_dump_json()

    def test_where_the_scripts_agree_nothing_is_touched(self) -> None:
        given = Extraction.model_validate({"characters": people("刘备", aliases=["玄德"])})
        assert in_original_script(given, "刘备大笑。") is given
