"""Who asked the dry-run server for what, and whether it had to."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import sqlalchemy as sa

from kgnb.extract.prompt import SCHEMA_VERSION
from kgnb.llm.client import TEST_PROMPT
from kgnb.llm.fake.http import Request, Response, error_response
from kgnb.llm.fake.model import passage
from kgnb.stores.ledger.reply_cache import reply_key
from kgnb.worker.extractor import SPLIT, TRUNCATED
from tests.support.cluster import Cluster
from tests.support.commands import Llm

COMPLETE = ("ok", "broken")
"""Outcomes that hold a usable reply: "broken" can be mended."""
POISON = "504"
"""The outcome of every request for the poison chapter."""


def api_key(life: str, provider: str = "dryrun") -> str:
    """A key that names the node that uses it, and the provider that it is used at."""
    return f"sk-{life}/{provider}"


class Asked(NamedTuple):
    """One request: when (time.monotonic), for what, by which node at which provider, and the answer."""

    at: float
    prompt: str
    life: str
    provider: str
    twin: bool
    outcome: str
    known: str  # the prompt's hash in the record


@dataclass
class Again:
    """Complete answers to a prompt that had one, by what explains them."""

    killed: int = 0  # the earlier one went to a node that was killed
    moved: int = 0  # they were asked at two providers: in flight when the task changed its provider
    twins: int = 0  # two tasks of one novel wanted it at a time
    unforced: list[tuple[Asked, Asked]] = field(default_factory=list)

    @property
    def all(self) -> int:
        return self.killed + self.moved + self.twins + len(self.unforced)


class Witness:
    """Watches a dry-run server: notes each request's node (by its API key), and whether its reply was stored
    when it came. Answers 504 to every passage of the text ``poison``; ``twins`` is the text of the novel that
    two tasks work at."""

    def __init__(self, llm: Llm, cluster: Cluster, *, poison: str = "", twins: str = "") -> None:
        self.asked: list[Asked] = []
        self.stored_again: list[Asked] = []
        self.unsure: list[Asked] = []
        self._poison, self._twins = _bare(poison), _bare(twins)
        self._server = llm.server
        self._cluster = cluster
        self._respond = llm.server.respond
        llm.server.respond = self._witnessed  # type: ignore[method-assign]

    def _witnessed(self, request: Request) -> Response:
        if request.method != "POST":
            return self._respond(request)
        said = {m["role"]: m["content"] for m in json.loads(request.body)["messages"]}
        prompt = _sha256(said.get("system", ""), said["user"])
        known = _sha256(SCHEMA_VERSION, said.get("system", ""), said["user"])  # as the record has it
        text, stats = _bare(passage(said["user"])), self._server.stats
        life, _, provider = request.headers["authorization"].removeprefix("Bearer sk-").partition("/")
        stored = self._is_stored(known, provider) if stats.answered[prompt] else False
        before = stats.outcomes.copy()
        response = self._refuse(prompt) if text in self._poison else self._respond(request)
        outcome = next(iter(stats.outcomes - before))
        one = Asked(time.monotonic(), prompt, life, provider, text in self._twins, outcome, known)
        self.asked.append(one)
        if stored is None:
            self.unsure.append(one)
        elif stored:
            self.stored_again.append(one)
        return response

    def _refuse(self, prompt: str) -> Response:
        stats = self._server.stats
        stats.requests += 1
        stats.prompts[prompt] += 1
        stats.outcomes[POISON] += 1
        return error_response(504, "timeout", "the model took too long")

    def _is_stored(self, prompt: str, provider: str) -> bool | None:
        """In the cache, or in a chapter's row, whoever answered that. None: SQL is down, where nothing can be
        stored meanwhile but may have been before."""
        key, number = reply_key(provider, "dryrun", prompt), self._cluster.number
        try:
            return (
                number("SELECT count(*) FROM kgnb_replies WHERE id = :key", key=key)
                + number("SELECT count(*) FROM kgnb_extractions WHERE prompt_hash = :prompt", prompt=prompt)
                > 0
            )
        except sa.exc.OperationalError:
            return None

    def is_blind(self) -> bool:
        """Whether the record has another hash of each prompt, so that nothing would ever count as stored."""
        found = {known for (known,) in self._cluster.sql("SELECT prompt_hash FROM kgnb_extractions")}
        return found.isdisjoint(one.known for one in self.asked)

    def of_poison(self) -> set[str]:
        """The prompts that were answered by 504."""
        return {one.prompt for one in self.asked if one.outcome == POISON}

    def tests(self) -> int:
        """How often it was tested whether the provider answers at all."""
        return self._server.stats.prompts[TEST]

    def strange(self, expected: set[str]) -> set[str]:
        """Prompts for a book's text that aren't among the expected ones, nor the poison's."""
        return set(self._server.stats.prompts) - expected - self.of_poison() - {TEST}

    def splits(self) -> int:
        """Chunks that were split, the poison's not counted."""
        words = {"a": SPLIT, "b": TRUNCATED}
        found = {
            key
            for (key,) in self._cluster.sql("SELECT id FROM kgnb_replies WHERE reply IN (:a, :b)", **words)
        }
        poison = {reply_key(one.provider, "dryrun", one.known) for one in self.asked if one.outcome == POISON}
        return len(found - poison)

    def again(self, killed: dict[str, float]) -> Again:
        """Answers that a prompt got after a complete one; ``killed``: life → when."""
        answers: dict[str, list[Asked]] = defaultdict(list)
        for one in self.asked:
            if one.outcome in COMPLETE and one.prompt != TEST:
                answers[one.prompt].append(one)
        found = Again()
        for first, later in (pair for every in answers.values() for pair in pairwise(every)):
            if killed.get(first.life, float("inf")) <= later.at:
                found.killed += 1
            elif first.provider != later.provider:
                found.moved += 1
            elif first.twin:
                found.twins += 1
            else:
                found.unforced.append((first, later))
        return found


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


TEST = _sha256(TEST_PROMPT.system, TEST_PROMPT.user)
"""The request that shows whether a provider answers at all."""


def _bare(text: str) -> str:
    return "".join(text.split())
