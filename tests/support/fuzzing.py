"""What the fuzz tests share: how long they run, and text made of what readers look out for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("KGNB_FUZZ_EXAMPLES", "0"))
"""Examples of each property in a long run by hand, new ones each time; 0 = the few of every test run."""


def fuzz(examples: int = 60) -> settings:
    """The same ``examples`` in each run, or as many new ones as KGNB_FUZZ_EXAMPLES says."""
    return settings(
        max_examples=EXAMPLES or examples,
        derandomize=not EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def grows_evenly(work: Callable[[int], object], size: int) -> bool:
    """Whether four times the size takes less than ten times the processor's time (its square takes 16)."""

    def spent(n: int) -> float:
        start = time.process_time()
        work(n)
        return time.process_time() - start

    if (large := spent(4 * size)) < 0.05:  # too little to be the square of anything
        return True
    small = spent(size)
    return large < 10 * small or min(large, spent(4 * size)) < 10 * min(small, spent(size))


HEADINGS = [
    *[
        "第一章",
        "第1章 风起",
        "第二回　宴桃园豪杰三结义",
        "第三节",
        "卷一",
        "第一卷 少年",
        "楔子",
        "番外1",
        "目录",
    ],
    *[
        "Chapter 1",
        "CHAPTER II.\n\nThe Storm",
        "Part Two",
        "PROLOGUE",
        "3. 标题",
        "四",
        "IV",
        "## 第五章",
        "# 书",
    ],
    *["*** START OF THE PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X ***"],
    *[
        "书名：《三国》",
        "作者：罗贯中",
        "Title: Emma",
        "---\ntitle: x\nauthor: y\n---",
        "【第一章】",
        "第九百九十九万章",
    ],
]
SENTENCES = [
    *[
        "刘备大喜。",
        "“你来了？”关羽道。",
        "曹操……",
        "他说：「走吧！」",
        "Mr. Darcy smiled.",
        'She said, "No!"',
        "大" * 300,
    ],
    *[
        "A wrapped line of prose,",
        "第三章程不可改。",
        "劉備與關羽",
        "...",
        "。。。。",
        "[[[",
        "（（",
        "Chapter five,",
        "😀",
    ],
]
MARKS = [
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "　",
    "\t",
    "\x00",
    "\u200b",
    "\u2028",
    "\x85",
    "\ufeff",
    "\u0301",
    "\u202e",
    "\xa0",
]
PIECES = st.one_of(
    *(st.sampled_from(words) for words in (HEADINGS, SENTENCES, MARKS)),
    st.sampled_from(HEADINGS).map(lambda line: f"\n{line}\n"),
    st.text(max_size=12),
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)
WORDS = st.sampled_from(
    [
        *[
            "刘备",
            "玄德",
            "劉備",
            "关羽",
            "云长",
            "二爷",
            "老爷",
            "Mr. Darcy",
            "the captain",
            "张虎（张辽之子）",
            "",
            " ",
        ],
        *[
            "x'}) DETACH DELETE n //",
            "=1+1",
            "</script>",
            "a\u202eb",
            "名" * 150,
            "\x00",
            "{",
            '"',
            "\\",
            "|",
            "é",
            "A·B",
        ],
    ]
) | st.text(max_size=8)
