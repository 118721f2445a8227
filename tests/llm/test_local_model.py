"""A model's header, what fits into memory, and the command that starts its engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import kgnb
from kgnb.core import host
from kgnb.core.errors import InputError
from kgnb.core.messages import say
from kgnb.llm.local import engines, running
from kgnb.llm.local.engines import Gpu, choose_engine, gpus
from kgnb.llm.local.model_files import find_model, read_model
from kgnb.llm.presets import Preset
from tests.support.local_models import fake_gpus, fake_vllm, gguf, qwen_folder

T4 = ("Tesla T4", 7.5, 15360)
P100 = ("Tesla P100-PCIE-16GB", 6.0, 16384)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_a_gguf_header_gives_the_cache_of_a_token(tmp_path: Path) -> None:
    model = read_model(gguf(tmp_path / "small.gguf"))
    assert (model.engine, model.name, model.context) == ("llama", "small", 8192)
    assert model.cache_bytes == 2 * 30 * 3 * 64 * 2


def test_qwen3_8b_keeps_147_kb_a_token(tmp_path: Path) -> None:
    assert read_model(qwen_folder(tmp_path / "qwen")).cache_bytes == 147_456


@pytest.mark.parametrize("content", [b"", b"GGUF", b"root:x:0:0", b"GGUF" + b"\xff" * 64])
def test_what_is_no_model_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_model(path)
    assert raised.value.key == "local.bad_file"
    assert "\n" not in str(raised.value)


def test_the_only_attached_model_is_found_and_several_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "KAGGLE_INPUT", tmp_path)
    with pytest.raises(InputError) as raised:
        find_model("")
    assert raised.value.key == "local.no_model"
    folder = qwen_folder(tmp_path / "models/qwen-lm/qwen-3/transformers/8b-awq/1")
    assert find_model("").path == folder
    assert find_model("qwen-lm/qwen-3").path == folder
    gguf(tmp_path / "other.gguf")
    with pytest.raises(InputError, match=r"other\.gguf"):
        find_model("")


def test_a_hub_name_is_found_in_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = qwen_folder(tmp_path / "hub/models--Qwen--Qwen3-8B-AWQ/snapshots/abc")
    assert find_model("Qwen/Qwen3-8B-AWQ").path == folder


def test_one_t4(programs: Path, tmp_path: Path) -> None:
    fake_gpus(programs, T4)
    fake_vllm(programs, tmp_path)
    assert gpus() == [Gpu("Tesla T4", 7.5, 15360 << 20)]
    engine = choose_engine(read_model(qwen_folder(tmp_path / "qwen")))
    assert engine.command[1:3] == ["serve", str(tmp_path / "qwen")]
    for name, value in {
        "--host": "127.0.0.1",
        "--dtype": "half",
        "--max-model-len": "12288",
        "--max-num-seqs": "5",
        "--attention-backend": "TRITON_ATTN",
        "--data-parallel-size": "1",
    }.items():
        assert option(engine.command, name) == value
    assert engine.slots == 5
    assert engine.chunk_chars + engine.reply_tokens + engines.PROMPT_TOKENS == engine.window


def test_two_t4s_are_two_replicas(programs: Path, tmp_path: Path) -> None:
    fake_gpus(programs, T4, T4)
    fake_vllm(programs, tmp_path)
    engine = choose_engine(read_model(qwen_folder(tmp_path / "qwen")))
    assert option(engine.command, "--data-parallel-size") == "2"
    assert engine.slots == 10


@pytest.mark.parametrize(
    ("cards", "weights", "key"),
    [
        ((), 6_100_000_000, "local.no_gpu"),
        ((P100,), 6_100_000_000, "local.old_gpu"),
        ((T4,), 16_000_000_000, "local.too_large"),
        ((T4,), 6_100_000_000, "local.no_vllm"),
    ],
)
def test_what_a_gpu_lacks_is_said_in_a_sentence(
    programs: Path, tmp_path: Path, cards: tuple[tuple[str, float, int], ...], weights: int, key: str
) -> None:
    if cards:
        fake_gpus(programs, *cards)
    with pytest.raises(InputError) as raised:
        choose_engine(read_model(qwen_folder(tmp_path / "qwen", weights)))
    assert raised.value.key == key
    assert "\n" not in str(raised.value)


def test_a_model_larger_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: name)
    with pytest.raises(InputError) as raised:
        choose_engine(read_model(gguf(tmp_path / "large.gguf", 1 << 42)))
    assert raised.value.key == "local.too_large"


def test_a_server_that_runs_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Ollama(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps({"data": [{"id": "qwen3:8b"}]} if self.path == "/v1/models" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Ollama) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = Preset(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1")
        nobody = Preset(base_url="http://127.0.0.1:9/v1")
        monkeypatch.setattr(
            running, "presets", lambda: dict.fromkeys(running.NAMES, nobody) | {"ollama": there}
        )
        assert running.running_servers() == {"ollama": ["qwen3:8b"]}
        server.shutdown()


def test_preparing_without_a_gpu_is_one_sentence(programs: Path) -> None:
    with pytest.raises(InputError) as raised:
        engines.prepare_gpu()
    assert raised.value.key == "local.no_gpu"


def test_preparing_installs_vllm_apart_and_says_why_it_cant(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_gpus(programs, T4)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setattr(engines, "VLLM_PROGRAM", tmp_path / "vllm/bin/vllm")
    with pytest.raises(InputError) as raised:
        engines.prepare_gpu()
    assert raised.value.key == "local.install_failed"
    assert "include-system-site-packages = true" in (tmp_path / "vllm/pyvenv.cfg").read_text()
    fake_vllm(tmp_path / "vllm/bin", tmp_path)
    engines.prepare_gpu()
    assert choose_engine(read_model(qwen_folder(tmp_path / "qwen"))).command[0] == str(
        tmp_path / "vllm/bin/vllm"
    )


def test_the_quickstarts_cell_refuses_in_one_sentence_without_a_gpu(
    programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = json.loads((Path(__file__).parents[2] / "notebooks/quickstart.ipynb").read_text("utf-8"))
    (cell,) = ("".join(cell["source"]) for cell in notebook["cells"] if cell.get("id") == "gpu")
    exec(cell.replace("GPU = False", "GPU = True"), {"kgnb": kgnb, "BOOK": "", "book": None})
    assert capsys.readouterr().out == f"{say('local.no_gpu')}\n"
