"""The process of llama.cpp's HTTP server for one GGUF file, until it is killed."""

from __future__ import annotations

import argparse
import threading

from kgnb.core.host import variable

KEY_VARIABLE = "VLLM_API_KEY"
"""The variable in which an engine gets its key: vLLM's own name, so that both engines are started alike."""


def main() -> None:
    """Load the model, listen on loopback, wait."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    for name in ("--port", "--slots", "--window", "--threads"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--name", required=True)
    args = parser.parse_args()
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = args.model
    params.model_alias = {args.name}
    params.hostnames = ["127.0.0.1"]
    params.port = args.port
    params.api_keys = [variable(KEY_VARIABLE)]
    params.n_parallel = args.slots
    params.n_ctx = args.window * args.slots
    params.cpuparams.n_threads = args.threads
    params.cache_ram_mib = 0  # the prompts' common start stays in each slot's own cache
    params.ui = False
    server = Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()
