"""HTTP from raw sockets: smuggling, half lines, floods, control bytes, early ends.

Whatever is sent, the next request is answered, no response belongs to a request that nobody sent, what lies in a body
is never executed, and no line in the log is for an operator.
"""

import gc
import itertools
import logging
import random
from collections.abc import AsyncIterator, Iterator
from typing import Final

import pytest
from yarl import URL

from tests.kit.fixtures import NewService
from tests.kit.system import System
from tests.security.processor_time import HTTP
from tests.security.raw import Server, Watch, responses

# Each request has a time limit of its own.
pytestmark = pytest.mark.timeout(3600)

SHORT: Final = 4_000
LONG: Final = 50_000
LONGEST: Final = 0.5
"""Seconds of processor time for one input, on a slow machine, those of the client included."""
EVERY: Final = 25
"""Inputs between two requests that must be answered."""

HEAD: Final = (
    b"POST /v2/auth/tokeninfo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: outer\r\n"
)
SMUGGLED: Final = b"GET /v2/smuggled HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n"

BODY: Final = b'{"data":{"token":"x"}}'
ORDINARY: Final = (
    HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"GET /v2/schemas/users?pretty_print=true HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nRange: bytes=0-5\r\n\r\n",
    b"OPTIONS /v2/accounts HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nAccess-Control-Request-Method: PUT\r\n\r\n",
    b"GET /v2/accounts/%b/apps_store HTTP/1.0\r\nAuthorization: Basic eA==\r\nX-Auth-Token: x\r\n\r\n" % (b"0" * 32),
)


@pytest.fixture
async def server(system: System, new_service: NewService) -> AsyncIterator[Server]:
    # Nobody here has a token, and each request is to be answered.
    await system.config("token_buckets", max_bucket_tokens=10**9)
    port = URL(await new_service(CROSSBAR_ACCESS_LOG="1").address()).port
    assert port is not None
    made = Server(port)
    watch = Watch(made)
    logging.getLogger().addHandler(watch)
    yield made
    logging.getLogger().removeHandler(watch)
    assert "/v2/smuggled" not in made.paths
    assert HTTP.longest < LONGEST


# Smuggling

CHUNKED: Final = b"0\r\n\r\n" + SMUGGLED
"""A body that ends at once if it is read in chunks."""

NOT_QUITE_CHUNKED: Final = (
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunk", b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked", b"Transfer-Encoding:\tchunked", b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding:\x0cchunked", b"Transfer-Encoding:\x00chunked", b"Transfer-Encoding: chunked\x00",
    b'Transfer-Encoding: "chunked"', b"Transfer-Encoding: 'chunked'", b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked", b"Transfer-Encoding: chunked,",
    b"Transfer-Encoding: ,chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"Transfer-Encoding:", b"Transfer_Encoding: chunked",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: \xe7hunked",
    b"Transfer-Encoding: identity",
    b"X-Transfer-Encoding: chunked", b"X: x\r\n Transfer-Encoding: chunked", b"X: x\r\n\tTransfer-Encoding: chunked",
    b"X: x\nTransfer-Encoding: chunked", b"X: x\rTransfer-Encoding: chunked", b"X: x\x00\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding: chu\r\n nked", b"TE: chunked", b"transfer-encoding:chunked",
)  # fmt: skip

NOT_QUITE_LENGTHS: Final = (
    b"+{n}", b"-{n}", b"{n}.0", b"0x{x}", b"{n}e0", b"{n},{n}", b"{n}, 0", b"0, {n}", b"{n} {n}", b"{n};", b"'{n}'",
    b'"{n}"', b"", b" ", b"\x0b{n}", b"\x0c{n}", b"{n}\x00", b"1_{n}", b"{n}_0", b"\xd9\xa5", b"9" * 26,
    b"18446744073709551617", b"-0", b"-1", b"NaN", b"null", b"{n}\r\nContent-Length: 0", b"0\r\nContent-Length: {n}",
    b"{n}\r\nContent-Length: 1", b"{n}\r\n 0", b"{n}\r\n\t0", b"0\r\nContent-Length : {n}", b"0\nContent-Length: {n}",
)  # fmt: skip


def lengths(form: bytes, length: int) -> bytes:
    return b"Content-Length: " + form.replace(b"{n}", b"%d" % length).replace(b"{x}", b"%x" % length)


def smuggling() -> Iterator[bytes]:
    for encoding in NOT_QUITE_CHUNKED:
        length = lengths(b"{n}", len(CHUNKED))
        for framing in (encoding + b"\r\n" + length, length + b"\r\n" + encoding):
            yield HEAD + framing + b"\r\n\r\n" + CHUNKED
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    for form in NOT_QUITE_LENGTHS:
        # Without any of it the body would be empty, and what follows a request of its own.
        yield HEAD + lengths(form, len(SMUGGLED)) + b"\r\n\r\n" + SMUGGLED
        for stated in (0, 4, len(chunk)):
            yield HEAD + lengths(form, stated) + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
    # Chunks whose size two parsers may read differently.
    for size in (
        b"%x;x=y", b"%x ; x", b"%x\t", b"0%x", b"0x%x", b"+%x", b"-%x", b"%x;\n", b"%x\n", b"%x\r", b'%x;x="\r\n"',
        b"%x_0", b"%x\x00", b"%x;\x00", b" %x", b"%xg", b"F%xFFFFFFFFFFFFFFFFFF",
    ):  # fmt: skip
        yield (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + size % len(SMUGGLED) + b"\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"
        )
    # Trailers and lines that end otherwise.
    short = b"Transfer-Encoding: chunked\r\n\r\n1\r\nx"
    for end in (b"y\r\n0\r\n\r\n", b"\n0\r\n\r\n", b"\r0\r\n\r\n", b"0\r\n\r\n", b"\r\r\n0\r\n\r\n"):
        yield HEAD + short + end + SMUGGLED
    for trailer in (
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Host: y",
        b" folded",
        b"no colon",
        b"X:\x00",
    ):
        yield (
            HEAD
            + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SMUGGLED)
            + SMUGGLED
            + b"\r\n0\r\n"
            + trailer
            + b"\r\n\r\n"
        )
    yield (
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")
        + b"Transfer-Encoding: chunked\r\n"
        + lengths(b"{n}", len(CHUNKED))
        + b"\r\n\r\n"
        + CHUNKED
    )
    yield HEAD.replace(b"POST", b"GET") + lengths(b"{n}", len(SMUGGLED)) + b"\r\n\r\n" + SMUGGLED
    yield HEAD.replace(b"POST", b"OPTIONS") + lengths(b"{n}", len(SMUGGLED)) + b"\r\n\r\n" + SMUGGLED
    yield HEAD + b"Expect: 100-continue\r\n" + lengths(b"{n}", len(SMUGGLED)) + b"\r\n\r\n" + SMUGGLED
    yield (
        HEAD
        + b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        + lengths(b"{n}", len(SMUGGLED))
        + b"\r\n\r\n"
        + SMUGGLED
    )
    yield HEAD + b"Connection: close\r\n" + lengths(b"0", 0) + b"\r\n\r\n" + SMUGGLED
    for target in (b"x:80", b"/v2/schemas", b"http://x/v2/schemas"):
        head = b"CONNECT " + target + b" HTTP/1.1\r\nHost: x\r\n"
        yield head + lengths(b"{n}", len(SMUGGLED)) + b"\r\n\r\n" + SMUGGLED


SMUGGLING: Final = tuple(smuggling())


async def test_smuggled_requests_are_never_executed(server: Server) -> None:
    for number, attack in enumerate(SMUGGLING):
        received = responses(await server.send(attack))
        assert len(received) <= 1, attack
        assert all(response.request_id != "smuggled" for response in received), attack
        if number % EVERY == 0:
            await server.check()
    await server.check()


async def test_smuggled_request_after_a_request_is_found_by_this_test(server: Server) -> None:
    """What is no attack: the second request is one of its own."""
    second = SMUGGLED.replace(b"Host: x", b"Host: x\r\nConnection: close")
    received = responses(await server.send(HEAD + b"Content-Length: 0\r\n\r\n" + second, whole=True))
    assert [response.request_id for response in received] == ["outer", "smuggled"]
    assert server.paths.pop() == "/v2/smuggled"


# Order


async def test_pipelined_requests_are_answered_once_and_in_order(server: Server, long_form: bool) -> None:
    chance = random.Random(12)
    for round_ in range(2000 if long_form else 150):
        count = chance.randint(1, 8)
        sent = b""
        for number in range(count):
            body = b'{"data":{"x":"' + b"GET / HTTP/1.1 " * chance.randint(0, 5) + b'"}}'
            head = HEAD.replace(b"outer", b"%d" % number)
            if number == count - 1:
                head += b"Connection: close\r\n"
            if chance.random() < 0.5:
                sent += head + b"Content-Length: %d\r\n\r\n" % len(body) + body
            else:
                cut = chance.randint(1, len(body) - 1)
                chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:cut], body[cut:]))
                sent += head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        received = responses(await server.send(*pieces(chance, sent), whole=True))
        assert [response.request_id for response in received] == [str(number) for number in range(count)], (
            round_,
            sent,
        )
    await server.check()


def pieces(chance: random.Random, sent: bytes) -> Iterator[bytes]:
    while sent:
        size = chance.choice((1, 2, 10, 50, 500))
        yield sent[:size]
        sent = sent[size:]


# Ends


async def test_connection_that_ends_after_any_byte_leaves_no_trace(server: Server) -> None:
    for request in ORDINARY[:3]:
        for end in range(0, len(request), 2):
            await server.send(request[:end], reset=end % 4 == 0)
        await server.check()


# Floods and forms


def unusual() -> Iterator[bytes]:
    get = b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\n"
    for count in (1, 100, 127, 129, 1000, 5000):
        yield get + b"X: y\r\n" * count + b"\r\n"
        yield get + b"".join(b"X-%d: y\r\n" % number for number in range(count)) + b"\r\n"
        yield get + b"Cookie: " + b"a=b; " * count + b"\r\n\r\n"
        yield get + b"Accept: " + b"a/b;q=0.1, " * count + b"\r\n\r\n"
        yield get + b"If-None-Match: " + b'"x", ' * count + b"\r\n\r\n"
        yield get + b"X-Forwarded-For: " + b"127.0.0.1, " * count + b"\r\n\r\n"
        yield b"GET /v2/" + b"a/" * count + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        yield b"GET /v2/schemas?" + b"a=b&" * count + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        yield b"GET /v2/schemas?" + b"%61" * count + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        yield b"\r\n" * count + get + b"\r\n"
        yield b"G" * count + b" / HTTP/1.1\r\nHost: x\r\n\r\n"
    for target in (
        b"http://x/v2/schemas", b"http://evil.example.org/v2/schemas", b"https://x:443/v2/schemas", b"//x/v2/schemas",
        b"x:80", b"*", b"v2/schemas", b"?a=b", b"#x", b"/v2/schemas#x", b"/../../etc/passwd", b"/v2/..;/x", b"/%00",
        b"/%", b"/%zz", b"/v2/\xff", b"/v2/\xc3\xa9", b"javascript:x", b"ftp://x/", b"http://", b"http://[",
        b"http://[::1]/v2/", b"http://user:@y/v2/schemas", b"http://x:99999/", b"/v2/schemas HTTP/1.1 /x", b"",
        b"/" * 8000, b"/v2/" + b"%2F" * 2000,
    ):  # fmt: skip
        for method in (b"GET", b"OPTIONS", b"CONNECT", b"PUT", b"HEAD", b"PRI"):
            yield method + b" " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    for version in (
        b"HTTP/0.9",
        b"HTTP/1.0",
        b"HTTP/1.2",
        b"HTTP/2.0",
        b"HTTP/11",
        b"HTTP/1.1.1",
        b"http/1.1",
        b"XTTP/1.1",
        b"HTTP/1.",
        b"",
        b"HTTP/-1.1",
    ):
        yield b"GET /v2/schemas " + version + b"\r\nHost: x\r\n\r\n"
    for host in (b"", b"x, y", b"x:y", b"[", b"x\r\nHost: y", b"\xff", b"../x", b"x" * 5000):
        yield b"GET /v2/schemas HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    yield b"CONNECT \r\n\r\n"
    yield b"CONNECT \nHost: x\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)
    yield bytes(range(256)) * 40


async def test_unusual_requests_are_answered_or_refused(server: Server) -> None:
    for number, request in enumerate(unusual()):
        received = responses(await server.send(request))
        assert all(response.status < 500 or response.status == 501 for response in received), request[:200]
        if number % EVERY == 0:
            await server.check()
    # A task that failed is logged when it is collected.
    gc.collect()
    await server.check()


async def test_any_byte_in_any_place_is_answered_or_refused(server: Server, long_form: bool) -> None:
    places = {
        "method": b"GE@T /v2/schemas HTTP/1.1\r\nHost: x\r\n\r\n",
        "target": b"GET /v2/@schemas HTTP/1.1\r\nHost: x\r\n\r\n",
        "query": b"GET /v2/schemas?a=@ HTTP/1.1\r\nHost: x\r\n\r\n",
        "version": b"GET /v2/schemas HTTP/1@1\r\nHost: x\r\n\r\n",
        "name": b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\nX@: y\r\n\r\n",
        "value": b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\nX: y@z\r\n\r\n",
        "token": b"GET /v2/accounts/x HTTP/1.1\r\nHost: x\r\nX-Auth-Token: a@b\r\n\r\n",
        "basic": b"GET /v2/accounts/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic a@b\r\n\r\n",
        "accept": b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\nAccept: a@/b\r\n\r\n",
        "request id": b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\nX-Request-ID: a@b\r\n\r\n",
        "origin": b"GET /v2/schemas HTTP/1.1\r\nHost: x\r\nOrigin: a@b\r\n\r\n",
        "type": HEAD.replace(b"/json", b"/@json") + b"Content-Length: 2\r\n\r\n{}",
        "body": HEAD + b'Content-Length: 5\r\n\r\n{"@":',
    }
    values = range(256) if long_form else (*range(33), *b'"(),/:;<=>?[]{}', *range(127, 256, 16))
    for (name, request), byte in itertools.product(places.items(), values):
        sent = request.replace(b"@", bytes([byte])).replace(b"Host: x", b"Host: x\r\nConnection: close", 1)
        received = responses(await server.send(sent))
        assert len(received) <= 1, (name, byte)
        for response in received:
            assert response.status < 500 or response.status == 501, (name, byte, response)
            # Nothing of the request is a line of the response.
            assert all(value.isprintable() for value in response.headers.values()), (name, byte)
    await server.check()


# Anything

PARTS: Final = (
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"HTTP/1.1", b"HTTP/1.0", b"\r\n\r\n", b"0\r\n\r\n", b"chunked",
    b"Content-Length: 5\r\n", b"Content-Length: 99999999999\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: websocket\r\n", b"GET / HTTP/1.1\r\n", b"%00",
    b"{", b"}", b"[" * 50, b'"', b"\xff", b"5", b"-1",
)  # fmt: skip


async def test_mutated_requests_are_answered_or_refused(server: Server, long_form: bool) -> None:
    chance = random.Random(None if long_form else 2026)
    strange = (*SMUGGLING, *(each for each in unusual() if len(each) < 2000))
    for number in range(LONG if long_form else SHORT):
        request = chance.choice(chance.choice((ORDINARY, strange))).replace(b"smuggled", b"mutated")
        for _ in range(chance.randint(1, 3)):
            request = mutated(chance, request)
        cut = chance.randint(0, len(request))
        received = responses(await server.send(request[:cut], request[cut:], reset=chance.random() < 0.05))
        HTTP.outcomes[received[0].status if received else "nothing"] += 1
        assert len(received) <= request.count(b"HTTP/") + 1, request
        assert all(response.status < 500 or response.status == 501 for response in received), request
        if number % EVERY == 0:
            await server.check()
    await server.check()


def mutated(chance: random.Random, request: bytes) -> bytes:
    begin, end = sorted((chance.randint(0, len(request)), chance.randint(0, len(request))))
    end = min(end, begin + 20)
    match chance.randint(0, 4):
        case 0:
            return request[:begin] + request[end:]
        case 1:
            return request[:begin] + chance.choice(PARTS) + request[begin:]
        case 2:
            return request[:begin] + request[begin:end] * 2 + request[end:]
        case 3:
            return request[:begin] + bytes([chance.randint(0, 255)]) + request[begin + 1 :]
    return request[:begin] + chance.choice(PARTS) + request[end:]
