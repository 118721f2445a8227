"""Nodes on servers of their own, and the model that they ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.commands import Llm, llm


@pytest.fixture
def model() -> Iterator[Llm]:
    with llm(latency=0.3) as one:
        yield one


@pytest.fixture
def nodes(tmp_path: Path, model: Llm) -> Iterator[Cluster]:
    with cluster(tmp_path / "cluster", model) as one:
        yield one
