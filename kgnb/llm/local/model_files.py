"""A model's file: where it is, and what its header says of its size and context."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from kgnb.core import host
from kgnb.core.errors import InputError
from kgnb.core.kaggle_inputs import find_input

SUFFIX = ".gguf"
CONFIG = "config.json"
_MOST = 4_096
"""Of a header's text and of its list of values: more is no header."""
_SCALARS = "BbHhIif?"
"""struct's letters of GGUF's value types 0 to 7."""
_STRING, _LIST, _LONGS = 8, 9, {10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True, slots=True)
class Model:
    """A model's files and the facts that its memory is reckoned from."""

    path: Path
    engine: Literal["llama", "vllm"]
    name: str
    size: int
    """Bytes of the weights."""
    context: int
    """Tokens that it was trained for."""
    layers: int
    kv_heads: int
    head_size: int
    """Numbers of one key or value vector."""

    @property
    def cache_bytes(self) -> int:
        """Bytes of one token in the KV cache: a key and a value in each layer and KV head.

        2 · layers · KV heads · head size · 2 bytes, as in "Efficient Memory Management for Large Language
        Model Serving with PagedAttention" (arXiv:2309.06180, section 3). Qwen3-8B: 36, 8 and 128, so 147 kB.
        """
        return 2 * self.layers * self.kv_heads * self.head_size * 2


def find_model(wanted: str) -> Model:
    """Return the model at a path, or with a name, attached to the notebook or in a hub's cache.

    ``wanted`` "": the only model attached. Raises InputError where no model or, for "", several are found.
    """
    if not wanted:
        found = list(_below(host.KAGGLE_INPUT))
        if len(found) != 1:
            names = ", ".join(map(str, found)) or "-"
            raise InputError("local.which_model" if found else "local.no_model", names=names)
        return read_model(found[0])
    path = Path(wanted).expanduser()
    if not path.exists():
        places = [
            p for p in (*_cached(wanted), find_input(wanted, ("models", "datasets"))) if p and p.is_dir()
        ]
        found = [model for place in places for model in _below(place)]
        if not found:
            raise InputError("local.not_found", model=wanted)
        path = found[-1]
    return read_model(path)


def read_model(path: Path) -> Model:
    """Return the model in a GGUF file, or in a folder with a transformers model or GGUF files (the last by
    name).

    Raises InputError for any other or a truncated file.
    """
    try:
        if path.is_dir():
            if (path / CONFIG).is_file():
                return _transformers_model(path)
            inside = sorted(_below(path))
            if not inside:
                raise ValueError(CONFIG)
            return read_model(inside[-1])
        return _gguf_model(path)
    except (OSError, ValueError, KeyError, TypeError, struct.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise InputError("local.bad_file", path=path, reason=reason) from None


def _below(folder: Path) -> Iterator[Path]:
    """Yield GGUF files, and folders with a model's config and weights, at any depth."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix.lower() == SUFFIX:
            yield path
        elif path.name == CONFIG and any(path.parent.glob("*.safetensors")):
            yield path.parent


def _cached(name: str) -> Iterator[Path]:
    """Yield the folders in which the hubs keep a model of this name: kagglehub, huggingface_hub,
    ModelScope.
    """
    caches = Path(host.variable("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")
    hugging = Path(host.variable("HF_HOME") or Path.home() / ".cache" / "huggingface")
    scope = Path(host.variable("MODELSCOPE_CACHE") or Path.home() / ".cache" / "modelscope")
    if all(part not in ("", "..") for part in name.split("/")) and not name.startswith("~"):
        yield caches / "models" / name
        yield hugging / "hub" / f"models--{name.replace('/', '--')}" / "snapshots"
        yield scope / "hub" / "models" / name


def _transformers_model(folder: Path) -> Model:
    """Return the model in a folder of transformers. Raises ValueError or KeyError for any other folder."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config = config.get("text_config", config)
    heads = int(config["num_attention_heads"])
    sizes = [path.stat().st_size for path in folder.glob("*.safetensors")]
    if not sizes:
        raise ValueError("*.safetensors")
    context, layers = int(config["max_position_embeddings"]), int(config["num_hidden_layers"])
    kv_heads = int(config.get("num_key_value_heads") or heads)
    head_size = int(config.get("head_dim") or config["hidden_size"] // heads)
    return Model(folder, "vllm", folder.name, sum(sizes), context, layers, kv_heads, head_size)


def _gguf_model(path: Path) -> Model:
    """Return the model that a file's header tells (GGUF's specification: ggml/docs/gguf.md). Raises
    ValueError for another format.
    """
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise ValueError("GGUF")
        version, _tensors, count = struct.unpack("<IQQ", file.read(20))
        if version not in (2, 3) or count > _MOST:
            raise ValueError(f"GGUF {version}")
        facts: dict[str, Any] = {}
        for _ in range(count):
            name = _text(file)
            facts[name] = _value(file, *struct.unpack("<I", file.read(4)))
            if name.startswith("tokenizer.") and "general.architecture" in facts:
                break  # what is wanted stands before it, in every file that llama.cpp's tools write
    arch = facts["general.architecture"]
    heads = facts[f"{arch}.attention.head_count"]
    kv_heads = _most(facts.get(f"{arch}.attention.head_count_kv", heads))
    head_size = facts.get(f"{arch}.attention.key_length") or facts[f"{arch}.embedding_length"] // _most(heads)
    size, context, layers = path.stat().st_size, facts[f"{arch}.context_length"], facts[f"{arch}.block_count"]
    return Model(path.absolute(), "llama", path.stem, size, context, layers, kv_heads, head_size)


def _most(value: Any) -> int:
    """Return the number, or the largest of a list with one for each layer."""
    return max(value) if isinstance(value, list) else int(value)


def _text(file: IO[bytes]) -> str:
    """Return the next text in a GGUF file. Raises ValueError for an absurd length."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MOST * _MOST:
        raise ValueError("GGUF")
    return file.read(length).decode("utf-8", "replace")


def _value(file: IO[bytes], kind: int) -> Any:
    """Return the next value of this kind in a GGUF file. Raises ValueError for an absurd length."""
    if kind == _STRING:
        return _text(file)
    if kind == _LIST:
        inner, length = struct.unpack("<IQ", file.read(12))
        if length > _MOST * _MOST:
            raise ValueError("GGUF")
        return [_value(file, inner) for _ in range(length)]
    letter = _LONGS.get(kind) or _SCALARS[kind]
    return struct.unpack(f"<{letter}", file.read(struct.calcsize(f"<{letter}")))[0]
