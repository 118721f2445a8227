"""Who tells a Chinese book in the first person, and the ties of 我."""

from __future__ import annotations

import re

import pytest

from kgnb.core.labels import Lang
from kgnb.core.messages import say, use_language
from kgnb.extract import name_scan, rules
from kgnb.extract.model import NameEntry
from kgnb.extract.narrator import Narrator, Teller, choose, one_a_line
from kgnb.extract.patterns import Mention
from kgnb.extract.zh.narrator import is_owner, of_book, read
from kgnb.graph.resolve.name_listing import ListedName
from kgnb.render.names_text import named_line

TELLER = NameEntry("向晚舟", ("晚舟",), mentions=30, narrator=True)
PEOPLE = [
    TELLER,
    *(NameEntry(name, mentions=9) for name in ("向德海", "罗秀芳", "向晚晴", "孟启明", "许文澜", "许立诚")),
]
I_TELL = "那年我十八岁。我在镇上念书，我住校，我每月回一次家。"
SHORT = {"PARENT_OF": "P", "SIBLING": "S", "SPOUSE": "M", "FAMILY": "F", "MASTER_OF": "T"}


def ties(text: str, people: list[NameEntry] = PEOPLE) -> set[tuple[str, str, str]]:
    found = rules.extract(text, lang="zh", names=people).relations
    return {(SHORT[r.type], r.source, r.target) for r in found if r.type in SHORT}


def tellers(*chapters: str) -> list[str]:
    names = name_scan.scan(list(enumerate(chapters, 1)), "zh")
    return [entry.name for entry in names if entry.narrator]


# He says who he is in one chapter and is called by name in others, but never named outside speech.
BOOK = (
    "我叫向晚舟，在码头上做了三年账房。孟启明是我的东家。那天早上，孟启明把算盘推到我面前。“晚舟，你来算。”"
    "孟启明说。我算了一遍，又算了一遍。孟启明看着我，一句话也不说。",
    "许文澜进来的时候，我正在抄账。“向晚舟，外面有人找你。”许文澜说。我放下笔走出去，码头上一个人也没有。"
    "我回来问许文澜，许文澜却说没叫过我。",
    "夜里我睡不着，想起许文澜的话。孟启明的脚步声在楼上响。“向晚舟，下来！”孟启明喊。我披上衣服下了楼。",
)


class TestWhoTells:
    def test_who_says_his_name_once_and_is_only_called_by_it(self) -> None:
        assert tellers(*BOOK) == ["向晚舟"]

    def test_he_is_counted_where_he_says_so(self) -> None:
        names = name_scan.scan(list(enumerate(BOOK, 1)), "zh")
        entry = next(n for n in names if n.narrator)
        assert (entry.first_chapter, entry.last_chapter, entry.chapters) == (1, 3, 3)

    def test_who_is_called_often_though_nobody_says_who_he_is(self) -> None:
        more = BOOK[1].replace("外面有人找你", "你的信"), BOOK[2].replace("下来", "快走")
        called = (BOOK[0].replace("我叫向晚舟，", "我"), *BOOK[1:], *more)
        assert tellers(*called) == ["向晚舟"]
        third = [text.replace("我", "他") for text in called]
        third[0] += "我要走了，他想。"
        assert "向晚舟" in {n.name for n in name_scan.scan(list(enumerate(third, 1)), "zh")}
        assert tellers(*third) == []

    def test_whom_he_tells_to_do_something_is_not_the_narrator(self) -> None:
        # Named nowhere else: 我叫小顺 isn't what he says of himself.
        called = [
            text.replace("我叫向晚舟，", "我") for text in (*BOOK, BOOK[1].replace("有人找你", "下雨了"))
        ]
        called[1] += "我叫罗秀芳去买酒。"
        assert [t.says for t in self.told("".join(called), "罗秀芳")] == [0]
        assert [t.says for t in self.told("我叫罗秀芳，在码头上做事。", "罗秀芳")] == [1]

    def test_who_is_called_again_and_again_tells_rather_than_who_seems_to_say_so_once(self) -> None:
        often, once = Teller("向晚舟", 40, 0, 30, 0), Teller("罗秀芳", 1, 0, 0, 1)
        assert choose([often, once], 50) == "向晚舟"
        assert choose([often._replace(named=3, called=2), once._replace(named=2, called=1)], 5) == "罗秀芳"

    @pytest.mark.parametrize(
        "told",
        [
            *(
                "我叫向晚舟，",
                "我名叫向晚舟，",
                "我名字叫向晚舟，",
                "我的名字叫做“向晚舟”，",
                "我本名向晚舟，",
            ),
            *("我姓何，名向晚舟，", "大家都叫我作向晚舟，", "爹给我取的大名叫向晚舟，"),
            *("我就是向晚舟。", "我是“向晚舟”，", "我，向晚舟，", "我（向晚舟）"),
        ],
    )
    def test_what_he_says_of_himself(self, told: str) -> None:
        assert [t.says for t in self.told(told, "向晚舟")] == [1]
        assert [t.says for t in self.told(f"他说：{told.replace('“', '')}", "向晚舟")] == [0]

    @pytest.mark.parametrize("call", ["晚舟！", "晚舟啊，", "晚舟哥，", "晚舟同学，", "晚舟哥哥的"])
    def test_how_others_call_him(self, call: str) -> None:
        assert [t.called for t in self.told(f"“{call}你来。”", "晚舟")] == [not call.endswith("的")]

    @pytest.mark.parametrize("speech", ["“我”", "「我」", "『我』", '"我"', "他说：我", "—我"])
    def test_i_outside_speech_and_no_army(self, speech: str) -> None:
        text = f"{speech}\n我们，我军。俺走了。"
        assert read(text).own == [text.index("俺")]

    @staticmethod
    def told(text: str, name: str) -> list[Teller]:
        return [read(text).teller(name, [m.span() for m in re.finditer(name, text)])]

    @pytest.mark.parametrize(
        "change",
        [
            lambda text: text.replace("我", "向晚舟"),  # told of him
            lambda text: text.replace("我", "他"),  # the third person
            lambda text: (
                f"老人讲起从前：“{text.replace('“', '『').replace('”', '』')}”孟启明听着。"
            ),  # a tale within
            lambda text: f"信上写着：{text}",  # a letter without quotation marks
        ],
    )
    def test_nobody_tells_a_book_in_the_third_person(self, change: object) -> None:
        assert callable(change)
        assert tellers(*map(change, BOOK)) == []

    def test_nobody_tells_a_book_whose_narrators_change(self) -> None:
        other = "".join(BOOK).translate(str.maketrans("舟许文澜", "晴向晚舟")).replace("我叫", "我叫")
        assert tellers(*BOOK, other, other.replace("我叫向晚晴，", "我")) == []

    def test_a_tale_in_one_chapter_is_no_book(self) -> None:
        others = [text.replace("我", "他") for text in BOOK * 2]
        assert tellers(BOOK[0], *others) == []


def test_the_first_of_each_line_is_counted() -> None:
    text = "我，我\n\n他\n他，我，我"
    own = [m.start() for m in re.finditer("我", text)]
    assert one_a_line(text, own) == [0, text.rindex("他") + 2]
    assert one_a_line("我，我", [0, 2]) == [0]
    long = "我" * 400_000
    assert one_a_line(long, range(len(long))) == [0]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_list_of_names_says_who_tells(lang: Lang) -> None:
    use_language(lang)
    teller, other = (named_line(ListedName("何恭", (), 9, "Character", narrator=n)) for n in (True, False))
    assert teller == other.replace("何恭", say("names.narrator", name="何恭")) != other


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("我爸叫向德海，是个木匠。", ("P", "向德海", "向晚舟")),
        ("我妈罗秀芳在小学教书。", ("P", "罗秀芳", "向晚舟")),
        ("我妹妹叫向晚晴，比我小三岁。", ("S", "向晚晴", "向晚舟")),
        ("向晚晴是我妹妹，比我小三岁。", ("S", "向晚晴", "向晚舟")),
        ("许立诚是我的岳父。", ("F", "向晚舟", "许立诚")),
        ("我是向德海的独生女儿。", ("P", "向德海", "向晚舟")),
        ("我拜孟启明为师。", ("T", "孟启明", "向晚舟")),
        ("我走进来，妻子许文澜跟在后面。", ("M", "向晚舟", "许文澜")),
        ("我是许文澜的妻子。", ("M", "向晚舟", "许文澜")),
        ("我和许文澜结婚那天下着雨。", ("M", "向晚舟", "许文澜")),
        ("我后来嫁给了许文澜。", ("M", "向晚舟", "许文澜")),
        ("我的师父孟启明是个瘸子。", ("T", "孟启明", "向晚舟")),
        ("内人许文澜是城里人。", ("M", "向晚舟", "许文澜")),
        ("“你多大了？”孟启明问。\n“十八。向晚晴是我妹妹。”我说。", ("S", "向晚晴", "向晚舟")),
        ("我对孟启明说：“我爸是向德海。”", ("P", "向德海", "向晚舟")),
        ("许文澜来了，我看见她父亲许立诚。", ("P", "许立诚", "许文澜")),
        ("许立诚和我走了，他女儿许文澜在哭。", ("P", "许立诚", "许文澜")),
        ("许立诚和我走了。天黑了。他住在镇上。他的女儿许文澜在哭。", ("P", "许立诚", "许文澜")),
    ],
)
def test_kin_of_who_tells(text: str, tie: tuple[str, str, str]) -> None:
    kind, one, other = tie
    found = ties(I_TELL + "\n" + text)
    assert found == {tie} or (found == {(kind, other, one)} and kind in "SMF")


@pytest.mark.parametrize(
    "text",
    [
        "“我爸叫向德海。”孟启明说。",  # his
        "孟启明说：我妈罗秀芳早死了。",  # without quotation marks
        "孟启明说:我妈罗秀芳早死了。",
        "我听到门外喊：“我爸是孟启明。”",
        "我看见信上写着：“我爸是孟启明。”",
        "我身后传来一声呼喊：“我爸是孟启明。”",
        "我身后有人喊道：“我爸是孟启明。”",
        "我问许文澜怎么了，她说：“我爸是许立诚。”",  # hers
        "我走进屋里，看见许立诚站着，他女儿许文澜在哭。",
        "要是我嫁给了许文澜就好了。",
        "我不是许文澜的丈夫。",
        "我没有说话，他哥孟启明的媳妇许文澜来了。",
        # whose kin does what isn't the narrator
        "我爸是孟启明的徒弟。",
        "我爸娶了许文澜。",
        "我妹妹恨孟启明，孟启明的妻子是许文澜。",
        "我爸走进来，妻子许文澜跟在后面。",
        "“爹，你回去吧。”我爸对向德海说。",
        "我爸放下碗：“许文澜是我女儿。”",
    ],
)
def test_kin_of_others_are_not_the_narrators(text: str) -> None:
    assert not [tie for tie in ties(I_TELL + "\n" + text) if "向晚舟" in tie]


def test_what_stands_at_the_end_of_a_chapter_is_not_before_its_first_word() -> None:
    text = "我爸娶了许文澜。" + I_TELL * 2 + "我走了"
    assert not [tie for tie in ties(text) if "向晚舟" in tie]


def test_a_brother_s_wife_is_not_the_narrators() -> None:
    found = ties(I_TELL + "我哥向德海的媳妇许文澜来了。")
    assert found == {("S", "向德海", "向晚舟"), ("M", "向德海", "许文澜")}


def test_a_chapter_in_which_he_is_named_is_told_by_somebody_else() -> None:
    text = I_TELL + "向晚舟坐在我对面。向晚舟笑了。我妹妹叫向晚晴，向晚舟认得她。"
    assert ties(text) == set()


def test_who_says_that_he_tells_a_chapter_is_meant_there() -> None:
    assert ties(I_TELL + "我叫许文澜。我爸叫许立诚，是个木匠。") == {("P", "许立诚", "许文澜")}


def test_a_chapter_headed_by_a_name_is_told_by_its_bearer() -> None:
    nobody = [NameEntry(n.name, n.aliases, mentions=9) for n in PEOPLE]
    text = f"许文澜\n{I_TELL}我爸叫许立诚，是个木匠。"
    assert ties(text, nobody) == {("P", "许立诚", "许文澜")}
    assert ("P", "许立诚", "孟启明") in ties(text + "我叫孟启明。", nobody)
    unheaded = ties(text.replace("许文澜\n", "许文澜的信。\n"), nobody)
    assert "P" not in {kind for kind, _, _ in unheaded}


@pytest.mark.parametrize(
    ("title", "tells"),
    [
        *(
            (title, True)
            for title in (
                "许文澜",
                "第3章　许文澜",
                "3. 许文澜",
                "十二、许文澜",
                "第十二章：许文澜",
                "番外　许文澜",
            )
        ),
        *(
            (title, False)
            for title in ("", "第3章", "寻找许文澜", "许文澜的信", "许文澜和孟启明", "第3章 镇上")
        ),
    ],
)
def test_a_chapter_whose_title_is_a_name_is_told_by_its_bearer(title: str, tells: bool) -> None:
    names = [NameEntry(n.name, n.aliases, mentions=9) for n in PEOPLE]
    text = f"{I_TELL}我爸叫许立诚，是个木匠。"
    found = rules.extract(text, lang="zh", names=names, title=title)
    assert bool(found.relations) is tells
    # She wins over who tells the other chapters, unless this one tells of her.
    found = rules.extract(text, lang="zh", names=PEOPLE, title=title)
    assert {found.relations[0].source, found.relations[0].target} == {
        "许立诚",
        "许文澜" if tells else "向晚舟",
    }
    for more in ("许文澜走了进来。许文澜笑了。", "许文澜走了进来。她看着我，我没有说话。" + "我等着。" * 20):
        found = rules.extract(text + more, lang="zh", names=PEOPLE, title=title)
        assert ("PARENT_OF", "许立诚", "向晚舟") in {(r.type, r.source, r.target) for r in found.relations}


@pytest.mark.parametrize(
    ("clause", "owns"),
    [
        *((f"我{whose}走了。", True) for whose in ("的狗", "家", "二姑妈", "外婆", "岳父", "室友", "秘书")),
        *((f"我{whose}走了。", True) for whose in ("助理", "女友", "前夫", "先生")),
        *((clause, False) for clause in ("我先生气，才走了。", "我走了。", "他是我爸。", "他成了我爸。")),
    ],
)
def test_whose_somebody_is_does_nothing_himself(clause: str, owns: bool) -> None:
    at = clause.index("我")
    assert is_owner(clause, Mention(TELLER, "我", at, at + 1)) is owns


def test_he_is_present_where_he_says_so() -> None:
    found = rules.extract(I_TELL + "我看见许文澜走过来。我叫住了许文澜。", lang="zh", names=PEOPLE)
    assert found.characters[0].name == "向晚舟"
    assert found.characters[0].aliases == []
    (tie,) = found.relations
    assert (tie.source, tie.target, tie.evidence) == ("向晚舟", "许文澜", "我看见许文澜走过来。") or (
        tie.source,
        tie.target,
        tie.evidence,
    ) == ("许文澜", "向晚舟", "我看见许文澜走过来。")


class TestFormsOfAddress:
    HIS = "孟启明抬起头来。“向先生，请坐。”我坐下了。孟启明又说：“向先生，喝茶。”我没有喝。"

    FATHER = "向德海是个木匠，我也是。" + "我走了很远。" * 60

    def his(self, text: str) -> list[str]:
        """Entries that are who tells the book's, which has two of the surname."""
        book = "".join((*BOOK, self.FATHER, text, "我走了很远。" * 60))
        names = ("向晚舟", "孟启明", "许文澜", "向德海", "向先生")
        found = of_book(book, [0], [(n, [n], [m.start() for m in re.finditer(n, book)]) for n in names])
        assert found is not None
        assert found.name == "向晚舟"
        return list(found.also)

    def test_a_surname_and_title_by_which_he_is_called_is_his(self) -> None:
        assert self.his(self.HIS) == ["向先生"]
        assert self.his(self.HIS + "街上的人客气，管我叫一声向先生。") == ["向先生"], "told, too"
        assert self.his(self.HIS + "街上的人客气，管他叫一声向先生。") == []

    @pytest.mark.parametrize(
        "text",
        [
            HIS.replace("我坐下了", "我爸坐下了").replace("我没有喝", "我爸没有喝"),  # his father's
            HIS.replace("我坐下了", "向德海坐下了").replace("我没有喝", "向德海没有喝"),
            HIS.replace("“向先生，请坐。”", "看，向先生，请坐。"),  # told of
            HIS.replace("“向先生，请坐。”", "“请向先生坐。”"),
            HIS.partition("孟启明又说")[0],  # once may be anybody
            "他走了很远。" * 40 + HIS.replace("我", "他") + "他走了很远。" * 40,
            HIS + ("我走了很远。" * 60 + "“向先生，请坐。”我爸坐下了。") * 3,  # mostly his father
        ],
    )
    def test_one_that_may_be_another_s_is_not(self, text: str) -> None:
        assert self.his(text) == []

    def test_they_are_one_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = Narrator("孟启明", [1], ("许文澜",))
        monkeypatch.setattr("kgnb.extract.zh.narrator.of_book", lambda *_: found)
        (entry,) = [n for n in name_scan.scan(list(enumerate(BOOK, 1)), "zh") if n.narrator]
        assert (entry.name, entry.aliases, entry.reasons) == (
            "孟启明",
            ("许文澜",),
            (("许文澜", "孟启明", "姓与称", 1.0),),
        )
        assert entry.mentions == sum(text.count(n) for text in BOOK for n in ("孟启明", "许文澜")) + 1
