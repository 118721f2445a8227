"""What a Chinese chapter says of kin, masters and foes."""

from __future__ import annotations

import re

import pytest

from kgnb.core.labels import SYMMETRIC_RELATIONS
from kgnb.extract import rules
from kgnb.extract.model import NameEntry
from tests.support.fuzzing import grows_evenly
from tests.support.paths import ROOT

NAMES = "周德海 周文 周武 林秀英 孟先生 孟太太 孟老爷 孟夫人 老程 诸葛岩 孟大夫 何守谦 陈玉兰 小翠 何太太"
PEOPLE = [NameEntry(name, (), "Character", 9) for name in NAMES.split()]
SENTENCES = (ROOT / "tests" / "extract" / "gold" / "zh_ties.txt").read_text("utf-8").splitlines()
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
    """The ties that make one of the book."""
    found = rules.extract(text, lang="zh", names=PEOPLE).relations
    return {_in_order(r.source, r.type, r.target) for r in found if r.type != "KNOWS" and r.confidence >= 0.5}


def _in_order(one: str, kind: str, other: str) -> tuple[str, str, str]:
    one, other = sorted((one, other)) if kind in SYMMETRIC_RELATIONS else (one, other)
    return one, kind, other


@pytest.mark.parametrize(
    ("text", "tie"),
    [
        ("周德海之子周文来了。", ("周德海", "PARENT_OF", "周文")),
        ("周德海唤子周文进来。", ("周德海", "PARENT_OF", "周文")),
        ("周德海在堂上坐着。长子周文站在一旁。", ("周德海", "PARENT_OF", "周文")),
        ("周德海有三个儿子：长子周文，次子周武，都已成家。", ("周德海", "PARENT_OF", "周武")),
        ("周德海倒生了一个儿子，今年才十六岁，名叫周文。", ("周德海", "PARENT_OF", "周文")),
        ("周德海是庄主，有个女儿，唤做小翠，十分了得。", ("周德海", "PARENT_OF", "小翠")),
        ("周德海有二子：长子名文，字周文；次子名武，字周武。", ("周文", "SIBLING", "周武")),
        ("周文说：“我有个叔叔周德海，住在城里。”", ("周文", "FAMILY", "周德海")),
        ("弟兄两个：哥哥唤做周文，兄弟唤做周武。", ("周文", "SIBLING", "周武")),
        ("周德海打外，小翠打内，父女把铺子管得很好。", ("周德海", "PARENT_OF", "小翠")),
        ("诸葛岩来了。岩大怒，人报周武已捉了岩弟周文。", ("诸葛岩", "SIBLING", "周文")),
        ("周德海生二子：长曰周文，次曰周武。", ("周文", "SIBLING", "周武")),
        ("那年封次子周文为王，三子周武为侯。", ("周文", "SIBLING", "周武")),
        ("周德海并二子周文、周武都来了。", ("周德海", "PARENT_OF", "周武")),
        ("周文和弟弟周武去了县城。", ("周文", "SIBLING", "周武")),
        ("周文见弟周武来了。", ("周文", "SIBLING", "周武")),
        ("林秀英说：“我母亲陈玉兰不在家。”", ("陈玉兰", "PARENT_OF", "林秀英")),
        ("“我母亲陈玉兰不在家。”林秀英说。", ("陈玉兰", "PARENT_OF", "林秀英")),
        ("何守谦对周文道：“令妹小翠可好？”", ("周文", "SIBLING", "小翠")),
        ("周文道：“这是舍妹小翠。”", ("周文", "SIBLING", "小翠")),
        ("林秀英来了，她的丈夫周文也来了。", ("周文", "SPOUSE", "林秀英")),
        ("林秀英是镇上的绣娘。她是老程的女儿。", ("老程", "PARENT_OF", "林秀英")),
        ("周文，字子渊，周德海之子。", ("周德海", "PARENT_OF", "周文")),
        ("老程是周文和林秀英的儿子。", ("林秀英", "PARENT_OF", "老程")),
        ("周文、周武弟兄两个都没念过书。", ("周文", "SIBLING", "周武")),
        ("何守谦，周文，周武弟兄两个都没念过书。", ("周文", "SIBLING", "周武")),
        ("孟先生和孟太太来了。", ("孟先生", "SPOUSE", "孟太太")),
        ("周文与林秀英结为夫妇。", ("周文", "SPOUSE", "林秀英")),
        ("林秀英十八岁那年嫁给了周文。", ("周文", "SPOUSE", "林秀英")),
        ("周文先娶陈玉兰为妻，后娶林秀英为妾。", ("周文", "SPOUSE", "林秀英")),
        ("老程拜周德海为义父。", ("周德海", "PARENT_OF", "老程")),
        ("老程是诸葛岩座下的大弟子。", ("诸葛岩", "MASTER_OF", "老程")),
        ("周文被何守谦收为弟子。", ("何守谦", "MASTER_OF", "周文")),
        ("周文与老程交战五十合。", ("周文", "ENEMY", "老程")),
        ("周文令老程引兵去了。", ("周文", "LEADS", "老程")),
        ("周文的外甥老程来了。", ("周文", "FAMILY", "老程")),
        ("周文的丫鬟小翠来了。", ("周文", "LEADS", "小翠")),
        ("老程道：“小翠的爹的名字叫何守谦，在南京。”", ("何守谦", "PARENT_OF", "小翠")),
    ],
)
def test_a_tie_that_is_stated(text: str, tie: tuple[str, str, str]) -> None:
    assert _in_order(*tie) in ties(text)


@pytest.mark.parametrize(
    "text",
    [
        "周德海、周文、周武都来了。",  # a surname
        "周德海有个儿子，唤做周文虎，十分了得。",  # the name goes on
        "周德海有三个儿子名为周文。",  # a name of all three
        "周德海说：“孟先生讲：‘我父亲何守谦不来。’”",  # cited
        "周文叫道：“叔叔！”老程应了一声。",  # address
        "林秀英对老程说：“哥哥，你坐。”",
        "周武道：“俺哥哥何守谦害了病。”",
        "要是周文娶了林秀英，就好了。",
        "周文不是周德海的儿子。",
        "周文莫非是周德海的儿子？",
        "周文待老程如兄弟一般。",
        "周文昔日如周德海之子。",
        "众人以为周文是周德海的儿子。",
        "周德海听说老程的媳妇生了个儿子。周文来了。",
        "周德海见了何守谦，次子老程也来了。",  # of two
        "林秀英和何守谦说话，见弟弟老程来了。",
        "众人忙唤何守谦并子老程进来。",  # whose: not of him who is called too
        "周德海出城，擒其副将老程而还。",
        "他嫂子小翠的媳妇来见周文。",
        "周文与老程并未结为兄弟。",
        "那方貌，周文，老程的老婆，都是少年。",
        "众人问起，陈玉兰道：“他爹的名字叫周德海，在南京看房子，不大上来。他哥哥周文是买办。”",
        "老程道：“这一位是周文，我学生是周武。”",
        "周文和林秀英差点订了婚。",
        "周文和林秀英有一个孩子要教。",
        "林秀英宁死不嫁周文。",
        "老程是林秀英在追查的对象。",
    ],
)
def test_what_is_no_statement(text: str) -> None:
    assert not ties(text)


def test_most_ways_to_say_it_are_read_and_hardly_any_is_misread() -> None:
    stated = found = wrong = 0
    for line in SENTENCES:
        if line.startswith("#"):
            continue
        text, _, told = line.partition("|")
        want = {
            _in_order(one, TYPES[kind], other)
            for kind, one, other in (tie.split() for tie in re.split("[;；,，]", told) if tie.strip())
        }
        read = ties(text.replace("\\n", "\n"))
        stated, found, wrong = stated + len(want), found + len(want & read), wrong + len(read - want)
    assert found > 0.7 * stated
    assert wrong < 0.03 * found


def test_quotations_and_lists_take_time_by_their_length() -> None:
    text = "周文道：“我弟弟周武来了。”长子周武，次子周武，"
    assert grows_evenly(lambda n: rules.extract(text * n, lang="zh", names=PEOPLE), 1_000)
