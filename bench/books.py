"""Books for benchmarks: made of names and plain sentences, the same ones for the same seed."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶"
    "姜戚谢邹喻苏潘葛范彭郎鲁韦马苗方俞任袁柳鲍史唐"
)
GIVEN = "明远志清云山海天文仁义礼智信正永长春秋冬风雪松柏竹兰菊玉银铁铜木森河湖波涛虎鹰鹤瑶岚珩昭晖沐澈"
PLACES = ["青州城", "落霞山", "白水镇", "听雨楼", "铁剑门", "碧波岛", "长河渡", "云中寺", "北望关", "青桥村"]
SENTENCES = [
    "{a}与{b}同行，来到{p}。",
    "{a}道：“{b}，你且听我一言。”",
    "{a}见{b}不语，便先回了{p}。",
    "却说{a}在{p}等候{b}，直到天黑。",
    "{b}笑道：“原来是{a}到了。”",
    "众人都说{a}待{b}最好，凡事先想着他。",
    "{a}把信交给{b}，嘱咐他不可让旁人看见。",
]
PLAIN = [
    "天色渐晚，街上行人稀少，只剩几处灯火还亮着。",
    "那一年的雨下得特别久，河水漫过了渡口的台阶，船都停在岸边。",
    "屋里静了半晌，只剩炉子上的水在响，谁也不肯先开口。",
    "桌上的茶早就凉了，蜡烛烧到了头，屋外的更声敲过三遍。",
    "一行大雁从头顶飞过，叫声传得很远，慢慢就看不见了。",
]
PLAIN_SHARE = 0.5
"""Share of sentences that name nobody: 0.51 in 三国演义, counted with its gold names."""


def people(count: int, rng: random.Random) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < count:
        names[rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, 2))] = None
    return list(names)


def chapters(chars: int, *, cast: int = 300, per_chapter: int = 10, seed: int = 1) -> Iterator[str]:
    """Chapters of about ``chars`` characters, without end; each plays among ``per_chapter`` of the cast."""
    rng = random.Random(seed)
    everyone = people(cast, rng)
    for number in itertools.count(1):
        present = rng.sample(everyone, per_chapter)
        text, length = [f"第{number}章 {rng.choice(PLACES)}之{number}\n\n"], 0
        while length < chars:
            a, b = rng.sample(present, 2)
            plain = rng.random() < PLAIN_SHARE
            sentence = rng.choice(PLAIN if plain else SENTENCES).format(a=a, b=b, p=rng.choice(PLACES))
            text.append(sentence + ("\n" if rng.random() < 0.2 else ""))
            length += len(sentence)
        yield "".join(text)


def write_novel(path: Path, count: int, chars: int, *, mark: str = "", people: int = 10) -> None:
    """Writes the first ``count`` of :func:`chapters`, with ``people`` in each.

    ``mark`` at each one's end makes it a book of its own: chapters that are alike would make it an edition of
    the last one."""
    with path.open("w", encoding="utf-8") as file:
        for text in itertools.islice(chapters(chars, per_chapter=people), count):
            file.write(f"{text}\n{mark}\n\n")
