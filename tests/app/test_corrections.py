"""A reader's corrections of a built book: in Python and in the terminal, kept, undone, taken to another
edition."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.cli import main as cli_main
from kgnb.core.errors import InputError
from tests.support.commands import STORY


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the story, read by rules."""
    folder = tmp_path_factory.mktemp("corrected") / "kgnb-data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGNB_DATA", str(folder))
        kgnb.build(STORY, progress=False).close()
    return folder


def fix(data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = cli_main.main(["fix", "--data", str(data), *options])
    return code, capsys.readouterr().out


def ties(book: Any, a: str, b: str) -> set[str]:
    query = book.graph()
    return {e.type for e in query.edges.values() if {e.source[1], e.target[1]} == {a, b}}


def test_in_python_each_is_undone_and_survives_a_second_reading(data: Path) -> None:
    book = kgnb.open("青石渡", data)
    number = book.fix.rename("沈砚", "沈墨", reason="化名")
    assert book.find("沈墨")[0]["name"] == "沈墨"
    wedding = book.fix.tie("沈墨", "SPOUSE", "顾三娘")
    assert "SPOUSE" in ties(book, "沈墨", "顾三娘")
    note = book.fix.note("沈墨", "其实是沈家后人")
    assert book.graph().nodes["Character", "沈墨"].text("note") == "其实是沈家后人"
    again = kgnb.open("青石渡", data)
    assert "SPOUSE" in ties(again, "沈墨", "顾三娘")
    for one in (note, wedding, number):
        assert book.fix.undo(one)
        assert not book.fix.undo(one)
    assert ("Character", "沈墨") not in book.graph().nodes
    assert "SPOUSE" not in ties(book, "沈砚", "顾三娘")


def test_what_fits_nothing_or_contradicts_is_refused_with_the_reason(data: Path) -> None:
    book = kgnb.open("青石渡", data)
    for attempt, word in (
        (lambda: book.fix.rename("沈砚", "陆青禾"), "merge"),
        (lambda: book.fix.rename("无此人", "甲"), "无此人"),
        (lambda: book.fix.tie("沈砚", "NO_SUCH", "陆青禾"), "NO_SUCH"),
        (lambda: book.fix.untie("沈砚", "陆青禾", "MASTER_OF"), "沈砚"),
        (lambda: book.fix.not_a_person("沈砚", "Novel"), "Novel"),
    ):
        with pytest.raises(InputError, match=word):
            attempt()
    gone = book.fix.not_a_person("陆青川")
    with pytest.raises(InputError, match="陆青川"):
        book.fix.tie("沈砚", "FRIEND", "陆青川")
    book.fix.undo(gone)


def test_a_file_goes_to_another_edition(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = fix(data, capsys, "--rename", "陆青禾", "陆禾", "--reason", "原名")
    assert code == 0
    assert "陆禾" in said
    assert fix(data, capsys, "--save", str(tmp_path / "c.json"))[0] == 0
    other = tmp_path / "other"
    longer = tmp_path / "longer.txt"
    longer.write_text(
        STORY.read_text("utf-8") + "\n\n第七章 尾声\n\n陆青禾回到青石渡，沈砚在渡口等她。", "utf-8"
    )
    monkeypatch.setenv("KGNB_DATA", str(other))
    kgnb.build(longer, progress=False).close()
    code, said = fix(other, capsys, "--apply", str(tmp_path / "c.json"))
    assert code == 0
    assert ("Character", "陆禾") in kgnb.open(data=other).graph().nodes
    code, said = fix(other, capsys, "--apply", str(tmp_path / "c.json"))
    assert code == 0, "the same again changes nothing"
    monkeypatch.setenv("KGNB_DATA", str(data))
    number = json.loads(fix(data, capsys, "--json")[1])[-1]["id"]
    assert fix(data, capsys, "--undo", str(number))[0] == 0


def test_a_part_that_fits_nothing_is_told_and_the_rest_applied(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{"do": "note", "who": "无此人", "text": "x"}, {"do": "protagonist", "who": "顾三娘"}]
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"format": "kgnb-corrections", "version": 1, "corrections": made}), "utf-8")
    code, said = fix(data, capsys, "--apply", str(file))
    assert code == 1
    assert "无此人" in said
    graph = kgnb.open("青石渡", data).graph()
    assert graph.nodes["Character", "顾三娘"].properties["is_protagonist"] is True


def test_as_of_a_chapter(data: Path, tmp_path: Path) -> None:
    book = kgnb.open("青石渡", data)
    early = book.at(1)
    names = {node.key for node in early.graph().nodes.values() if node.label == "Character"}
    assert names < {node.key for node in book.graph().nodes.values() if node.label == "Character"}
    chapters = [n.numbers("chapter_number") for n in early.graph().nodes.values() if n.label == "Chapter"]
    assert chapters == [[1]]
    whole = book.graph().nodes.values()
    later = {node.key for node in whole if node.label == "Character"} - names
    page = early.save(tmp_path / "early.html").read_text("utf-8")
    known = set(re.findall(r'"forms":\[\["([^"]+)"', page))
    assert known == names
    assert later
    assert not known & later
    assert "1" in repr(early)
    assert str(book.result.characters) not in repr(early), "nothing of the whole book"


def test_a_chapter_that_the_book_lacks(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    book = kgnb.open("青石渡", data)
    with pytest.raises(InputError, match=r"1 .* 6 .* 0 "):
        book.at(0).graph()
    assert len(book.at(999).graph().nodes) == len(book.graph().nodes)
    assert "第 6 章" in caplog.text
    options = ["export", "--data", str(data), "-o", str(tmp_path / "x.json"), "--until"]
    assert cli_main.main([*options, "-3"]) != 0
    assert "第 6 章" in capsys.readouterr().err


def test_a_name_is_kept_as_the_book_writes_it(data: Path) -> None:
    book = kgnb.open("青石渡", data)
    number = book.fix.alias("沈硯", "沈掌櫃")  # typed in traditional characters
    assert "沈掌櫃" in book.graph().nodes["Character", "沈砚"].texts("aliases")
    assert book.fix.undo(number)


def test_names_are_listed_merged_and_split_by_what_a_reader_renamed(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> dict[str, Any]:
        assert cli_main.main(["names", "--json", "--data", str(data)]) == 0
        return {one["name"]: one for one in json.loads(capsys.readouterr().out)}

    book = kgnb.open("青石渡", data)
    before = listed()
    renamed = book.fix.rename("沈砚", "沈墨")
    after = listed()
    assert "沈砚" not in after
    assert after["沈墨"]["mentions"] == before["沈砚"]["mentions"]
    assert "沈砚" in after["沈墨"]["aliases"]
    assert cli_main.main(["merge", "沈墨", "顾三娘", "--data", str(data)]) == 0
    merged_one = book.graph().nodes["Character", "沈墨"]
    assert "顾三娘" in merged_one.texts("aliases")
    capsys.readouterr()
    code, said = fix(data, capsys, "--json")
    merged = max(one["id"] for one in json.loads(said) if one["kind"] == "merge")
    assert code == 0
    for one in (merged, renamed):
        assert book.fix.undo(one)
    assert listed() == before


@pytest.mark.parametrize("word", ["夫妻", "spouses", "SPOUSE", "Spouse", "丈夫", "配偶"])
def test_a_type_is_called_what_kgnb_prints_in_either_language(
    data: Path, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    code, said = fix(data, capsys, "青石渡", "--tie", "沈砚", word, "顾三娘", "--json")
    decision = json.loads(said)[0]["decision"]
    assert (code, decision["detail"]) == (0, "SPOUSE")
    assert kgnb.open("青石渡", data).fix.undo(decision["id"])


def test_the_words_that_ties_have_in_the_book_and_in_both_languages_name_types(data: Path) -> None:
    book = kgnb.open("青石渡", data)
    printed = {row["relations"] for row in book.relations}
    assert printed
    for word in printed:
        assert book.fix.undo(book.fix.tie("顾三娘", word, "沈砚"))


def test_how_to_undo_names_the_book_and_a_renamed_person_is_found_by_what_follows(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{"do": "rename", "who": "沈砚", "to": "沈墨"}, {"do": "note", "who": "沈墨", "text": "x"}]
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"format": "kgnb-corrections", "version": 1, "corrections": made}), "utf-8")
    code, said = fix(data, capsys, "青石渡", "--apply", str(file))
    assert code == 0
    undo = re.findall(r"kgnb fix (\d+) --undo (\d+)", said)
    assert len(undo) == 2
    for task, number in undo:
        assert cli_main.main(["fix", task, "--undo", number, "--data", str(data)]) == 0
        assert f"任务 {task} 的更正 #{number} 已撤销：沈" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("--since 2", "--tie"),
        ("--rename 沈青山 沈大 --since 0", "--tie"),
        ("--note 沈青山 x --kind Thing", "--not-person"),
        ("--reason 化名", "--rename"),
        ("--apply c.json --reason 化名", "--rename"),
        ("--undo 1 --rename 沈青山 沈大", "--undo"),
        ("--save c.json --note 沈青山 x", "--save"),
        ("--apply c.json --protagonist 沈青山", "--apply"),
        ("--rename 沈青山 沈大 --note 沈大 x", "--rename"),
    ],
)
def test_one_action_a_call_and_no_option_without_that_which_it_belongs_to(
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = fix(data, capsys, "青石渡")[1]
    try:
        code = cli_main.main(["fix", "--data", str(data), "青石渡", *given.split()])
    except SystemExit as ended:  # the parser's own refusal
        code = int(ended.code or 0)
    assert code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "c.json").exists()
    assert fix(data, capsys, "青石渡")[1] == before


def test_a_tie_begins_in_the_chapter_that_the_reader_names(
    data: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    book = kgnb.open("青石渡", data)
    code, said = fix(data, capsys, "--tie", "沈砚", "SPOUSE", "顾三娘", "--since", "4")
    assert code == 0
    assert "始于第 4 章" in said
    assert ties(book.at(3), "沈砚", "顾三娘").isdisjoint({"SPOUSE"})
    assert "SPOUSE" in ties(book.at(4), "沈砚", "顾三娘")
    told = str(book.ask("沈砚和顾三娘是什么关系"))
    assert "读者的更正" in told
    assert "4" in told.splitlines()[0]
    assert "顾三娘" in str(book.ask("沈砚的妻子是谁")).splitlines()[0]
    assert fix(data, capsys, "--tie", "沈砚", "FRIEND", "顾三娘", "--since", "99")[0] == 1
    number = json.loads(fix(data, capsys, "--json")[1])[-1]["id"]
    assert fix(data, capsys, "--undo", str(number))[0] == 0
    undone = fix(data, capsys)[1].splitlines()[-1]
    assert "已撤销：沈砚与顾三娘" in undone
    assert not book.fix.undo(number)
    assert f"#{number} 早已撤销" in capsys.readouterr().err + caplog.text
    with pytest.raises(InputError, match="更正"):
        book.fix.undo(999)


def test_a_tie_of_a_reader_is_among_the_kin_beside_those_of_the_text(data: Path) -> None:
    book = kgnb.open("青石渡", data)
    before = str(book.ask("陆青禾的弟弟是谁")) + str(book.ask("陆青禾的哥哥是谁"))
    assert "沈砚" not in before.split("\n")[0]
    number = book.fix.tie("陆青禾", "SIBLING", "沈砚")
    for word in ("哥哥", "弟弟", "兄弟姐妹"):
        assert "沈砚" in "".join(str(book.ask(f"陆青禾的{word}是谁")).splitlines()[:4]), word
    assert book.fix.undo(number)


def test_the_name_before_a_rename_is_listed_as_such(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = kgnb.open("青石渡", data)
    number = book.fix.rename("沈砚", "沈墨")
    assert cli_main.main(["names", "--data", str(data)]) == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("沈墨"))
    assert "沈砚（改名之前的名字）" in line
    assert book.fix.undo(number)
