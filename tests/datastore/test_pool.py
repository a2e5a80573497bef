"""HTTP as servers and networks really speak it: keep-alive, framing, silence, and connections that end."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from crossbar_appstore.datastore.connection import BrokenReply, NoReply
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from crossbar_appstore.datastore.client import Pool, Timeouts
from crossbar_appstore.datastore.errors import Closed

QUICK = Timeouts(connect=0.5, read=0.3, total=0.8)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

Script = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A server that does what a script says; ``heads`` of the requests it read, ``connections`` that it accepted."""

    script: Script
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self.script(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            """The client went."""
        finally:
            self.open -= 1
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))


def always(*pieces: bytes, pause: float = 0.0) -> Script:
    """Answers every request of a connection with these bytes."""

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)

    return script


def once(reply: bytes) -> Script:
    """Answers one request, then closes the connection."""

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.write(reply)
        await writer.drain()

    return script


@asynccontextmanager
async def serving(
    script: Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, str]]:
    server = Server(script)
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    async with listening:
        yield server, f"http{'s' if tls else ''}://{name}:{server.port}"
        listening.close()


@asynccontextmanager
async def pooled(
    script: Script, timeouts: Timeouts = QUICK, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Server, Pool]]:
    async with serving(script, host) as (server, url):
        pool = Pool(URL(url), {"Accept": "application/json"}, timeouts)
        try:
            yield server, pool
        finally:
            await pool.close()


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.005)


# Replies


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
        (b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_a_reply_is_whole_however_it_is_framed_and_cut(reply: bytes, body: bytes) -> None:
    for cut in (1, 7, len(reply)):
        pieces = [reply[start : start + cut] for start in range(0, len(reply), cut)]
        async with pooled(always(*pieces)) as (server, pool):
            for _ in range(2):
                answer = await pool.request("GET", "/x")
                assert (answer.body, "x-early" in answer.headers) == (body, False)
            assert server.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_reply_may_end_with_its_connection(version: bytes) -> None:
    async with pooled(once(b"HTTP/" + version + b" 200 OK\r\nX: 1\r\n\r\nhello")) as (server, pool):
        assert (await pool.request("GET", "/x")).body == b"hello"
        assert (await pool.request("GET", "/x")).body == b"hello"
        assert server.connections == 2


async def test_a_reply_to_head_has_no_body() -> None:
    async with pooled(always(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as (_, pool):
        for _ in range(2):
            reply = await pool.request("HEAD", "/x")
            assert (reply.body, reply.headers["content-length"]) == (b"", "5")


@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"deflate"])
async def test_what_somebody_compressed_is_unpacked(coding: bytes) -> None:
    body = gzip.compress(b"hello")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (coding, len(body))
    async with pooled(always(head + body)) as (_, pool):
        assert (await pool.request("GET", "/x")).body == b"hello"
    async with pooled(always(head + b"!" * len(body))) as (_, pool):
        with pytest.raises(BrokenReply):
            await pool.request("GET", "/x")


@pytest.mark.parametrize(
    "reply", [b"SMTP ready\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]
)
async def test_what_is_no_http_is_a_broken_reply(reply: bytes) -> None:
    async with pooled(always(reply)) as (_, pool):
        with pytest.raises(BrokenReply):
            await pool.request("GET", "/x")


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
    ],
)
async def test_a_reply_that_breaks_off_is_no_reply(reply: bytes) -> None:
    async with pooled(once(reply)) as (server, pool):
        with pytest.raises(ConnectionResetError):
            await pool.request("GET", "/x")
        assert server.connections == 1


# Connections


async def test_connections_are_used_again_and_not_more_than_needed() -> None:
    async with pooled(always(OK, pause=0.01)) as (server, pool):
        await asyncio.gather(*(pool.request("GET", "/x") for _ in range(5)))
        assert server.connections == 5
        for _ in range(5):
            await asyncio.gather(*(pool.request("GET", "/x") for _ in range(3)))
        assert server.connections == 5


async def test_no_more_than_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client.MOST_CONNECTIONS", 2)
    async with pooled(always(OK, pause=0.01)) as (server, pool):
        await asyncio.gather(*(pool.request("GET", "/x") for _ in range(10)))
        assert (server.connections, len(server.heads)) == (2, 10)


async def test_waiting_for_a_place_counts_as_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client.MOST_CONNECTIONS", 1)

    async def never(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        await reader.read()

    async with pooled(never, Timeouts(connect=1, read=1, total=0.2)) as (server, pool):
        outcomes = await asyncio.gather(*(pool.request("GET", "/x") for _ in range(2)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TimeoutError, TimeoutError]
        assert server.connections == 1


async def test_a_connection_that_the_server_closes_is_forgotten() -> None:
    async with pooled(once(OK)) as (server, pool):
        for number in range(3):
            assert (await pool.request("POST", "/x", b"{}")).status == 200
            await until(lambda: server.open == 0)
            await asyncio.sleep(0.01)
            assert server.connections == number + 1


async def test_connection_close_is_heeded() -> None:
    async with pooled(always(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")) as (server, pool):
        for _ in range(3):
            await pool.request("GET", "/x")
        assert server.connections == 3


async def test_an_idle_connection_is_not_trusted_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.datastore.client.IDLE_SECONDS", 0.05)
    async with pooled(always(OK)) as (server, pool):
        await pool.request("GET", "/x")
        await asyncio.sleep(0.06)
        await pool.request("GET", "/x")
        assert server.connections == 2
        await until(lambda: server.open == 0)  # nobody asks any more, and still they are closed


def closing_second() -> Script:
    """Closes a connection when its second request comes: as if that had crossed the end of keep-alive."""

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        writer.write(OK)
        await writer.drain()
        await server.read(reader)

    return script


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_request_that_crossed_the_end_of_a_connection_is_sent_again(method: str) -> None:
    async with pooled(closing_second()) as (server, pool):
        await pool.request(method, "/x")
        assert (await pool.request(method, "/x")).status == 200
        assert (server.connections, len(server.heads)) == (2, 3)


async def test_a_post_is_never_sent_again() -> None:
    async with pooled(closing_second()) as (server, pool):
        await pool.request("POST", "/x", b"{}")
        with pytest.raises(NoReply):
            await pool.request("POST", "/x", b"{}")
        assert len(server.heads) == 2


async def test_a_new_connection_that_ends_without_a_reply_is_a_failure() -> None:
    async with pooled(once(b"")) as (server, pool):
        with pytest.raises(NoReply):
            await pool.request("PUT", "/x", b"{}")
        assert server.connections == 1


async def test_what_nobody_asked_for_is_never_taken_for_a_reply() -> None:
    async with pooled(always(OK, OK, pause=0.01)) as (server, pool):
        await pool.request("GET", "/x")
        await until(lambda: server.open == 0)
        await pool.request("GET", "/x")
        assert server.connections == 2


async def test_the_late_reply_of_a_request_given_up_goes_to_nobody() -> None:
    async with pooled(always(b"", OK, pause=0.05)) as (server, pool):
        task = asyncio.ensure_future(pool.request("GET", "/given/up"))
        await until(lambda: len(server.heads) == 1)
        task.cancel()
        await asyncio.wait([task])
        assert (await pool.request("GET", "/x")).status == 200
        assert server.connections == 2


# Time


async def test_silence_is_a_time_out() -> None:
    async with pooled(always(OK[:-1], pause=1)) as (server, pool):
        with pytest.raises(TimeoutError):
            await pool.request("GET", "/x")
        await until(lambda: server.open == 0 or len(server.heads) == 1)


async def test_a_reply_that_drips_may_take_longer_than_a_silence_but_not_for_ever() -> None:
    drops = [OK[start : start + 8] for start in range(0, len(OK), 8)]
    async with pooled(always(*drops, pause=0.07)) as (_, pool):
        assert (await pool.request("GET", "/x")).body == b"{}"
    async with pooled(always(*drops, pause=0.25)) as (_, pool):
        with pytest.raises(TimeoutError):
            await pool.request("GET", "/x")


async def test_a_timer_for_a_long_time_does_not_serve_a_short_one() -> None:
    replies = iter([OK, OK[:-1]])

    async def script(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await server.read(reader)
            writer.write(reply)
        await reader.read()

    async with pooled(script, Timeouts(connect=1, read=0.2, total=5)) as (server, pool):
        await pool.request("GET", "/x")
        await asyncio.sleep(0.25)  # the timer of the first request rings, and is set for the end of idleness
        with pytest.raises(TimeoutError):
            await pool.request("GET", "/x")
        assert server.connections == 1


async def test_a_long_request_is_no_silence() -> None:
    length = 8_000_000

    async def slow(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read(reader)
        await asyncio.sleep(0.5)
        await reader.readexactly(length)
        writer.write(OK)

    async with pooled(slow, Timeouts(connect=1, read=0.3, total=20)) as (_, pool):
        assert (await pool.request("PUT", "/x", b"x" * length)).status == 200


# Closing


async def test_whoever_waits_while_it_is_closed_leaves_nothing_open() -> None:
    async with pooled(always(OK)) as (server, pool):
        asking = asyncio.ensure_future(pool.request("GET", "/x"))
        await asyncio.sleep(0)  # it connects now
        await pool.close()
        with pytest.raises(Closed):
            await asking
        with pytest.raises(Closed):
            await pool.request("GET", "/x")
        await asyncio.sleep(0.05)
        assert not pool._all
        assert not server.heads


# Addresses


async def test_hosts_may_be_ipv6() -> None:
    try:
        async with pooled(always(OK), host="::1") as (server, pool):
            assert (await pool.request("GET", "/x")).status == 200
            assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.heads[0]
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


async def test_default_ports_are_not_named() -> None:
    pool = Pool(URL("http://couch.example.com"), {}, QUICK)
    assert pool._head == "Host: couch.example.com\r\n"
    await pool.close()


async def test_nothing_is_listening() -> None:
    async with serving(always(OK)) as (_, url):
        """A port that was free."""
    pool = Pool(URL(url), {}, QUICK)
    with pytest.raises(ConnectionRefusedError):
        await pool.request("GET", "/x")


@pytest.mark.parametrize("target", ["x", "/a b", "/a\r\nX: 1", "/ä", ""])
async def test_no_request_is_smuggled_through_an_address(target: str) -> None:
    async with pooled(always(OK)) as (server, pool):
        with pytest.raises(ValueError, match="target"):
            await pool.request("GET", target)
        with pytest.raises(ValueError, match="header"):
            await pool.request("GET", "/x", None, {"Destination": "a\r\nX: 1"})
        assert not server.heads


async def test_a_server_with_a_certificate_is_spoken_to_only_if_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = _certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    async with serving(always(OK), tls=tls) as (_, url):
        pool = Pool(URL(url), {}, Timeouts(connect=5, read=5, total=10))
        with pytest.raises(ssl.SSLCertVerificationError):
            await pool.request("GET", "/x")
        await pool.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        pool = Pool(URL(url), {}, Timeouts(connect=5, read=5, total=10))
        for _ in range(2):
            assert (await pool.request("GET", "/x")).status == 200
        await pool.close()
        await asyncio.sleep(0.05)


def _certificate(folder: Path) -> Path:
    """A file with a key and a certificate of 127.0.0.1 that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path
