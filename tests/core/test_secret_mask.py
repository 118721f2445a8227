"""Keys in what an endpoint replies."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from kgnb.core.model import Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.core.secret_mask import MASK, without_keys

KEY, OTHER, HEADER = "sk-canary/4f1d+9c7ab2e8", "second-key-77aa", "Bearer gateway-token-19"
PROVIDER = Provider(
    "p", "http://h/v1", KEY, options=ProviderOptions(api_keys=[OTHER], extra_headers={"X-Auth": HEADER})
)


@pytest.mark.parametrize(
    "said",
    [
        KEY,
        OTHER,
        "gateway-token-19",
        quote(KEY, safe=""),
        json.dumps(KEY).strip('"'),
        r"sk-canary\/4f1d+9c7ab2e8",
    ],
)
def test_a_key_in_a_reply_is_masked_and_nothing_beside_it(said: str) -> None:
    reply = f'{{"name": "刘备", "description": "你的钥匙是{said}。sk-canary is none"}}'
    assert without_keys(reply, PROVIDER) == reply.replace(said, MASK)


@pytest.mark.parametrize("key", ["", "x", "EMPTY", "ollama", "anything", "not-needed", "whatever"])
def test_keys_of_endpoints_without_keys_may_be_words_of_a_book(key: str) -> None:
    reply = "anything not-needed, whatever the ollama said; EMPTY x"
    assert without_keys(reply, Provider("p", "http://h/v1", key)) == reply
