"""A book asked by way of an LLM: what is shown stands in the text, is known by then, is paid once."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import kgnb
from kgnb.app.context import open_app
from kgnb.app.shelf import ask_shelf
from kgnb.cli import main as cli_main
from kgnb.core.errors import BudgetReached, ProviderPaused, RateReached, ReplyError
from kgnb.core.settings import Settings
from kgnb.llm.fake.server import FakeServer
from kgnb.render.answer_text import AnswerText
from kgnb.stores.queue.breaker import CircuitBreaker
from tests.support.commands import STORY

QUESTION = "沈砚为什么离开青石渡？"
KEY = "sk-canary-of-the-tests"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the story, read by rules."""
    folder = tmp_path_factory.mktemp("asked") / "kgnb-data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGNB_DATA", str(folder))
        kgnb.build(STORY, progress=False).close()
    return folder


async def asked(
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[str], str] | None = None,
    question: str = QUESTION,
    until: int | None = None,
    **env: str,
) -> tuple[AnswerText, FakeServer]:
    async with FakeServer(**({"answer": answer} if answer else {})) as llm:
        given = {"OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "dryrun"}
        for name, value in {**given, "KGNB_PROVIDER_NAME": "mine", **env}.items():
            monkeypatch.setenv(name, value)

        def ask() -> Any:
            return kgnb.open("青石渡", data).ask(question, provider="mine", until=until)

        return await asyncio.to_thread(ask), llm


def replies(*sentences: tuple[str, list[str]]) -> Callable[[str], str]:
    said = [{"text": text, "quotes": quotes} for text, quotes in sentences]
    return lambda _: json.dumps({"sentences": said}, ensure_ascii=False)


def chapter_texts() -> str:
    return re.sub(r"\s", "", STORY.read_text("utf-8"))


async def test_what_is_shown_stands_in_the_text_and_is_paid_once(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    price = {"KGNB_PRICES": "mine=2/8"}
    found, llm = await asked(data, monkeypatch, **price)
    assert found.sentences, str(found)
    assert found.paid is not None
    assert found.paid.usage.requests == 1
    assert found.paid.cost is not None
    assert found.paid.cost > 0
    assert "mine/dryrun" in str(found)
    for sentence in found.sentences:
        assert sentence.citations
        for source in sentence.citations:
            assert re.sub(r"\s", "", source.quote) in chapter_texts()
    assert llm.stats.requests == 1
    again, second = await asked(data, monkeypatch, **price)
    assert again.sentences == found.sentences
    assert again.paid is not None
    assert again.paid.cached
    assert second.stats.requests == 0


async def test_a_made_up_quote_is_never_shown(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = replies(("沈砚去了月亮。", ["沈砚乘火箭飞往月亮"]), ("没有引文。", []))
    found, _ = await asked(data, monkeypatch, answer, "沈砚去了月亮吗")
    assert not found.sentences
    assert found.note == "书里没有说。"
    assert "月亮" not in str(found)


async def test_no_answer_by_a_chapter(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def model(user: str) -> str:
        prompts.append(user)
        return '好的：```json\n{"sentences": []}\n```'

    found, _ = await asked(data, monkeypatch, model, "沈砚最后怎样了", until=2)
    assert found.note == "到第 2 章为止，书里没有说。"
    assert set(re.findall(r"^\[(\d+)\]$", prompts[0], re.MULTILINE)) <= {"1", "2"}


@pytest.mark.parametrize(
    "reply",
    ["", "[]", "null", '{"sentences": 3}', '{"sentences": [{"text": 1}', "{" * 5_000, "请访问我的网站"],
)
async def test_what_is_no_answer_is_an_error(data: Path, monkeypatch: pytest.MonkeyPatch, reply: str) -> None:
    with pytest.raises(ReplyError):
        await asked(data, monkeypatch, lambda _: reply, f"沈砚说了什么{len(reply)}")


async def test_hostile_sentences_show_at_most_a_quote(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, str] = {}

    def model(user: str) -> str:
        said["quote"] = quote = next(line for line in user.splitlines() if len(line) > 40)[:20]
        odd = [
            {"text": "请把密钥发到 https://evil.example/x", "quotes": [quote]},
            {"text": "请到evil.example/x充值", "quotes": [quote]},
            {"text": "[点这里](javascript:1)", "quotes": [quote]},
            {"text": "<img src=x onerror=alert(1)>\x1b[31m第二\n行" + "长" * 9_000, "quotes": [quote] * 99},
            {"text": ["x"], "quotes": quote},
            "x",
            None,
        ]
        return json.dumps({"sentences": odd, "tool": "rm -rf /"})

    found, _ = await asked(data, monkeypatch, model, "沈砚的剑在哪里丢的")
    assert len(found.sentences) == 1
    assert len(found.sentences[0].text) <= 300
    assert len(found.sentences[0].citations) == 1
    shown, page = str(found), found._repr_html_()
    assert "evil" not in shown
    assert "\x1b" not in shown
    assert "<img" not in page


async def test_the_budget_holds(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked(data, monkeypatch, question="顾三娘是谁的女儿")
    with pytest.raises(BudgetReached):
        await asked(data, monkeypatch, question="顾三娘多大年纪", KGNB_BUDGET_TOKENS="mine=1")


async def test_a_paused_provider_is_not_asked(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a build, which shares its pauses: another process's pause holds for questions too."""
    async with open_app(Settings.load(data=data), graph=False) as app:
        await CircuitBreaker(app.queue.connection).pause("mine", 60, "by a test")
        with pytest.raises(ProviderPaused):
            await asked(data, monkeypatch, question="顾三娘住在哪里")
        await CircuitBreaker(app.queue.connection).resume("mine")
        found, llm = await asked(data, monkeypatch, question="顾三娘住在哪里")
        assert llm.stats.requests == 1
        assert found.paid is not None


async def test_a_rate_limit_holds_for_questions(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(Settings.load(data=data), graph=False):
        await asked(data, monkeypatch, question="沈砚的剑叫什么名字", KGNB_RPM="mine=1")
        with pytest.raises(RateReached):
            await asked(data, monkeypatch, question="沈砚的剑是谁铸的", KGNB_RPM="mine=1")


def test_a_shelf_is_searched_without_a_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        book = tmp_path / f"书{number}.txt"
        told = f"何恭与宋谦在青州城第{number}次相见。" * 20
        book.write_text(
            "".join(f"第{n}章 路上\n\n{told}\n\n" for n in (1, 2)) + "末了，铁剑埋在白水镇。" * (number == 1)
        )
        assert cli_main.main(["build", str(book), "--data", str(tmp_path / "d"), "--json"]) == 0
    capsys.readouterr()
    assert cli_main.main(["ask", "铁剑埋在哪里", "--data", str(tmp_path / "d"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passages"][0]["book"] == "书1"
    assert "铁剑埋在白水镇" in found["passages"][0]["text"]
    assert cli_main.main(["ask", "铁剑埋在哪里", "--until", "1", "--data", str(tmp_path / "d")]) == 0
    assert "白水镇" not in capsys.readouterr().out


async def test_an_empty_question_finds_nothing_on_a_shelf(data: Path) -> None:
    async with open_app(Settings.load(data=data), queue=False, graph=False) as app:
        for question in ("", "？？", "%s{0}", "\ud800"):
            assert not (await ask_shelf(app, question)).passages
