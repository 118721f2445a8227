"""A model is fetched by its hub's library from a hub that breaks off; the next try goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kgnb.core.errors import InputError
from kgnb.llm.local import fetch as fetching
from kgnb.llm.local.fetch import fetch
from kgnb.llm.local.model_files import find_model
from tests.support.local_models import gguf

SHA = "a" * 40


class Hub:
    """Hugging Face's side: a repository with two quantizations of one model, and what was asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.ranges, self.cut = data, list[str](), 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                if self.path.startswith("/api/models/Qwen/Tiny-GGUF"):
                    files = ["Tiny-Q4_K_M.gguf", "Tiny-Q8_0.gguf", "README.md"]
                    sizes = [{"rfilename": name, "size": len(hub.data)} for name in files]
                    told = {"id": "Qwen/Tiny-GGUF", "sha": SHA, "siblings": sizes}
                    self.reply(200, json.dumps(told | {"cardData": {"license": "apache-2.0"}}).encode())
                elif self.path.endswith(f"/resolve/{SHA}/Tiny-Q4_K_M.gguf"):
                    asked = self.headers.get("Range", "")
                    hub.ranges.append(asked)
                    start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
                    self.reply(206 if start else 200, hub.data[start:], hub.cut)
                else:
                    self.reply(404, b"{}")

            def reply(self, status: int, body: bytes, cut: int = 0) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:cut] if cut else body)
                if cut:
                    self.wfile.flush()
                    hub.stall.wait(60)

        self.stall = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    one = Hub(gguf(tmp_path / "whole.gguf", 30_000_000).read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{one.server.server_port}")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{one.server.server_port}")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield one
    one.stall.set()
    one.server.shutdown()


def test_a_download_that_was_killed_goes_on(hub: Hub, tmp_path: Path) -> None:
    told: list[str] = []
    hub.cut = 25_000_000  # the library reads ten at a time
    stop = threading.Event()
    part = tmp_path / ".cache/kgnb/models/Qwen/Tiny-GGUF" / SHA / "Tiny-Q4_K_M.gguf.part"

    def stop_midway() -> None:
        for _ in range(600):
            if part.exists() and part.stat().st_size and not stop.wait(0.5):
                break
            stop.wait(0.1)
        stop.set()

    threading.Thread(target=stop_midway).start()
    with pytest.raises(InputError) as raised:
        fetch("hf:Qwen/Tiny-GGUF", stop, told.append)
    assert raised.value.key == "local.fetch_failed"
    assert 0 < part.stat().st_size < len(hub.data)
    hub.cut = 0
    folder = fetch("hf:Qwen/Tiny-GGUF", threading.Event(), told.append)
    assert folder is not None
    assert (folder / "Tiny-Q4_K_M.gguf").read_bytes() == hub.data
    assert hub.ranges[0] == ""
    assert hub.ranges[-1].startswith("bytes=")
    assert "apache-2.0" in told[0]
    assert find_model(str(folder)).name == "Tiny-Q4_K_M"
    asked = len(hub.ranges)
    assert fetch("hf:Qwen/Tiny-GGUF", threading.Event(), told.append) == folder
    assert len(hub.ranges) == asked


def test_what_cant_be_fetched_is_a_sentence(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, key in (("hf:Qwen/None", "fetch_failed"), ("hf:Qwen/Tiny-GGUF:*Q2*", "fetch_failed")):
        with pytest.raises(InputError) as raised:
            fetch(name, threading.Event(), print)
        assert raised.value.key == f"local.{key}"
        assert "\n" not in str(raised.value)
    monkeypatch.setattr(fetching, "free_mb", lambda _: 1_000)
    with pytest.raises(InputError) as raised:
        fetch("hf:Qwen/Tiny-GGUF", threading.Event(), print)
    assert raised.value.key == "local.no_room"
    monkeypatch.setattr(fetching, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install modelscope"):
        fetch("modelscope:Qwen/Tiny", threading.Event(), print)
    assert fetch("model.gguf", threading.Event(), print) is None
