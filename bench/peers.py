"""Other programs on the same chapters and the same LLM server: wall over the ideal, nothing stored.

    python bench/peers.py [--chapters 240] [--latency 0.3] [--flight 60]

Each one that is installed gets a server that answers in its own format, in a process of its own. The ideal is
chapters x latency / requests in flight, as in throughput.py. Prints one JSON object: name → ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

from books import chapters
from kit import argument_parser, environment, stats, tell

from kgnb.llm.fake import model as fake_model
from kgnb.llm.fake.server import FakeServer

KEY = "bench"


# --- what each expects of an LLM ----------------------------------------------------------------------------


def found(text: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """People and ties that the imitation finds."""
    told = json.loads(fake_model.answer(text))
    ties = [(r["source"], r["type"], r["target"]) for r in told["relations"]]
    return [c["name"] for c in told["characters"]], ties


def graphrag_reply(text: str) -> str:
    people, ties = found(text)
    number = {name: str(i) for i, name in enumerate(people)}
    nodes = [{"id": i, "label": "Person", "properties": {"name": name}} for name, i in number.items()]
    edges = [
        {"start_node_id": number[a], "end_node_id": number[b], "type": t, "properties": {}}
        for a, t, b in ties
        if a in number and b in number
    ]
    return json.dumps({"nodes": nodes, "relationships": edges}, ensure_ascii=False)


def langchain_reply(text: str) -> str:
    _, ties = found(text)
    keys = ("head", "head_type", "relation", "tail", "tail_type")
    rows = [dict(zip(keys, (a, "Person", t, b, "Person"), strict=True)) for a, t, b in ties]
    return json.dumps(rows, ensure_ascii=False)


def lightrag_reply(text: str) -> str:
    people, ties = found(text)
    rows = [f"entity<|#|>{name}<|#|>person<|#|>{name}" for name in people]
    rows += [f"relation<|#|>{a}<|#|>{b}<|#|>{t}<|#|>{t}" for a, t, b in ties]
    return "\n".join([*rows, "<|COMPLETE|>"])


# --- the programs -------------------------------------------------------------------------------------------


async def graphrag(texts: Sequence[str], url: str, flight: int) -> None:
    from neo4j_graphrag.components.entity_relation_extractor import LLMEntityRelationExtractor
    from neo4j_graphrag.components.types import TextChunk, TextChunks
    from neo4j_graphrag.llm import OpenAILLM

    llm = OpenAILLM(model_name="dryrun", base_url=url, api_key=KEY)
    extractor = LLMEntityRelationExtractor(llm=llm, max_concurrency=flight)
    await extractor.run(chunks=TextChunks(chunks=[TextChunk(text=t, index=i) for i, t in enumerate(texts)]))


async def langchain(texts: Sequence[str], url: str, flight: int) -> None:
    from langchain_core.documents import Document
    from langchain_experimental.graph_transformers import LLMGraphTransformer
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model="dryrun", base_url=url, api_key=KEY, max_retries=0)
    transformer = LLMGraphTransformer(llm=llm, ignore_tool_usage=True)
    await each(texts, flight, lambda text: transformer.aprocess_response(Document(page_content=text)))


class Characters:
    """A tokenizer that needs no download: a token is a character."""

    def encode(self, text: str) -> list[int]:
        return list(map(ord, text))

    def decode(self, tokens: list[int]) -> str:
        return "".join(map(chr, tokens))


async def lightrag(texts: Sequence[str], url: str, flight: int) -> None:
    import numpy
    from lightrag import LightRAG
    from lightrag.llm.openai import openai_complete_if_cache
    from lightrag.utils import EmbeddingFunc, Tokenizer

    async def complete(prompt: str, system_prompt: str | None = None, **more: Any) -> str:
        more = {k: v for k, v in more.items() if k == "history_messages"}
        return str(
            await openai_complete_if_cache(
                "dryrun", prompt, system_prompt=system_prompt, base_url=url, api_key=KEY, **more
            )
        )

    async def embed(words: list[str]) -> Any:
        return numpy.zeros((len(words), 8))

    with tempfile.TemporaryDirectory() as place:
        rag = LightRAG(
            working_dir=place,
            llm_model_func=complete,
            embedding_func=EmbeddingFunc(embedding_dim=8, max_token_size=8192, func=embed),
            tokenizer=Tokenizer("characters", Characters()),
            llm_model_max_async=flight,
            max_parallel_insert=flight,
            entity_extract_max_gleaning=0,
            chunk_token_size=8000,
            enable_llm_cache=False,
            enable_llm_cache_for_entity_extract=False,
        )
        await rag.initialize_storages()
        # The extractor alone, as of the others: what ainsert does after it, merging and writing files, took
        # seven times as long.
        chunks = {
            f"chunk-{i}": {
                "content": text,
                "tokens": len(text),
                "full_doc_id": f"doc-{i}",
                "chunk_order_index": 0,
                "file_path": f"{i}.txt",
            }
            for i, text in enumerate(texts)
        }
        await rag._process_extract_entities(chunks)
        await rag.finalize_storages()


async def each(texts: Sequence[str], flight: int, work: Callable[[str], Awaitable[object]]) -> None:
    """Calls ``work`` for each text, so many at a time."""
    places = asyncio.Semaphore(flight)

    async def one(text: str) -> None:
        async with places:
            await work(text)

    await asyncio.gather(*map(one, texts))


PEERS = {
    "neo4j_graphrag": (graphrag, graphrag_reply),
    "langchain_experimental": (langchain, langchain_reply),
    "lightrag": (lightrag, lightrag_reply),
}


# --- measuring ----------------------------------------------------------------------------------------------


def main() -> None:
    args = arguments()
    if args.serve:
        asyncio.run(serve(args.serve, args.latency))
        return
    logging.disable()
    tell({name: ratio(name, args) for name in PEERS if importlib.util.find_spec(name)})


def ratio(name: str, args: argparse.Namespace) -> float | None:
    command = [sys.executable, __file__, "--serve", name, "--latency", str(args.latency)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            texts = list(islice(chapters(3000), args.chapters))
            asyncio.run(PEERS[name][0](texts, url, args.flight))
            ended, asked = time.time(), stats(url)
        except Exception as error:  # noqa: BLE001 - another program's; the others go on
            print(f"{name}: {error!r}", file=sys.stderr)
            return None
        finally:
            server.terminate()
    print(f"{name}: {asked['requests']} requests, {dict(asked['outcomes'])}", file=sys.stderr)
    return round((ended - asked["first"]) / (args.chapters * args.latency / args.flight), 2)


async def serve(name: str, latency: float) -> None:
    """A dry-run server that answers as this program expects."""
    reply = PEERS[name][1]
    async with FakeServer(latency=latency, answer=reply) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


def arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--chapters", type=int, default=240)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--flight", type=int, default=60, help="requests at a time")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
