"""The pre-scan: whom it finds in three short stories, and that it is pure and safe."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import subprocess
import sys
from collections import Counter

import pytest

from kgnb.core.labels import Lang
from kgnb.extract import name_scan
from kgnb.extract.en import sentences as sentences_en
from kgnb.extract.model import NameEntry
from kgnb.extract.word_search import trie_pattern
from kgnb.extract.zh import bigram_index, vocabulary
from kgnb.extract.zh import sentences as sentences_zh
from kgnb.extract.zh.bigram_index import BigramIndex
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.surnames import given_of, surname_of
from tests.support.casts import WORDS, bearer, chinese, scenes
from tests.support.costs import memory
from tests.support.fuzzing import grows_evenly
from tests.support.paths import NOVELS, STORIES

HEADING = re.compile(r"^(?:第.+章.*|Chapter \d+)$", re.M)


def story(name: str) -> list[tuple[int, str]]:
    parts = HEADING.split((STORIES / f"{name}.txt").read_text(encoding="utf-8"))[1:]
    return list(enumerate(parts, 1))


def scan(name: str, lang: Lang) -> dict[str, NameEntry]:
    return {e.name: e for e in name_scan.scan(story(name), lang)}


def score(name: str, lang: Lang) -> tuple[float, float, float, int]:
    """(recall, precision, merged, false merges) of a story's people against its gold list.

    Of a person's names those count as to be merged that stand twice in the text and in nobody else's list.
    """
    gold = json.loads((STORIES / f"{name}.gold.json").read_text(encoding="utf-8"))["characters"]
    text = "".join(t for _, t in story(name))
    people = {main: {main, *more["aliases"]} for main, more in gold.items()}
    found = [{e.name, *e.aliases} for e in scan(name, lang).values() if e.kind == "Character"]
    owners = [{main for main, forms in people.items() if forms & names_} for names_ in found]
    parts = []
    for forms in people.values():
        often = {f for f in forms if len(re.findall(rf"\b{f}\b" if lang == "en" else f, text)) >= 2}
        if len(often) > 1:
            parts.append((max(len(often & names_) for names_ in found) - 1) / (len(often) - 1))
    return (
        len(set().union(*owners)) / len(people),
        sum(map(bool, owners)) / len(found),
        sum(parts) / len(parts),
        sum(max(0, len(who) - 1) for who in owners),
    )


def test_an_alias_is_known_from_the_chapter_in_which_both_forms_have_stood() -> None:
    said = 'Miss Lucy Harland came in. "Come," said {}. {} smiled. "I will," said {}.\n\n'
    chapters = [
        said.format(*[who] * 3).replace("Miss Lucy Harland", who)
        for who in ("Lucy", "Lucy", "Miss Lucy Harland")
    ]
    (who,) = name_scan.scan([*enumerate(chapters, 1)], "en")
    assert {"Lucy": 1, "Miss Lucy Harland": 3}.items() <= who.since.items()
    assert {*who.since} == {who.name, *who.aliases}


@pytest.mark.parametrize(("name", "lang"), [("city", "zh"), ("xianxia", "zh"), ("fantasy", "en")])
def test_stories_of_other_genres_score_as_they_should(name: str, lang: Lang) -> None:
    recall, precision, merged, false = score(name, lang)
    assert (recall, false) == (1.0, 0)
    assert precision >= 0.85
    assert merged >= 0.7


def test_a_modern_story_gives_its_people_and_nobody_else() -> None:
    found = scan("city", "zh")
    people = {e.name for e in found.values() if e.kind == "Character"}
    assert people == {"陈默", "周晓雯", "李建国", "张伟", "赵海涛", "刘桂芳", "王律师"}
    assert bearer(found, "晓雯").name == "周晓雯"
    assert bearer(found, "李总").name == "李建国"


def test_a_xianxia_story_gives_its_people_and_its_city() -> None:
    found = scan("xianxia", "zh")
    people = {e.name for e in found.values() if e.kind == "Character"}
    assert {"林尘", "苏薰儿", "王腾", "王烈", "药老", "柳长老", "林战"} <= people
    assert len(people) <= 8
    assert bearer(found, "薰儿").name == "苏薰儿"
    assert found["青云城"].kind == "Location"


def test_an_english_story_gives_its_people_and_its_places() -> None:
    found = scan("fantasy", "en")
    people = {e.name for e in found.values() if e.kind == "Character"}
    for one, other in (("Rhea", "Captain Voss"), ("Tobias", "Tobias Fenn"), ("Aldric Marsh", "Lord Marsh")):
        assert bearer(found, one) is bearer(found, other)
    assert bearer(found, "Lady Isolde") is bearer(found, "Isolde")
    assert bearer(found, "Toby") is bearer(found, "Tobias")
    assert bearer(found, "Mother Quill").name in people
    assert bearer(found, "Wilhelm") is not bearer(found, "Rhea")
    assert found["Stonemere"].kind == "Location"
    assert len(people) <= 9


def test_entries_tell_where_they_stand() -> None:
    found = scan("city", "zh")
    chen, liu = found["陈默"], found["刘桂芳"]
    assert (chen.first_chapter, chen.last_chapter, chen.chapters) == (1, 2, 2)
    assert (liu.first_chapter, liu.last_chapter, liu.chapters) == (2, 2, 1)
    text = "".join(t for _, t in story("city"))
    assert chen.mentions == text.count("陈默") + text.count("小陈")
    entries = name_scan.scan(story("city"), "zh")
    assert [e.mentions for e in entries] == sorted((e.mentions for e in entries), reverse=True)


@pytest.mark.parametrize(("name", "lang"), [("xianxia", "zh"), ("fantasy", "en")])
def test_a_scan_is_the_same_in_every_process(name: str, lang: Lang) -> None:
    """String hashing differs between processes; the frozen name table must not."""
    code = (
        "import pickle,sys; from kgnb.extract import name_scan, rules\n"
        "chapters, lang = pickle.load(sys.stdin.buffer)\n"
        "names = name_scan.scan(chapters, lang)\n"
        "ties = [rules.extract(text, lang=lang, names=names).model_dump() for _, text in chapters]\n"
        "sys.stdout.buffer.write(pickle.dumps((names, ties)))"
    )
    results = [
        pickle.loads(
            subprocess.run(
                [sys.executable, "-c", code],
                input=pickle.dumps((story(name), lang)),
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONHASHSEED": seed},
                check=True,
            ).stdout
        )
        for seed in ("1", "2")
    ]
    assert results[0] == results[1]
    assert results[0][0] == name_scan.scan(story(name), lang)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has safe forks")
def test_a_scan_with_forks_finds_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, here, look_up = name_scan.scan(story("xianxia"), "zh"), os.getpid(), vocabulary.look_up

    def only_in_a_fork(wanted: set[str]) -> object:
        assert os.getpid() != here
        return look_up(wanted)

    monkeypatch.setattr(name_scan, "LONG", 0)
    monkeypatch.setattr(vocabulary, "look_up", only_in_a_fork)
    assert name_scan.scan(story("xianxia"), "zh", forks=True) == whole


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    "text", ["", " \n ", "“”「」", "(((.*[a-z", "\x00\ud800", "的" * 5000, "A. B. C. Mr. \n Mrs."]
)
def test_odd_texts_give_no_names_and_no_error(text: str, lang: Lang) -> None:
    assert name_scan.scan([(1, text)], lang) == []
    assert name_scan.scan([], lang) == []


def test_jieba_is_read_as_data_and_its_persons_are_no_gazetteer() -> None:
    scanned = "name_scan.scan([(1, '张三说：“好。”' * 9)], 'zh')"
    code = f"import sys; from kgnb.extract import name_scan; {scanned}; print('jieba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
    common, places = vocabulary.look_up({"宝玉", "武松", "将军", "长安"})
    assert "宝玉" not in common
    assert "武松" not in common
    assert common["将军"] > 1.5
    assert "长安" in places


def test_courtesy_names_and_titles_find_their_bearer() -> None:
    text = (
        "话说青州有一人，姓赵，名元，字子山。同乡钱方来访。赵元笑曰：“兄何来？”钱方答曰：“特来相请。”"
        "次日赵元与钱方入山，遇虎。钱方大惊，赵元拔剑斩之。众人皆称赵子山勇。\n一日州牧召子山。子山谢曰："
        "“不敢。”钱方劝曰：“子山当往。”子山叹曰：“罢了。”遂行。后赵元为将，钱方为谋主，时人语曰：“"
        "有事问钱方，无事寻子山。”钱方闻之，大笑曰：“赵子山误我！”是夜子山梦见白衣人。赵元怒曰：“妖也！”"
    )
    found = {e.name: e for e in name_scan.scan([(1, text)], "zh")}
    assert set(found["赵元"].aliases) >= {"子山", "赵子山"}
    assert "子山" not in found["钱方"].aliases


def test_nicknames_of_any_length_find_their_bearer() -> None:
    text = (
        "那黑旋风李逵大叫道：“哥哥！”宋江道：“兄弟休得无礼。”黑旋风听了便住。李逵道：“哥哥说得是。”\n"
        "豹子头林冲道：“我等且去。”林冲便走。豹子头挺枪在前，黑旋风在后。宋江道：“大师且住。”\n"
        "黑旋风李逵抡起板斧，豹子头林冲骂道：“鸟人！”宋江忙劝道：“休要争吵。”李逵大笑，林冲说道：“好汉！”\n"
        "豹子头林冲去了。豹子头不语。黑旋风李逵道：“怪哉。”宋江道：“走。”林冲道：“走。”众人都看豹子头。"
    )
    found = {e.name: e for e in name_scan.scan([(1, text)], "zh")}
    assert "黑旋风" in found["李逵"].aliases
    assert "豹子头" in found["林冲"].aliases
    assert found["宋江"].aliases == ()


def test_a_book_without_speech_has_people_too() -> None:
    text = "王建军去了北山。李秀英跟着王建军。王建军病了，李秀英哭了。后来李秀英又嫁人，王建军搬走了。天冷。"
    found = {e.name for e in name_scan.scan([(1, text)], "zh") if e.kind == "Character"}
    assert found == {"王建军", "李秀英"}


def test_two_who_talk_to_each_other_stay_two() -> None:
    talk = (
        "Anna Berg saw Anna Holm. “Hello,” said Anna Berg. “Hm,” said Anna Holm. Anna Holm left Anna Berg. "
    )
    found = {e.name: e for e in name_scan.scan([(1, talk * 10)], "en")}
    assert bearer(found, "Anna Berg") is not bearer(found, "Anna Holm")


def test_a_family_is_no_person() -> None:
    text = "Mr. Moss came. “Well,” said Mr. Moss. The Mosses dined. Mrs. Moss laughed. “So,” said Mrs. Moss. "
    people = {e.name for e in name_scan.scan([(1, text * 5)], "en")}
    assert "Mr. Moss" in people
    assert "Mrs. Moss" in people
    assert "Mosses" not in people


@pytest.mark.parametrize(
    ("name", "surname"),
    [
        ("关羽", "关"),
        ("关云长", "关"),
        ("欧阳锋", "欧阳"),
        ("上官婉儿", "上官"),
        ("司马懿", "司马"),  # 司 is a surname too
        ("欧阳", ""),  # nobody is called 阳 of the family 欧
        ("上官婉儿说", ""),
        ("关云长说", ""),
        ("玄德", ""),
    ],
)
def test_a_full_name_is_surname_and_given_name(name: str, surname: str) -> None:
    assert (surname_of(name), given_of(name)) == (surname, name.removeprefix(surname))


def test_people_of_compound_surnames_are_found_by_their_whole_names() -> None:
    pairs = [("欧阳锋", "黄蓉"), ("司马懿", "令狐冲"), ("上官婉儿", "尉迟恭"), ("公孙绿萼", "司徒雷")]
    found = chinese(scenes(pairs))
    assert set(found) == {name for both in pairs for name in both}
    assert all(entry.aliases == () for entry in found.values())


@pytest.mark.parametrize("name", ["上官清漪", "欧阳锋", "尉迟恭", "司马懿", "司马相如"])
def test_who_never_speaks_is_found_by_a_compound_surname(name: str) -> None:
    quiet = ["{a}走进屋里。", "众人让{a}坐下。", "谁知{a}不在家。", "一时{a}来了。", "他拉着{a}的手。"]
    text = scenes([("令狐冲", "黄蓉"), ("张无忌", "赵敏")]) + "".join(quiet * 2).format(a=name)
    assert set(chinese(text)) == {"令狐冲", "黄蓉", "张无忌", "赵敏", name}


def test_a_compound_surname_of_two_is_nobodys_name() -> None:
    assert set(chinese(scenes([("夏侯轻", "黄蓉"), ("夏侯冷", "黄蓉")]))) == {"夏侯轻", "夏侯冷", "黄蓉"}


def test_what_a_bearer_of_a_compound_surname_is_called_as_well() -> None:
    far = "有一人姓司马名懿字仲达。\n" + scenes([("令狐冲", "黄蓉")])
    found = chinese(far + scenes([("司马懿", "赵敏"), ("仲达", "赵敏")]))
    assert found["司马懿"].aliases == ("仲达",)
    found = chinese(scenes([("西毒", "黄蓉"), ("欧阳锋", "黄蓉")]) + "西毒欧阳锋来了。" * 3)
    assert found["欧阳锋"].aliases == ("西毒",)
    found = chinese(scenes([("婉儿", "黄蓉")]) + "有人提起上官婉儿，" * 8)  # always in the same words
    assert found["上官婉儿"].aliases == ("婉儿",)


def test_a_compound_surname_comes_off_before_a_given_name_and_a_title() -> None:
    pairs = [("上官清漪", "令狐冲"), ("清漪", "令狐冲"), ("欧阳锋", "黄蓉"), ("欧阳公子", "黄蓉")]
    found = chinese(scenes(pairs))
    assert set(found) == {"上官清漪", "令狐冲", "欧阳锋", "黄蓉"}
    assert found["上官清漪"].aliases == ("清漪",)
    assert found["欧阳锋"].aliases == ("欧阳公子",)


ALONE = "晚上{n}也来了。谁知{n}不在家，众人等着{n}。"


@pytest.mark.parametrize("full", ["周晓雯", "上官晓雯"])
def test_a_bare_given_name_is_the_ones_who_has_it(full: str) -> None:
    found = chinese(scenes([(full, "令狐冲")]) + ALONE.format(n="晓雯"))
    assert found[full].aliases == ("晓雯",)


def test_a_bare_given_name_far_from_who_has_it_is_nobodys() -> None:
    here = scenes([("周晓雯", "令狐冲")])
    far = here + scenes([("张无忌", "赵敏")] * 6) + ALONE.format(n="晓雯")
    assert chinese(far)["周晓雯"].aliases == ()
    assert chinese(here + "晚上晓雯也来了。")["周晓雯"].aliases == ("晓雯",)


@pytest.mark.parametrize("other", ["李晓雯", "欧阳晓雯"])
@pytest.mark.parametrize("full", ["周晓雯", "上官晓雯"])
def test_a_bare_given_name_of_two_families_is_nobodys(full: str, other: str) -> None:
    text = scenes([(full, "令狐冲")]) + ALONE.format(n="晓雯")
    for said in (text + scenes([(other, "司马懿")]), scenes([(other, "司马懿")]) + text):
        found = chinese(said)
        assert found[full].aliases == found[other].aliases == ()
    both = [(full, "令狐冲"), (other, "司马懿"), ("晓雯", "令狐冲"), ("晓雯", "司马懿")]
    found = chinese(scenes(both))
    assert found[full].aliases == found[other].aliases == ()
    assert found["晓雯"].aliases == ()


def test_a_courtesy_name_goes_with_a_compound_surname() -> None:
    text = (
        "有一人姓司马，名懿，字仲达。曹真来访。仲达笑道：“请坐。”曹真道：“司马仲达好计！”司马懿大笑。"
        "仲达送曹真，司马仲达上马，曹真去了。司马懿归家，曹真又来。"
    )
    assert set(chinese(text)["司马懿"].aliases) == {"仲达", "司马仲达"}


def test_kin_of_one_surname_stay_apart_and_two_maids_are_two() -> None:
    pairs = [("林黛玉", "袭人"), ("林如海", "贾雨村"), ("如海", "贾雨村"), ("麝月", "李纨"), ("秋纹", "李纨")]
    text = scenes(pairs) + "麝月秋纹走来。秋纹麝月去了。麝月秋纹两个笑了。"
    found = {e.name: e for e in name_scan.scan([(1, text)], "zh")}
    for one, other in (("林黛玉", "林如海"), ("麝月", "秋纹")):
        assert bearer(found, one) is not bearer(found, other)


def test_who_talks_all_the_time_has_a_name_that_may_be_a_word() -> None:
    text = scenes([("袭人", "宝玉"), ("王夫人", "贾琏"), ("史湘云", "林黛玉"), ("湘云", "宝玉")])
    found = {e.name: e for e in name_scan.scan([(1, text)], "zh") if e.kind == "Character"}
    assert {"袭人", "宝玉", "贾琏"} <= set(found)
    assert bearer(found, "湘云") is bearer(found, "史湘云")


ACTING = [
    "{a}抬眸看了{b}一眼，淡淡地开口：“{w}”",
    "“{w}”{a}勾了勾唇角，声音低沉。",
    "“{b}，{w}”{a}皱着眉说道。",
    "电话那头，{a}的声音有些沙哑：“{w}”",
    "{a}愣了一下，下意识地攥紧了衣角。",
    "{a}没有回答，只是转身走向落地窗。",
    "{b}不知道{a}在想什么，只好跟了上去。",
    "周末，{a}去了云栖山庄，{b}已经在那里等着了。",
    "他发现{a}还在加班。她看着{a}，心里忽然有些难过。",
]


def test_a_web_novel_whose_speakers_act_instead_of_saying() -> None:
    rng = random.Random(7)
    cast = ["陆景川", "沈知意", "顾云深", "苏小满", "程野"]
    short = {"陆景川": "景川", "沈知意": "知意", "顾云深": "云深", "苏小满": "小满", "程野": "程野"}
    lines = []
    for _ in range(900):
        a, b = rng.sample(cast, 2)
        a, b = (short[n] if rng.random() < 0.2 else n for n in (a, b))
        lines.append(rng.choice(ACTING).format(a=a, b=b, w=rng.choice(WORDS)))
    found = {e.name: e for e in name_scan.scan([(1, "\n".join(lines))], "zh") if e.kind == "Character"}
    assert set(found) == set(cast)
    for full, given in short.items():
        assert bearer(found, given).name == full


def test_groups_are_named_by_their_ends_and_their_people() -> None:
    acts = [
        "{o}的人来了。",
        "他加入了{o}。",
        "{o}与{p}不和。",
        "那人道：“{o}欺人太甚！”",
        "连{o}都惊动了。",
        "在{o}里，{p}的名声不好。",
    ]
    rng = random.Random(3)
    groups = ["天玄宗", "星辉集团", "海城大学", "血狼佣兵团"]
    text = ""
    for _ in range(200):
        one, other = rng.sample(groups, 2)
        text += rng.choice(acts).format(o=one, p=other) + "这家公司很大。本公司不大。"
    found = {e.name: e.kind for e in name_scan.scan([(1, text)], "zh")}
    assert found == dict.fromkeys(groups, "Organization")


def test_places_have_names_and_the_east_gate_has_none() -> None:
    text = "众人到青州城。他们出东门，在山坡歇了。回青州城。来长安，入东门，过山坡。守长安，往长安。\n"
    found = {e.name: e.kind for e in name_scan.scan([(1, text * 3)], "zh")}
    assert found == {"青州城": "Location", "长安": "Location"}
    text = "Tom went to the Park. He lived at Oakham, near Oakham Mill, and rode North to Oakham.\n"
    places = {e.name for e in name_scan.scan([(1, text * 3)], "en") if e.kind == "Location"}
    assert places == {"Oakham", "Oakham Mill"}


def english(text: str, times: int = 6) -> dict[str, NameEntry]:
    return {e.name: e for e in name_scan.scan([(1, text * times)], "en") if e.kind == "Character"}


def test_the_eldest_daughter_has_the_bare_title() -> None:
    found = english(
        '"Yes," said Nora Hale. Nora laughed. "Sit down, Miss Hale," said Mr. Crane. Miss Hale sat down.\n'
        '"No," said Ada Lisle. Ada wept. Miss Ada went out. "Well," said Miss Lisle. Miss Lisle kissed Ada.\n'
    )
    assert bearer(found, "Miss Hale") is bearer(found, "Nora")
    assert bearer(found, "Miss Lisle") is not bearer(found, "Ada")
    assert bearer(found, "Miss Ada") is bearer(found, "Ada")


def test_a_rank_is_no_lady_who_never_bears_it() -> None:
    found = english(
        '"Yes," said Miss Eleanor Marsh. Eleanor smiled. "No," said General Marsh.\n'
        '"March!" cried Captain Rhea Voss. Rhea nodded. "Halt," said Captain Voss. She turned.\n'
    )
    assert bearer(found, "General Marsh") is not bearer(found, "Eleanor")
    assert bearer(found, "Captain Voss") is bearer(found, "Rhea")


def test_a_full_name_with_title_is_nobody_else() -> None:
    found = english(
        '"My dear Wilson," said Holt. "It is dark, Mr. Holt," she said. Sherard Holt laughed. Holt sat.\n'
        '"Mr. Sherard Holt, I believe?" said the man. Wilson rose. Later Sherard Holt saw Dr. Wilson.\n'
    )
    assert len({id(bearer(found, n)) for n in ("Holt", "Mr. Holt", "Sherard Holt", "Mr. Sherard Holt")}) == 1
    assert bearer(found, "Wilson") is bearer(found, "Dr. Wilson")


def test_couples_are_both_there() -> None:
    text = '"Oh," said Mr. Hale. "So," said Mrs. Hale. Mr. and Mrs. Hale dined. The Hales left.\n'
    found = english(text)
    assert found["Mrs. Hale"].mentions == 6 * 3
    assert found["Mr. Hale"].mentions == 6 * 3
    assert "Hales" not in found


def test_exclamations_and_places_are_no_persons() -> None:
    found = english(
        '"Humph! I know," said Tom Gray. "Humph," he said again. Tom lived at Oakham, near Oakham Mill.\n'
        "Tom rode to Oakham. He stayed in Oakham, left Oakham and returned from Oakham.\n"
    )
    assert set(found) == {"Tom Gray"}


def test_trie_matches_the_longest_word() -> None:
    found = re.findall(
        trie_pattern(["关", "关羽", "关云长", "a.b", "张飞"]), "关云长与关羽、张飞过关，axb a.b"
    )
    assert found == ["关云长", "关羽", "张飞", "关", "a.b"]
    assert re.findall(trie_pattern([]), "关羽") == []


@pytest.mark.parametrize("more", [[], ["一"]], ids=["words", "and a character"])
@pytest.mark.parametrize("firsts", [3, 400])
def test_trie_of_few_or_many_first_characters_matches_the_longest_word(firsts: int, more: list[str]) -> None:
    chars = [chr(code) for code in range(0x4E00, 0x4E00 + firsts)]
    words = [
        *more,
        *(char + "羽" for char in chars),
        *(char + "羽飞" for char in chars[::2]),
        chars[-1] + "云",
    ]
    text = "".join(f"一{char}羽飞羽{char}，{char}云" for char in (*chars, "龙"))
    expected, at = [], 0
    while at < len(text):
        longest = max((word for word in words if text.startswith(word, at)), key=len, default="")
        expected += [longest] if longest else []
        at += len(longest) or 1
    assert re.findall(trie_pattern(words), text) == expected


@pytest.fixture(params=[1, 2, 3, bigram_index.BLOCK], ids="block {}".format)
def _block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_index, "BLOCK", request.param)


@pytest.fixture(params=[0, bigram_index.MANY], ids="many {}".format)
def _many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigram_index, "MANY", request.param)


@pytest.mark.usefixtures("_block", "_many")
def test_one_pass_over_a_text_finds_what_the_expression_finds() -> None:
    words = ["关羽", "关云长", "云长", "长兄", "张飞"]
    text = "关云长兄与关羽、张飞云长兄"
    expected = [(m.start(), m[0]) for m in re.finditer(trie_pattern(words), text)]
    grams = BigramIndex(text)
    assert list(grams.find_all(words)) == expected
    grams.find({w[:2] for w in words} | {"兄与"})
    assert list(grams.find_all(words)) == expected
    assert list(BigramIndex("关").find_all(["关", "关羽"])) == []


@pytest.mark.usefixtures("_block", "_many")
@pytest.mark.parametrize("text", ["", "关", "关羽", "关羽关羽张", "😀关羽\ud83d\ude00关羽\udc00", "a关羽b"])
def test_pairs_are_counted_and_found_in_any_text(text: str) -> None:
    grams = BigramIndex(text)
    assert grams.count("关羽") == text.count("关羽")
    assert grams.characters() == Counter(re.sub("[\ud800-\udfff\U00010000-\U0010ffff]", "?", text))
    assert sum(grams.frequent(1).values()) == max(0, len(text) - 1)
    assert list(grams.offsets(["关羽"])) == [m.start() for m in re.finditer("关羽", text)]


def test_a_long_texts_bigrams_take_less_memory_than_all_of_them_would() -> None:
    text = "关羽与张飞" * 400_000
    used = memory(lambda: sum(1 for _ in BigramIndex(text).offsets(["关羽"])))
    assert used.result == 400_000
    assert used.peak < 4 * len(text)  # with all bigrams at a time: 8


def test_a_text_without_a_sentence_takes_memory_by_its_length() -> None:
    text = "字" * 50_000
    NameClassifier("字")  # loads the dictionary
    used = memory(lambda: NameClassifier(text))
    assert used.peak < 30 * len(text)  # with a list of the places of its one pair of characters: 48


def test_normalise_keeps_paragraphs_and_plain_quotes() -> None:
    assert sentences_en.normalise("“Hi,”\nsaid  _Tom_.\r\n\r\nBye.") == '"Hi," said Tom .\nBye.'
    assert sentences_zh.normalise("　　甲\r\n\r\n乙") == "\n甲\n乙"


@pytest.mark.skipif(not NOVELS.is_dir(), reason="../shared/data/novels is not here")
def test_a_whole_novel_gives_its_heroes() -> None:
    text = (NOVELS / "text" / "sanguo.txt").read_text(encoding="utf-8")
    entries = name_scan.scan([(1, text)], "zh")
    found = {e.name: e for e in entries if e.kind == "Character"}
    assert bearer(found, "玄德") is bearer(found, "刘备")
    assert bearer(found, "孔明") is bearer(found, "诸葛亮")
    assert bearer(found, "张飞") is not bearer(found, "关羽")


def test_forms_of_address_in_a_text_of_other_quotation_marks_take_time_by_its_length() -> None:
    story = "何恭走到门口，看见院子里的雪已经停了，就说，进来坐吧，外面冷得很，"
    assert grows_evenly(lambda n: name_scan.scan([(1, (story + "，老何，") * n)], "zh"), 2_500)
