"""Which engine reads with a model here, with how many chapters at once, and the command that starts it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from kgnb.core.errors import InputError
from kgnb.core.host import detect_host, usable_cpus
from kgnb.core.safe_text import one_line
from kgnb.llm.local.llama_server import KEY_VARIABLE
from kgnb.llm.local.model_files import Model

WINDOW = 12_288
"""Tokens of one chapter in flight: prompt, an ordinary chapter (5,000 characters) and its reply."""
LEAST_WINDOW = 4_096
PROMPT_TOKENS = 1_500
"""The prompt beside the text: at most 1,200 characters (design), and the chat template."""
REPLY_SHARE = 3
"""A third of the window is the reply's."""
USED = 2 / 3
"""Share of its window that an ordinary chapter fills: vLLM gives memory page by page."""
MOST_SLOTS = 16
CPUS_A_SLOT = 4
"""Processors that one chapter keeps busy: its generation waits for memory, which a second one shares."""
RESERVE = 768 << 20
"""Bytes for the engine's own buffers on a CPU."""
GPU_SHARE, GPU_RESERVE = 0.9, 1536 << 20
"""Share of a GPU's memory that vLLM takes (its default), and bytes of it for activations and CUDA graphs."""
LEAST_COMPUTE = 7.5
"""AWQ kernels of vLLM need it: Turing, the T4."""
VLLM = "0.19.1"
"""Newest that takes the torch of Kaggle's image, 2.10.0+cu128; later ones bring their own."""
VLLM_PROGRAM = Path("~/.cache/kgnb/vllm/bin/vllm")
"""In an environment of its own: in the kernel's it would replace protobuf, numba and transformers."""
LOAD_SECONDS = {"llama": 300.0, "vllm": 900.0}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as nvidia-smi describes it; memory in bytes."""

    name: str
    compute: float
    memory: int


@dataclass(frozen=True, slots=True)
class Engine:
    """A model's server as it will be started, and what it is given to read."""

    command: list[str]
    environment: dict[str, str]
    seconds: float
    """Patience with the start."""
    slots: int
    window: int

    @property
    def reply_tokens(self) -> int:
        """Limit in tokens for one reply."""
        return self.window // REPLY_SHARE

    @property
    def chunk_chars(self) -> int:
        """Limit in characters of text in one request, at least 200; a Chinese character may take a whole
        token.
        """
        return max(200, self.window - self.reply_tokens - PROMPT_TOKENS)


def choose_engine(model: Model) -> Engine:
    """Return the engine that serves a model on this machine: llama.cpp for a GGUF file, else vLLM. Raises
    InputError with the remedy if it can't.
    """
    return _llama(model) if model.engine == "llama" else _vllm(model, gpus())


def gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs; [] without a GPU or without its driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = ["--query-gpu=name,compute_cap,memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run([program, *query], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
        rows = [line.split(", ") for line in told.stdout.splitlines() if line.count(", ") == 2]
        return [Gpu(name, float(compute), int(megabytes) << 20) for name, compute, megabytes in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def own_process(module: str) -> list[str]:
    """Return the command, as a list of words, that runs ``main`` of a module of this package; kgnb needn't be
    installed.
    """
    boot = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {__package__}.{module} import main; main()"
    return [sys.executable, "-P", "-c", boot, str(Path(__file__).resolve().parents[3])]


def _llama(model: Model) -> Engine:
    """Return the engine for a GGUF model, its window and slots cut to the memory. Raises InputError."""
    if find_spec("xllamacpp") is None:
        raise InputError("local.no_llama")
    memory = (detect_host().memory_mb << 20) or sys.maxsize
    tokens = (memory - model.size - RESERVE) // model.cache_bytes
    window = min(WINDOW, model.context, tokens)
    if window < min(LEAST_WINDOW, model.context):
        raise _too_large(model, memory)
    cpus = usable_cpus()
    slots = max(1, min(cpus // CPUS_A_SLOT, tokens // window))
    words = [str(model.path), model.name, "{port}", str(slots), str(window), str(cpus)]
    command = [*own_process("llama_server"), *words]
    return Engine(command, {KEY_VARIABLE: "{key}"}, LOAD_SECONDS["llama"], slots, window)


def _vllm(model: Model, found: list[Gpu]) -> Engine:
    """Return vLLM with one replica a GPU behind one address: whole models on each beat halves over PCIe.

    Options as in docs.vllm.ai, "vllm serve" and "Data Parallel Deployment".
    """
    weakest = _weakest(found)
    tokens = int(weakest.memory * GPU_SHARE - model.size - GPU_RESERVE) // model.cache_bytes
    window = min(WINDOW, model.context, tokens)
    if window < min(LEAST_WINDOW, model.context):
        raise _too_large(model, weakest.memory)
    program = vllm_program()
    if program is None:
        raise InputError("local.no_vllm", command=" && ".join(map(shlex.join, _install_commands())))
    each = max(1, min(MOST_SLOTS, int(tokens / (window * USED))))
    options = {
        "--host": "127.0.0.1",
        "--port": "{port}",
        "--served-model-name": model.name,
        "--dtype": "half",  # no bfloat16 before compute 8
        "--max-model-len": window,
        "--max-num-seqs": each,
        "--gpu-memory-utilization": GPU_SHARE,
        "--data-parallel-size": len(found),
    }
    if weakest.compute < 8:
        options["--attention-backend"] = "TRITON_ATTN"  # FlashInfer needs 8.0
    words = [word for name, value in options.items() for word in (name, str(value))]
    command = [program, "serve", str(model.path), *words, "--enable-prefix-caching"]
    environment = {KEY_VARIABLE: "{key}", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    return Engine(command, environment, LOAD_SECONDS["vllm"], each * len(found), window)


def vllm_program() -> str | None:
    """Return the path of vLLM's program: in its own environment, else on the path; None if it isn't
    installed.
    """
    program = VLLM_PROGRAM.expanduser()
    return str(program) if program.is_file() else shutil.which("vllm")


def prepare_gpu() -> None:
    """Put vLLM into an environment of its own, where it isn't there yet: 844 MB beside Kaggle's packages.

    Raises InputError in one sentence without a GPU that it can use, or without Internet.
    """
    _weakest(gpus())
    if vllm_program() is not None:
        return
    for command in _install_commands():
        ended = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (our own interpreter)
        if ended.returncode:
            said = (ended.stderr or ended.stdout).strip().splitlines() or [str(ended.returncode)]
            raise InputError("local.install_failed", reason=one_line(said[-1]))


def _install_commands() -> list[list[str]]:
    """Return the commands that install vLLM in an environment of its own."""
    place = VLLM_PROGRAM.expanduser().parent.parent
    make = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(place)]
    return [make, [f"{place}/bin/python", "-m", "pip", "install", "-q", f"vllm=={VLLM}"]]


def _weakest(found: list[Gpu]) -> Gpu:
    """Return the GPU that decides what all can do: the least compute capability, then the least memory.
    Raises InputError for none, and where vLLM doesn't run on it.
    """
    if not found:
        raise InputError("local.no_gpu")
    weakest = min(found, key=lambda gpu: (gpu.compute, gpu.memory))
    if weakest.compute < LEAST_COMPUTE:
        raise InputError("local.old_gpu", gpu=weakest.name, compute=weakest.compute)
    return weakest


def _too_large(model: Model, memory: int) -> InputError:
    """Return the error for a model that doesn't fit ``memory`` bytes."""
    gigabytes = {"size": round(model.size / 1e9, 1), "memory": round(memory / 1e9, 1)}
    return InputError("local.too_large", model=model.name, **gigabytes)
