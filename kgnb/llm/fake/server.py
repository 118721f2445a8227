"""Fake LLM server for dry runs and tests: OpenAI-compatible.

``python -m kgnb.llm.dryrun`` prints its base_url and serves until it is stopped. Latency and faults can be
set; a fault depends on prompt, attempt and seed only, so that runs are repeatable and a repeated prompt
succeeds in the end. ``GET /stats`` returns what was asked. Fast enough never to be the bottleneck.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from aiohttp import web

from kgnb.core.event_loop import new_loop
from kgnb.core.messages import say
from kgnb.llm.fake import model as fake_model
from kgnb.llm.fake.chat import ChatRequest, apply_fault, completion, models_body, usage_body
from kgnb.llm.fake.http import MAX_REQUEST, Request, Response, carry, error_response, json_response

SMALL_CONTEXT = 1_000
"""Characters that the model ``dryrun-small-context`` accepts."""

MODEL = "dryrun"
"""The model that it lists."""
FAULTY_MODELS = (
    "dryrun-no-json",  # rejects response_format
    "dryrun-json-schema",  # accepts response_format only as json_schema
    "dryrun-no-temperature",  # rejects temperature
    "dryrun-refuse-all",  # moderation
    "dryrun-no-quota",  # 429 with insufficient_quota
    "dryrun-small-context",  # context_length_exceeded beyond SMALL_CONTEXT characters
    "dryrun-cut-all",  # every reply ends at its output limit
)


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities (0-1) of faults, for each attempt of a prompt."""

    rate_429: float = 0.0  # with Retry-After
    rate_500: float = 0.0
    hang: float = 0.0  # no answer at all
    drop: float = 0.0  # the connection is closed in mid-answer
    broken: float = 0.0  # JSON that can be repaired
    cut: float = 0.0  # truncated, but with finish_reason stop
    truncated: float = 0.0  # truncated with finish_reason length
    prose: float = 0.0  # no JSON at all
    fenced: float = 0.0  # a complete reply in a markdown fence with words around it
    refused: float = 0.0  # finish_reason content_filter

    def of(self, prompt: str, attempt: int, seed: int) -> str:
        """Return the fault of this attempt at a prompt, or "ok"; the same for the same arguments."""
        digest = hashlib.blake2b(f"{prompt}:{attempt}:{seed}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(digest) / 2**64
        for fault in _FAULTS:
            drawn -= getattr(self, fault)
            if drawn < 0:
                return fault
        return "ok"


_FAULTS = tuple(f.name for f in fields(Faults))
_COMPLETE = frozenset({"ok", "fenced", "broken"})


@dataclass(slots=True)
class ServerStats:
    """Counts of requests."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)  # by the sha256 of system and user message
    answered: Counter[str] = field(default_factory=Counter)  # prompts with a complete, usable reply
    in_flight: int = 0
    most_in_flight: int = 0
    connections: int = 0
    first: float = 0.0  # epoch seconds of the first and the latest request, and of the latest answer
    latest: float = 0.0
    answered_at: float = 0.0

    @property
    def answered_twice(self) -> list[str]:
        """Hashes of the prompts that got a complete reply more than once: the client paid twice."""
        return [prompt for prompt, times in self.answered.items() if times > 1]

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON-ready values, for ``GET /stats``."""
        told: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return told | {"distinct": len(self.prompts), "answered_twice": self.answered_twice}


@dataclass(eq=False, kw_only=True)
class FakeServer:
    """The server, in this process: ``async with FakeServer(latency=0.3) as llm: … llm.base_url``."""

    host: str = "127.0.0.1"
    port: int = 0
    latency: float = 0.0  # seconds before each response
    faults: Faults = Faults()
    seed: int = 0
    key: str = field(default="", repr=False)  # other keys get a 401
    retry_after: float = 1.0  # seconds that a 429 asks for
    prompt_cache: bool = False  # a repeated system message counts as cached tokens
    answer: Callable[[str], str] = fake_model.answer  # the model, from passage to reply
    stats: ServerStats = field(default_factory=ServerStats, init=False)
    _runner: web.AppRunner | None = field(default=None, init=False)
    _peers: set[object] = field(default_factory=set, init=False)
    _systems: set[str] = field(default_factory=set, init=False)

    async def start(self) -> Self:
        """Listen on the port, for 0 on a free one, and return this server with ``host`` and ``port`` set."""
        app = web.Application(client_max_size=MAX_REQUEST)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, self.host, self.port, backlog=1024).start()
        self.host, self.port = runner.addresses[0][:2]
        self._runner = runner
        return self

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def root_url(self) -> str:
        """Address without a path: the start of /stats."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Address for OpenAI-compatible clients, ending in /v1."""
        return f"{self.root_url}/v1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Return the response to a request, counted, after the server's latency."""
        stats = self.stats
        if request.transport is not None:
            self._peers.add(request.transport.get_extra_info("peername"))
        stats.connections = len(self._peers)
        stats.in_flight += 1
        stats.most_in_flight = max(stats.most_in_flight, stats.in_flight)
        try:
            return await carry(request, self.respond, lambda: self.latency)
        finally:
            self.stats.in_flight -= 1
            self.stats.answered_at = time.time()

    # --- what is answered

    def respond(self, request: Request) -> Response:
        """Return the response to one request: statistics, the list of models or a completion; 401 for a wrong
        key, 404 for another path.
        """
        path = request.path.rstrip("/")
        if request.method == "GET" and path == "/stats":
            return json_response(200, self.stats.as_json())
        if request.method == "DELETE" and path == "/stats":
            self.stats = ServerStats(in_flight=self.stats.in_flight)
            return json_response(200, {})
        if not self._admitted(request):
            self.stats.outcomes["401"] += 1
            return error_response(401, "invalid_api_key", "wrong key")
        if request.method == "GET" and path == "/v1/models":
            return json_response(200, models_body([MODEL]))
        if request.method == "POST" and path == "/v1/chat/completions":
            return self._chat(request.body)
        return error_response(404, "not_found", f"no such path: {path}")

    def _admitted(self, request: Request) -> bool:
        """Return whether the request has the server's key, or the server has none."""
        given = request.headers.get("authorization", "")[7:]
        return not self.key or hmac.compare_digest(given.encode(), self.key.encode())

    def _chat(self, body: bytes) -> Response:
        """Return the response to a chat request, counted; 400 for a malformed one."""
        asked = ChatRequest.read(body)
        if asked is None:
            return error_response(400, "invalid_request_error", "not a chat request")
        stats, now = self.stats, time.time()
        stats.requests += 1
        stats.first, stats.latest = stats.first or now, now
        attempt = stats.prompts[asked.hash]
        stats.prompts[asked.hash] += 1
        outcome, response = self._refusal(asked) or ("", None)
        if response is None:
            outcome = _MODEL_FAULTS.get(asked.model) or self.faults.of(asked.hash, attempt, self.seed)
            response = self.respond_with(outcome, asked)
        stats.outcomes[outcome] += 1
        if outcome in _COMPLETE:
            stats.answered[asked.hash] += 1
        return response

    def _refusal(self, asked: ChatRequest) -> tuple[str, Response] | None:
        """Return (name in the counts, response) of the error that the model's name stands for; None for a
        model that answers.
        """
        model = asked.model
        if model not in (MODEL, *FAULTY_MODELS):
            return "404", error_response(404, "model_not_found", f"no model {model}")
        if wrong := asked.unsupported:
            return "400", error_response(400, "unsupported_value", f"no {wrong}", param=wrong)
        if model == "dryrun-no-quota":
            return "quota", error_response(429, "insufficient_quota", "no quota left")
        if model == "dryrun-small-context" and len(asked.text) > SMALL_CONTEXT:
            return "context", error_response(400, "context_length_exceeded", "too long")
        return None

    def respond_with(self, outcome: str, asked: ChatRequest) -> Response:
        """Return the response to ``asked`` that has the given outcome: a fault, or "ok"."""
        if outcome == "rate_429":
            wait = {"Retry-After": f"{self.retry_after:g}"}
            return error_response(429, "rate_limit_exceeded", "slow down")._replace(extra=wait)
        if outcome == "rate_500":
            return error_response(500, "server_error", "try again")
        if outcome == "hang":
            return Response(0, b"")
        text = apply_fault(outcome, self.answer(asked.text))
        keeps_limit = self.answer is fake_model.answer  # a test's own model may be a hostile one
        if keeps_limit and asked.most_tokens is not None and len(text) // 2 > asked.most_tokens:
            text, outcome = text[: 2 * asked.most_tokens], "truncated"
        usage = usage_body(asked, made=len(text) // 2, cached=self._cached(asked.system))
        status = -200 if outcome == "drop" else 200
        return json_response(status, completion(text, outcome, asked, usage))

    def _cached(self, system: str) -> int:
        """Return how many prompt tokens a provider's cache would hold: half the characters of a system
        message that was sent before, else 0.
        """
        if not self.prompt_cache:
            return 0
        known = system in self._systems
        self._systems.add(system)
        return len(system) // 2 if known else 0


_MODEL_FAULTS = {"dryrun-refuse-all": "refused", "dryrun-cut-all": "truncated"}


# --- the command --------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m kgnb.llm.dryrun`` until it is interrupted; return the exit code: 0, or 2 if the port is
    taken.
    """
    given = _parser().parse_args(arguments)
    options = vars(given)
    faults = Faults(**{name: options.pop(name) for name in _FAULTS})
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(FakeServer(faults=faults, **options)))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        print(say("dryrun.port", host=given.host, port=given.port, reason=error.strerror), file=sys.stderr)
        return 2
    return 0


async def _serve(server: FakeServer) -> None:
    async with server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m kgnb.llm.dryrun``."""
    command = argparse.ArgumentParser(
        prog="python -m kgnb.llm.dryrun",
        description=say("dryrun.what"),
        formatter_class=_Help,
        add_help=False,
    )
    parser = command.add_argument_group(say("cli.title_options"))
    parser.add_argument("-h", "--help", action="help", help=say("cli.help_help"))
    parser.add_argument("--host", default="127.0.0.1", help=say("dryrun.host_help"))
    parser.add_argument("--port", type=int, default=0, help=say("dryrun.port_help"))
    parser.add_argument("--latency", type=float, default=0.3, help=say("dryrun.latency"))
    parser.add_argument("--retry-after", type=float, default=1.0, help=say("dryrun.retry_after"))
    parser.add_argument("--seed", type=int, default=0, help=say("dryrun.seed"))
    parser.add_argument("--key", default="", help=say("dryrun.key"))
    parser.add_argument("--prompt-cache", action="store_true", help=say("dryrun.prompt_cache"))
    for name in _FAULTS:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=0.0, help=say("dryrun.share", fault=name)
        )
    return command


class _Help(argparse.HelpFormatter):
    def add_usage(self, usage: Any, actions: Any, groups: Any, _prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, say("cli.usage"))
