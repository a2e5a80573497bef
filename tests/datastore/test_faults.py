"""What the client says of a CouchDB, or a network, that misbehaves."""

import asyncio
import logging

import pytest

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import (
    Closed,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    Fault,
    Misconfigured,
    TimedOut,
    Unreachable,
)

from . import fault_proxy as broken
from .conftest import QUICK
from .fault_proxy import FaultProxy, Status


async def test_a_refused_connection_is_unreachable(behind: Couch, proxy: FaultProxy, database: str) -> None:
    await proxy.refuse()
    with pytest.raises(Unreachable):
        await behind.open_doc(database, "x")
    with pytest.raises(Unreachable):
        await behind.save_doc(database, {"_id": "x"})
    await proxy.accept()
    assert (await behind.save_doc(database, {"_id": "x"}))["_rev"]


@pytest.mark.parametrize("fault", [broken.Fault.RESET, broken.Fault.TRUNCATE, Status(503), Status(502), Status(429)])
async def test_a_read_is_asked_again_where_the_connection_failed(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str, fault: broken.Fault | Status
) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "n": [1, 2, 3]})
    proxy.fail(fault, times=2)
    assert await behind.open_doc(database, "x") == saved
    assert behind.counters.retries == 2
    proxy.fail(fault)
    with pytest.raises(Unreachable):
        await behind.open_doc(database, "x")
    assert proxy.count(path="/x") == 6


async def test_a_view_that_breaks_off_is_no_short_list(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str
) -> None:
    await couch.save_docs(database, [{"_id": str(n)} for n in range(50)])
    for fault in (broken.Fault.RESET, broken.Fault.TRUNCATE):
        proxy.fail(fault)
        with pytest.raises(Unreachable):
            await behind.all_docs(database, include_docs=True)
        proxy.heal()
    assert len(await behind.all_docs(database)) == 50


async def test_a_write_is_never_sent_twice(behind: Couch, couch: Couch, proxy: FaultProxy, database: str) -> None:
    for fault in (broken.Fault.RESET, Status(503), Status(500, "timeout"), Status(500)):
        proxy.requests.clear()
        proxy.fail(fault, method="PUT")
        with pytest.raises(DatastoreError):
            await behind.save_doc(database, {"_id": f"{fault}"})
        assert proxy.count("PUT") == 1
        proxy.heal()


async def test_a_silent_server_times_out(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.STALL)
    with pytest.raises(TimedOut):
        await behind.open_doc(database, "x")
    with pytest.raises(TimedOut):
        await behind.save_doc(database, {"_id": "x"})
    assert len(proxy.requests) == 2


async def test_what_is_under_way_when_the_client_is_closed_does_not_connect_again(
    proxy: FaultProxy, database: str
) -> None:
    proxy.fail(broken.Fault.STALL)
    client = Couch(proxy.url, timeouts=QUICK)
    reading = asyncio.ensure_future(client.open_doc(database, "x"))
    saving = asyncio.ensure_future(client.save_doc(database, {"_id": "x"}))
    async with asyncio.timeout(5):
        while len(proxy.requests) < 2:
            await asyncio.sleep(0.01)
    await client.close()
    with pytest.raises(Closed):
        await reading
    # It may have been saved.
    with pytest.raises(Unreachable):
        await saving
    assert (client._wire._client, client._wire._feeds) == (None, None)
    assert len(proxy.requests) == 2


async def test_all_tries_of_a_read_share_one_time_limit(couchdb_url: str, proxy: FaultProxy, database: str) -> None:
    limited = Timeouts(connect=0.5, read=5, total=0.3)
    proxy.fail(Status(503), times=1)
    proxy.fail(broken.Fault.STALL)
    async with Couch(proxy.url, timeouts=limited) as client:
        with pytest.raises(TimedOut):
            await client.open_doc(database, "x")


async def test_a_lost_reply_leaves_the_outcome_open(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str
) -> None:
    told: list[str] = []
    behind.on_write = lambda written: told.append(written.doc_id)
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT")
    with pytest.raises(Unreachable):
        await behind.save_doc(database, {"_id": "x"})
    # It was saved: so everybody is told to look again, though the caller hears of a failure.
    assert await couch.open_doc(database, "x")
    assert told == ["x"]


@pytest.mark.parametrize("code", [401, 403])
async def test_refused_credentials_are_not_tried_again(
    behind: Couch, proxy: FaultProxy, database: str, code: int
) -> None:
    proxy.fail(Status(code, "Name or password is incorrect."))
    for _ in range(5):
        with pytest.raises(Misconfigured):
            await behind.open_doc(database, "x")
        with pytest.raises(Misconfigured):
            await behind.save_doc(database, {"_id": "x"})
        with pytest.raises(Misconfigured):
            async for _ in behind.changes(database, since=0):
                pass
    assert len(proxy.requests) == 1


async def test_after_a_while_refused_credentials_are_tried_once_more(
    behind: Couch, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.wire.LOCKOUT_PAUSE", 0.0)
    proxy.fail(Status(401), times=1)
    with pytest.raises(Misconfigured):
        await behind.database_exists(database)
    assert await behind.database_exists(database)


async def test_a_fault_of_the_server_is_a_fault(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(Status(500, "badmatch"), times=2)
    with pytest.raises(Fault, match="badmatch"):
        await behind.open_doc(database, "x")
    with pytest.raises(Fault):
        await behind.all_docs(database)
    proxy.fail(Status(500, "x"), path="_bulk_docs")
    with pytest.raises(Fault):
        await behind.save_docs(database, [{"_id": "x"}])


async def test_redirects_are_not_followed(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(Status(301))
    with pytest.raises(Fault, match="301"):
        await behind.open_doc(database, "x")
    with pytest.raises(Fault, match="301"):
        await behind.server()


async def test_a_save_without_a_revision_leaves_the_outcome_open(
    behind: Couch, proxy: FaultProxy, database: str
) -> None:
    proxy.fail(Status(201), method="PUT")
    with pytest.raises(Unreachable):
        await behind.save_doc(database, {"_id": "x"})


async def test_a_made_up_conflict_is_a_conflict(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(Status(409, "Document update conflict.", "conflict"), method="PUT", times=1)
    with pytest.raises(Conflict):
        await behind.save_doc(database, {"_id": "x"})
    assert (await behind.save_doc(database, {"_id": "x"}))["_rev"]


async def test_202_is_an_acknowledged_save_and_counted(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.ACCEPTED, method="PUT")
    saved = await behind.save_doc(database, {"_id": "x"})
    assert await behind.revision(database, "x") == saved["_rev"]
    assert behind.counters.unconfirmed_saves == 1


async def test_a_half_open_feed_is_noticed(behind: Couch, couch: Couch, proxy: FaultProxy, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})

    async def listen() -> None:
        async for piece in behind.changes(database, since=0):
            if piece:
                proxy.fail(broken.Fault.HALF_OPEN, path="_changes")

    with pytest.raises(TimedOut):
        await listen()


async def test_a_feed_that_breaks_off_is_unreachable(behind: Couch, proxy: FaultProxy, database: str) -> None:
    async def listen() -> None:
        async for piece in behind.changes(database, since=0):
            if not piece:
                await proxy.refuse()

    with pytest.raises(Unreachable):
        await listen()


@pytest.mark.parametrize("body", [b'[{"_id":"x"}]', b'"text"', b'{"rows":{}}', b"{", b"\xff", b""])
async def test_a_reply_of_another_shape_is_unreachable(behind: Couch, proxy: FaultProxy, body: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()

    proxy.scripts["/"] = answer
    for question in (
        behind.all_docs("accounts"),
        behind.view("accounts", "a/b"),
        behind.view("accounts", "a/b", keys=[1]),
    ):
        with pytest.raises(Unreachable):
            await question
    if not body.startswith(b'{"rows"'):
        with pytest.raises(Unreachable):
            await behind.open_doc("accounts", "x")
        with pytest.raises(Unreachable):
            await behind.open_doc("accounts", "x", conflicts=True)


async def test_the_password_is_sent_and_never_shown(database: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(Status(500, "broken").reply())
        await writer.drain()
        writer.close()

    caplog.set_level(logging.DEBUG)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    addresses = [
        Couch(f"http://kazoo:p%40ss%3Aword@127.0.0.1:{port}", timeouts=QUICK),
        Couch(f"http://127.0.0.1:{port}/", user="kazoo", password="p@ss:word", timeouts=QUICK),
    ]
    async with server:
        for client in addresses:
            with pytest.raises(Fault) as fault:
                await client.open_doc(database, "x")
            assert client.address == f"http://127.0.0.1:{port}"
            shown = f"{fault.value!r} {fault.value.__cause__!r} {fault.value.__context__!r} {client.address}"
            assert "word" not in shown + caplog.text
            assert "a2F6b286cEBzczp3b3Jk" not in shown + caplog.text
            await client.close()
    assert len(seen) == 2
    for request in seen:
        assert b"Authorization: Basic a2F6b286cEBzczp3b3Jk\r\n" in request
        assert b"Accept: application/json\r\n" in request
        assert b"word" not in request.split(b"\r\n")[0]


async def test_a_server_without_the_feed_of_databases_says_so(behind: Couch, proxy: FaultProxy) -> None:
    proxy.fail(Status(404, "no_db_file"), path="_db_updates")
    with pytest.raises(DatabaseMissing):
        async for _ in behind.db_updates(since="now"):
            pass
