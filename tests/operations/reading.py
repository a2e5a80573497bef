"""Reads the pages of a running service."""

from collections.abc import Mapping
from typing import Any

import aiohttp
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from crossbar_appstore.json_codec import loads


async def fetched(address: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Status and body, on a new connection."""
    async with aiohttp.ClientSession() as session, session.request(method, address + path) as reply:
        return reply.status, await reply.read()


async def readiness(address: str) -> tuple[int, Any]:
    """Status and report of ``/readyz``."""
    status, body = await fetched(address, "/readyz")
    return status, loads(body)


async def families(address: str) -> dict[str, Metric]:
    """The metrics of ``/metrics``, by name without suffix."""
    status, body = await fetched(address, "/metrics")
    assert status == 200
    return {metric.name: metric for metric in text_string_to_metric_families(body.decode())}


async def value(address: str, sample: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    found = [
        each.value
        for metric in (await families(address)).values()
        for each in metric.samples
        if each.name == f"crossbar_appstore_{sample}" and _has(each.labels, labels)
    ]
    return sum(found)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())
