"""OpenTelemetry traces: a span for each request, and in it one for each request to CouchDB.

Only imported with ``CROSSBAR_OTEL``: what it needs is installed with the extra ``otel``. The standard's variables
``OTEL_*`` name the collector, the sampler and the service; spans are sent as OTLP over HTTP, by a thread of the SDK.

OpenTelemetry's instrumentation of aiohttp's server is not used: it records query strings and whole paths, and works
only if it replaces ``web.Application``.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Final

from aiohttp import TraceRequestStartParams, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from opentelemetry import propagate
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.util.types import AttributeValue
from yarl import URL

from crossbar_appstore import __version__
from crossbar_appstore.crossbar.context import CONTEXT, Context
from crossbar_appstore.datastore.replies import kind_of
from crossbar_appstore.logs import Reminder

from .audit_events import clean
from .metrics import endpoint_of
from .pages import PATHS

log = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 1.0
"""Seconds that the collector has for the last spans when the service stops."""
_NAME: Final = "crossbar-appstore"


class Tracing:
    """The traces of one process; ``trace_config`` is for the sessions that talk to CouchDB."""

    def __init__(self) -> None:
        self._requests = _provider()
        # A request to CouchDB that belongs to no traced request, such as a change feed's, begins no trace.
        couchdb = _provider(ParentBased(ALWAYS_OFF))
        self._providers = (self._requests, couchdb)
        self.trace_config = create_trace_config(
            url_filter=shown_url,
            request_hook=_name_request,
            tracer_provider=couchdb,
            meter_provider=NoOpMeterProvider(),
        )

    def middleware(self) -> Middleware:
        """The middleware that makes the span of a request, the outermost one."""
        tracer = self._requests.get_tracer(_NAME, __version__)

        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.rel_url.raw_path in PATHS:
                return await handler(request)
            attributes = {
                "http.request.method": _known(request.method, "_OTHER"),
                "url.scheme": request.scheme,
                "url.path": clean(request.rel_url.raw_path),
            }
            with tracer.start_as_current_span(
                _known(request.method, "HTTP"),
                context=propagate.extract(request.headers),
                kind=SpanKind.SERVER,
                attributes=attributes,
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                try:
                    response = await handler(request)
                    _note_status(span, response.status)
                    return response
                finally:
                    _describe(span, request[CONTEXT])

        return middleware

    async def exporting(self, _: web.Application) -> AsyncIterator[None]:
        """Send spans to the collector for as long as the context is entered: a cleanup context of the application."""
        processor = BatchSpanProcessor(_Exporter())
        for provider in self._providers:
            provider.add_span_processor(processor)
        yield
        await _within(FLUSH_SECONDS, self._requests.shutdown)


class _Exporter(OTLPSpanExporter):
    """Sends spans, and logs where the collector does not take them, once a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._reminder = Reminder()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS and self._reminder.due(result):
            log.warning("traces not exported", extra={"spans": len(spans)})
        return result


async def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do what blocks, and wait so long for it at most; what is not done then ends with the process."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        work()
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    # The process does not wait for it, unlike for a thread of the executor.
    threading.Thread(target=run, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()


def _provider(sampler: Sampler | None = None) -> TracerProvider:
    own: dict[str, AttributeValue] = {"service.name": _NAME, "service.version": __version__, "process.pid": os.getpid()}
    # Merged once more, since what is given to ``create`` wins over the environment.
    resource = Resource.create(own).merge(OTELResourceDetector().detect())
    # An exception would become an event of its span, and its text may hold a query string.
    limits = SpanLimits(max_events=0)
    return TracerProvider(sampler=sampler, resource=resource, span_limits=limits, shutdown_on_exit=False)


def shown_url(url: URL) -> str:
    """The URL of a request to CouchDB without query string, which may hold hashes, and other secrets."""
    return str(clean(str(url.with_query(None).with_fragment(None).with_user(None))))


def _name_request(span: Span, params: TraceRequestStartParams) -> None:
    kind = kind_of(params.url.raw_path)
    span.update_name(f"{params.method} {kind}")
    span.set_attributes({"db.system.name": "couchdb", "db.operation.name": kind})


def _describe(span: Span, context: Context) -> None:
    endpoint = endpoint_of(context)
    span.update_name(f"{_known(context.verb or context.method, 'HTTP')} {endpoint}")
    span.set_attribute("http.route", endpoint)
    span.set_attribute("client.address", context.client_ip)
    span.set_attribute("crossbar.request_id", clean(context.request_id))
    if context.account_id is not None:
        span.set_attribute("crossbar.account_id", clean(context.account_id))


def _note_status(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)
        span.set_attribute("error.type", str(status))


def _known(method: str, other: str) -> str:
    return method if method in hdrs.METH_ALL else other
