"""Ties that Chinese texts state: kin nouns before a name, lists, couples, and what is none."""

from __future__ import annotations

import json

import pytest

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract import rules
from kgnb.extract.model import NameEntry
from kgnb.extract.surname_pairs import OF_ONE_SURNAME
from tests.support.fuzzing import grows_evenly
from tests.support.paths import ROOT

PEOPLE = [
    NameEntry(name, aliases, "Character", 9)
    for name, aliases in (
        ("周德海", ()),
        ("周文", ()),
        ("周武", ()),
        ("林秀英", ("秀英",)),
        ("孟先生", ()),
        ("孟太太", ()),
        ("孟老爷", ()),
        ("孟夫人", ()),
        ("老程", ()),
        ("诸葛岩", ()),
        ("兔爸爸", ()),
        ("兔妈妈", ()),
        ("点点", ()),
        ("孟大夫", ()),
        ("王妈妈", ()),
        ("王婆", ()),
        ("孟姥姥", ()),
    )
]
GOLD = ROOT / "tests" / "extract" / "gold"


SENTENCES = (GOLD / "zh_ties.txt").read_text(encoding="utf-8").splitlines()
TYPES = {
    "P": "PARENT_OF",
    "S": "SIBLING",
    "M": "SPOUSE",
    "F": "FAMILY",
    "T": "MASTER_OF",
    "L": "LEADS",
    "E": "ENEMY",
    "H": "HATES",
    "V": "LOVES",
    "R": "FRIEND",
    "D": "SERVES",
}


def ties(text: str) -> set[tuple[str, str, str]]:
    return stated(text, PEOPLE)


def stated(text: str, names: list[NameEntry]) -> set[tuple[str, str, str]]:
    """The ties that are more than a guess from a surname."""
    found = rules.extract(text, lang="zh", names=names).relations
    told = [r for r in found if r.type != "KNOWS" and (r.confidence or 0) > OF_ONE_SURNAME]
    return {(r.source, r.type, r.target) for r in told}


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("周德海唤子周文进来。", ("周德海", "PARENT_OF", "周文")),
        ("周德海在堂上坐着。长子周文站在一旁。", ("周德海", "PARENT_OF", "周文")),
        ("周德海有三个儿子：长子周文，次子周武，都已成家。", ("周德海", "PARENT_OF", "周武")),
        ("长子周文，次子周武，都已成家。", ("周文", "SIBLING", "周武")),
        ("周文和弟弟周武去了县城。", ("周文", "SIBLING", "周武")),
        ("林秀英说：“我父亲周德海不在家。”", ("周德海", "PARENT_OF", "林秀英")),
        ("林秀英说：「我父亲周德海不在家。」", ("周德海", "PARENT_OF", "林秀英")),
        ("“我父亲周德海不在家。”林秀英说。", ("周德海", "PARENT_OF", "林秀英")),
        ("周文看了她一眼。“我父亲周德海不在家。”林秀英说。", ("周德海", "PARENT_OF", "林秀英")),
        ("周武道：“我父亲周德海不在家。”林秀英道：“好。”", ("周德海", "PARENT_OF", "周武")),
        ("林秀英来了，她的丈夫周文也来了。", ("林秀英", "SPOUSE", "周文")),
        ("周文、周武弟兄两个都没念过书。", ("周文", "SIBLING", "周武")),
        ("周文、林秀英夫妻二人开了一家店。", ("周文", "SPOUSE", "林秀英")),
        ("周德海管账，秀英管柜台，父女俩把铺子开得红红火火。", ("周德海", "PARENT_OF", "林秀英")),
        ("孟先生出门了。孟太太在家。", ("孟先生", "SPOUSE", "孟太太")),
        ("周文与林秀英结为夫妇。", ("周文", "SPOUSE", "林秀英")),
        ("老程拜周德海为义父。", ("周德海", "PARENT_OF", "老程")),
        ("诸葛岩笑道：“这是我徒弟老程。”", ("诸葛岩", "MASTER_OF", "老程")),
        ("诸葛岩看着周文与老程二人结为兄弟。", ("周文", "SIBLING", "老程")),
        ("老程是诸葛岩座下的大弟子。", ("诸葛岩", "MASTER_OF", "老程")),
        ("诸葛岩的关门弟子老程来了。", ("诸葛岩", "MASTER_OF", "老程")),
        ("天黑了，周文才回家。妻子林秀英坐在灯下。", ("周文", "SPOUSE", "林秀英")),
        ("周文引兵五万，从东来；外甥老程从西来。", ("周文", "FAMILY", "老程")),
        ("周德海带着儿子周文坐在上首。", ("周德海", "PARENT_OF", "周文")),
        ("林秀英来了。她的丈夫周文扶着她。", ("林秀英", "SPOUSE", "周文")),
        ("周武是侯爷周德海的第三个儿子，住在城里。", ("周德海", "PARENT_OF", "周武")),
        ("诸葛岩的第二个徒弟老程来了。", ("诸葛岩", "MASTER_OF", "老程")),
        ("林秀英的舅舅是公司的经理周德海，谁都知道。", ("周德海", "FAMILY", "林秀英")),
        ("周武是林秀英生的，人人都知道。", ("林秀英", "PARENT_OF", "周武")),
        ("林秀英有个哥哥，叫老程，在外地。林秀英的师傅是周文，早走了。", ("周文", "MASTER_OF", "林秀英")),
        ("周文来了。她的母亲林秀英哭了，她父亲老程没有哭。", ("老程", "PARENT_OF", "周文")),
        ("老程做过官。他有三个儿子：长子周文，管铺子；次子周武，教书。", ("老程", "PARENT_OF", "周文")),
        ("老程做过官。他有三个儿子：长子周文，管铺子；次子周武，教书。", ("老程", "PARENT_OF", "周武")),
        ("老程有两个儿子：长子周文，教书。大女儿林秀英出嫁了。", ("老程", "PARENT_OF", "林秀英")),
        ("长子周文，管着铺子；次子周武，在外地教书。", ("周文", "SIBLING", "周武")),
        ("林秀英厉害。她生了两个儿子，大的叫周文，小的叫周武。", ("林秀英", "PARENT_OF", "周武")),
        ("林秀英厉害。她生了两个儿子，大的叫周文，小的叫周武。", ("周文", "SIBLING", "周武")),
        ("林秀英嫁到南方，第二年生了一个儿子，取名周武。", ("林秀英", "PARENT_OF", "周武")),
        ("林秀英嫁了人。她生了一个儿子，取名周武。", ("林秀英", "PARENT_OF", "周武")),
        ("老程说：“林秀英是我女儿。”", ("老程", "PARENT_OF", "林秀英")),
        ("林秀英是周文的爱妾。", ("周文", "SPOUSE", "林秀英")),
        ("周德海的填房林秀英哭了。", ("周德海", "SPOUSE", "林秀英")),
        ("老程是周文的妻舅。", ("老程", "FAMILY", "周文")),
        ("林秀英是老程的妹子。", ("林秀英", "SIBLING", "老程")),
        ("兔爸爸出门了。兔妈妈在家。", ("兔爸爸", "SPOUSE", "兔妈妈")),
        ("周文走进来。“您是？”他说，“这是我女儿林秀英。”", ("周文", "PARENT_OF", "林秀英")),
    ],
)
def test_a_tie_that_is_stated(text: str, tie: tuple[str, str, str]) -> None:
    a, kind, b = tie
    assert tie in ties(text) or (kind in SYMMETRIC_RELATIONS and (b, kind, a) in ties(text))


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("周文对周德海说：“爹，咱们歇一歇吧。”", ("周德海", "PARENT_OF", "周文")),
        ("周文搓着手道：“爹，歇一歇吧。”\n周德海望了望天，道：“也好。”", ("周德海", "PARENT_OF", "周文")),
        ("周武在哭。她叫道：“大哥！”\n周文道：“怎么？”他停下了。", ("周武", "SIBLING", "周文")),
        ("她走了。“哥，下雨了，对不对？”周武说。\n“当然。”周文说。", ("周武", "SIBLING", "周文")),
        ("周武叫道：“姐，累死我了！”\n周文给她倒水。", ("周武", "SIBLING", "周文")),
        (
            "她一把抓住林秀英的手。老程拉住林秀英的手，说：“来！”\n“没事，舅舅。”林秀英说。",
            ("林秀英", "FAMILY", "老程"),
        ),
        ("老程道：“去吧。”\n林秀英道：“妈，我不去！”\n老程道：“去。”", ("老程", "PARENT_OF", "林秀英")),
        ("兔妈妈说：“谁呀？”\n点点说：“妈妈，是我！”", ("兔妈妈", "PARENT_OF", "点点")),
        ("老程说：“爹，淑英走了。”\n孟老爷叹了一口气，说：“好。”", ("孟老爷", "PARENT_OF", "老程")),
        ("周德海说：“来。”\n“爹。”周文红了眼睛。\n周德海说：“好。”", ("周德海", "PARENT_OF", "周文")),
        ("他来了，“爹，”周文放下碗，“我走了。”\n周德海说：“好。”", ("周德海", "PARENT_OF", "周文")),
        ("诸葛岩对老程道：“徒儿，过来。”", ("诸葛岩", "MASTER_OF", "老程")),
        ("周德海说：“来。”\n周文说：“不。”\n“你不？”\n“爹，我不。”\n", ("周德海", "PARENT_OF", "周文")),
        ("老程对诸葛岩道：“师父，弟子知错了。”", ("诸葛岩", "MASTER_OF", "老程")),
        ("孟夫人道：“去吧。”\n林秀英道：“妈，我不去！”\n孟夫人道：“去。”", ("孟夫人", "PARENT_OF", "林秀英")),
        (
            "她走了。林秀英道：“哥，你回来了？”\n老程道：“谁？”\n老程又道：“妹妹，是你？”",
            ("林秀英", "SIBLING", "老程"),
        ),
        ("她走了。“三弟！”林秀英尖声道，“你敢！”\n“大嫂，我不敢。”周武说。", ("林秀英", "FAMILY", "周武")),
        (
            "“你敢！”林秀英说。\n“不敢，”周武说，“大嫂，我不敢。”\n“三弟！”\n她走了。",
            ("林秀英", "FAMILY", "周武"),
        ),
        ("她走了。“老婆，走吧。”周文说。\n“来了，老公。”林秀英说。", ("周文", "SPOUSE", "林秀英")),
    ],
)
def test_a_tie_that_a_word_of_address_implies(text: str, tie: tuple[str, str, str]) -> None:
    a, kind, b = tie
    assert ties(text) in ({tie}, {(b, kind, a)} if kind in SYMMETRIC_RELATIONS else {tie})


@pytest.mark.parametrize(
    "text",
    [
        "周文道：“爹，歇一歇吧。”\n老程道：“也好。”",  # no father has another surname
        "周文对老程说：“大哥，请坐。”她笑了。他也笑了。",  # a stranger
        "周文对周德海说：“大哥，请坐。”",  # who knows, in a text that tells no woman from a man?
        "周文道：“爹，歇一歇吧。”\n林秀英走了过来。",
        "周文对周德海说：“我爹，他走了。”",
        "老程对孟姥姥说：“姥姥，请坐。”",  # so all call her
        "周武道：“来！”\n周文道：“爹，你看。”\n周德海道：“好。”",  # either may be meant
        "孟老爷道：“来。”\n老程道：“爹，你看。”\n孟先生道：“好。”",
        "老程道：“去吧。”\n林秀英道：“妈，我不去！”",  # one side alone
        "天黑了。“爹。”周文红了眼睛。\n周德海说：“好。”",  # who hears it may be moved too
        "“爹。”周文看见周武红了眼睛。\n周德海说：“好。”",
        "天黑了。\n“爹！”周德海猛地一愣。\n周文跑了进来。",
        "天黑了。\n“爹！”周德海回过头来。\n周文道：“走吧。”",
        "“爹。”周文听了，红了眼睛。\n周德海说：“好。”",
        "信上写着：“爹，我走了。”\n周德海看完了。周文道：“哼。”",
        "周德海道：“好。”\n周文道：“老程说：‘来了，爹，我来了。’”\n周德海道：“好。”",  # quoted in a quotation
        "周德海道：「好。」\n周文道：「老程說：『爹，我來了。』」\n周德海道：「好。」",
        "周文道：“爹，走吧。”\n父亲站起来。\n周武道：“我也去。”",  # the father has no name
        "周德海坐在床上。\n周文道：“爹，走吧。”\n周武道：“我也去。”",
        "林秀英说：“快点。”\n周文对着电话说：“妈，我不回来了。”\n林秀英说：“走吧。”",
        "周德海说：“闺女，来。”\n周武笑了。他说：“她走了。”",
        "孟大夫说：“来。”\n林秀英道：“妈，我不去！”\n孟大夫说：“来。”",  # her mother would be called 林
        "老程扶着周文，说：“走。”\n周文的娘坐在床边。\n“娘，走吧。”周文说。",
        "她走了。林秀英道：“大嫂，你回来了？”\n老程道：“回来了。”",  # a neighbour
        "她走了。林秀英道：“姐姐，你来。”\n孟太太道：“妹妹，是你？”",  # courtesy
        "她走了。“嫂子，买菜吗？”老程说。\n“大哥，买一斤。”林秀英说。",
        "她走了。“叔叔，我怕。”林秀英说。\n“小妹妹，不怕。”老程说。",
        "她走了。林秀英道：“哥，你来。”\n孟大夫道：“来了，小姐。”",
        "她走了。林秀英对老程道：“大哥、大嫂、老三，三条命。”",
        "她走了。“来。”周德海说。\n望着坐在墙角的周文的人笑了一声：“爹，我不去。”\n周德海说：“来。”",
        "王婆道：“来。”\n老程道：“妈妈，你看！”\n王婆道：“好。”",
        "王妈妈道：“来。”\n林秀英道：“妈妈，你看！”\n王妈妈道：“好。”",
    ],
)
def test_a_word_of_address_whose_hearer_is_unsure_implies_nothing(text: str) -> None:
    assert not {t for t in ties(text) if t[1] in ("PARENT_OF", "SIBLING", "SPOUSE", "FAMILY")}


@pytest.mark.parametrize(
    "where",
    ["一旁", "旁边", "一旁站着", *(f"{verb}在墙角" for verb in "坐躺跪蹲守缩靠走立倚趴")],
)
def test_where_somebody_is_may_stand_before_who_speaks(where: str) -> None:
    told = f"她走了。“来。”周德海说。\n{where}的周文笑了一声：“爹，我不去。”\n周德海说：“来。”"
    assert ties(told) == {("周德海", "PARENT_OF", "周文")}


def test_who_is_called_master_need_not_be_a_teacher() -> None:
    assert not ties("诸葛岩道：“打刀。”\n老程道：“师父，多少斤？”\n诸葛岩道：“一百斤。”")


def test_of_words_of_address_that_contradict_each_other_the_usual_one_counts() -> None:
    father, brother = "周文对周武说：“爹，走吧。”\n", "周武对周文说：“大哥，请坐。”\n"
    modern = "天黑了。" * 12 + "她走了。"
    assert not ties(father + brother + modern)
    assert ties(father + brother * 2 + modern) in (
        {("周文", "SIBLING", "周武")},
        {("周武", "SIBLING", "周文")},
    )


def test_whose_wife_has_children_is_not_their_mother() -> None:
    told = "老程的妻子林秀英厉害。她生了两个儿子，大的叫周文，小的叫周武。"
    assert not {t for t in ties(told) if t[1] == "PARENT_OF" and t[0] == "老程"}


@pytest.mark.parametrize(
    "text",
    [
        "老程的女儿生了一个儿子，取名周文。",
        "老程做过官。他弟弟有三个儿子：长子周文，教书。",
        "林秀英看见嫂子生了两个儿子，大的叫周文，小的叫周武。",
    ],
)
def test_whose_kin_have_children_is_not_their_parent(text: str) -> None:
    assert not {t for t in ties(text) if t[1] == "PARENT_OF"}


def test_he_stays_the_same_only_for_a_few_sentences() -> None:
    told = "老程来了。周德海今年二十岁。他在铺子里做事。他在镇上住。{}他的儿子周文还小。"
    assert ties(told.format("")) == {("周德海", "PARENT_OF", "周文")}
    assert not ties(told.format("他不爱说话。" * 20))


def test_children_of_somebody_without_a_name_are_no_namesakes() -> None:
    told = "周德海不管事。东府的太爷娶了亲，生了两个儿子：长子周文，次子周武。"
    assert ties(told) == {("周文", "SIBLING", "周武")}
    of_two = "周德海娶妻林秀英，生了两个儿子，长子周文，次子周武。"
    assert ("周德海", "PARENT_OF", "周武") in ties(of_two)
    assert ("周德海", "PARENT_OF", "周武") not in ties(of_two.replace("周德海", "周德海的侄儿"))


def test_who_visits_is_not_the_father_of_who_opens() -> None:
    told = "孟夫人有一天来访，老程不在，儿子周文开了门。"
    assert ("孟夫人", "PARENT_OF", "周文") not in ties(told)


def test_who_answers_by_an_unknown_name_is_not_who_asked() -> None:
    told = "周文道：“娘，走吧。”老娘道：“我儿，你先走。”周武道：“爹娘怎么办？”"
    assert not {t for t in ties(told) if t[1] == "PARENT_OF"}


@pytest.mark.parametrize(
    "text",
    [
        "周德海带兄弟老程进来。",
        "周文说：“要是林秀英是我女儿，该多好。”",
        "周文说：“谁说林秀英是我女儿？”",
        "周文说：“林秀英是我女儿？笑话！”",
        "周文说：“老程说：‘这是我女儿林秀英。’”",
        "林秀英看见两条狗，大的叫周文牵着，小的叫了一声，周武笑了。",
        "周文的大女儿出嫁了。老程的事还没有办。大女儿林秀英哭了。",
        "诸葛岩与老程父子都来了。",
        "周文不肯与老程结为兄弟。",
        "周文、老程弟兄两个都是苦出身。",
        "林秀英看见周文，他的儿子正在哭。",
        "林秀英看着周文。天快黑了。她的丈夫老程还没有回来。",
        "林秀英说：「今日好。」我父亲周德海不在家。",
        "周文说：「林秀英来了」，他的父亲周德海点头。",
        "周德海、老程两个喝酒。孟先生的太太不在家。",
        "周文说：“报案的是他的妻子林秀英。”",
        "“我父亲周德海不在家。”林秀英听完，看着周文。",
        "“我父亲周德海不在家。”林秀英听见周文说。",
        "“我父亲周德海不在家。”林秀英等周文说完，走了。",
        "林秀英知道：老程和她父亲是结拜兄弟。",
        "周文看了看桌上。太太叫林秀英去拿水。",
        "周文起身道谢。夫人林秀英也起身。",
        "“周文呢？”妻子林秀英在里屋问。",
        "码头上只有周文。大伙都望着妻子林秀英那边。",
        "林秀英的父亲是周德海的司机。",
        "孟老爷出门了。孟夫人在家。",
        "东门是周文守着，西门是次子周武。",
        "林秀英的儿子是队长周文的朋友，谁都知道。",
        "林秀英的儿子是队长周文手下的兵，谁都知道。",
        "林秀英的父亲是被将军周文杀死的。",
        "林秀英的父亲是周文杀死的。",
        "周文是不是校长周德海的儿子？",
        "林秀英叫了他嫂子周文媳妇来。",
        "林秀英道：“害我师父是我与师弟周文。”",
        "孟太太因笑道：“总是你那好哥哥，老程这样的，两口子遮天盖日。",
        "林秀英见周文蹲在地上，把那夫妻树埋了。",
    ],
)
def test_company_and_courtesy_are_no_kinship(text: str) -> None:
    assert not {t for t in ties(text) if t[1] in ("PARENT_OF", "SIBLING", "SPOUSE", "FAMILY")}


def test_who_begins_a_clause_behind_a_kin_noun_is_not_the_one_it_names() -> None:
    assert ties("林秀英是周文的妻子，老程来的那年才十八岁。") == {("周文", "SPOUSE", "林秀英")}


def test_the_first_of_father_and_son_is_not_the_father_where_the_text_says_so() -> None:
    told = "周文的父亲周德海是教授，父子两个话都不多。"
    assert ties(told) == {("周德海", "PARENT_OF", "周文")}


def test_the_third_pupil_is_not_the_second_ones() -> None:
    told = "诸葛岩收得大徒弟周文二徒弟周武三徒弟老程。"
    assert not [t for t in ties(told) if t[0] == "周武"]


def test_whose_brother_somebodys_master_is_is_not_the_master() -> None:
    assert not ties("周文道：“我师父便是周德海御弟。”")


def test_a_colon_says_who_speaks() -> None:
    found = ties("周武道：“我父亲周德海不在家。”林秀英道：“好。”")
    assert not [t for t in found if "林秀英" in t]


def test_only_two_who_swear_become_siblings() -> None:
    found = ties("诸葛岩看着周文与老程二人结为兄弟。")
    assert not [t for t in found if "诸葛岩" in t]


def _guessed(text: str, *people: str, others: int = 0) -> set[tuple[str, str, str]]:
    names = [NameEntry(name, (), "Character", 9) for name in (*people, *(f"路人{n}" for n in range(others)))]
    found = rules.extract(text, lang="zh", names=names).relations
    return {
        (r.source, r.type, r.target) for r in found if r.confidence == OF_ONE_SURNAME and r.type != "KNOWS"
    }


@pytest.mark.parametrize(
    ("people", "others"),
    [
        (("顾延年", "顾小舟"), 300),
        (("王延年", "王小舟"), 10),
        (("欧阳延年", "欧阳小舟"), 3_000),
        (("顾太太", "顾小舟"), 1_000),
        (("顾小舟", "顾小姐"), 1_000),
        (("伊万·彼得罗维奇·列文", "玛莎·谢尔盖耶夫娜·列文"), 100),
        (("伊万·彼得罗维奇", "玛莎·彼得罗夫娜"), 10),
    ],
)
def test_two_of_a_surname_that_chance_hardly_gives_twice_are_guessed_a_family(
    people: tuple[str, str], others: int
) -> None:
    one, other = people
    assert _guessed(f"{one}走进来。{other}站了起来。", *people, others=others) in (
        {(one, "FAMILY", other)},
        {(other, "FAMILY", one)},
    )


@pytest.mark.parametrize(
    ("people", "others"),
    [
        (("顾延年", "顾小舟"), 1_000),
        (("顾太太", "顾小舟"), 3_000),
        (("王延年", "王小舟"), 30),
        (("顾大夫", "顾小舟"), 10),  # anybody's title: he may be 顾小舟
        (("顾氏", "顾小舟"), 10),
        (("顾家", "顾小舟"), 10),
        (("伊万·彼得罗维奇", "玛莎·彼得罗夫娜"), 100),
        (("伊万·彼得罗维奇", "伊万·列文"), 10),
    ],
)
def test_a_surname_that_many_have_by_chance_or_that_may_be_ones_own_tells_no_family(
    people: tuple[str, str], others: int
) -> None:
    one, other = people
    assert not _guessed(f"{one}走进来。{other}站了起来。", *people, others=others)


@pytest.mark.parametrize(
    "told",
    [
        *(f"正是顾家的大{whom}小舟。" for whom in ("小姐", "姑娘", "少爷", "公子", "儿子", "闺女", "千金")),
        *(f"那是顾家{whom}小舟。" for whom in ("的孩子", "小子", "小姐")),
        "她便是顾家的女儿，小舟，十八岁。",
    ],
)
def test_whose_house_somebody_is_of_tells_the_surname(told: str) -> None:
    assert _guessed(f"顾延年走进来。{told}", "顾延年", "小舟") in (
        {("顾延年", "FAMILY", "小舟")},
        {("小舟", "FAMILY", "顾延年")},
    )
    assert not _guessed(f"顾延年走进来。{told}".replace("顾家", "陈家"), "顾延年", "小舟")


def test_a_family_is_guessed_only_of_two_named_together_of_whom_nothing_is_stated() -> None:
    names = ("顾延年", "顾小舟")
    assert not _guessed("顾延年的女儿顾小舟来了。", *names)
    assert _guessed(f"顾延年走进来。{'天黑了。' * 20}顾小舟来了。", *names)
    assert not _guessed(f"顾延年走进来。{'天黑了。' * 25}顾小舟来了。", *names)
    assert not _guessed("顾延年走进来。顾延年坐下。", *names)


def test_a_guessed_familys_evidence_is_where_the_two_stand_closest() -> None:
    text = "顾延年早上走进屋里来，顾小舟站了起来。天黑了。顾小舟和顾延年都走了。"
    names = [NameEntry(name, (), "Character", 9) for name in ("顾延年", "顾小舟")]
    found = rules.extract(text, lang="zh", names=names).relations
    assert [r.evidence for r in found if r.type == "FAMILY"] == ["顾小舟和顾延年都走了。"]


@pytest.mark.parametrize("book", ["sanguo", "water_margin", "luotuoxiangzi"])
def test_the_gold_pairs_are_well_formed(book: str) -> None:
    gold = json.loads((GOLD / f"{book}.relations.json").read_text(encoding="utf-8"))
    kinds = {"family", "spouse", "parent", "sibling", "master", "love", "friend", "enemy", "other"}
    assert len(gold["relations"]) >= 40
    for one, other, kind in gold["relations"]:
        assert {one, other} <= gold["characters"].keys()
        assert one != other
        assert kind in kinds


@pytest.mark.parametrize("gap", ["", "\n"])
def test_the_evidence_of_a_tie_of_two_sentences_is_both(gap: str) -> None:
    text = f"天黑了。周文回到镇上。{gap}码头上站着他的弟弟周武。天亮了。"
    (tie,) = rules.extract(text, lang="zh", names=PEOPLE).relations
    assert tie.type == "SIBLING"
    assert tie.evidence == f"周文回到镇上。{gap and ' '}码头上站着他的弟弟周武。"


COUPLES = [
    ("何有福", "有福嫂"),
    ("何有福", "有福嫂子"),
    ("何有福", "有福媳妇"),
    ("何有福", "何有福太太"),
    ("何有福", "有福家的"),
    ("二柱子", "二柱嫂"),
    ("何老太爷", "何老太太"),
    ("何太爷", "何太太"),
]


@pytest.mark.parametrize(("husband", "wife"), COUPLES)
def test_a_wife_may_be_called_by_her_husbands_name(husband: str, wife: str) -> None:
    names = [NameEntry(husband, ("有福",), "Character", 9), NameEntry(wife, (), "Character", 9)]
    found = stated(f"{husband}挑着水。{wife}在家。", names)
    assert found in ({(husband, "SPOUSE", wife)}, {(wife, "SPOUSE", husband)})


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("何桂花", "桂花嫂", "她在洗衣裳。何桂花来了，她坐下。桂花嫂笑了。"),  # one woman, or no couple
        ("何有福", "何嫂", "何有福来了。何嫂在家。"),
        ("何有福", "何夫人", "何有福来了。何夫人在家。"),
    ],
)
def test_who_has_part_of_a_name_is_not_the_bearers_wife(one: str, other: str, told: str) -> None:
    names = [NameEntry(name, ("桂花",) * (name == "何桂花"), "Character", 9) for name in (one, other)]
    assert not stated(told, names)


def test_the_evidence_of_a_couple_is_where_the_two_stand_closest() -> None:
    told = f"孟先生出门了。{'天黑了。' * 60}孟太太和孟先生回家了。{'天黑了。' * 60}孟太太睡了。"
    (tie,) = [r for r in rules.extract(told, lang="zh", names=PEOPLE).relations if r.type == "SPOUSE"]
    assert tie.evidence == "孟太太和孟先生回家了。"


def test_a_tie_of_children_counted_together_is_described_by_what_they_are_called() -> None:
    found = rules.extract("周德海有两个女儿，大的叫秀英，小的叫周武。", lang="zh", names=PEOPLE).relations
    assert {r.description for r in found if r.type != "KNOWS"} == {"女儿"}


def test_the_evidence_of_who_are_named_far_apart_is_where_the_last_is_named() -> None:
    text = f"孟先生出门了。{'天黑了。' * 60}孟太太在家。"
    (tie,) = [r for r in rules.extract(text, lang="zh", names=PEOPLE).relations if r.type == "SPOUSE"]
    assert tie.evidence.endswith("孟太太在家。")


@pytest.mark.parametrize("line_end", ["\n", ""])
@pytest.mark.parametrize(
    "said",
    [
        "周文走来。他说：“爹，你好。”周德海听了，说道：“儿子，坐。”秀英问道：“爹爹，吃了吗？”",
        "周文说：“爹，你好。”周文说：“爹，坐。”",
        "周文说：“爹，你好。周德海说：“周武是我儿子，坐。",
        "周德海生了周文生了一个儿子，取名周武",
        "长子周文，次子周武，",
        "孟先生看着孟太太，",
        "周文是林秀英的弟弟，是周武、周德海的学生",
        "周文被林秀英收为弟子，他母亲林秀英",
        "老大周文，老二周武",
        "周文娶了周德海的女儿林秀英",
    ],
)
def test_speech_takes_time_by_its_length(said: str, line_end: str) -> None:
    assert grows_evenly(lambda n: rules.extract((said + line_end) * n, lang="zh", names=PEOPLE), 800)


@pytest.mark.parametrize("line", [line for line in SENTENCES if not line.startswith("#")])
def test_a_sentence_states_just_these_ties(line: str) -> None:
    text, _, told = line.replace("\\n", "\n").partition("|")
    expected = (
        {(a, TYPES[kind], b) for kind, a, b in map(str.split, told.split(";"))}
        if told
        else set[tuple[str, str, str]]()
    )
    others = [NameEntry(name, (), "Character", 9) for name in ("陈玉兰", "何守谦", "小翠")]
    assert {_undirected(tie) for tie in stated(text, [*PEOPLE, *others])} == {
        _undirected(tie) for tie in expected
    }


def _undirected(tie: tuple[str, str, str]) -> tuple[str, str, str]:
    a, kind, b = tie
    return (min(a, b), kind, max(a, b)) if kind in SYMMETRIC_RELATIONS else tie


@pytest.mark.parametrize(
    "words",
    [
        *(f"{verb}女婿说" for verb in (*"对向朝跟冲见问叫唤", "对着", "见了", "吩咐", "拉着", "拍着")),
        *(f"对女婿{said}" for said in (*"道问笑喊叫骂，：", "进来，", "走来，", "坐下，")),
    ],
)
def test_who_is_spoken_to_is_the_kin_that_the_words_before_say(words: str) -> None:
    assert ties(f"周文{words}：“老程，你坐。”") == {("周文", "FAMILY", "老程")}


@pytest.mark.parametrize("noun", ["姑爷", "爷爷", "叔叔", "姑姑", "舅舅", "伯父", "伯母"])
def test_whom_all_call_kin_is_somebodys_only_with_a_pronoun(noun: str) -> None:
    assert not ties(f"周文对{noun}说：“老程，你坐。”")
    for own in ("他", "他的", "自己的"):
        assert ties(f"周文对{own}{noun}说：“老程，你坐。”") == {("周文", "FAMILY", "老程")}


@pytest.mark.parametrize(
    "noun",
    [
        "助理",
        "司机",
        "秘书",
        "书童",
        "奶妈",
        "车夫",
        "丫头",
        "老伴",
        "初恋",
        "死党",
        "至交",
        "仇人",
        "姨父",
        "女婿",
        "连襟",
        "亲家",
        "姥姥",
        "未婚夫",
        "亡妻",
        "侄孙",
        "庶妹",
        "继母",
        "义父",
        "独苗儿",
        "太太",
        "千金",
        "女佣",
        "相好的",
    ],
)
def test_nouns_of_any_end_are_seen_before_a_name(noun: str) -> None:
    others = [NameEntry("小翠", (), "Character", 9)]
    text = f"她来了。周文今年二十岁，他的{noun}叫小翠。"
    found = rules.extract(text, lang="zh", names=[*PEOPLE, *others]).relations
    assert [r.type for r in found if r.type != "KNOWS"] != []
