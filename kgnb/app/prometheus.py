"""A node's Prometheus endpoint: its work, and the queues and services as it last saw them.

Counters come from the node's events and the App's meter; gauges are read at each scrape in the server's
thread, from copies of the node's dicts (copying a dict is atomic).
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from kgnb import __version__
from kgnb.app.context import App
from kgnb.core.errors import SettingsError
from kgnb.core.model import Usage
from kgnb.core.settings import Settings
from kgnb.stores.targets import SERVICES
from kgnb.worker.node import NodeEvent, WorkerNode

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Histogram,
        ProcessCollector,
        disable_created_metrics,
        start_http_server,
    )
    from prometheus_client.core import GaugeMetricFamily, Metric
except ImportError:
    raise SettingsError("metrics.missing") from None

SECONDS = (0.5, 1, 2, 5, 10, 20, 40, 80, 160)
"""Histogram buckets of request times: a model takes from a second to two minutes for a chapter."""


class Metrics:
    """The endpoint, open until :meth:`close`; its counters outlive the nodes that it watches.

    Raises SettingsError when nothing can listen at the host and port.
    """

    def __init__(self, settings: Settings) -> None:
        self._watched: tuple[App, WorkerNode] | None = None
        self._providers: dict[int, str] = {}  # of the tasks' requests
        self._counted: dict[int, Usage] = {}
        registry = CollectorRegistry()
        registry.register(self)  # calls collect()
        ProcessCollector(registry=registry)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        counter, by = partial(Counter, registry=registry), "provider"
        self._chapters = counter("kgnb_chapters", "Chapters that came to an end here.", [by, "outcome"])
        self._tasks = counter("kgnb_tasks", "Tasks that this node closed.", ["status"])
        self._errors = counter("kgnb_provider_errors", "Calls that failed for good.", [by, "kind"])
        self._requests = counter("kgnb_requests", "HTTP requests to providers.", [by])
        self._tokens = counter("kgnb_tokens", "Tokens as providers count.", [by, "kind"])
        answered = "Requests that a provider answered."
        self._seconds = Histogram("kgnb_request_seconds", answered, [by], registry=registry, buckets=SECONDS)
        host, port = settings.metrics_host, settings.metrics_port
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SettingsError("metrics.no_port", host=host, port=port, reason=reason) from error

    def watch(self, app: App, node: WorkerNode) -> None:
        """Show this node from now on."""
        self._count_usage()
        node.throttle.on_request_timed = lambda key, seconds: self._seconds.labels(key).observe(seconds)
        self._watched = app, node
        self._counted = {}  # a new App counts from 0

    def on_event(self, event: NodeEvent) -> None:
        """Count an event of the node."""
        if event.kind == "chapter":
            self._chapters.labels(event.provider, event.outcome).inc()
            self._providers[event.task_id] = event.provider
        elif event.kind == "provider":
            key = event.provider.lower()
            self._errors.labels(key, type(event.error).__name__).inc()
            self._providers[event.task_id] = key
        elif event.kind == "task":
            self._tasks.labels(event.outcome).inc()
        self._count_usage()

    def _count_usage(self) -> None:
        """Add the meter's growth to its provider, which is known from a task's first event on."""
        if self._watched is None:
            return
        for task_id, spent in self._watched[0].spent.items():
            provider = self._providers.get(task_id)
            if provider is not None and spent != (before := self._counted.get(task_id, Usage())):
                self._counted[task_id] = spent
                grown = spent - before
                self._requests.labels(provider).inc(grown.requests)
                self._tokens.labels(provider, "prompt").inc(grown.prompt_tokens)
                self._tokens.labels(provider, "completion").inc(grown.completion_tokens)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # --- a scrape

    def collect(self) -> Iterator[Metric]:
        """Yield every gauge; called by the server's thread at each scrape."""
        if self._watched is not None:
            app, node = self._watched
            yield _gauge("kgnb_node_info", "This node.", {(__version__, node.name): 1}, "version", "node")
            yield from _slots(node)
            yield from _providers(node)
            yield _queues(node)
            down = app.outages.down
            up = {name: int(name not in down) for name in SERVICES}
            yield _gauge("kgnb_service_up", "Whether the service answers.", up, "service")


_Values = Mapping[Any, float]
"""Values by label: the one label's value, or a tuple of all."""


def _gauge(name: str, text: str, values: _Values, *labels: str) -> Metric:
    """Return a gauge with a value for each label, or tuple of labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(list(key) if isinstance(key, tuple) else [key], value)
    return family


def _slots(node: WorkerNode) -> Iterator[Metric]:
    """Yield the gauges of the node's slots and open tasks."""
    served = node.providers.served()
    busy = collections.Counter(claim.queue.provider_key for claim in list(node.slots))
    keys = [p.lower_name for p in served]
    most = {key: node.settings.slots_for(key, keys) for key in keys}
    allowed = {
        p.lower_name: min(most[p.lower_name], node.throttle.limiter(p).slots)
        for p in served
        if not p.is_rules
    }
    working = {p.lower_name: busy[p.lower_name] for p in served}
    yield _gauge("kgnb_slots", "Slots that may work now; a rate limit shrinks them.", allowed, "provider")
    yield _gauge("kgnb_slots_busy", "Chapters in flight.", working, "provider")
    kept = len(node.task_keeper.open_tasks)
    yield _gauge("kgnb_open_tasks", "Tasks that this node keeps open.", {(): kept})


def _providers(node: WorkerNode) -> Iterator[Metric]:
    """Yield the gauges of the providers' pauses and rate limits."""
    served, paused = [p for p in node.providers.served() if not p.is_rules], node.throttle.pauses.paused
    shut = {p.lower_name: int(p.name in paused) for p in served}
    waits = {p.lower_name: round(node.throttle.rate_wait(p), 1) for p in served}
    yield _gauge("kgnb_provider_paused", "Whether it is paused for every node.", shut, "provider")
    yield _gauge("kgnb_provider_limited_seconds", "Until its rate limit is over.", waits, "provider")


def _queues(node: WorkerNode) -> Metric:
    """Return the gauge of the queues' lengths at the last poll."""
    sizes = {
        (queue, name): number
        for queue, state in dict(node.queue_states).items()
        for name, number in asdict(state).items()
        if name != "problem"
    }
    return _gauge("kgnb_queue_size", "What the queues held at the node's last look.", sizes, "queue", "state")
