"""Chinese names in unlike styles: whom the rules find in a few made-up scenes, and whom they join."""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter

import pytest

from kgnb.book.reader import story_path
from kgnb.core.messages import say
from kgnb.extract import name_scan, rules
from kgnb.extract.zh.candidates import Candidate, can_be_name
from kgnb.extract.zh.clauses import named, speakers
from kgnb.extract.zh.foreign_names import ForeignNames
from kgnb.extract.zh.given_places import telling
from kgnb.extract.zh.name_evidence import acts_as_person, foreign_score, own_score
from kgnb.extract.zh.names import NameClassifier
from kgnb.extract.zh.sexes import Sexes
from kgnb.extract.zh.surnames import titled_surname
from kgnb.graph.resolve.name_listing import NameReason
from kgnb.render.names_text import reason_text
from tests.support.casts import bearer, scenes
from tests.support.casts import chinese as people
from tests.support.fuzzing import grows_evenly


def names(text: str) -> set[str]:
    return {form for e in people(text).values() for form in (e.name, *e.aliases)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("顾先生", "顾太太"),
        ("孟二奶奶", "杨掌柜"),
        ("小栓子", "老孟"),
        ("三顺子", "何大妈"),
        ("铁山大王", "白莲仙姑"),
        ("七斤嫂", "阿毛"),
        ("九龄老太", "福根老汉"),
        ("阿K", "小Ｍ"),
        ("青阳子", "悟真子"),
        ("许四", "许四嫂"),
        ("宋妈妈", "沈娘娘"),
    ],
)
def test_people_whom_a_title_or_a_pet_name_names(one: str, other: str) -> None:
    found = people(scenes([(one, other), ("周德海", "林秀英")]))
    assert {one, other, "周德海", "林秀英"} <= set(found)


def test_who_is_listed_beside_speakers_is_a_person() -> None:
    told = (
        scenes([("周德海", "林秀英")]) + "\n他请周德海、锄兰、林秀英吃饭。街上有锄兰、周德海两个。锄兰不来。"
    )
    assert "锄兰" in people(told)
    apart = told.replace("、锄兰、", "和锄兰并").replace("锄兰、周", "锄兰并周")
    assert "锄兰" not in people(apart)
    assert not people(told.replace("锄兰", "五将")).keys() & {"五将"}


@pytest.mark.parametrize(
    "word",
    [
        "三大王",
        "二将",
        "那和尚",
        "曹宅",
        "又问",
        "四大金刚",
        "国王大喜",
        "李家",
        "王婶家",
        "群猴",
        "因又",
        "十八尊",
        "李家母",
        "秦二人",
        "土人",
        "近臣",
        "三星",
        "顾夫妇",
        "对儿子",
    ],
)
def test_roles_families_places_and_what_is_counted_are_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


@pytest.mark.parametrize(
    "word", ["七巧", "三宝", "六儿", "十八公", "五台真人", "诸葛瑾", "百里奚", "九如", "司马光"]
)
def test_a_numeral_or_a_compound_surname_may_begin_a_name(word: str) -> None:
    assert can_be_name(word)


def test_a_wife_is_not_her_husband() -> None:
    found = people(scenes([("许四", "林秀英"), ("许四嫂", "周德海")]))
    assert bearer(found, "许四") is not bearer(found, "许四嫂")


TRANSLATED = """
彼得·伊万诺维奇·萨兰金走进客厅，娜杰日达·谢尔盖耶夫娜正在读信。“您来得正好，彼得·伊万诺维奇，”她说，“柳芭来信了。”
“柳芭？”萨兰金皱了皱眉头。老仆人季洪端着茶炊走进来，季洪一声不响地退了出去。
“她是跟奥尔洛夫伯爵一起回来的。”娜杰日达·谢尔盖耶夫娜说。萨兰金认识奥尔洛夫已经十年了，奥尔洛夫是个赌徒。
“格里戈里·奥尔洛夫！”萨兰金说道，“柳芭要嫁给奥尔洛夫伯爵？”季洪通报说，沃龙佐夫公爵夫人到了。
沃龙佐夫公爵夫人嚷道：“备车，季洪！”萨兰金先生站了起来。萨兰金先生不说话。柳芭站在台阶上，安娜马上跑过去。
“安娜！”柳芭喊道。安娜看着娜杰日达·谢尔盖耶夫娜，对萨兰金说：“再见，彼得·伊万诺维奇。”季洪鞠了一躬。
"""


def test_transliterated_names_their_parts_and_titles_are_one_person() -> None:
    found = {frozenset((e.name, *e.aliases)) for e in people(TRANSLATED).values()}
    assert found == {
        frozenset({"彼得·伊万诺维奇·萨兰金", "彼得·伊万诺维奇", "萨兰金", "萨兰金先生"}),
        frozenset({"娜杰日达·谢尔盖耶夫娜"}),
        frozenset({"柳芭"}),
        frozenset({"季洪"}),
        frozenset({"格里戈里·奥尔洛夫", "奥尔洛夫伯爵", "奥尔洛夫"}),
        frozenset({"沃龙佐夫公爵夫人"}),
        frozenset({"安娜"}),
    }


def test_a_family_name_of_several_full_names_belongs_to_none_of_them() -> None:
    text = "约翰·卡特说：“走吧。”海伦·卡特笑了。卡特太太说：“约翰，等等海伦。”卡特先生摇头，卡特太太叹气。"
    found = people((text + "约翰问海伦：“卡特太太呢？”卡特先生不说话。\n") * 3)
    assert bearer(found, "约翰") is bearer(found, "约翰·卡特")
    assert bearer(found, "海伦") is bearer(found, "海伦·卡特")
    assert bearer(found, "卡特太太") not in (bearer(found, "海伦"), bearer(found, "约翰"))


def test_a_title_that_begins_with_a_sound_is_no_part_of_a_transliterated_name() -> None:
    text = (
        "威廉·格雷说：“走吧。”爱德华·撒切尔笑了。撒切尔法官说：“威廉，等等爱德华。”威廉摇头，爱德华叹气。\n"
    )
    found = people(text * 4)
    assert bearer(found, "威廉") is bearer(found, "威廉·格雷")
    assert bearer(found, "爱德华") is bearer(found, "爱德华·撒切尔")
    assert bearer(found, "爱德华") is bearer(found, "撒切尔法官")


def test_a_sound_that_is_mostly_a_word_ends_a_transliterated_name() -> None:
    text = (
        "伊丽莎白走进花园。“早上好。”伊丽莎白说。马吕斯对珂赛特说：“伊丽莎白来了。”珂赛特笑了，马吕斯叹气。\n"
    )
    assert {"伊丽莎白", "马吕斯", "珂赛特"} <= names(text * 4)


def test_a_transliterated_first_name_may_stand_before_a_chinese_surname() -> None:
    found = people("海伦·赵说：“走吧。”海伦笑了。约翰问海伦·赵：“去哪？”海伦不说话，约翰也不说话。\n" * 3)
    assert bearer(found, "海伦") is bearer(found, "海伦·赵")


def test_many_full_names_and_endless_ones_take_time_by_their_number() -> None:
    sounds = "弗蒂帕韦杜茨耶尔戈迪姆卢瑟莱斯卡涅凯"

    def work(n: int) -> object:
        firsts = (a + b + c for a in sounds for b in sounds for c in sounds)
        found = ForeignNames("，".join(f"{first}·贝克" for first in itertools.islice(firsts, n)))
        return list(found.joins(found.names()))

    assert grows_evenly(work, 1_000)
    assert max(map(len, ForeignNames("阿·" * 1_000).full)) < 20


@pytest.mark.parametrize(
    "word", ["李和顾", "地一声", "贺家坡", "石桥沟", "王家", "曹兵退", "顾等", "贺家坳", "一壁"]
)
def test_pairs_of_surnames_adverbs_and_hamlets_are_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


@pytest.mark.parametrize("word", ["李国强", "王家明", "马满仓", "何登科", "杨仙洲", "何让", "曹小兵"])
def test_given_names_with_characters_of_places_stay(word: str) -> None:
    assert can_be_name(word)


def test_a_longer_title_is_no_name_of_its_surname_and_first_character() -> None:
    found = people(scenes([("顾老太爷", "顾二爷"), ("周大少爷", "林秀英")]))
    assert {"顾老太爷", "顾二爷", "周大少爷", "林秀英"} <= set(found)
    assert names(scenes([("顾老太爷", "顾二爷")])).isdisjoint({"顾老", "顾二"})


def test_who_is_said_to_be_called_so_has_a_name() -> None:
    text = "那小妖道：“我叫倚海鲸。”倚海鲸提着刀。有人道：“此怪名叫倚海鲸。”众人看倚海鲸，都怕。\n"
    assert "倚海鲸" in names(text * 2 + scenes([("周德海", "林秀英")]))


def test_what_somebody_is_called_ends_before_a_particle_and_is_no_place() -> None:
    assert named("那丫头乳名锦莲。有个名唤锦莲的，一个名唤作锦莲者，全名何锦莲。此地名唤黄泥冈。") == {
        "锦莲": 3,
        "何锦莲": 1,
    }


@pytest.mark.parametrize(("pronoun", "fits"), [("她", True), ("他", False)])
def test_a_ladys_title_is_no_mans(pronoun: str, fits: bool) -> None:
    text = f"唐晓岚进门，{pronoun}放下伞。“她来了。”唐晓岚笑了，{pronoun}不说话。唐晓岚坐下，{pronoun}累了。"
    offsets = {"唐晓岚": [m.start() for m in re.finditer("唐晓岚", text)]}
    assert Sexes(text, offsets).fits("唐小姐", ["唐晓岚"]) is fits


def test_a_pronoun_that_is_no_subject_is_somebody_else() -> None:
    text = "唐晓岚不敢看他。唐晓岚别过脸去，她走了。唐晓岚怕他。唐晓岚想见他一面，她哭了。唐晓岚等着他。"
    offsets = {"唐晓岚": [m.start() for m in re.finditer("唐晓岚", text)]}
    assert Sexes(text, offsets).fits("唐小姐", ["唐晓岚"])


def test_a_married_woman_is_no_gentleman() -> None:
    assert not Sexes("朱白氏来了。", {"朱白氏": [0]}).fits("朱先生", ["朱白氏"])


@pytest.mark.parametrize("sentence", ["唐晓岚姐姐来了。", "唐晓岚妹妹来了。唐晓岚叔叔来了。唐晓岚小姐走了。"])
def test_the_title_behind_a_name_tells_the_sex(sentence: str) -> None:
    sexes = Sexes(sentence, {"唐晓岚": [m.start() for m in re.finditer("唐晓岚", sentence)]})
    assert not sexes.fits("唐大哥", ["唐晓岚"])
    assert sexes.fits("唐姑娘", ["唐晓岚"])


def test_a_title_that_only_begins_another_kinship_word_tells_nothing() -> None:
    assert Sexes("唐晓岚姐夫来了。", {"唐晓岚": [0]}).fits("唐大哥", ["唐晓岚"])


def test_the_built_in_story_is_right_to_the_last_name() -> None:
    found = {frozenset((e.name, *e.aliases)) for e in people(story_path().read_text("utf-8")).values()}
    assert found == {
        frozenset(person.split())
        for person in [
            "沈砚 沈先生 子墨",
            "陆青禾 青禾",
            "钱有道 钱师爷",
            "赵九",
            "顾三娘 三娘",
            "陆长风 长风 铁掌",
            "陆青川",
            "顾云舟 逐浪",
            "韩铁山",
            "魏守田 老魏",
            "孟怀安 孟县令",
            "周铁嘴",
            "林晚晴 晚晴",
            "沈算盘",
            "阿豆",
            "白眉翁",
            "韩伯伯",
        ]
    }


@pytest.mark.parametrize("title", ["侯爷", "队", "捕头"])
def test_a_rank_after_a_surname_is_its_bearer(title: str) -> None:
    pages = scenes([("谢无涯", "林秀英"), ("谢无涯", "周德海")])
    count = itertools.count()
    text = re.sub("谢无涯", lambda m: "谢" + title if next(count) % 4 == 0 else m[0], pages)
    assert bearer(people(text), "谢" + title).name == "谢无涯"


@pytest.mark.parametrize("word", ["师爷", "董事长", "巡抚", "教师"])
def test_a_title_after_surnames_is_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


def test_a_girl_may_be_called_by_her_number() -> None:
    assert can_be_name("十娘")


def test_a_dynasty_before_a_poet_is_no_first_name() -> None:
    lines = scenes([("林秀英", "周德海")]) + "明月光。唐·李白\n黄河水。唐·李白\n天涯路。宋·晏殊\n" * 3
    assert not [name for name in names(lines) if "·" in name]


def test_a_given_name_that_begins_like_a_surname_is_not_the_full_one() -> None:
    pages = scenes([("辛岚", "林秀英"), ("辛岚", "周德海")])
    count = itertools.count()
    text = re.sub("辛岚", lambda m: "顾辛岚" if next(count) % 4 == 0 else m[0], pages)
    assert bearer(people(text), "辛岚").name == "顾辛岚"


def test_a_rare_surname_and_honour_does_not_lead_before_the_name() -> None:
    count = itertools.count()
    forms = ["诸葛明"] * 8 + ["武侯", "诸葛武侯"]
    pages = scenes([("诸葛明", "林秀英"), ("诸葛明", "周德海"), ("诸葛明", "何家辉")])
    text = "诸葛明，人称武侯。" + re.sub("诸葛明", lambda m: forms[next(count) % 10], pages)
    assert bearer(people(text), "诸葛武侯").name == "诸葛明"


def test_a_given_name_with_a_title_is_the_full_name() -> None:
    found = people(scenes([("何秉义", "林秀英"), ("秉义老汉", "周德海")]))
    assert bearer(found, "秉义老汉") is bearer(found, "何秉义")


@pytest.mark.parametrize("word", ["伯母", "二姑父"])
def test_kinship_words_that_begin_like_a_surname_or_a_number_are_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


def every_fourth(text: str, name: str, form: str) -> str:
    count = itertools.count()
    return re.sub(name, lambda m: form if next(count) % 4 == 0 else m[0], text)


@pytest.mark.parametrize(("short", "full"), [("七戒", "狸七戒"), ("青冥", "玄青冥"), ("七戒", "唐七戒")])
def test_what_stands_before_one_name_only_belongs_to_it(short: str, full: str) -> None:
    pages = scenes([(short, "林秀英"), (short, "周德海"), (short, "何家辉")]) + scenes([("林秀英", "周德海")])
    found = people(every_fourth(pages, short, full))
    assert bearer(found, full) is bearer(found, short)


@pytest.mark.parametrize("form", ["小青冥", "假青冥"])
def test_a_namesake_with_an_adjective_is_somebody_else(form: str) -> None:
    pages = scenes([("青冥", "林秀英"), ("青冥", form), (form, "何家辉")]) + scenes([("林秀英", "周德海")])
    assert bearer(people(pages), "青冥").aliases == ()


def test_a_word_before_a_title_is_no_person_of_its_own() -> None:
    text = (
        scenes([("石头大仙", "林秀英"), ("石头大仙", "周德海")]) + "他搬石头，见石头就搬。石头很大。\n" * 80
    )
    assert bearer(people(text), "石头大仙").aliases == ()
    assert "石头" not in names(text)


def test_a_princess_is_not_the_man_whose_given_name_her_fief_has() -> None:
    found = people(scenes([("郑平阳", "林秀英"), ("平阳公主", "周德海")]))
    assert bearer(found, "平阳公主") is not bearer(found, "郑平阳")


def test_a_nickname_is_joined_with_the_proper_name_that_the_text_states() -> None:
    pages = scenes([("黑牛", "林秀英"), ("黑牛", "周德海"), ("何守谦", "林秀英"), ("顾云舟", "黑牛")])
    assert bearer(people(pages + "黑牛的学名叫何守谦。\n"), "黑牛").name == "何守谦"
    found = people(pages + "黑牛的大名何守谦早有耳闻。\n")  # he has heard of him
    assert bearer(found, "黑牛").name == "黑牛"


@pytest.mark.parametrize(("called", "full"), [("老邹", "邹大勇"), ("冯督军", "冯国梁")])
def test_who_is_called_by_his_surname_is_joined_with_the_name_that_the_text_states(
    called: str, full: str
) -> None:
    pages = scenes([(called, "林秀英"), (called, "周德海")])
    found = people(f"{pages}{called}本名{full}，管着十二辆车。谁也没把{full}放在眼里。\n")
    assert bearer(found, called).name == full


def test_a_kin_noun_says_who_has_a_name() -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])
    aside = "他母亲方淑芬背着一口锅。门外有方淑芬的影子。\n"
    assert "方淑芬" in people(pages + aside)
    assert "方淑芬" not in people(pages + aside.replace("母亲", "看见"))


def test_a_title_of_one_family_stays_with_whom_the_text_gives_it() -> None:
    pages = scenes([("冯督军", "林秀英"), ("冯督军", "周德海")])
    text = f"{pages}冯督军大名冯国梁，早年贩过盐。冯国梁不提这些。\n冯玉琴是他堂妹。冯督军家里来了冯玉琴。\n"
    assert bearer(people(text), "冯督军").aliases == ("冯督军",)


def test_two_names_in_a_row_are_no_title_and_its_bearer() -> None:
    pages = scenes([("悟石", "林秀英"), ("悟石", "周德海"), ("沈铁山", "何家辉"), ("沈铁山", "顾云舟")])
    found = people(pages + "师父叫悟石沈铁山来。\n悟石沈铁山都来了。\n")
    assert bearer(found, "悟石") is not bearer(found, "沈铁山")


@pytest.mark.parametrize("short", [True, False])
def test_the_reason_of_a_form_says_whether_it_is_the_longer_one(short: bool) -> None:
    one, other = ("三戒", "猪三戒") if short else ("猪三戒", "三戒")
    why = reason_text(NameReason(alias=one, other=other, kind="table", detail="全称"))
    assert why == say("names.why_short" if short else "names.why_long", other=other)


def test_an_unmarried_lady_is_who_alone_has_her_surname() -> None:
    pages = scenes([("唐云舒", "林秀英"), ("唐云舒", "周德海"), ("唐云舒", "何家辉")])
    assert bearer(people(every_fourth(pages, "唐云舒", "唐姑娘")), "唐姑娘").name == "唐云舒"


def test_one_shared_sentence_does_not_tell_the_only_bearer_of_a_surname_from_a_title() -> None:
    text = (
        "韩厉在亭子里坐着。柳三刀来了。\n" * 3
        + "“韩师兄，他来了。”柳三刀道。韩厉站起来。\n" * 3
        + "柳三刀看着韩厉说韩师兄好。\n"
    )
    assert bearer(people(text + scenes([("周德海", "林秀英")])), "韩师兄").name == "韩厉"


def about(name: str, title: str) -> str:
    """Three scenes in which others speak of somebody by a title, each right after a mention of ``name``."""
    said = (f"{name}在亭子里坐着。\n“{title}{what}。”柳三刀道。\n" for what in ("来了", "不来", "走了"))
    return "".join(said)


def test_whom_the_narrator_names_others_address_by_a_title() -> None:
    said = (f"柳三刀看着韩厉：“韩教授，{what}。”\n韩厉点头。\n" for what in ("你来了", "坐吧", "别走"))
    found = people("".join(said) + scenes([("周德海", "林秀英")]))
    assert bearer(found, "韩教授").name == "韩厉"


def speaker(word: str, speaks: int, count: int) -> Candidate:
    """A candidate with neighbours of all kinds."""
    sides = dict.fromkeys("甲乙丙丁戊己庚辛壬癸子丑", count // 12)
    return Candidate(word, speaks, count=count, left=sides, right=sides)


def test_a_common_word_that_often_speaks_in_a_short_text_is_half_a_word() -> None:
    word = {"铁锁": 1.6}
    often, seldom = (speaker("铁锁", n, 24) for n in (5, 2))
    assert own_score(often, {}) - own_score(often, word) == pytest.approx(0.8)
    assert own_score(seldom, {}) - own_score(seldom, word) == pytest.approx(1.6)


def test_pieces_of_words_in_a_short_text_are_nobodys_name() -> None:
    text = scenes([("周德海", "林秀英")]) + "周德海的行李箱在门口。\n林秀英提着行李箱走了。\n"
    assert "李箱" not in names(text)


def test_a_title_ends_with_no_surname() -> None:
    pages = scenes([("周德海", "林秀英")])
    book = NameClassifier(pages + "那边龙王敖钦来了。\n见了龙王敖钦、众人都拜。\n龙王敖钦笑了。\n")
    assert book.is_fragment(book.candidates["王敖钦"])


def test_what_no_given_name_ends_with_hardly_ends_one() -> None:
    thing, person = (own_score(speaker(w, 0, 12), {}) for w in ("石桌", "石涛"))
    assert thing <= person - 0.7
    assert own_score(speaker("何据", 0, 12), {}) < own_score(speaker("何主任", 0, 12), {})
    told = pages_of("孟云舒") + "他又看见{0}。林秀英说{0}，周德海也说{0}。"
    assert "石廊" not in names(told.format("石廊"))
    assert "石涛" in names(told.format("石涛"))


def beside(word: str, left: str, right: str = "，。也笑") -> Candidate:
    """A candidate with these neighbours, one each."""
    sides = Counter(left), Counter(right)
    return Candidate(word, count=len(left), left=sides[0], right=sides[1])


@pytest.mark.parametrize(
    ("thing", "left", "right"),
    [
        ("石环", "片，说见", "，。也笑"),  # 一片石环
        ("青河镇", "到从，说", "，。也笑"),
        ("青河镇", "，。说见", "上里，。"),
        ("何青峰", "到，说见", "上，。也"),
        ("和大哥", "周林孟，", "便也笑说"),
        ("连心", "，。说“", "也都，。"),
    ],
)
def test_what_stands_beside_things_and_places_is_nobody(thing: str, left: str, right: str) -> None:
    usual = own_score(beside(thing, "，。说“"), {})
    assert own_score(beside(thing, left, right), {}) < usual - 0.7


def test_who_is_gone_to_may_have_a_mountain_in_his_name() -> None:
    assert own_score(beside("何青峰", "到从，说"), {}) == own_score(beside("何青峰", "，。说“"), {})
    speaks = beside("石河镇", "到从，说")
    speaks.speaks = 2
    assert own_score(speaks, {}) > own_score(beside("石河镇", "，。说“"), {})


def test_a_pair_of_sounds_that_always_ends_a_word_is_no_foreign_name() -> None:
    score = [foreign_score(beside("朵里", left), {}, translated=True) for left in ("耳耳", "说，")]
    assert score[0] == score[1] - 1
    whole = [foreign_score(beside("朵里娜", left), {}, translated=True) for left in ("耳耳", "说，")]
    assert whole[0] == whole[1]


def test_a_name_that_is_mostly_a_hotels_is_no_persons() -> None:
    told = pages_of("孟云舒") + "他又看见石通。林秀英说石通，周德海也说石通。石通{}开了门。他去石通{}。"
    assert "石通" in names(told.format("家", "家"))
    assert "石通" not in names(told.format("酒店", "酒店"))


def test_a_village_is_told_by_its_end_though_its_characters_go_together() -> None:
    assert can_be_name("霁村", {"霁村"})
    assert not can_be_name("周村", {"周村"})
    assert not titled_surname("汝弟")  # a pronoun of old texts


def test_a_surname_before_the_old_and_a_title_makes_no_longer_name() -> None:
    for name, longer in (("老君", False), ("老栓", True)):
        book = NameClassifier(pages_of(name) + f"那天何{name}来了。\n“何{name}，你来。”\n何{name}笑了。\n")
        book.candidates[f"何{name}"].score = 2.0
        assert (f"何{name}" in book.persons()) is longer


def test_a_wife_tells_who_her_husband_is_and_is_another() -> None:
    told = "三斤走了。林秀英便问三斤。三斤在家。三斤也笑了。周德海听见，同三斤说了。三斤不肯。\n" * 4
    wife, other = (
        NameClassifier(pages_of("孟云舒") + told + f"{who}来了，{who}笑了。林秀英看见{who}。")
        for who in ("三斤嫂", "三斤子")
    )
    husband = wife.candidates["三斤"].score - other.candidates["三斤"].score
    assert husband == pytest.approx(0.75, abs=0.15)
    wife.candidates["三斤"].score = 3.0
    assert {"三斤", "三斤嫂"} <= wife.persons().keys()


@pytest.mark.parametrize("told", ["他们白煮鸡，烧了汤。", "那时刘主任管文书，不在家。"])
def test_what_several_or_an_official_do_is_no_introduction(told: str) -> None:
    pages = pages_of("孟云舒")
    assert names(pages + told) == names(pages)
    assert "孟晓棠" in names(pages + "那时刘主任孟晓棠，不在家。")


def test_how_somebody_speaks_is_no_part_of_his_name() -> None:
    said = ("谦笑", "谦大怒", "何谦大怒", "高声", "高声喝", "暗想", "方欲", "何欢笑", "李金声", "三喜")
    told = "".join(f"\n{who}道：“走罢。”他们去了。" * 2 for who in said)
    assert speakers(told) == dict.fromkeys(("何谦", "何欢", "李金声", "三喜"), 2)


def test_a_name_within_a_longer_one_leaves_no_piece_of_a_sentence() -> None:
    told = "“走罢。”方云舒慌得说不出话。\n“好。”方云舒慌忙问他。\n“是。”方云舒慌忙叫他。\n"
    assert not {name for name in names(pages_of("云舒") + told) if "慌" in name}


@pytest.mark.parametrize("word", ["蓝鲸", "白塔", "姜汤", "马屁"])
def test_things_whose_first_character_is_a_surname_are_nobody(word: str) -> None:
    told = pages_of("孟云舒") + "他又看见{0}。林秀英说{0}，周德海也说{0}。"
    assert word not in names(told.format(word))
    assert "王涛" in names(told.format("王涛"))


def test_where_words_are_said_is_no_speaker() -> None:
    where, whose = (own_score(speaker(w, 26, 60), {}) for w in ("口内", "口欲"))
    assert where < whose - 1


def test_a_name_whose_first_character_has_no_other_use_may_end_like_a_village() -> None:
    assert "霁村" in names(scenes([("霁村", "林秀英"), ("霁村", "周德海")]))
    assert not can_be_name("霁村")


def test_a_surname_that_only_begins_names_speaks_for_a_rare_one() -> None:
    pages = (
        scenes([("顾云舒", "林秀英"), ("顾明远", "周德海")]) + "那天顾敬来过。顾敬送他的马，是顾敬养的。\n"
    )
    often, seldom = (NameClassifier(pages + more) for more in ("", "顾不得许多。他只顾走。" * 40))
    assert often.candidates["顾敬"].score > seldom.candidates["顾敬"].score


def pages_of(*persons: str) -> str:
    """Scenes of each person with others who have no character in common."""
    return scenes([(person, other) for person in persons for other in ("林秀英", "周德海")])


@pytest.mark.parametrize("form", ["岚丫头", "岚姑娘", "岚姐姐", "岚二叔", "岚哥", "岚儿"])
def test_a_character_of_the_given_name_and_a_title_are_who_alone_has_it(form: str) -> None:
    assert bearer(people(every_fourth(pages_of("何晓岚"), "何晓岚", form)), form).name == "何晓岚"


def test_whose_surname_is_told_before_another_name() -> None:
    pages = pages_of("红缨", "阿九")
    found = people(pages + "原来这阿九本姓何，小名红缨。\n")
    assert bearer(found, "阿九") is bearer(found, "红缨")
    found = people(pages + "阿九问他本姓，小名红缨。\n")
    assert bearer(found, "阿九") is not bearer(found, "红缨")


def test_a_title_of_the_other_sex_is_somebody_else() -> None:
    ladies = every_fourth(pages_of("何晓岚"), "何晓岚", "何晓岚姐姐")
    found = people(every_fourth(ladies, "何晓岚(?!姐)", "岚二叔"))
    assert bearer(found, "岚二叔") is not bearer(found, "何晓岚")


def test_who_shares_sentences_with_a_title_is_somebody_else() -> None:
    pages = every_fourth(pages_of("何晓岚"), "何晓岚", "岚姑娘")
    assert bearer(people(pages), "岚姑娘").name == "何晓岚"
    found = people(pages + "何晓岚和岚姑娘来了。何晓岚看着岚姑娘。" * 9)
    assert bearer(found, "岚姑娘") is not bearer(found, "何晓岚")


def test_a_title_that_the_text_gives_to_somebody_else_joins_no_two() -> None:
    pages = every_fourth(pages_of("何晓岚"), "何晓岚", "岚姑娘")
    found = people(pages + "\n林秀英，人称岚姑娘。\n")
    assert bearer(found, "岚姑娘").name == "林秀英"
    assert bearer(found, "何晓岚").name == "何晓岚"


def test_a_title_after_a_given_name_makes_no_full_name() -> None:
    found = people(every_fourth(pages_of("凤姐"), "凤姐", "凤丫头"))
    assert bearer(found, "凤丫头").name == "凤姐"


def test_a_name_with_two_titles_alike_is_short_for_neither() -> None:
    pairs = (("玄明道长", "林秀英"), ("玄明公子", "周德海"), ("玄明道长", "玄明公子"), ("玄明", "林秀英"))
    assert {"玄明道长", "玄明公子"}.isdisjoint(people(scenes([*pairs]))["玄明"].aliases)


def test_two_words_that_end_alike_are_no_longer_form() -> None:
    pages = scenes([("狗儿", "林秀英"), ("狗儿", "周德海")]) + "猫儿狗儿来了。\n林秀英看猫儿狗儿。\n" * 8
    assert "猫儿狗儿" not in names(pages)


def test_a_kinship_word_is_no_short_form() -> None:
    found = people(every_fourth(pages_of("何世安"), "何世安", "世兄"))
    assert bearer(found, "世兄") is not bearer(found, "何世安")


@pytest.mark.parametrize("title", ["天子", "皇帝", "太公", "老太爷", "老爷子"])
def test_a_ruler_or_the_eldest_of_a_family_is_not_who_has_that_surname(title: str) -> None:
    pages = every_fourth(pages_of("何敬"), "何敬", "何" + title)
    found = people(pages + f"众人见{title}来了。{title}听了大怒。" * 40)
    assert "何" + title not in found["何敬"].aliases


def test_what_says_where_is_no_form_of_address() -> None:
    pages = every_fourth(pages_of("何敬"), "何敬", "何子外") + "他站在圈子外。众人在圈子外来看。" * 40
    assert "何子外" not in NameClassifier(pages).addresses({})


@pytest.mark.parametrize("word", ["即目", "乃常山"])
def test_an_adverb_before_a_name_begins_no_nickname(word: str) -> None:
    pages = every_fourth(pages_of("何晓岚"), "何晓岚", word + "何晓岚")
    assert word not in names(pages + f"众人道：“{word}。”")


def test_what_stands_before_others_too_is_no_nickname() -> None:
    pages = pages_of("何晓岚").replace("何晓岚", "铁面神何晓岚", 4) + "众人道：“铁面神！”\n"
    assert "铁面神" in names(pages)
    for other in ("林秀英", "周德海"):
        pages = pages.replace(other, "铁面神" + other, 1)
    assert "铁面神" not in names(pages)


def test_what_all_call_a_person_is_that_person() -> None:
    pages = every_fourth(pages_of("何敬"), "何敬", "何半城")
    found = people("首富叫何敬，大家都叫他何半城。\n" + pages)
    assert bearer(found, "何半城") is bearer(found, "何敬")
    found = people("首富叫何敬，他不认得何半城。\n" + pages)
    assert bearer(found, "何半城") is not bearer(found, "何敬")


def test_what_all_tell_a_person_to_do_is_no_name() -> None:
    pages = pages_of("何敬") + "林秀英道：“快来，快来！”\n"
    found = people("门口站着何敬，大家都叫他快来。\n" + pages)
    assert "快来" not in bearer(found, "何敬").aliases


def test_a_surname_and_the_beginning_of_several_titles_is_nobodys_name() -> None:
    said = ("“何师兄，", "“何师弟，", "“何师兄，", "“何师叔，", "“何师兄，", "“何师弟，", "“何师兄，")
    told = scenes([("何守谦", "林秀英")]) + "".join(f"{address}快走。”林秀英说。\n" for address in said)
    classifier = NameClassifier(told)
    assert classifier.is_fragment(classifier.candidates["何师"])


def test_a_compound_surname_and_the_beginning_of_a_title_is_nobodys_name_though_used_otherwise() -> None:
    told = "欧阳先生来了。\n欧阳先知道了。\n欧阳先生说话了。\n欧阳先走进屋里。\n"
    classifier = NameClassifier(scenes([("何守谦", "林秀英")]) + told)
    assert classifier.is_fragment(classifier.candidates["欧阳先"])


def test_a_surname_and_what_given_names_of_a_family_begin_with_is_nobodys_name() -> None:
    told = scenes([("守仁", "林秀英"), ("守礼", "林秀英")]) + "白守仁和白守礼是兄弟。\n"
    classifier = NameClassifier(told)
    assert classifier.is_fragment(classifier.candidates["白守"])


def test_a_character_of_the_given_name_twice_is_who_alone_has_it() -> None:
    pages = every_fourth(pages_of("何晓岚"), "何晓岚", "岚岚")
    assert bearer(people(pages), "岚岚").name == "何晓岚"
    adverb = pages_of("何晓渐").replace("何晓渐走进屋里", "何晓渐走进屋里，天渐渐黑了")
    assert "渐渐" not in names(adverb)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("王清", "“我记得清清楚楚。”{0}道。{0}看得清清楚楚，账目清清楚楚。\n"),
        ("陈静", "“静静地听。”{0}说。{0}静静地坐着，{0}走了。\n"),
    ],
)
def test_an_adverb_of_a_character_twice_is_nobody(name: str, said: str) -> None:
    assert bearer(people(said.format(name) * 3), name).aliases == ()


def test_a_headed_name_that_mostly_speaks_may_end_like_a_common_noun() -> None:
    told = scenes([("周德海", "林秀英")]) + "玄清真人道：“坐。”\n“好。”玄清真人道。\n掌门玄清真人来了。\n"
    assert "玄清真人" in people(told)
    assert "玄清真人" not in people(told.replace("玄清真人道", "真人道"))


def test_whose_kin_is_named_has_a_name() -> None:
    told = scenes([("周德海", "林秀英")]) + "门开了，厉启明不见了。厉启明的母亲来了。\n"
    kin, none = (NameClassifier(t).candidates["厉启明"] for t in (told, told.replace("母亲", "牛车")))
    assert kin.score > none.score
    felt = scenes([("周德海", "林秀英")]) + "高兴的母亲笑了，高兴的父亲也笑了。林秀英高兴地走了。\n"
    assert "高兴" not in people(felt)


def test_a_piece_that_begins_with_a_particle_is_nobodys_name() -> None:
    assert not can_be_name("的手", {"的手"})
    assert can_be_name("哪吒", {"哪吒"})


def test_a_proper_name_that_is_told_once_is_the_nicknames_bearer() -> None:
    pages = scenes([("胖墩", "林秀英"), ("胖墩", "周德海")])
    assert bearer(people(pages + "胖墩大名叫郑浩，是本地人。\n"), "胖墩").name == "郑浩"


def test_a_surname_before_a_word_that_no_dictionary_knows_makes_a_name() -> None:
    told = scenes([("周德海", "林秀英")]) + "编辑方嬿姝，也来了。\n方嬿姝走进屋里。一时方嬿姝来了。\n"
    assert "方嬿姝" in people(told)
    assert "方便门" not in people(told.replace("方嬿姝", "方便门"))


def test_a_nickname_in_a_later_clause_is_the_sentences_subjects() -> None:
    pages = scenes([("刘小军", "林秀英"), ("小广播", "周德海")])
    told = "刘小军是本地人，油嘴滑舌，外号叫小广播。\n"
    assert bearer(people(pages + told), "小广播").name == "刘小军"
    for seen in ("看见一个人", "是本地人，他的朋友", "是本地人，见了周德海"):
        assert bearer(people(pages + told.replace("是本地人", seen)), "小广播").name == "小广播"


def places(text: str) -> set[str]:
    return {e.name for e in name_scan.scan([(1, text)], "zh") if e.kind == "Location"}


def test_pieces_of_words_and_deeds_are_no_places() -> None:
    pages = scenes([("周德海", "林秀英")])
    assert places(pages + "众人来打清溪寨。打清溪寨去。要打清溪寨。到清溪寨。\n") == {"清溪寨"}
    looks = "他到门前观看。谁在门前观看？又来门前观看。\n"
    assert "门前观" not in places(pages + looks)
    adverb = "人们自苦处都来。在苦处都笑。他的苦处都说了。那些苦处都好。说苦处都不信。\n"
    assert not {"处都", "苦处都"} & places(pages + adverb)


def test_what_is_always_said_within_a_place_is_no_part_of_another_word() -> None:
    pages = scenes([("周德海", "林秀英")])
    for where in ("里", "中", "，"):
        for place in ("白云观", "云都"):
            told = "众人来到{0}。林秀英还在{0}。周德海从{0}。明天往{0}。人说{0}。\n".replace(
                "。", f"{where}好。"
            )
            assert place in places(pages + told.format(place)), (place, where)


@pytest.mark.parametrize("mark", ["①", "1", "²"])
def test_a_footnotes_mark_belongs_to_no_name(mark: str) -> None:
    told = "{0}来了。{0}笑道：“好。”{0}走了。\n"
    text = (
        scenes([("周德海", "林秀英")]) + told.format("程伯虎") + told.format("子远") + told.format("铁算盘")
    )
    text += f"程伯虎，字子远{mark}。程伯虎外号铁算盘{mark}。来了一个人，名叫何守田{mark}，"
    found = people(text + told.format("何守田"))
    assert {"子远", "铁算盘"} <= {*found["程伯虎"].aliases}
    assert "何守田" in found


def test_a_given_name_within_a_full_one_is_nobody_elses_title() -> None:
    said = ["今天下雨", "城里有戏", "饭菜凉了", "马跑得快", "钱不够用", "门没有关", "灯还亮着", "井水很甜"]
    verbs = ["说道", "问道", "笑道", "答道", "叹道", "喊道", "叫道", "说道"]
    deeds = ["喝了茶", "出了门", "上了楼", "坐下来", "站起身", "点点头", "摇摇头", "看着天"]
    times = ["早上", "中午", "后来", "晚上", "于是", "忽然", "这时", "不久"]

    def talk(name: str, i: int) -> str:
        i %= 8
        speech = f"{times[i]}{name}{verbs[i * 3 % 8]}：“{said[i * 5 % 8]}。”{name}{deeds[i * 7 % 8]}。"
        return (
            f"{speech}{said[(i * 3 + 1) % 8]}，{name}{deeds[(i * 5 + 2) % 8]}，{times[(i + 3) % 8]}睡了。\n"
        )

    pages = "".join(talk("栾守义", i) + talk("程勇", i + 1) for i in range(8))
    pages += talk("守义", 0) + "".join(talk("程勇", i) + talk("林秀英", i + 2) for i in range(8))
    pages += "".join(f"{a}，{b}。" for a, b in itertools.product(said, said))
    listed = "后来栾守义程勇上了楼。\n忽然栾守义程勇点点头。\n"
    assert bearer(people(listed + pages), "守义").name == "栾守义"


def test_an_animal_with_a_title_and_a_character_twice_are_somebody() -> None:
    told = """
兔妈妈推开门，叫了起来。点点连忙跑出来。兔妈妈说：“我的南瓜不见了！”兔爸爸没有看见。兔爸爸去找猫头鹰爷爷。
“别着急，墩墩，”点点说，“我们去问猫头鹰爷爷。”墩墩住在山洞里，墩墩的声音像打雷。墩墩和点点轻轻地走，轻轻地敲门。轻轻的，没有声音。
"""
    found = names(told)
    assert {"兔妈妈", "兔爸爸", "猫头鹰爷爷", "墩墩"} <= found
    assert "轻轻" not in found


def test_what_usually_stands_beside_names_tells_in_a_short_text() -> None:
    told = "天黑了。淑英悄悄地走了。淑英低下头，不说话。“好。”淑英听见有人来了。大家都看着淑英，淑英笑了。\n"
    assert "淑英" in names(told)
    for verb in ("悄", "低", "听", "笑"):
        told = told.replace("淑英" + verb, "那些淑英里" + verb)
    assert "淑英" not in names(told)


@pytest.mark.parametrize(
    ("told", "full", "alias"),
    [
        ("总镖头“铁臂金刀”何守谦来了。\n", "何守谦", "铁臂金刀"),
        ("来的正是“铁臂金刀”何守谦。\n", "何守谦", "铁臂金刀"),
        ("这人正是何守谦，外号“撼山虎”。\n", "何守谦", "撼山虎"),
        ("街上有个何太医。何太医名叫何守谦。\n", "何守谦", "何太医"),
        ("这胖子姓何，双名守谦，开着当铺，外号铁算盘。\n", "何守谦", "铁算盘"),
        ("何守谦是林秀英的表兄，外号“撼山虎”。\n", "何守谦", "撼山虎"),
        ("大家都来了。何法医是个急性子，全名何守谦，不爱说话。\n", "何守谦", "何法医"),
        ("何二爷笑了。这胖子叫何守谦，人都称他何二爷。何二爷走了，何二爷说好。\n", "何守谦", "何二爷"),
    ],
)
def test_what_a_text_calls_a_person_once_is_that_person(told: str, full: str, alias: str) -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英"), ("何守谦", "周德海")])
    found = people(pages + told)
    assert alias in bearer(found, full).aliases


@pytest.mark.parametrize(
    ("told", "form"),
    [
        ("他说“铁臂金刀”何守谦没听见。\n", "铁臂金刀"),  # it is said
        ("所谓的“爱情”何守谦不懂。\n", "爱情"),
        ("他看着写着“加油”何守谦的牌子。\n", "加油"),
        ("“何叔叔，您好！”林秀英说。\n", "何叔叔"),  # his father, for all that we know
        ("“何小姐，您好！”林秀英说。\n", "何小姐"),  # his daughter
        ("他喝了两杯酒，“铁臂金刀”的名字谁都知道。\n", "铁臂金刀"),
        ("他看见何医生在门口。\n", "何医生"),  # nobody says it to anybody
        ("“去问何帮主了没有？”林秀英说。\n", "何帮主"),  # nobody says that he is one
        ("“去问周师叔了没有？”林秀英说。\n", "周师叔"),  # two may be meant
        ("新来的何科长，叫周德海不要来。\n", "何科长"),
        ("“谢谢周医生。”林秀英说。\n", "周医生"),  # two may be meant
        ("我王何守谦来了。我王没有说话。大家都怕我王。\n", "我王"),
    ],
)
def test_what_a_text_calls_somebody_once_may_be_nobody(told: str, form: str) -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英"), ("周云舟", "何守谦")])
    assert form not in names(pages + told)


def test_a_rank_of_two_is_neither() -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])
    found = people(pages + "门外正是睿王何守谦。门里正是睿王周德海。大家都怕睿王。\n")
    assert not {"睿王"} & {*bearer(found, "何守谦").aliases, *bearer(found, "周德海").aliases}


@pytest.mark.parametrize(("name", "form"), [("夏守谦", "夏侯爷"), ("老欧", "欧局长")])
def test_a_title_that_another_surname_ends_or_none_begins_is_nobodys(name: str, form: str) -> None:
    pages = scenes([(name, "林秀英"), ("周德海", "林秀英")])
    told = people(pages + f"{name}坐下了。\n“{form}，”有人说，“请喝茶。”\n{name}点头。\n")
    assert form not in bearer(told, name).aliases


def test_a_rare_title_far_from_the_only_bearer_of_its_surname_is_somebody_else() -> None:
    pages = scenes([("何守谦", "林秀英"), ("何守谦", "周德海")])
    others = scenes([("周德海", "林秀英")] * 3)
    assert "何医生" not in names(f"{pages}{others}“谢谢何医生。”林秀英说。\n")


@pytest.mark.parametrize("word", ["大女儿", "小和尚", "老掌柜", "二公子"])
def test_a_rank_and_a_role_are_nobodys_name(word: str) -> None:
    assert not can_be_name(word)


@pytest.mark.parametrize(
    ("told", "word", "is_one"),
    [
        ("她丈夫黄云舟，陪着她。他不说话。\n", "黄云舟", True),
        ("她爱人黄云舟，陪着她。他不说话。\n", "黄云舟", True),
        ("她爱人黄云正说着话。他不说话。\n", "黄云正", False),
        ("她丈夫黄云负责做饭。他不说话。\n", "黄云负", False),
        ("她丈夫黄云住的房子。他不说话。\n", "黄云住", False),
        ("这是我女儿黄云舟，她不说话。\n", "黄云舟", True),
        ("他女儿黄云舟在家。\n", "黄云舟", True),  # 舟 is no word by itself
        ("他女儿黄云正在家。\n", "黄云正", False),
        ("他女儿黄云学着唱歌。\n", "黄云学", False),
        ("她妻子黄云和女儿来了。\n", "黄云和", False),
        ("她丈夫黄昏才回家。他不说话。\n", "黄昏才", False),
        ("她妈妈毛手毛脚。他不说话。\n", "毛手毛", False),
        ("“师兄黄云舟！”她说。他不说话。\n", "黄云舟", False),  # who calls says anything
    ],
)
def test_who_is_named_once_behind_a_kin_noun_is_somebody(told: str, word: str, is_one: bool) -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])
    assert (word in names(pages + told)) is is_one


def test_a_deed_is_no_end_of_a_rare_name() -> None:
    told = "“没事，林澈做的手术。”她说。林澈是医生，林澈做完了，林澈在门口看着她。\n"
    assert not {"林澈做"} & names(scenes([("何守谦", "林秀英")]) + told)


def court(*told: str) -> str:
    """Pages of a few people, what is told of a rank, then the same pages with the rank now and then."""
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])
    return pages + "".join(told) + every_fourth(pages, "何守谦", "越王")


@pytest.mark.parametrize(
    "told",
    ["众人欲拥立何守谦为越王，何守谦不肯。", "“若立何守谦为越王，天下必乱。”", "“不可封何守谦为越王。”"],
)
def test_a_rank_that_is_not_conferred_is_somebody_elses(told: str) -> None:
    assert bearer(people(court(told)), "越王").name == "越王"


def test_who_is_master_of_a_house_bears_no_rank() -> None:
    told = "何守谦既为一家之主，便不出门。" + "他是一家之主。谁不想做一家之主？" * 3
    assert "一家之主" not in names(court(told))


def test_a_rank_that_is_met_before_it_is_conferred_was_somebody_elses() -> None:
    before = every_fourth(scenes([("何守谦", "林秀英")]), "何守谦", "越王")
    assert bearer(people(before + court("天子封何守谦为越王，众人都来道喜。")), "越王").name == "越王"


def test_the_beginning_that_two_names_share_is_nobodys_name() -> None:
    told = "“你来。”何守谦说。何守义走了。何守谦坐下。“好。”何守义说。何守义叹了口气。\n"
    pages = scenes([("周德海", "林秀英")]) + told * 2
    assert "何守" not in names(pages)
    assert "何守" in names(pages + scenes([("何守", "林秀英")]))


def test_two_families_are_nobodys_name() -> None:
    assert not can_be_name("李两家")
    pages = scenes([("李守谦", "林秀英"), ("顾德海", "林秀英")])
    assert "李顾二" not in names(pages + "李顾二夫人来了。“好。”李顾二夫人说。" * 4)
    assert {"李两喜", "赵金二"} <= names(scenes([("李两喜", "林秀英"), ("赵金二", "周德海")]))


def test_a_servants_wife_is_called_by_his_name() -> None:
    pages = scenes([("何旺", "林秀英"), ("何旺家的", "周德海")])
    found = people(pages)
    assert {"何旺", "何旺家的"} <= set(found)
    ties = {
        (r.source, r.type, r.target)
        for r in rules.extract(pages, lang="zh", names=[*found.values()]).relations
    }
    assert ("何旺", "SPOUSE", "何旺家的") in ties
    told = NameClassifier(scenes([("何旺家的", "林秀英"), ("何旺家的", "周德海")]) + _DOES.format("何旺"))
    assert not told.is_fragment(told.candidates["何旺"]), "hardly ever told of"
    assert "何旺家的" not in names(scenes([("何旺", "林秀英")]) + "他进了何旺家的门。何旺家的狗叫了。" * 5)
    told = "许多人家的却不信。许多人家的看不见。李当家的走了。李当家的说：“好。”" * 4
    assert not {"许多人家的", "李当家的"} & names(pages + told)


def test_a_given_name_may_end_like_a_village() -> None:
    pages = scenes([("雨村", "林秀英"), ("周德海", "林秀英")]) + "顾雨村来了。顾雨村笑道。" * 2
    assert bearer(people(pages), "顾雨村").name == "顾雨村"


@pytest.mark.parametrize("name", ["周学道", "严监生", "赵姨娘", "秦香主", "顾参谋长"])
def test_an_office_after_a_surname_is_whom_it_names(name: str) -> None:
    assert name in names(scenes([(name, "林秀英"), ("周德海", "林秀英")]))


def test_many_ranks_of_one_person_take_time_by_the_texts_length() -> None:
    def work(n: int) -> None:
        told, verbs = [], itertools.cycle(["自立为", "进位", "受封", "袭封", "晋封", "既为", "已为"])
        for i, verb in zip(range(n), verbs, strict=False):
            one, other = chr(0x5000 + i % 3_000), chr(0x5000 + i // 3_000)
            told.append(f"{one}周德海{verb}{one}{other}王。{one}{other}王走了。{one}{other}王来了。")
        assert "周德海" in names(scenes([("何守谦", "林秀英"), ("周德海", "林秀英")]) + "".join(told))

    assert grows_evenly(work, 500)


def test_a_father_is_not_his_son_in_a_book_without_courtesy_names() -> None:
    lines = scenes([("何恭", "林秀英"), ("周德海", "何恭")] * 2).split("\n")
    pages = "\n".join(line.replace("何恭", "子安") if i % 2 else line for i, line in enumerate(lines))
    pages += "“何子安你来。”" * 3
    assert bearer(people(pages), "何恭").aliases == ()
    told = people(pages + "\n周德海，字伯远，也来了。伯远走了。\n")
    assert bearer(told, "子安").name == "何恭"


def test_a_lady_of_the_palace_is_no_man_of_her_family() -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "何守谦")])
    told = every_fourth(pages, "何守谦", "何贵人") + "何守谦来了，他坐下。何贵人来了，她坐下。" * 4
    assert bearer(people(told), "何贵人").name == "何贵人"
    assert bearer(people(every_fourth(pages, "何守谦", "何姨妈")), "何姨妈").name == "何姨妈"


def test_who_has_a_pet_name_may_begin_every_clause() -> None:
    told = "小秋来了。小秋走了。小秋笑了。小秋哭了。小秋坐下。小秋站着。"
    assert "小秋" in names(scenes([("何守谦", "林秀英")]) + told)


def test_a_full_name_with_an_initial_is_whom_it_stands_for() -> None:
    told = 3 * "托马斯·布莱克走进房间。“你好，”布莱克说。玛丽笑了。\n" + "信上写着托·布莱克。\n"
    assert "托·布莱克" in bearer(people(told), "托马斯·布莱克").aliases
    both = told + 2 * "托德·布莱克来了。\n"
    assert "托·布莱克" not in bearer(people(both), "托马斯·布莱克").aliases


def test_a_transliterated_place_is_nobody() -> None:
    told = 4 * "玛格丽特从莫斯科回来了。“你好，”玛格丽特说。丽莎到莫斯科去了。\n"
    assert "莫斯科" not in people(told)
    assert "莫斯科" in people(told.replace("从莫斯科", "莫斯科").replace("到莫斯科", "看见莫斯科"))


@pytest.mark.parametrize("people_in_it", [0, 40])
def test_the_talk_of_many_takes_time_by_its_length(people_in_it: int) -> None:
    """``people_in_it``: 0 for as many as the text is long."""
    rng = random.Random(4)
    han = [chr(code) for code in range(0x4E00, 0x5600)]

    def talk(size: int) -> str:
        cast = ["".join((rng.choice("何周林冯程"), *rng.sample(han, 2))) for _ in range(people_in_it or size)]
        lines = []
        for _ in range(2 * size):
            a, b = rng.choice(cast), rng.choice(cast)
            lines.append(
                f"{a}对{b}说：“{b[0]}先生，{b[1:]}兄来了，问问{a[0]}教主。”\n{b}道：“{a[1:]}妹妹，请。”\n"
            )
            lines.append(f"“{b[0]}公子，教主{a}在。”{b[1:]}笑了，我{rng.choice('何周林冯程')}{b[1:]}知道。\n")
        return "".join(lines)

    texts = {size: talk(size) for size in (400, 1_600)}
    assert grows_evenly(lambda size: people(texts[size]), 400)


def test_a_place_that_the_text_names_is_nobody() -> None:
    told = "那地方叫作石婆{0}，石婆{0}下有一座酒店。天黑了，石婆{0}没有人。\n"
    pages = scenes([("周德海", "林秀英")])
    assert "石婆岭" not in people(pages + told.format("岭"))
    assert "石婆生" in people(pages + told.format("生"))
    assert "何知县" in people(scenes([("何知县", "林秀英")]))


def test_a_word_and_a_number_behind_it_are_nobody() -> None:
    told = "把门上的{0}一贴，走了。门上的{0}一点一点地掉下来。\n"
    assert not people(scenes([("周德海", "林秀英")]) + told.format("封条")).keys() & {"封条一", "条一"}


@pytest.mark.parametrize(
    ("told", "word", "is_one"),
    [
        ("队里来了军医黄学文，他不说话。\n", "黄学文", True),
        ("他的跟班名叫黄学文。\n", "黄学文", True),
        ("他一路叫苦叫屈叫苦。\n", "屈叫苦", False),
        ("他的跟班名为黄云舟。\n", "黄云舟", True),
        ("这本书名为黄云舟。\n", "黄云舟", False),
        ("她丈夫黄彩霞坐在一边，彩霞不说话，彩霞走了。\n", "黄彩霞", True),  # a word that is used alone
        ("她丈夫黄彩霞坐在一边。\n", "黄彩霞", False),
        ("老兵黄云舟是他带出来的。\n", "黄云舟", True),
        ("左边坐着贵妃慕容雪，她不说话。\n", "慕容雪", True),
        ("他的夫人卢氏出来见了礼。\n", "卢氏", True),
        ("军医黄昏时，才回来。\n", "黄昏时", False),
        ("他往下筛钱，越往下钱越少；不说话。\n", "钱越少", False),  # as 阁下 ends
        ("这是他表弟黄巡简。\n", "黄巡简", True),
        ("那天飞过长江大桥，天黑了。\n", "江大桥", False),
        ("“班长黄云舟，快来！”她说。\n", "黄云舟", False),  # who calls says anything
    ],
)
def test_whom_a_role_introduces_at_the_end_of_a_phrase_is_somebody(
    told: str, word: str, is_one: bool
) -> None:
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])
    assert (word in names(pages + told)) is is_one


def test_where_names_have_two_characters_a_role_shows_no_third() -> None:
    pages = scenes([("何恭", "林英"), ("周海", "林英")])
    told = names(pages + "队里来了军医黄云舟，他不说话。\n何恭妻卢氏，极有颜色。\n那人本姓夏侯氏，\n")
    assert not told & {"黄云舟", "夏侯氏"}
    assert "卢氏" in told


SOLE = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")])


@pytest.mark.parametrize(
    "told",
    [
        "何守谦走了。\n何家的人都说，去找何律师才好。\n",  # one of his family may be meant
        "何守谦走了。\n何守诚来了。何守诚问道：“谁？”何守诚不说话。\n街上的人都说，找何律师要趁早。\n",
        "何守谦同何律师走在街上。\n",
        "何守谦道：“去请何律师来。”\n",  # nobody speaks so of himself
    ],
)
def test_a_rare_title_is_nobody_where_another_of_the_surname_may_be_meant(told: str) -> None:
    assert "何律师" not in bearer(people(SOLE + told), "何守谦").aliases


@pytest.mark.parametrize(
    ("name", "title", "told", "is_he"),
    [
        ("何守谦", "侍郎", "何守谦", False),
        ("何守谦", "将军", "将军何守谦", False),
        ("王守谦", "侍郎", "侍郎王守谦", False),
    ],
)
def test_a_rare_title_far_from_its_bearer_is_that_one_s_by_his_office(
    name: str, title: str, told: str, *, is_he: bool
) -> None:
    form = name[0] + title
    far = scenes([("周德海", "林秀英")]) * 20 + f"林秀英道：“{form}来了。”\n"
    found = people(SOLE.replace("何守谦", name) + f"{told}来了。\n" + far)
    assert (form in bearer(found, name).aliases) is is_he


@pytest.mark.parametrize(
    ("told", "form", "is_he"),
    [
        ("何山岳来了。\n远处的山岳之间有一个山岳形的石头，这座山岳很高。\n", "山岳", False),
        ("何瞎子来了。\n他父亲是个瞎子，那个瞎子会唱歌。\n", "瞎子", False),
    ],
)
def test_a_given_name_told_once_or_twice_stands_where_names_stand(told: str, form: str, is_he: bool) -> None:
    known = "老何" if told.startswith("老何") else "何" + form
    found = people(scenes([(known, "林秀英"), ("周德海", "林秀英")]) + told)
    assert any({form, "何" + form} <= {e.name, *e.aliases} for e in found.values()) is is_he


CALLED = (
    scenes([("周月", "陈海"), ("吴德煜", "陈海"), ("黄福来", "陈海"), ("黄韩", "陈海")])
    + "周月来了，她不说话。吴德煜走了，他不说话。\n黄福来走了，他不说话。\n"
)


@pytest.mark.parametrize(
    ("told", "form", "bearer_of_it"),
    [
        ("“小韩，快走！”\n", "小韩", ""),
        ("人人都来见煜嫔。\n", "煜嫔", ""),
        ("他月月都来，月月，年年。\n", "月月", ""),
        ("“来来，你坐吧。”陈海说。\n", "来来", ""),
        ("周月道：“月月，你坐吧。”\n", "月月", ""),
    ],
)
def test_a_character_of_the_only_given_name_that_ends_so(told: str, form: str, bearer_of_it: str) -> None:
    found = people(CALLED + told)
    assert [e.name for e in found.values() if form in e.aliases] == [bearer_of_it][: len(bearer_of_it)]


def test_a_character_that_ends_two_given_names_is_neither() -> None:
    pages = CALLED + scenes([("陈明月", "陈海")])
    assert not any("月月" in e.aliases for e in people(pages + "“月月，你坐吧。”\n").values())


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("书架上有一本《黄云舟》。\n黄云舟走了。\n", "黄云舟"),
        ("“慕容家和我家不同。”\n慕容家的马多。\n", "慕容家"),
    ],
)
def test_houses_and_titles_of_books_are_nobody(told: str, word: str) -> None:
    assert word not in names(scenes([("何守谦", "林秀英"), ("周德海", "林秀英")]) + told)


def test_who_has_a_rare_surname_that_is_another_word_speaks() -> None:
    assert {"全琏", "向东"} <= names(scenes([("全琏", "林秀英"), ("向东", "周德海")]))


def test_a_thing_of_a_colour_and_we_are_no_names() -> None:
    beard = Candidate("白胡子", count=2, left={"着": 1, "把": 1}, right={"道": 1, "，": 1})
    assert own_score(beard, {"胡子": 2.5}) < own_score(beard, {}) - 0.5
    assert not can_be_name("是咱")


@pytest.mark.parametrize(("young", "is_one"), [("", True)])
def test_who_is_called_young_is_not_called_old(young: str, is_one: bool) -> None:
    said = "何守谦坐下了。\n“{}，请喝茶。”林秀英道。\n何守谦点头。\n"
    old = "何守谦坐下了。\n“老何，请喝茶。”林秀英道。\n何守谦点头。\n" * 4
    pages = scenes([("何守谦", "林秀英"), ("周德海", "林秀英")]) + old
    found = people(pages + (said.format(young) * 3 if young else ""))
    assert ("老何" in bearer(found, "何守谦").aliases) is is_one


FULL_ONCE = "何玲珑和何胜利是去年来的。\n"
FAR = scenes([("周德海", "林秀英")]) * 25
AS_NAMES = "“{0}，你坐吧。”周德海对{0}说。{0}笑了。林秀英看着{0}的脸。\n"
AS_WORDS = "他买了一块{0}的东西，这种{0}是假的，不够{0}，也不想{0}。\n"


@pytest.mark.parametrize(
    ("clause", "tells"),
    [
        ("“建国，你来。”", True),
        ("。建国说：“好。”", True),
        ("，建国摇了摇头。", True),
        ("，建国又哭了。", True),
        ("，建国道：“好。”", True),
        ("，建国站着。", True),
        ("，建国看着她。", True),
        ("，建国接过来了。", True),
        ("，建国答道。", True),
        ("，建国晓得了。", True),
        ("他对建国说了。", True),
        ("那是建国的媳妇。", True),
        ("那是建国家的孩子。", False),
        ("她看见建国大哥了。", True),
        ("他名叫建国。", True),
        ("他唤做建国。", True),
        ("那叫建国大业。", False),
        ("他家建国说过。", False),
        ("，建国以来没有过。", False),
        ("。建国还说明不了什么。", False),
        ("他把建国看得很重。", False),
        ("那是建国的事。", False),
        ("“建国的人都老了。”", False),
    ],
)
def test_a_place_tells_a_person(clause: str, *, tells: bool) -> None:
    assert bool(telling(clause, [clause.index("建国")], 2)) is tells


@pytest.mark.parametrize(
    ("told", "is_his"),
    [
        ("“王守田？”他问。\n", False),
        ("那大王守田，那国王守田。\n", False),
        ("“王守田来了。”\n“李守田也来了。”\n“王守田呢？”\n“李守田呢？”\n", False),
        ("“王守田来了。”\n“王守田？”\n" + "那国王德海来了，国王秀英也来了。\n" * 3, False),
    ],
)
def test_a_surname_that_begins_only_one_name_is_told_twice(told: str, *, is_his: bool) -> None:
    kings = "那国王坐着，王不说话，大王也不说话，王们走了。\n" * 60
    pages = scenes([("守田", "秀英")]) * 4 + scenes([("德海", "秀英")]) * 30
    found = people(pages + told + kings)
    assert any({"守田", "王守田"} <= {e.name, *e.aliases} for e in found.values()) is is_his


BETWEEN = scenes([("林秀英", "周德海")]) * 8
"""Pages between the passages of a form of address and those of its bearer."""


def told(name: str, pronoun: str) -> str:
    return pages_of(name) + 3 * f"{name}来了，{pronoun}笑了。\n{name}走了，{pronoun}不说话。\n"


def bearer_far_from(form: str, name: str, said: str, *more: str) -> str:
    """Who has a form of address where the full name is told in far pages, and in words behind the form's."""
    pronoun = "她" if "晓" in name else "他"
    pages = [*more, 4 * pages_of(form), said, BETWEEN, told(name, pronoun)]
    return bearer(people("".join(pages)), form).name


@pytest.mark.parametrize(("said", "is_one"), [("何教授的钱", True)])
def test_the_daughter_of_whoever_has_a_title_is_not_that_one(said: str, *, is_one: bool) -> None:
    pages = scenes([("林秀英", "周德海"), ("何晓岚", "林秀英")]) + 3 * "何晓岚来了，她笑了。\n"
    old = "何晓岚坐下了。\n“老何，请喝茶。”林秀英道。\n何晓岚点头。\n" * 4
    text = pages + about("何晓岚", "何教授") + f"“{said}？”柳三刀看了何晓岚半天。\n" + old
    assert ({"何教授", "老何"} <= {*bearer(people(text), "何晓岚").aliases}) is is_one
    assert ({"何教授", "老何"} & {*bearer(people(text), "何晓岚").aliases} == set()) is not is_one


@pytest.mark.parametrize(("epithet", "who"), [("黑山老虎", "何守诚")])
def test_a_rank_is_of_whom_another_name_ends_with_it(epithet: str, who: str) -> None:
    pages = scenes([("何守谦", "林秀英"), ("何守诚", "林秀英"), ("周德海", "何守谦")])
    stated = f"何守谦，绰号{epithet}。\n" + f"{epithet}来了。\n" * 2
    near = "何守诚在家。\n何天王笑道：“且住。”\n何天王不说话。\n雨停了。\n何守诚走了。\n" * 6
    assert bearer(people(pages + stated + near + "何守谦在家。\n"), "何天王").name == who


_WORD_ACTS = "".join(
    line + "\n"
    for line in (
        "{0}笑道：“且住。”",
        "{0}听了，摇摇头。",
        "周德海和{0}坐下。",
        "林秀英对{0}点头。",
        "何守谦问{0}要不要茶。",
        "{0}把门关上。",
        "天黑了。{0}还在想。",
        "大家让{0}先走。",
        "“{0}，你来！”",
        "{0}站起来，看了看天。",
        "何守谦跟{0}回家。",
        "林秀英看见{0}的帽子。",
        "{0}说他不去。",
        "{0}又问了一遍。",
        "{0}不说话。",
        "雨停了。{0}也走了。",
        "那时{0}正在吃饭。",
        "{0}忽然跪下。",
        "周德海给{0}倒茶。",
        "{0}从屋里出来。",
        "门外是{0}。",
        "“你呢？”{0}笑道。",
        "“{0}呢？”林秀英笑道。",
        "“{0}在家。”周德海笑道。",
    )
)


@pytest.mark.parametrize(
    ("told", "is_name"),
    [
        (_WORD_ACTS, True),
        (_WORD_ACTS.replace("问{0}", "看见一个{0}，问他"), False),
        (_WORD_ACTS.replace("{0}的", "{0}们的"), False),
    ],
)
def test_a_word_that_speaks_and_is_spoken_to_and_never_counted_is_a_name(told: str, *, is_name: bool) -> None:
    pages = scenes([("周德海", "林秀英"), ("何守谦", "林秀英")])
    assert ("风铃" in names(pages + 3 * told.format("风铃"))) is is_name


@pytest.mark.parametrize(
    ("speaks", "before", "behind", "acts"),
    [(2, "和", "也", True), (0, "和", "说", True), (0, "和", "也", False), (2, "，", "也", False)],
)
def test_who_acts_as_a_person_speaks_and_is_spoken_to(
    speaks: int, before: str, behind: str, acts: bool
) -> None:
    found = Candidate("风铃", speaks, count=30, left={before: 3, "。": 27}, right={behind: 3, "，": 27})
    assert acts_as_person(found) is acts


_DOES = "{0}拉着周德海的手，半日不语。{0}走进屋里，看了看林秀英。一时{0}来了，众人让{0}坐下。\n"
_IS_CALLED = "那孩子叫做风铃。" + _DOES.format("风铃")


@pytest.mark.parametrize(
    ("told", "is_name"),
    [
        (_IS_CALLED, True),
        (_IS_CALLED.replace("叫做", "爱"), False),
        (_IS_CALLED.replace("让", "让一个"), False),
        (_IS_CALLED.replace("那孩子叫做", "此地唤做"), False),
    ],
)
def test_a_word_by_which_the_text_says_that_somebody_is_called_is_a_name(told: str, *, is_name: bool) -> None:
    pages = scenes([("周德海", "林秀英"), ("何守谦", "林秀英")])
    assert ("风铃" in names(pages + 2 * told)) is is_name


def test_what_only_stands_within_a_longer_word_is_a_piece_of_its_name() -> None:
    pages = scenes([("周德海", "林秀英"), ("何守谦", "林秀英")])
    found = names(pages + 3 * _WORD_ACTS.format("泥破仑"))
    assert "泥破仑" in found
    assert not {"破仑", "泥破"} & found


def test_who_is_somebodys_wife_is_called_so_whatever_word_her_husband_is() -> None:
    known = {"八一": 2.3}
    assert (
        own_score(Candidate("八一嫂", count=8), known) > own_score(Candidate("八一虎", count=8), known) + 0.9
    )


def test_how_somebody_speaks_is_nobody() -> None:
    known, behind = {"冷冷": 1.5, "苗苗": 1.5}, {"道": 2, "说": 1}
    how = own_score(Candidate("冷冷", 2, count=3, right=behind), known)
    assert how <= own_score(Candidate("冷冷", 2, count=3, right={"道": 2, "在": 1}), known) - 1.0


@pytest.mark.parametrize("event", ["牛栏战役", "禽兽主义", "盐水事件"])
def test_an_event_or_a_belief_is_nobody(event: str) -> None:
    assert not can_be_name(event, {event[:2]})


def test_a_word_that_always_begins_a_clause_is_no_rare_surnames_bearer() -> None:
    told = "展云来了。展云走了。展云坐在门口，展云看着天，展云叹气。展云站起来，展云走过去。"
    pages = scenes([("周德海", "林秀英")])
    assert "展云" not in names(pages + told)
    assert "展云" in names(pages + told + "他叫展云，大家都怕展云。")
