"""A server that answers as it is told, and a client that sums what its calls cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import SecretStr

from kgnb.core.model import Prompt, Provider, TaskConfig, Usage
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.client import Completion, LlmClient
from kgnb.llm.diagnosis import Diagnosis
from kgnb.llm.presets import Preset
from tests.support.patience import SLOWEST

CANARY = "sk-canary-7f3a91c2d4e5"


TEXT = "刘备与关羽在涿城相见，说道天下大势。张飞大笑。关羽和曹操同行。"


Answer = tuple[int, str, dict[str, str]] | bytes


class CountingClient(LlmClient):
    """A client that sums what its calls cost, including failed and cancelled ones.

    It is closed when the test ends, if it wasn't before (conftest.py).
    """

    unclosed: ClassVar[set[CountingClient]] = set()
    usage = Usage()

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.unclosed.add(self)

    async def close(self) -> None:
        self.unclosed.discard(self)
        await super().close()

    async def ask(self, prompt: Prompt, model: str, **more: Any) -> Completion:
        def spent(usage: Usage, _timeouts: int) -> None:
            self.usage += usage

        return await super().ask(prompt, model, spent=spent, **more)


def ask_for(text: str = TEXT) -> Prompt:
    return PromptBuilder("zh", [], TaskConfig()).prompt(text)


def client(
    url: str, *, name: str = "openai", timeout: float = 5 * SLOWEST, tries: int = 3, key: str = CANARY
) -> CountingClient:
    provider = Provider(name, url, SecretStr(key), ("dryrun",))
    return CountingClient(provider, timeout=timeout, tries=tries, connections=20)


def address(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


class Scripted:
    """A server that answers every chat request with what it is told, for what the dry run does not have.

    ``answers``: the last of them for ever; a function makes one of the request. ``models``: what it lists, by
    path.
    """

    def __init__(
        self,
        *answers: Answer | Callable[[dict[str, Any]], Answer],
        models: dict[str, list[str]] | None = None,
    ) -> None:
        self.answers = list(answers)
        self.models = models or {}
        self.seen: list[tuple[str, dict[str, str], dict]] = []
        self.listed = 0

    async def __aenter__(self) -> Scripted:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = address(self.server)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                answer: Any
                if first.startswith("GET"):
                    self.listed += 1
                    names = self.models.get(first.split()[1].partition("?")[0])
                    data = json.dumps({"data": [{"id": name} for name in names or []]})
                    answer = 404 if names is None else 200, data, {}
                else:
                    self.seen.append((first, headers, json.loads(body)))
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    answer = answer(self.seen[-1][2]) if callable(answer) else answer
                if isinstance(answer, bytes):
                    writer.write(answer)
                    break
                status, text, more = answer
                raw = text.encode()
                extra = "".join(
                    f"{k}: {v}\r\n" for k, v in {"content-type": "application/json", **more}.items()
                )
                writer.write(
                    f"HTTP/1.1 {status} x\r\n{extra}content-length: {len(raw)}\r\n\r\n".encode() + raw
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def completion(content: object = '{"characters": []}', finish: str | None = "stop", **message: object) -> str:
    message = {"role": "assistant", "content": content, **message}
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})


def error(code: object = None, message: str = "no", kind: object = None, param: object = None) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "code": code, "param": param}})


def google(message: str, **details: str) -> str:
    return json.dumps([{"error": {"code": 400, "message": message, "details": [{"@type": "x"}, details]}}])


def asked_of(preset: Preset, url: str = "", *, key: str = "k", **options: Any) -> CountingClient:
    """A client of the preset's provider, at another address."""
    at = preset.base_url or "http://127.0.0.1:9/v1"
    provider = Provider(preset.name, at, SecretStr(key), (), ProviderOptions(**options))
    made = CountingClient(provider, timeout=5 * SLOWEST, tries=1, connections=20)
    made.url = url or made.url
    made.diagnosis = Diagnosis(provider, made.url, made.list_models)
    return made
