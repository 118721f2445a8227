"""The Prometheus endpoint of a worker, scraped over HTTP while it works."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kgnb.llm.fake.server import Faults
from tests.support.commands import KEY, Place, Running, environment, llm, novel
from tests.support.patience import SLOWEST

CHAPTERS = 12

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def place(tmp_path: Path, running_engines: None) -> Iterator[Place]:
    with Place(tmp_path) as one:
        yield one


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


def scrape(port: int) -> tuple[str, Samples]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10 * SLOWEST) as answer:
        text = answer.read().decode()
    samples = {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    return text, samples


def value(port: int, name: str, **labels: str) -> float:
    with contextlib.suppress(OSError):  # not listening yet
        return scrape(port)[1].get((name, frozenset(labels.items())), 0.0)
    return 0.0


def ended(worker: Running) -> None:
    worker.send(signal.SIGTERM)
    assert worker.ended().code == 0


def test_figures_of_a_run(place: Place, port: int) -> None:
    with llm(latency=0.3) as server:
        place.env |= server.env(name="DryRun") | {
            "KGNB_METRICS_PORT": str(port),
            "KG_WORKERS_PER_PROVIDER": "2",
        }
        book = novel(place.path / "书.txt", CHAPTERS, lines=6)
        assert place.run("submit", book, "--provider", "DryRun").out.strip() == "1"
        worker = place.start("worker", "--fail-fast", env={"KG_WORKER_NODE_NAME": '机器"甲"'})
        queue = "kg:task:queue:dryrun"
        worker.until(lambda: value(port, "kgnb_slots_busy", provider="dryrun") >= 2)
        worker.until(lambda: value(port, "kgnb_queue_size", queue=queue, state="chapters") > 0)
        worker.until(lambda: value(port, "kgnb_tasks_total", status="completed") == 1)
        text, found = scrape(port)
        ended(worker)
    with pytest.raises(OSError, match="refused"):
        scrape(port)

    def at(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert at("kgnb_chapters_total", provider="dryrun", outcome="completed") == CHAPTERS
    assert at("kgnb_requests_total", provider="dryrun") == server.stats.requests == CHAPTERS
    assert at("kgnb_request_seconds_count", provider="dryrun") == CHAPTERS
    (prompt, completion) = place.sql(
        "SELECT sum(prompt_tokens), sum(completion_tokens) FROM kgnb_extractions"
    )[0]
    assert at("kgnb_tokens_total", provider="dryrun", kind="prompt") == prompt
    assert at("kgnb_tokens_total", provider="dryrun", kind="completion") == completion
    assert at("kgnb_slots", provider="dryrun") == 2
    assert at("kgnb_slots_busy", provider="dryrun") == 0
    assert at("kgnb_open_tasks") == 0
    assert at("kgnb_provider_paused", provider="dryrun") == 0
    assert {at("kgnb_service_up", service=name) for name in ("redis", "sql", "bolt")} == {1}
    assert any(dict(labels).get("node") == '机器"甲"' for name, labels in found if name == "kgnb_node_info")
    assert KEY not in text


def test_a_paused_provider_shows(place: Place, port: int) -> None:
    with llm(key="another") as server:
        place.env |= server.env() | {"KGNB_METRICS_PORT": str(port)}
        book = novel(place.path / "book.txt", 2, lines=4)
        assert place.run("submit", book, "--provider", "dryrun").code == 0
        worker = place.start("worker", "--fail-fast")
        worker.until(lambda: value(port, "kgnb_provider_paused", provider="dryrun") == 1)
        refused = partial(value, port, "kgnb_provider_errors_total", provider="dryrun", kind="AuthRejected")
        worker.until(lambda: refused() >= 1)  # counted once the pause is shared
        assert KEY not in scrape(port)[0]
        ended(worker)


def test_rate_limits_show(place: Place, port: int) -> None:
    with llm(faults=Faults(rate_429=1.0), retry_after=30.0) as server:
        place.env |= server.env() | {"KGNB_METRICS_PORT": str(port), "KG_WORKERS_PER_PROVIDER": "4"}
        book = novel(place.path / "book.txt", 6, lines=4)
        assert place.run("submit", book, "--provider", "dryrun").code == 0
        worker = place.start("worker", "--fail-fast")
        worker.until(lambda: value(port, "kgnb_provider_limited_seconds", provider="dryrun") > 5)
        assert value(port, "kgnb_slots", provider="dryrun") < 4
        ended(worker)


def test_a_taken_port_is_refused(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = str(taken.getsockname()[1])
        line = place.run("worker", "--drain", env={"KGNB_METRICS_PORT": number}).refused("KGNB_METRICS_PORT")
    assert number in line
    place.run("worker", env={"KGNB_METRICS_PORT": "66000"}).refused("KGNB_METRICS_PORT")


def test_without_the_package_it_says_how_to_install_it(place: Place, port: int) -> None:
    hidden = place.path / "hidden" / "prometheus_client"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('hidden', name='prometheus_client')")
    path = f"{hidden.parent}:{environment()['PYTHONPATH']}"
    ran = place.run("worker", "--drain", env={"KGNB_METRICS_PORT": str(port), "PYTHONPATH": path})
    ran.refused("pip install prometheus-client")


def test_without_a_port_nothing_is_imported(place: Place) -> None:
    code = (
        "import json, sys; from kgnb.cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "print(json.dumps([code, [m for m in sys.modules "
        "if 'prometheus' in m or m == 'kgnb.app.prometheus']]))\n"
    )
    command = [sys.executable, "-c", code, "worker", "--drain", "--data", str(place.data)]
    ran = Running.new(command, environment(**{place.mark: "1"}), place.path).ended()
    assert json.loads(ran.out.splitlines()[-1]) == [0, []], ran
