"""What a chapter's answer says of how its replies came about, and when nothing is asked any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kgnb.core.errors import LeaseLost, ReplyRefused, ReplyTruncated, RequestUnanswered, ServiceDown
from kgnb.core.model import Novel, Provider, Task, TaskConfig, TaskStatus, Usage
from kgnb.extract import rules
from kgnb.extract.model import Extraction, Flag, NameEntry
from kgnb.llm.client import Completion, LlmClient
from kgnb.llm.fake.server import FakeServer, Faults
from kgnb.stores.ledger.database import Database
from kgnb.stores.ledger.reply_cache import ReplyCache
from kgnb.stores.queue.lease_renewer import Lease
from kgnb.worker.extractor import ChapterAnswer, ChapterExtractor, TaskInfo
from kgnb.worker.outages import Outages
from tests.support.ledgers import database_at
from tests.support.patience import SLOWEST
from tests.support.throttles import asking

Model = Callable[[str], str]
LINES = ["刘备与关羽同行，往涿县去了一遭。", "张飞在城外饮酒，三人相见大喜。", "曹操领兵到了徐州城下扎营。"]
UNLEASED = Lease(lambda: True, lambda: False)
TEXT = "\n".join(line * 14 for line in LINES)


def told(text: str) -> str:
    """A reply about whoever stands in the text, with a quote from it."""
    people = [name for name in ("刘备", "关羽", "张飞", "曹操") if name in text]
    ties = [{"source": a, "target": b, "evidence": text[:8]} for a, b in pairwise(people)]
    return json.dumps({"characters": [{"name": name} for name in people], "relations": ties})


class Gate:
    """The LLM's side: a model, asked about the prompt's passage; counts what it was asked."""

    def __init__(self, model: Model) -> None:
        self.model, self.asked = model, 0
        self.hashes: list[str] = []
        self.user = ""

    @contextlib.asynccontextmanager
    async def request_slot(self, *_: object) -> AsyncIterator[None]:
        yield

    async def complete(self, _client: object, prompt: Any, _model: str, **_: object) -> Completion:
        self.asked += 1
        self.hashes.append(prompt.hash)
        self.user = prompt.user
        passage = prompt.user.partition(">\n")[2].rpartition("\n<")[0]
        return Completion(self.model(passage), Usage(1, 10, 10))


class Providers:
    def find(self, _: str) -> None:
        return None

    def client(self, _: Provider) -> None:
        return None


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[Database]:
    one = database_at(f"sqlite:///{tmp_path / 'kgnb.db'}")
    await one.prepare()
    yield one
    await one.close()


INFO = TaskInfo(
    Task(7, 1, "", TaskStatus.RUNNING, True, None),
    Novel(1, "三国演义"),
    "zh",
    (),
    TaskConfig(max_content_length=250),
    Provider("llm", "http://127.0.0.1:9/v1"),
    "m",
    chars=1_000_000,
)


def extractor(
    sql: Database, throttle: Any, providers: object = None, outages: Outages | None = None
) -> ChapterExtractor:
    parts = cast("Any", (ReplyCache(sql), providers or Providers(), throttle, None, outages or Outages()))
    return ChapterExtractor(*parts, chunk_chars=200)


async def extract(
    extractor: ChapterExtractor,
    text: str,
    info: TaskInfo,
    lease: Lease = UNLEASED,
    *,
    chapter_id: int = 1,
    taken_over: bool = False,
    last_try: bool = False,
    on_stored: Callable[[float], None] = lambda _: None,
) -> ChapterAnswer:
    how = {"chapter_id": chapter_id, "taken_over": taken_over, "last_try": last_try}
    return await extractor.extract(text, info, lease, **how, on_stored=on_stored)


def refused(text: str) -> str:
    if "张飞" in text:
        raise ReplyRefused("provider.refused", provider="llm")
    return told(text)


def cut_off(text: str) -> str:
    if len(text) > 400:
        raise ReplyTruncated("provider.truncated", provider="llm")
    return told(text)


async def test_an_answer_names_the_prompt_that_it_is_to(sql: Database) -> None:
    gate = Gate(told)
    assert (await extract(extractor(sql, gate), LINES[0], INFO)).prompt_hash == gate.hashes[0]
    several = (await extract(extractor(sql, gate), TEXT, INFO)).prompt_hash
    assert len(several) == 64
    assert several not in gate.hashes


async def test_a_whole_chapter_has_no_flag(sql: Database) -> None:
    answer = await extract(extractor(sql, Gate(told)), TEXT, INFO)
    assert [c.name for c in answer.extraction.characters] == ["刘备", "关羽", "张飞", "曹操"]
    assert answer.flags == frozenset()
    assert answer.extraction.absent == []
    assert not any(relation.unverified for relation in answer.extraction.relations)


async def test_a_refused_part_is_left_out_only_when_there_is_no_more_trying(sql: Database) -> None:
    throttle = Gate(refused)
    with pytest.raises(ReplyRefused):
        await extract(extractor(sql, throttle), TEXT, INFO)
    answer = await extract(extractor(sql, throttle), TEXT, INFO, last_try=True)
    assert [c.name for c in answer.extraction.characters] == ["刘备", "关羽", "曹操"]
    assert answer.flags == {Flag.REFUSED}
    with pytest.raises(ReplyRefused):  # nothing is left
        await extract(extractor(sql, throttle), LINES[1] * 3, INFO, last_try=True)


async def test_a_later_try_counts_what_earlier_ones_paid_for_its_chapter(sql: Database) -> None:
    throttle = Gate(refused)
    with pytest.raises(ReplyRefused):
        await extract(extractor(sql, throttle), TEXT, INFO)
    assert throttle.asked == 2  # the first passage was answered
    throttle.model = told
    answer = await extract(extractor(sql, throttle), TEXT, INFO)
    assert answer.usage.requests == throttle.asked - 1  # all but the refused one
    same = Gate(told)
    twice = await extract(extractor(sql, same), "\n".join([LINES[2] * 13] * 3) + "\n", INFO)
    assert same.asked == 1
    assert twice.usage.requests == same.asked  # a passage that comes twice was paid for once
    other_task = replace(INFO, task=replace(INFO.task, id=INFO.task.id + 1))
    assert (await extract(extractor(sql, throttle), TEXT, other_task)).usage == Usage()
    assert (await extract(extractor(sql, throttle), TEXT, INFO, chapter_id=2)).usage == Usage()


async def test_cut_off_replies_are_told_also_by_who_comes_later(sql: Database) -> None:
    throttle = Gate(cut_off)
    info = replace(INFO, config=TaskConfig(max_content_length=900))
    answer = await extract(extractor(sql, throttle), TEXT, info)
    asked = throttle.asked
    again = await extract(extractor(sql, throttle), TEXT, info)
    assert answer.flags == again.flags == {Flag.SPLIT, Flag.TRUNCATED}
    assert again.extraction == answer.extraction
    assert throttle.asked == asked


async def test_the_whole_items_of_a_cut_off_reply_count_where_nothing_is_left_to_split(sql: Database) -> None:
    async with FakeServer(faults=Faults(truncated=1.0)) as llm:
        client = LlmClient(Provider("llm", llm.base_url), timeout=5 * SLOWEST, tries=1, connections=1)
        throttle = cast("Any", Gate(told))
        throttle.complete = lambda _, prompt, model, **more: client.ask(prompt, "dryrun")
        answer, again = [await extract(extractor(sql, throttle), "".join(LINES), INFO) for _ in range(2)]
        await client.close()
    assert "刘备" in {c.name for c in answer.extraction.characters}
    assert again.extraction == answer.extraction
    assert answer.flags == again.flags >= {Flag.TRUNCATED, Flag.PARTIAL}
    assert Flag.SPLIT not in answer.flags
    assert answer.usage.requests == llm.stats.requests == 1  # the same prompt would be cut off again
    assert again.usage == Usage()


async def test_a_request_that_is_never_answered_is_asked_in_halves(sql: Database) -> None:
    def slow(text: str) -> str:
        if len(text) > 400:
            raise RequestUnanswered("provider.unanswered", provider="llm", reason="504")
        return told(text)

    throttle = Gate(slow)
    info = replace(INFO, config=TaskConfig(max_content_length=900))
    answer = await extract(extractor(sql, throttle), TEXT, info)
    assert [c.name for c in answer.extraction.characters] == ["刘备", "关羽", "张飞", "曹操"]
    assert (answer.flags, throttle.asked) == ({Flag.SPLIT}, 3)
    await extract(extractor(sql, throttle), TEXT, info)
    assert throttle.asked == 3


async def test_a_chunk_that_gave_nothing_is_told(sql: Database) -> None:
    answer = await extract(extractor(sql, Gate(lambda _: '{"characters": []}')), TEXT, INFO)
    assert answer.flags == {Flag.EMPTY}
    some = Gate(lambda text: told(text) if "张飞" in text else '{"events": []}')
    part = await extract(extractor(sql, some), TEXT.replace("相", "又相").replace("了", ""), INFO)
    assert part.flags == {Flag.EMPTY}
    assert part.extraction.characters


async def test_quotes_and_names_are_looked_up_in_the_whole_chapter(sql: Database) -> None:
    def dreamt(text: str) -> str:
        names = ["刘备", "曹操", "哈利·波特"]
        ties = [{"source": "刘备", "target": "曹操", "evidence": "城外饮酒，三人相见"}]
        lies = [{"source": "刘备", "target": "关羽", "evidence": "二人拔剑相斗"}]
        return json.dumps({"characters": [{"name": n} for n in names], "relations": ties + lies})

    answer = await extract(extractor(sql, Gate(dreamt)), TEXT, INFO)
    assert answer.extraction.absent == ["哈利·波特"]
    assert [r.unverified for r in answer.extraction.relations] == [False, True]
    assert answer.flags == {Flag.UNVERIFIED}


# --- leases


LOST = Lease(lambda: False, lambda: True)


@pytest.mark.parametrize("model", [told, lambda _: "no JSON"], ids=["next part", "same part again"])
async def test_nothing_more_is_asked_once_the_lease_is_lost(sql: Database, model: Model) -> None:
    throttle = Gate(model)
    with pytest.raises(LeaseLost):
        await extract(
            extractor(sql, throttle),
            TEXT,
            INFO,
            Lease(lambda: not throttle.asked, lambda: bool(throttle.asked)),
        )
    assert throttle.asked == 1


class SlotBehind(Gate):
    """A request slot that is free only when another one, which works at the same chapter, has its answer."""

    def __init__(self, former: ChapterExtractor, text: str) -> None:
        super().__init__(told)
        self._former, self._text = former, text

    @contextlib.asynccontextmanager
    async def request_slot(self, *_: object) -> AsyncIterator[None]:
        await extract(self._former, self._text, INFO)
        yield


@pytest.mark.parametrize("taken_over", [True, False])
async def test_what_a_former_holder_stored_during_the_wait_for_a_slot_isnt_asked_again(
    sql: Database, taken_over: bool
) -> None:
    former = Gate(told)
    behind = SlotBehind(extractor(sql, former), LINES[0])
    answer = await extract(extractor(sql, behind), LINES[0], INFO, taken_over=taken_over)
    assert (former.asked, behind.asked) == (1, not taken_over)  # nobody is at work at what was handed back
    assert [c.name for c in answer.extraction.characters] == ["刘备", "关羽"]


async def test_what_a_former_holder_found_too_long_during_the_wait_for_a_slot_is_split(sql: Database) -> None:
    chunk = LINES[0] * 7 + LINES[1] * 7
    former = Gate(lambda text: told(text) if len(text) < len(chunk) else "no JSON")
    behind = SlotBehind(extractor(sql, former), chunk)
    answer = await extract(extractor(sql, behind), chunk, INFO, taken_over=True)
    assert (former.asked, behind.asked) == (4, 0)
    assert Flag.SPLIT in answer.flags


async def test_only_what_was_paid_for_now_is_progress(sql: Database) -> None:
    told_after: list[int] = []
    throttle = Gate(told)
    lease = Lease(lambda: True, lambda: False, lambda: told_after.append(throttle.asked))
    for _ in range(2):
        await extract(extractor(sql, throttle), TEXT, INFO, lease)
    assert told_after == [1, 2, 3]


async def test_nothing_is_asked_while_nobody_knows_whether_the_lease_lives(
    sql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kgnb.worker.extractor.OUTAGE_POLL_SECONDS", 0)
    throttle, asked = Gate(told), []

    def lives() -> bool:
        asked.append(throttle.asked)
        return len(asked) > 3

    answer = await extract(extractor(sql, throttle), TEXT, INFO, Lease(lives, lambda: False))
    assert asked[:4] == [0] * 4
    assert answer.flags == frozenset()


async def test_a_lease_that_is_lost_in_an_outage_of_redis_ends_the_wait_to_ask(sql: Database) -> None:
    throttle, outages = Gate(told), Outages()
    outages.report_down(ServiceDown("queue.down", service="redis", where="there"))
    with pytest.raises(LeaseLost):
        await extract(
            extractor(sql, throttle, outages=outages), TEXT, INFO, Lease(lambda: True, lambda: True)
        )
    assert throttle.asked == 0


async def test_a_lease_that_is_lost_in_an_outage_of_sql_ends_the_look_into_the_cache() -> None:
    throttle, nowhere = Gate(told), database_at("mysql://u:p@127.0.0.1:9/x")
    async with asyncio.timeout(20 * SLOWEST):
        with pytest.raises(LeaseLost):
            await extract(extractor(nowhere, throttle), TEXT, INFO, LOST)
    await nowhere.close()
    assert throttle.asked == 0


async def test_a_lease_that_is_lost_while_a_limit_is_out_of_reach_ends_the_wait_for_a_place(
    sql: Database,
) -> None:
    async with asking("redis://127.0.0.1:9/0", rpm="60") as node:
        providers = SimpleNamespace(find=lambda _: None, client=lambda _: node.client)
        lease = Lease(lambda: True, lambda: node.outages.is_down("redis"))
        async with asyncio.timeout(60 * SLOWEST):
            with pytest.raises(LeaseLost):
                await extract(extractor(sql, node.throttle, providers, node.outages), TEXT, INFO, lease)


class Wire:
    """A pool's one process: what it is sent arrives pickled."""

    def __init__(self) -> None:
        self.names: list[object] = []

    async def run_short(self, function: Callable[..., object], *args: object, **kwargs: Any) -> object:
        arrived = pickle.loads(pickle.dumps(kwargs))
        self.names.append(arrived["names"])
        return function(*args, **arrived)


async def test_the_rules_process_is_sent_a_books_names_with_each_chapter_but_reads_them_once(
    sql: Database,
) -> None:
    wire, names = Wire(), [NameEntry("刘备", mentions=3), NameEntry("关羽", mentions=2)]
    info = replace(INFO, provider=Provider("rules"), names=names)
    chapters = ChapterExtractor(*cast("Any", (None, None, None, wire, Outages(), 200)))
    for _ in range(2):
        answer = await extract(chapters, TEXT, info)
        assert answer.extraction == rules.extract(TEXT, lang="zh", names=names)
    first, second = wire.names
    assert first is second
    assert first == tuple(names)


@pytest.mark.parametrize("tells", [True, False])
async def test_a_reply_s_words_for_who_tells_mean_whom_the_names_have(sql: Database, tells: bool) -> None:
    def answer(passage: str) -> str:
        name = "我" if "码头" in passage else "叙述者"
        people = [{"name": name}, {"name": "许文澜"}]
        ties = [{"source": name, "target": "许文澜", "type": "FRIEND", "evidence": passage[:12]}]
        return json.dumps({"characters": people, "relations": ties})

    names = (NameEntry("向晚舟", ("晚舟",), mentions=9, narrator=tells), NameEntry("许文澜", mentions=9))
    text = "\n".join(
        line * 9 for line in ("我看见许文澜在码头上等我，我没有说话。", "我和许文澜走回家，我什么也没有问。")
    )
    found = (await extract(extractor(sql, Gate(answer)), text, replace(INFO, names=names))).extraction
    ends = {r.source for r in found.relations}
    assert (
        ends == {c.name for c in found.characters} - {"许文澜"} == ({"向晚舟"} if tells else {"我", "叙述者"})
    )
    assert ("向晚舟" in found.absent) is False


async def test_a_chapter_whose_title_is_another_s_name_is_not_told_by_who_tells_the_book(
    sql: Database,
) -> None:
    names = (NameEntry("向晚舟", mentions=9, narrator=True), NameEntry("许文澜", mentions=9))
    gate = Gate(lambda _: json.dumps({"characters": [{"name": "我"}]}))
    info, text = replace(INFO, names=names), "我走回家，我没有说话，我等着，我什么也没有问，我睡了。" * 3
    for title, teller in (("第一章 许文澜", "许文澜"), ("第一章 回家", "向晚舟")):
        how = {"chapter_id": 1, "title": title, "taken_over": False, "last_try": False}
        found = await extractor(sql, gate).extract(text, info, UNLEASED, **how, on_stored=lambda _: None)
        assert [c.name for c in found.extraction.characters] == [teller]
        assert f"：{teller}=我" in gate.user


# --- a second reader


class InProcess:
    """The pool, in this process."""

    async def run_short(self, work: Any, *args: Any, **more: Any) -> Any:
        return work(*args, **more)


PEOPLE = tuple(NameEntry(name, kind="Character", mentions=9) for name in ("刘备", "关羽", "张飞", "曹操"))
STORY = "刘备与关羽同行，往涿县去了一遭。\n张飞在城外饮酒。\n刘备和关羽见了曹操。刘备的弟弟张飞来了。\n"
SMALL = replace(INFO, names=PEOPLE, provider=Provider("local", "http://127.0.0.1:9/v1"))


def reading(sql: Database, gate: Any, *, assist: bool) -> ChapterExtractor:
    chapters = extractor(sql, gate)
    chapters.pool, chapters.assist = cast("Any", InProcess()), assist
    return chapters


def forms(found: Extraction) -> dict[str, list[str]]:
    return {one.name: one.aliases for one in found.characters}


def invented(_: str) -> str:
    people = [{"name": "刘备", "aliases": ["曹操"]}, {"name": "孙悟空"}]
    ties = [{"source": "刘备", "target": "曹操", "type": "ENEMY", "evidence": "二人拔剑相斗"}]
    return json.dumps({"characters": people, "relations": ties})


async def test_a_local_reply_that_disagrees_with_its_text_leaves_the_rules_finding(sql: Database) -> None:
    found = rules.extract(STORY, lang="zh", names=PEOPLE)
    answer = await extract(reading(sql, Gate(invented), assist=False), STORY, SMALL)
    assert forms(answer.extraction) == forms(found)
    assert answer.extraction.relations == found.relations
    assert answer.flags == {Flag.UNVERIFIED}
    whole = await extract(reading(sql, Gate(told), assist=False), TEXT, SMALL)
    alone = await extract(extractor(sql, Gate(told)), TEXT, replace(INFO, names=PEOPLE))
    assert whole.extraction == alone.extraction


async def test_an_assistant_is_asked_only_what_the_rules_are_unsure_of(sql: Database) -> None:
    def knows(text: str) -> str:
        tie = {"source": "刘备", "target": "关羽", "type": "FRIEND", "evidence": "刘备与关羽同行"}
        return json.dumps({"characters": [{"name": "关羽", "traits": ["忠义"]}], "relations": [tie]})

    gate = Gate(knows)
    answer = await extract(reading(sql, gate, assist=True), STORY, INFO_OF_PEOPLE)
    assert "张飞在城外饮酒" not in gate.user
    found = rules.extract(STORY, lang="zh", names=PEOPLE)
    assert {c.name for c in answer.extraction.characters} == {c.name for c in found.characters}
    added = [r for r in answer.extraction.relations if r not in found.relations]
    assert [(r.source, r.target, r.type) for r in added] == [("刘备", "关羽", "FRIEND")]
    assert next(c for c in answer.extraction.characters if c.name == "关羽").traits == ["忠义"]


async def test_an_assistant_without_a_usable_reply_leaves_the_rules_finding(sql: Database) -> None:
    answer = await extract(reading(sql, Gate(lambda _: "no JSON"), assist=True), STORY, INFO_OF_PEOPLE)
    assert answer.extraction == rules.extract(STORY, lang="zh", names=PEOPLE)
    assert answer.flags == {Flag.PARTIAL}
    sure = Gate(told)
    await extract(reading(sql, sure, assist=True), "张飞在城外饮酒。\n", INFO_OF_PEOPLE)
    assert not sure.asked


INFO_OF_PEOPLE = replace(INFO, names=PEOPLE)
