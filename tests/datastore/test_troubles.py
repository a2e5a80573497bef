"""Each kind of trouble at the address of CouchDB is told from the others."""

import asyncio
import socket
import ssl
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import (
    CONFIGURATION,
    AccessDenied,
    CertificateRefused,
    LockedOut,
    Misconfigured,
    NotCouchDB,
    NoTLS,
    Subject,
    TimedOut,
    Troubled,
    Unavailable,
    UnknownHost,
    translate,
)
from tests.datastore.web_server import HTML, JSON, reply, server

QUICK = Timeouts(connect=0.5, read=10.0, total=10.0)


@pytest.mark.parametrize(
    "answer",
    [
        reply(404, HTML),
        reply(404, JSON, "application/json"),
        reply(404, b"", "text/plain"),
        reply(200, HTML),
        reply(200, b"Welcome", "text/plain"),
        reply(200, b"{}", "application/json"),
        reply(405, HTML),
        reply(501, HTML),
        reply(302, b"", more="Location: https://example.com/\r\n"),
    ],
    ids=["404 HTML", "404 JSON", "404 empty", "200 HTML", "200 text", "200 JSON", "405", "501", "302"],
)
@pytest.mark.parametrize("user", ["", "kazoo:secret@"])
async def test_couch_another_web_server_is_not_an_empty_couchdb(answer: Callable[[bytes], bytes], user: str) -> None:
    async with server(answer) as place, Couch(f"http://{user}{place}", timeouts=QUICK) as couch:
        for database in ("accounts", "system_data"):
            with pytest.raises(NotCouchDB):
                await couch.database_exists(database)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_couch_another_web_servers_404_is_no_missing_document(status: int) -> None:
    async with server(reply(status, HTML)) as place, Couch(f"http://{place}", timeouts=QUICK) as couch:
        with pytest.raises(NotCouchDB, match=f"answered {status}"):
            await couch.open_doc("accounts", "x")
        with pytest.raises(NotCouchDB):
            await couch.view("accounts", "accounts/listing_by_id")


async def test_couch_a_proxy_without_couchdb_is_unavailable() -> None:
    async with server(reply(503, HTML)) as place, Couch(f"http://{place}", timeouts=QUICK) as couch:
        with pytest.raises(Unavailable) as trouble:
            await couch.database_exists("accounts")
    assert not isinstance(trouble.value, CONFIGURATION)


async def test_couch_https_to_a_port_for_http_is_named() -> None:
    async with server(reply(400, HTML)) as place, Couch(f"https://{place}", timeouts=QUICK) as couch:
        with pytest.raises(NoTLS):
            await couch.server()

    def wait_for_the_end_of_the_head(head: bytes) -> bytes:
        # As CouchDB does: a TLS handshake has none.
        return reply(200, b'{"couchdb":"Welcome"}', "application/json")(head)

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.read(3)
        if head == b"GET":
            writer.write(wait_for_the_end_of_the_head(head + await reader.readuntil(b"\r\n\r\n")))
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(patient, "127.0.0.1", 0) as listening:
        place = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with Couch(f"https://kazoo:secret@{place}", timeouts=QUICK) as couch:
            with pytest.raises(NoTLS, match="answers to http"):
                await couch.server()


async def test_couch_https_to_a_hung_server_is_unavailable() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as listening:
        place = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with Couch(f"https://{place}", timeouts=QUICK) as couch:
            with pytest.raises(Troubled) as trouble:
                await couch.server()
    assert not isinstance(trouble.value, CONFIGURATION)


KEY = ConnectionKey("db.example.com", 6984, True, True, None, None, None)


def openssl(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:1)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NONAME, "x")), UnknownHost, "db.example.com"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_NODATA, "x")), UnknownHost, "db.example.com"),
        (aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(socket.EAI_AGAIN, "x")), Unavailable, "db.example.com"),
        (aiohttp.ClientConnectorSSLError(KEY, openssl("WRONG_VERSION_NUMBER")), NoTLS, "WRONG_VERSION_NUMBER"),
        (aiohttp.ClientConnectorSSLError(KEY, openssl("RECORD_LAYER_FAILURE")), NoTLS, "RECORD_LAYER_FAILURE"),
        (
            aiohttp.ClientConnectorSSLError(KEY, openssl("SSLV3_ALERT_BAD_CERTIFICATE")),
            CertificateRefused,
            "BAD_CERTIFICATE",
        ),
        (aiohttp.ClientConnectorSSLError(KEY, openssl("NO_PROTOCOLS_AVAILABLE")), Unavailable, "NO_PROTOCOLS"),
        (
            aiohttp.ClientOSError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert"),
            CertificateRefused,
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        ),
        (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "x")), Unavailable, "Connection refused"),
    ],
)
def test_translate_names_what_kept_a_connection_from_being_made(error: Exception, kind: type, words: str) -> None:
    trouble = translate(error, Subject())
    assert type(trouble) is kind
    assert words in str(trouble)


def test_troubles_have_words_of_their_own() -> None:
    kinds = [Misconfigured, LockedOut, AccessDenied, UnknownHost, CertificateRefused, NoTLS, NotCouchDB, TimedOut]
    assert len({kind.words for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, CONFIGURATION) for kind in kinds[:-1])
    assert not issubclass(TimedOut, CONFIGURATION)
    assert NotCouchDB("nginx").explained == "the address is not that of a CouchDB: nginx"
