"""Metrics in Prometheus' text format: what requests, caches, CouchDB, the catalogue and the message broker did.

Requests are counted as they are answered. All else is read when it is asked for, from the numbers that the datastore
keeps anyway.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from crossbar_appstore import __version__
from crossbar_appstore.broker.broker import BrokerStatistics
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.cors import ALL_METHODS
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json

BUCKETS: Final = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
PREFIX: Final = "crossbar_appstore_"

COUNTERS: Final = {
    "retries": ("couchdb_retries", "Reads of CouchDB repeated after a failed connection."),
    "unconfirmed_saves": ("couchdb_unconfirmed_saves", "Saves acknowledged by fewer copies than the quorum."),
    "hits": ("cache_hits", "Cached values that were used without a read."),
    "reads": ("cache_reads", "Values read from CouchDB that were not cached."),
    "refetches": ("cache_refetches", "Cached values read again because of their age or a write."),
    "unchanged": ("cache_unchanged", "Values read again that had not changed."),
    "stale_answers": ("stale_answers", "Cached values used because CouchDB did not answer."),
    "conflicts": ("conflicts", "Saves that met another writer's revision."),
    "changes_reapplied": ("changes_reapplied", "Changes applied again on a cluster, since another branch had won."),
    "branches_removed": ("branches_removed", "Losing branches of documents that were removed."),
    "branches_left": ("branches_left", "Losing branches of documents that were left for an operator."),
    "skipped_apps": ("skipped_apps", "Malformed app documents left out of the catalogue, each time one was read."),
    "catalogue_loads": ("catalogue_loads", "Times the whole catalogue was read."),
    "feed_restarts": ("feed_restarts", "Times a change feed was connected again."),
}
"""Field of the datastore's ``Statistics`` → name and description."""

COMBINED: Final[dict[str, Callable[[float, float], float]]] = {
    "catalogue_generation": max,
    "catalogue_apps": max,
    "couchdb_up": min,
    "feed_up": min,
    "amqp_up": min,
    "info": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
}
"""How the gauges of several workers become one; those of others, and all that is counted, are added up."""

_NO_ENDPOINT: Final = "none"
"""The endpoint where the path names none."""
_PARTS: Final = frozenset({"blacklist", "explain", "icon", "override", "recovery", "screenshot"})
"""Params that are told apart from the endpoint itself; all others are ids and names."""

LOGINS: Final = frozenset({"user_auth", "api_auth"})
"""Endpoints whose PUT opens a session."""


class Metrics:
    """The metrics of one process; ``broker`` is what its message broker counts, if it has one."""

    def __init__(self, store: Datastore, broker: BrokerStatistics | None = None) -> None:
        self._registry = CollectorRegistry()
        # The library's histogram takes several locks for each request, and there is one thread.
        self.requests: dict[tuple[str, str, int], list[float]] = {}
        """Endpoint, method, first digit of the status → requests by bucket, and last the sum of their seconds."""
        self._limited = Counter(
            f"{PREFIX}rate_limited", "Requests refused by the rate limit.", ("endpoint",), registry=self._registry
        )
        self._logins = Counter(
            f"{PREFIX}logins", "Logins by their outcome.", ("endpoint", "result"), registry=self._registry
        )
        self.broker = broker or BrokerStatistics()
        self._registry.register(_StoreCollector(store, self))
        ProcessCollector(registry=self._registry)

    def observe(self, context: Context, response: web.StreamResponse | None, seconds: float) -> None:
        """Count a request by names that no client can choose; None, for one that was cancelled, is not counted."""
        if response is None:
            return
        endpoint, verb, status = endpoint_of(context), context.verb or context.method, response.status
        method = verb if verb in ALL_METHODS else "other"
        key = (endpoint, method, status // 100)
        row = self.requests.get(key)
        if row is None:
            row = self.requests[key] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds
        if status == 429:
            self._limited.labels(endpoint).inc()
        if method == "PUT" and endpoint in LOGINS:
            self._logins.labels(endpoint, _login_result(status)).inc()

    async def report(self) -> Json:
        """All metrics as JSON: a list of name, type, description and samples (name, labels, value)."""
        return [
            [metric.name, metric.type, metric.documentation, [[each.name, each.labels, each.value] for each in kept]]
            for metric in self._registry.collect()
            if (kept := [each for each in metric.samples if not each.name.endswith("_created")])
        ]


def endpoint_of(context: Context) -> str:
    """The endpoint that answers a request, by a name that no client can choose: ``apps_store``, ``apps_store/icon``."""
    if not context.nouns:
        return _NO_ENDPOINT
    name, params = context.nouns[-1].name, context.nouns[-1].params
    if _PARTS.isdisjoint(params):
        return name
    return f"{name}/{next(param for param in params if param in _PARTS)}"


def _login_result(status: int) -> str:
    if status == 429:
        return "limited"
    return "success" if status < 400 else "refused" if status < 500 else "failed"


class _StoreCollector(Collector):
    """Reads the numbers of the datastore and of the message broker when the metrics are asked for."""

    def __init__(self, store: Datastore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics with their values now."""
        yield _histogram(self._metrics.requests)
        store, broker = self._store, self._metrics.broker
        for field, (name, text) in COUNTERS.items():
            yield _counter(name, text, [({}, getattr(store.statistics, field))])
        by_kind = store.statistics.by_kind.items()
        couchdb = [({"kind": kind, "outcome": outcome}, number) for (kind, outcome), number in by_kind]
        yield _counter("couchdb_requests", "Requests to CouchDB.", couchdb)
        snapshot = store.catalogue.last
        generation, apps = (0, 0) if snapshot is None else (snapshot.generation, len(snapshot.apps))
        yield _gauge("catalogue_generation", "The number of the catalogue's snapshot; 0 before the first.", generation)
        yield _gauge("catalogue_apps", "Apps in the catalogue.", apps)
        yield _gauge("couchdb_up", "Whether CouchDB answered when it was last asked.", not store.away)
        feeds = [({"feed": name}, healthy) for name, healthy in store.feeds_up().items()]
        yield _family("feed_up", "gauge", "Whether a change feed is connected.", feeds)
        yield _gauge("amqp_up", "Whether the message broker is connected.", broker.connected)
        yield _gauge("amqp_queue", "Announcements that wait for the message broker.", broker.waiting)
        yield _counter("amqp_published", "Announcements that the message broker got.", [({}, broker.announced)])
        yield _counter("amqp_dropped", "Announcements lost because the queue was full.", [({}, broker.dropped)])
        yield _gauge("workers", "Worker processes that answered.", 1)
        yield _family("info", "gauge", "The version.", [({"version": __version__}, 1)])


def _family(name: str, kind: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    metric = Metric(PREFIX + name, text, kind)
    for labels, value in values:
        metric.add_sample(metric.name + ("_total" if kind == "counter" else ""), labels, float(value))
    return metric


def _histogram(requests: Mapping[tuple[str, str, int], Sequence[float]]) -> Metric:
    metric = Metric(f"{PREFIX}request_seconds", "Seconds from a request's head to its answer.", "histogram")
    for (endpoint, method, status), (*buckets, seconds) in requests.items():
        labels = {"endpoint": endpoint, "method": method, "status": f"{status}xx"}
        up_to = list(accumulate(buckets))
        for limit, number in zip((*map(str, BUCKETS), "+Inf"), up_to, strict=True):
            metric.add_sample(f"{metric.name}_bucket", {**labels, "le": limit}, number)
        metric.add_sample(f"{metric.name}_count", labels, up_to[-1])
        metric.add_sample(f"{metric.name}_sum", labels, seconds)
    return metric


def _gauge(name: str, text: str, value: float) -> Metric:
    return _family(name, "gauge", text, [({}, value)])


def _counter(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    return _family(name, "counter", text, values)


class _Merged(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _add(one: float, other: float) -> float:
    return one + other


def merged(reports: Iterable[Json]) -> Json:
    """The report of several processes together: counters are added up, gauges as ``COMBINED`` says."""
    found: dict[str, list[Json]] = {}
    values: dict[str, dict[tuple[Json, ...], list[Json]]] = {}
    for report in reports:
        for name, kind, text, samples in report:
            found.setdefault(name, [name, kind, text])
            combine = COMBINED.get(name.removeprefix(PREFIX), _add)
            known = values.setdefault(name, {})
            for sample, labels, value in samples:
                old = known.setdefault((sample, *sorted(labels.items())), [sample, labels, None])
                old[2] = value if old[2] is None else combine(old[2], value)
    return [[*family, list(values[name].values())] for name, family in found.items()]


def counted(kept: Json, last: Json) -> Json:
    """What is kept of ended processes with one more: all that is counted, no gauges."""
    counting = [family for family in last if family[1] in ("counter", "histogram") and family[3]]
    return merged([kept or [], counting])


def exposition(report: Json) -> bytes:
    """A report in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    metrics = []
    for name, kind, text, samples in report:
        metric = Metric(name, text, kind)
        for sample in samples:
            metric.add_sample(*sample)
        metrics.append(metric)
    registry.register(_Merged(metrics))
    return generate_latest(registry)
