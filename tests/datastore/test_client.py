"""What the client does when CouchDB, or the network, misbehaves: errors, retries, deadlines, credentials, redirects."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import (
    AccessDenied,
    Closed,
    Conflict,
    DatabaseMissing,
    DatastoreError,
    Fault,
    MalformedReply,
    Misconfigured,
    OutcomeUnknown,
    TimedOut,
    Unreachable,
)

from . import fault_proxy as broken
from .conftest import QUICK, NewDatabase
from .fault_proxy import FaultProxy, Status

NOT_ALLOWED = Status(403, "You are not allowed to access this db.", "forbidden")
LOCKED = Status(403, "Account is temporarily locked due to multiple authentication failures", "forbidden")


async def changes_of(client: Couch, database: str) -> None:
    """Follow a database's changes until the feed ends."""
    async with aclosing(client.feeds.changes(database, since=0)) as batches:
        async for _ in batches:
            pass


# Reads are retried, writes are not


async def test_client_refused_connection_is_unreachable(behind: Couch, proxy: FaultProxy, database: str) -> None:
    await proxy.refuse()
    with pytest.raises(Unreachable):
        await behind.open_doc(database, "x")
    with pytest.raises(Unreachable):
        await behind.save_doc(database, {"_id": "x"})
    await proxy.accept()
    assert (await behind.save_doc(database, {"_id": "x"}))["_rev"]


@pytest.mark.parametrize("fault", [broken.Fault.RESET, broken.Fault.TRUNCATE, Status(503), Status(502), Status(429)])
async def test_client_read_is_retried_where_the_connection_failed(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str, fault: broken.Fault | Status
) -> None:
    saved = await couch.save_doc(database, {"_id": "x", "n": [1, 2, 3]})
    proxy.fail(fault, times=2)
    assert await behind.open_doc(database, "x") == saved
    assert behind.statistics.retries == 2
    proxy.fail(fault)
    with pytest.raises(Unreachable):
        await behind.open_doc(database, "x")
    assert proxy.count(path="/x") == 6


async def test_client_read_shares_one_deadline_among_its_tries(proxy: FaultProxy, database: str) -> None:
    async def answer_late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(Status(503).reply())
        await writer.drain()

    proxy.scripts["/"] = answer_late
    # Each try is answered within its own time limit, all three together are not.
    async with Couch(proxy.url, timeouts=Timeouts(connect=0.5, read=5, total=0.4)) as client:
        with pytest.raises(TimedOut):
            await client.open_doc(database, "x")
    assert len(proxy.requests) == 2


async def test_client_read_pauses_longer_before_each_retry(
    behind: Couch, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("crossbar_appstore.datastore.client.backoff", pause)
    proxy.fail(Status(503))
    with pytest.raises(Unreachable):
        await behind.open_doc(database, "x")
    assert pauses == [0.05, 0.1]


async def test_client_read_of_rows_that_break_off_is_no_short_list(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str
) -> None:
    await couch.save_docs(database, [{"_id": str(n)} for n in range(50)])
    for fault in (broken.Fault.RESET, broken.Fault.TRUNCATE):
        proxy.fail(fault)
        with pytest.raises(Unreachable):
            await behind.all_docs(database, include_docs=True)
        proxy.heal()
    assert len(await behind.all_docs(database)) == 50


async def test_client_write_is_sent_once(behind: Couch, proxy: FaultProxy, database: str) -> None:
    for fault in (broken.Fault.RESET, Status(503), Status(500, "timeout"), Status(500)):
        proxy.requests.clear()
        proxy.fail(fault, method="PUT")
        with pytest.raises(DatastoreError):
            await behind.save_doc(database, {"_id": f"{fault}"})
        assert proxy.count("PUT") == 1
        proxy.heal()


async def test_client_silent_server_times_out(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.STALL)
    with pytest.raises(TimedOut):
        await behind.open_doc(database, "x")
    with pytest.raises(OutcomeUnknown):
        await behind.save_doc(database, {"_id": "x"})
    assert len(proxy.requests) == 2


async def test_client_write_whose_reply_is_lost_may_have_been_saved(
    behind: Couch, couch: Couch, proxy: FaultProxy, database: str
) -> None:
    told: list[str] = []
    behind.on_write.append(lambda written: told.append(written.doc_id))
    proxy.fail(broken.Fault.LOSE_REPLY, method="PUT")
    with pytest.raises(OutcomeUnknown):
        await behind.save_doc(database, {"_id": "x"})
    # It was saved: caches must read it again though the caller gets an error.
    assert await couch.open_doc(database, "x")
    assert told == ["x"]


async def test_client_save_without_a_revision_in_the_reply_may_have_been_saved(
    behind: Couch, proxy: FaultProxy, database: str
) -> None:
    proxy.fail(Status(201), method="PUT")
    with pytest.raises(OutcomeUnknown):
        await behind.save_doc(database, {"_id": "x"})
    proxy.heal()
    saved = await behind.save_doc(database, {"_id": "x"})
    proxy.fail(Status(201), method="PUT")
    with pytest.raises(OutcomeUnknown):
        await behind.save_doc(database, saved)


async def test_client_409_is_a_conflict(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(Status(409, "Document update conflict.", "conflict"), method="PUT", times=1)
    with pytest.raises(Conflict):
        await behind.save_doc(database, {"_id": "x"})
    assert (await behind.save_doc(database, {"_id": "x"}))["_rev"]


async def test_client_202_is_an_acknowledged_write_and_counted(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(broken.Fault.ACCEPTED)
    saved = await behind.save_doc(database, {"_id": "x"})
    assert await behind.open_doc(database, "x") == saved
    assert behind.statistics.unconfirmed_saves == 1
    [result] = await behind.save_docs(database, [{"_id": "y"}])
    assert result.error is None
    assert behind.statistics.unconfirmed_saves == 2


async def test_client_unexpected_status_is_a_fault(behind: Couch, proxy: FaultProxy, database: str) -> None:
    proxy.fail(Status(500, "badmatch"), times=2)
    with pytest.raises(Fault, match="badmatch"):
        await behind.open_doc(database, "x")
    with pytest.raises(Fault):
        await behind.all_docs(database)
    proxy.fail(Status(500, "x"), path="_bulk_docs")
    with pytest.raises(Fault):
        await behind.save_docs(database, [{"_id": "x"}])


async def test_client_redirect_is_not_followed(behind: Couch, proxy: FaultProxy, database: str) -> None:
    elsewhere: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        elsewhere.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def redirect(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head % port)
        await writer.drain()

    proxy.scripts["/"] = redirect
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: behind.open_doc(database, "x"),
        behind.server,
        lambda: behind.all_docs(database),
        lambda: behind.save_doc(database, {"_id": "x"}),
        lambda: changes_of(behind, database),
    ]
    async with server:
        for request in requests:
            with pytest.raises(Unreachable, match="301"):
                await request()
    assert elsewhere == []


# Replies of another form


@pytest.mark.usefixtures("no_retry_pauses")
@pytest.mark.parametrize(
    "body", [b'[{"_id":"x"}]', b'"text"', b'{"rows":{}}', b'{"rows":[7]}', b"{", b"\xff", b"", b"7"]
)
async def test_client_reply_of_another_form_is_malformed(behind: Couch, proxy: FaultProxy, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head % (b"text/html" if body == b"{" else b"application/json", len(body)) + body)
        await writer.drain()

    # Afterwards the client knows that it is a CouchDB.
    assert not await behind.database_exists("nosuch")
    proxy.scripts["/"] = answer
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: behind.open_doc("accounts", "x"),
        lambda: behind.open_doc("accounts", "x", conflicts=True),
        lambda: behind.all_docs("accounts"),
        lambda: behind.view("accounts", "a/b"),
        lambda: behind.view("accounts", "a/b", keys=[1]),
        lambda: behind.view("accounts", "a/b", group_level=1),
        lambda: behind.find("accounts", {}),
        lambda: behind.feeds.changes_since("accounts", 0),
    ]
    for request in requests:
        with pytest.raises(MalformedReply):
            await request()
    with pytest.raises(OutcomeUnknown):
        await behind.save_doc("accounts", {"_id": "x"})


@pytest.mark.parametrize("body", [b'"text"', b'{"rows":{}}', b"{", b"7"])
async def test_client_reply_of_another_form_to_a_bulk_save_is_malformed(
    behind: Couch, proxy: FaultProxy, body: bytes
) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()

    proxy.scripts["/"] = answer
    with pytest.raises(MalformedReply):
        await behind.save_docs("accounts", [{"_id": "x"}])


@pytest.mark.usefixtures("no_retry_pauses")
@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{", b"7"])
async def test_client_server_and_database_info_of_another_form_is_malformed(
    behind: Couch, proxy: FaultProxy, body: bytes
) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()

    proxy.scripts["/"] = answer
    requests: list[Callable[[], Awaitable[object]]] = [
        behind.server,
        lambda: behind.update_seq("accounts"),
    ]
    for request in requests:
        with pytest.raises(MalformedReply):
            await request()


# Credentials


@pytest.mark.parametrize("refusal", [Status(401, "Name or password is incorrect."), LOCKED])
@pytest.mark.parametrize("first", ["read", "write", "feed"])
async def test_client_pauses_every_request_after_rejected_credentials(
    behind: Couch, proxy: FaultProxy, new_database: NewDatabase, refusal: Status, first: str
) -> None:
    database, other = await new_database(), await new_database()
    requests: dict[str, Callable[[], Awaitable[object]]] = {
        "read": lambda: behind.open_doc(database, "x"),
        "write": lambda: behind.save_doc(database, {"_id": "x"}),
        "feed": lambda: changes_of(behind, database),
        "other database": lambda: behind.open_doc(other, "x"),
        "server": behind.server,
    }
    proxy.fail(refusal)
    for request in [requests[first], *requests.values(), *requests.values()]:
        with pytest.raises(Misconfigured):
            await request()
    assert len(proxy.requests) == 1


async def test_client_tries_rejected_credentials_again_after_the_pause(
    behind: Couch, proxy: FaultProxy, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.credentials.PAUSES", (0.0,))
    proxy.fail(Status(401), times=1)
    with pytest.raises(Misconfigured):
        await behind.open_doc(database, "x")
    assert await behind.database_exists(database)


async def test_client_403_of_a_database_pauses_nothing(
    behind: Couch, couch: Couch, proxy: FaultProxy, new_database: NewDatabase
) -> None:
    denied, allowed = await new_database(), await new_database()
    saved = await couch.save_doc(allowed, {"_id": "x"})
    # Afterwards the client knows that it is a CouchDB.
    assert await behind.database_exists(allowed)
    proxy.requests.clear()
    proxy.fail(NOT_ALLOWED, path=denied.replace("/", "%2F"))
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: behind.open_doc(denied, "x"),
        lambda: behind.save_doc(denied, {"_id": "x"}),
        lambda: behind.save_docs(denied, [{"_id": "x"}]),
        lambda: behind.delete_doc(denied, "x", "1-a"),
        lambda: behind.all_docs(denied),
        lambda: behind.view(denied, "a/b"),
        lambda: behind.open_attachment(denied, "x", "icon.png"),
        lambda: behind.database_exists(denied),
        lambda: changes_of(behind, denied),
    ]
    for count, request in enumerate(requests, start=1):
        with pytest.raises(AccessDenied):
            await request()
        # Nothing is held back: each request reaches CouchDB, of another database too.
        assert await behind.open_doc(allowed, "x") == saved
        assert len(proxy.requests) == 2 * count


async def test_client_403_of_a_document_concerns_that_document_only(
    behind: Couch, proxy: FaultProxy, database: str
) -> None:
    # As a validate_doc_update function answers.
    proxy.fail(Status(403, "only administrators may do this", "forbidden"), method="PUT", path="/refused")
    with pytest.raises(AccessDenied, match="only administrators may do this"):
        await behind.save_doc(database, {"_id": "refused"})
    assert (await behind.save_doc(database, {"_id": "accepted"}))["_rev"]


async def test_client_sends_the_password_and_never_shows_it(database: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(Status(500, "broken").reply())
        await writer.drain()
        writer.close()

    caplog.set_level(logging.DEBUG)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [
        Couch(f"http://kazoo:p%40ss%3Aword@127.0.0.1:{port}", timeouts=QUICK),
        Couch(f"http://127.0.0.1:{port}/", user="kazoo", password="p@ss:word", timeouts=QUICK),
    ]
    async with server:
        for client in clients:
            requests: list[Callable[[], Awaitable[object]]] = [
                lambda client=client: client.open_doc(database, "x"),  # type: ignore[misc]  # mypy infers no default
                lambda client=client: client.all_docs(database),  # type: ignore[misc]
                lambda client=client: changes_of(client, database),  # type: ignore[misc]
            ]
            for request in requests:
                with pytest.raises(Fault) as fault:
                    await request()
                shown = f"{fault.value!r} {fault.value.__cause__!r} {fault.value.__context__!r} {client.address}"
                assert "word" not in shown + caplog.text
                assert "a2F6b286cEBzczp3b3Jk" not in shown + caplog.text
            assert client.address == f"http://127.0.0.1:{port}"
            await client.close()
    assert len(seen) == 6
    for head in seen:
        assert b"Authorization: Basic a2F6b286cEBzczp3b3Jk\r\n" in head
        assert b"Accept: application/json\r\n" in head
        assert b"word" not in head.split(b"\r\n")[0]


# Closing


async def test_client_closed_makes_no_request_until_it_is_opened(couchdb_url: str, database: str) -> None:
    client = Couch(couchdb_url + "/")
    assert not client.address.endswith("/")
    assert await client.database_exists(database)
    await client.close()
    requests = client.statistics.requests
    for request in (
        lambda: client.database_exists(database),
        client.server,
        lambda: client.open_doc(database, "x"),
        lambda: client.save_doc(database, {"_id": "x"}),
        lambda: changes_of(client, database),
    ):
        with pytest.raises(Closed):
            await request()
    assert client.statistics.requests == requests
    async with client:
        assert await client.database_exists(database)


async def test_client_closed_ends_requests_without_connecting_again(proxy: FaultProxy, database: str) -> None:
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
    with pytest.raises(OutcomeUnknown):
        await saving
    assert len(proxy.requests) == 2


# Feeds


async def test_client_half_open_feed_times_out(behind: Couch, couch: Couch, proxy: FaultProxy, database: str) -> None:
    await couch.save_doc(database, {"_id": "x"})

    async def listen() -> None:
        async with aclosing(behind.feeds.changes(database, since=0)) as batches:
            async for batch in batches:
                if batch:
                    proxy.fail(broken.Fault.HALF_OPEN, path="_changes")

    with pytest.raises(TimedOut):
        await listen()


async def test_client_feed_that_breaks_off_is_unreachable(behind: Couch, proxy: FaultProxy, database: str) -> None:
    async def listen() -> None:
        async with aclosing(behind.feeds.changes(database, since=0)) as batches:
            async for batch in batches:
                if not batch:
                    await proxy.refuse()

    with pytest.raises(Unreachable):
        await listen()


async def test_client_feed_of_a_missing_database_says_so(couch: Couch) -> None:
    with pytest.raises(DatabaseMissing):
        await changes_of(couch, "account/no/ne/0")
