"""The process of llama.cpp's HTTP server for one GGUF file, until it is killed."""

from __future__ import annotations

import sys
import threading

from kgnb.core.host import variable

KEY_VARIABLE = "VLLM_API_KEY"
"""The variable in which an engine gets its key: vLLM's own name, so that both engines are started alike."""


def main() -> None:
    """Load the model, listen on loopback, wait.

    Arguments: file, name, port, slots, window in tokens, threads.
    """
    model, name, *numbers = sys.argv[1:]
    port, slots, window, threads = map(int, numbers)
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.model.path = model
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.api_keys = [variable(KEY_VARIABLE)]
    params.n_parallel = slots
    params.n_ctx = window * slots
    params.cpuparams.n_threads = threads
    params.cache_ram_mib = 0  # the prompts' common start stays in each slot's own cache
    params.ui = False
    server = Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()
