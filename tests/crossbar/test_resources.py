"""The pipeline with resources: sub-resources, repeated requests, rate limits, long replies, the access log."""

import asyncio
import json
import logging
from typing import Any, ClassVar

import pytest

from crossbar_appstore.crossbar.context import Context, SerializedJson
from crossbar_appstore.crossbar.rate_limits import Limits
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import dumps
from tests.crossbar.conftest import Start
from tests.crossbar.sample import FIRST, MINE
from tests.crossbar.wire import Wire


class Page(Resource):
    """A sub-resource: answers with its params, publicly."""

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",)

    async def authenticate(self, context: Context) -> bool:
        return True

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = list(params)


class Book(Resource):
    """Its pages are a sub-resource; ``parts`` counts how often it was asked for a part."""

    noun: ClassVar[str] = "book"

    def __init__(self) -> None:
        self.parts = 0
        self._page = Page()

    def part(self, *params: str) -> Resource:
        self.parts += 1
        return self._page if params[:1] == ("page",) else self

    def allowed_methods(self, *params: str) -> Methods | None:
        return None if params else ("PUT",)


async def test_resource_part_is_resolved_once_and_answers_the_request(start: Start) -> None:
    book = Book()
    ask = await start(book)
    answer = await ask("GET", "/v2/book/page/3")
    assert (answer.status, answer.data, book.parts) == (200, ["page", "3"], 1)
    assert (await ask("GET", "/v2/book")).status == 405
    assert (await ask("GET", "/v2/book/cover")).status == 404
    preflight = await ask("OPTIONS", "/v2/book/page/3", {"Origin": "http://x"})
    assert preflight.names("access-control-allow-methods") == ["OPTIONS", "GET"]


class Counted(Resource):
    """Counts its calls; ``private`` needs a token."""

    noun: ClassVar[str] = "counted"

    def __init__(self) -> None:
        self.calls = 0

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",)

    async def authenticate(self, context: Context) -> bool:
        return context.resource.params != ("private",)

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        self.calls += 1
        context.reply.data = {"calls": self.calls}


async def test_repeated_request_is_decided_each_time(start: Start) -> None:
    ask = await start(Counted())
    first, second = [await ask("GET", "/v2/counted", MINE) for _ in range(2)]
    assert [first.data, second.data] == [{"calls": 1}, {"calls": 2}]
    assert first.json["request_id"] != second.json["request_id"] == second.headers["x-request-id"]


async def test_repeated_request_without_token_is_refused(start: Start) -> None:
    ask = await start(Counted())
    path = "/v2/counted/private"
    statuses = [(await ask("GET", path, headers)).status for headers in (MINE, {}, {"X-Auth-Token": "none"}, MINE)]
    assert statuses == [200, 401, 401, 200]


async def test_rate_limit_counts_each_request_without_token(start: Start) -> None:
    ask = await start(Counted(), limits=Limits(3, 0.0), proxies=("127.0.0.0/8",))
    replies = [await ask("GET", "/v2/counted") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply.json["tokens"]["remaining"] for reply in replies] == [2, 1, 0, 0]
    neighbour = await ask("GET", "/v2/counted", {"X-Forwarded-For": "9.9.9.9"})
    assert (neighbour.status, neighbour.json["tokens"]["remaining"]) == (200, 2)


async def test_rate_limit_counts_refused_requests(start: Start) -> None:
    ask = await start(Counted(), limits=Limits(2, 0.0))
    assert [(await ask("GET", "/v2/counted/private")).status for _ in range(3)] == [401, 401, 429]


class Long(Resource):
    noun: ClassVar[str] = "long"

    def __init__(self, data: Any) -> None:
        self._data = SerializedJson(dumps(data))

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",)

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = self._data


async def test_long_reply_arrives_whole(start: Start) -> None:
    data = ["x" * 1000] * 3000
    ask = await start(Long(data))
    reply = await ask("GET", "/v2/long", MINE)
    assert reply.json["data"] == data
    assert int(reply.headers["content-length"]) == len(reply.body)


async def test_long_reply_is_compressed_and_wrapped(start: Start) -> None:
    data = ["x" * 1000] * 100
    ask = await start(Long(data))
    zipped = await ask("GET", "/v2/long", {**MINE, "Accept-Encoding": "gzip"})
    assert json.loads(zipped.unpacked)["data"] == data
    wrapped = await ask("GET", "/v2/long?jsonp=call", {**MINE, "Accept-Encoding": "gzip"})
    assert json.loads(wrapped.unpacked[len(b"call(") : -len(b");")])["data"] == data


async def test_long_reply_survives_disconnect_of_another_client(start: Start) -> None:
    ask = await start(Long(["x" * 1000] * 30_000))
    _, writer = await asyncio.open_connection("127.0.0.1", ask.port)
    writer.write(b"GET /v2/long HTTP/1.1\r\nHost: x\r\nX-Auth-Token: own\r\n\r\n")
    await writer.drain()
    writer.close()
    assert (await ask("GET", "/v2/long", MINE)).status == 200


async def test_access_log_has_request_without_query_string(ask: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer = await ask("GET", f"{FIRST}?auth_token=own", {"X-Request-ID": "req-9"})
    (record,) = [each.__dict__ for each in caplog.records if each.message == "request"]
    assert (record["path"], record["request_id"]) == (FIRST, "req-9")
    assert (record["status"], record["bytes"]) == (200, len(answer.body))
    assert "auth_token" not in caplog.text
