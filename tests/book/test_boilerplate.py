"""Lines that are no part of the book: left out, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgnb.book import boilerplate
from kgnb.book.reader import read_book


@pytest.mark.parametrize(
    "line",
    [
        "本书由某某小说网整理制作",
        "（本章完）",
        "求月票！求推荐票！",
        "PS：求收藏，求推荐，谢谢大家",
        "更多精彩小说请访问www.example.com",
        "　　手机用户请浏览m.example.com阅读",
        "天才一秒记住本站地址",
        "感谢书友某某的打赏",
        "未完待续",
        "今天第三更送上",
        "第二更奉上，求收藏",
        "求收藏、求订阅！",
        "www.example.com",
        "声明：本书由网友上传",
        "第 12 页 共 300 页",
        "- Page 12 of 300 -",
    ],
)
def test_advertisements_and_appeals_are_left_out(line: str) -> None:
    text = f"天亮了。\n{line}\n他走了。\n"
    assert (boilerplate.without(text), boilerplate.count(text)) == ("天亮了。\n他走了。\n", 1)


@pytest.mark.parametrize(
    "line",
    [
        "他求她收藏这封信，她不肯。",
        "“求月票！”他喊道。",
        "他投票给了老王。",
        "这部小说是他写的，读者很多。",
        "谢谢你的月票，我坐车用得着。",
        "第三更的时候，他起来了。",
        "本章程由会议制定。",
        "三更到了，众人起身。",
        "晚上三更到城外，他下了马。",
        "她去求推荐信，教授不肯。",
        "他打开www.example.com，查了半天。",
        "发件人：lin@example.com",
        "谢谢武林盟主出手相救。",
        "待续弦之后，他搬了家。",
        "更多的小说家请他吃饭。",
        "此书由他祖父收集，传到他手里。",
        "信写到第三页，他停了笔。",
    ],
)
def test_sentences_of_a_story_stay(line: str) -> None:
    assert boilerplate.without(line) == line


def test_chapters_hold_neither_boilerplate_nor_their_heading_again(tmp_path: Path) -> None:
    story = "林远说了一句话，天就亮了，他走出门去，再也没有回来。\n" * 20
    path = tmp_path / "a.txt"
    path.write_text(
        f"第一章 夜\n第一章 夜\n{story}（本章完）\n第二章 晨\n求月票\n{story}本书由某某网整理\n",
        encoding="utf-8",
    )
    book = read_book(path)
    assert [(c.title, c.text) for c in book.chapters] == [
        ("第一章 夜", story.rstrip()),
        ("第二章 晨", story.rstrip()),
    ]
    assert book.left_out == 3
