"""Replies that are too long to be joined."""

import asyncio
import json
from typing import Any, ClassVar

from crossbar_appstore.crossbar.context import Context, PreparedJson
from crossbar_appstore.crossbar.pieces import WORTHWHILE, Pieces
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import dumps
from tests.crossbar.conftest import Start

OWN = {"X-Auth-Token": "own"}


class Long(Resource):
    noun: ClassVar[str] = "long"

    def __init__(self, data: Any) -> None:
        self._data = PreparedJson(dumps(data))

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",)

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = self._data


async def test_a_long_reply_arrives_whole(start: Start) -> None:
    data = ["x" * 1000] * 3000
    ask = await start(Long(data))
    reply = await ask("GET", "/v2/long", OWN)
    assert reply.json["data"] == data
    assert int(reply.headers["content-length"]) == len(reply.body) > WORTHWHILE


async def test_a_long_reply_is_compressed_and_dressed_as_any_other(start: Start) -> None:
    data = ["x" * 1000] * 100
    ask = await start(Long(data))
    zipped = await ask("GET", "/v2/long", {**OWN, "Accept-Encoding": "gzip"})
    assert json.loads(zipped.unpacked)["data"] == data
    dressed = await ask("GET", "/v2/long?jsonp=call", OWN)
    assert json.loads(dressed.body[len(b"call(") : -len(b");")])["data"] == data


async def test_who_hangs_up_in_the_middle_harms_nobody(start: Start) -> None:
    ask = await start(Long(["x" * 1000] * 30_000))
    _, writer = await asyncio.open_connection("127.0.0.1", ask.port)
    writer.write(b"GET /v2/long HTTP/1.1\r\nHost: x\r\nX-Auth-Token: own\r\n\r\n")
    await writer.drain()
    writer.close()
    assert (await ask("GET", "/v2/long", OWN)).status == 200


def test_pieces_are_one_text() -> None:
    pieces = Pieces(b"a", "é".encode(), b"")
    assert (pieces.decode(), len(pieces), pieces.size) == ("aé", 3, 3)
