"""A collector of OpenTelemetry traces: OTLP over HTTP on 127.0.0.1."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan

PATIENCE = 15.0
SERVER, CLIENT = SentSpan.SPAN_KIND_SERVER, SentSpan.SPAN_KIND_CLIENT


@dataclass(frozen=True)
class Span:
    """A span that was exported, and the attributes of its resource."""

    sent: SentSpan
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.sent.name)

    @property
    def trace(self) -> str:
        return self.sent.trace_id.hex()

    @property
    def id(self) -> str:
        return self.sent.span_id.hex()

    @property
    def parent(self) -> str:
        return self.sent.parent_span_id.hex()

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.sent.attributes)


@dataclass
class Collector:
    """``bodies`` are the requests as they came; with ``silent`` they get no answer."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    silent: bool = False

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return [
            Span(span, _values(each.resource.attributes))
            for body in self.bodies
            for each in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in each.scope_spans
            for span in scope.spans
        ]

    def servers(self) -> list[Span]:
        """The spans of requests to the service, oldest first."""
        found = [span for span in self.spans if span.sent.kind == SERVER]
        return sorted(found, key=lambda span: span.sent.start_time_unix_nano)

    def children(self, of: Span) -> list[Span]:
        """The spans of requests to CouchDB that one of these made."""
        return [span for span in self.spans if span.sent.kind == CLIENT and span.parent == of.id]

    async def wait(self, until: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not until():
                await asyncio.sleep(0.02)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.silent:
            await asyncio.sleep(3600)
        assert request.content_type == "application/x-protobuf"
        self.bodies.append(body)
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    application = web.Application(handler_args={"access_log": None})
    application.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        collector.url = "http://{}:{}".format(*runner.addresses[0])
        yield collector
    finally:
        await runner.cleanup()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes if isinstance(each, KeyValue)}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")
