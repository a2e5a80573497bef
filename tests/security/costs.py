"""The requests that cost most: for each parser a kind of input, as large as it may be."""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from crossbar_appstore.crossbar.body import ANONYMOUS_BODY, MAX_JSON, MAX_MEMBERS, MAX_UPLOAD
from crossbar_appstore.json_codec import dumps
from crossbar_appstore.package_data import load_schema
from tests.kit.system import System

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HEADER = 8_100
"""Bytes of a header line; aiohttp accepts 8,190."""
LINES = 110
"""Header lines of a request; aiohttp accepts 128."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Costly:
    """A request; ``target`` follows ``/v2/``, without a ``caller`` it is sent without a token."""

    name: str
    method: str
    target: str
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())
    has_token: bool = True


def repeated(unit: bytes, size: int, end: bytes = b"") -> bytes:
    """As many units as fit into ``size`` bytes with the end."""
    return unit * ((size - len(end)) // len(unit)) + end


# JSON

FILLERS = {
    "lists": b"[],",
    "objects": b"{},",
    "nested": b"[[[[]]]],",
    "members": b'{"":{"":0}},',
    "integers": b"1,",
    "long integers": b"9" * 512 + b",",
    "too long integers": b"9" * 4_299 + b",",
    "floats": b"1.5,",
    "long floats": b"0." + b"1" * 50 + b"e-300,",
    "texts": b'"a",',
    "escapes": b'"\\u00e9\\ud83d\\ude00",',
    "quotes": b'"\\"",',
    "constants": b"true,",
    "blanks": b"                0,",
}


def json_bodies(size: int) -> Iterator[tuple[str, bytes]]:
    for name, unit in FILLERS.items():
        for extent, end in (("", b"0]}}"), (" at the limit of members", b"0]}}")):
            units = size if not extent else min(size, (MAX_MEMBERS // max(1, unit.count(b",")) - 10) * len(unit) // 3)
            yield f"JSON of {name}{extent}", repeated_json(unit, units, end)
    yield "JSON of one text", b'{"data":{"x":"' + repeated(b"a", size - 40, b'"}}')
    yield "JSON of one text of escapes", b'{"data":{"x":"' + repeated(b"\\u00e9", size - 40, b'"}}')
    yield "JSON of one text of quotes", b'{"data":{"x":"' + repeated(b'\\",', size - 40, b'"}}')
    yield "JSON of keys", b'{"data":{' + b",".join(b'"%d":1' % key for key in range(size // 12)) + b"}}"
    yield "JSON of quotes", repeated(b'"', size)
    yield "JSON of open lists", repeated(b"[", size)
    yield "JSON of open objects", repeated(b'{"a":', size)
    yield "JSON of backslashes", b'{"data":"' + repeated(b"\\", size - 20)
    yield "JSON of blanks", repeated(b" ", size)
    yield "JSON without data", b'{"x":[' + repeated(b"[],", min(size, 25_000), b"0]}")


def repeated_json(unit: bytes, size: int, end: bytes) -> bytes:
    return b'{"data":{"x":[' + repeated(unit, size - 20, end)


def wrong_data(schema: str, size: int) -> Iterator[tuple[str, bytes]]:
    """Data that breaks a schema in as many places as it may: each property with each kind of value."""
    room = MAX_MEMBERS - 100
    properties = load_schema(schema).get("properties", {})
    number = max(1, len(properties))
    many = room // number
    values = {
        "lists": [[]] * many,
        "numbers": [1] * many,
        "texts": ["1" * (size // room // 2)] * many,
        "colliding numbers": [each * (2**61 - 1) for each in range(many)],
        "objects": [{"id": 1}] * (many // 2),
        "digits": "9" * 5_000,
        "an object": {f"en-US{key}": {"label": 1} for key in range(many // 2)},
        "a long text": "a@" * (size // number // 3),
    }
    for name, value in values.items():
        yield f"{schema} of {name}", dumps({"data": dict.fromkeys(properties, value)})
    yield f"{schema} of other properties", dumps({"data": {f"_{key}": 1 for key in range(room)}})
    yield f"{schema} of long other properties", dumps({"data": {f"_{key}" * 20: 1 for key in range(room // 2)}})


# Bodies of other types


def forms(size: int) -> Iterator[tuple[str, bytes]]:
    yield "form of escapes", b"a=" + repeated(b"%41", size - 2)
    yield "form of pairs", repeated(b"a=b&", size)
    yield "form of plus signs", b"a=" + repeated(b"+", size - 2)
    yield "form of bad bytes", b"a=" + repeated(b"\xff", size - 2)
    yield "form of hundred pairs", b"&".join([b"a=" + repeated(b"%ff", size // 100 - 3)] * 100)


def multiparts(size: int) -> Iterator[tuple[str, bytes]]:
    picture = b"Content-Type: image/png"
    room = size - 300
    for name, unit in {
        "lines": b"\r\n",
        "line ends and dashes": b"\r\n--",
        "beginnings of the boundary": b"\r\n--X",
        "lines like the boundary": b"\r\n--XXa",
        "blanks after the boundary": b"\r\n--XX" + b" " * 1000 + b"a",
        "dashes": b"-",
    }.items():
        yield f"multipart of {name}", multipart((picture, repeated(unit, room)))
    yield "multipart of parts", repeated(b"--XX\r\n\r\n", size)
    yield "multipart of hundred pictures", multipart(*[(picture, b"x" * (room // 100 - 60))] * 100)
    for name, unit in {"lines": b"a\r\n", "separators": b";", "blanks": b" ", "quotes": b'; a="'}.items():
        head = b"Content-Disposition: form-data; x"
        yield f"multipart head of {name}", multipart((head + repeated(unit, room), b""))
        heads = [(head + repeated(unit, min(3_900, room // 110)), b"")] * 99
        yield f"multipart heads of {name}", multipart(*heads, (picture, PNG))
    nested = []
    for number in range(99):
        boundary = b"z" * 190 + b"%03d" % number
        inner = multipart((picture, repeated(b"\r\n--" + boundary[:-1], room // 100 - 700)), boundary=boundary)
        nested.append((b"Content-Type: multipart/mixed; boundary=" + boundary, inner))
    if size > 100_000:
        yield "multipart of multiparts", multipart(*nested)
    envelope = b'{"data":{"x":[' + repeated(b"[],", min(size, MAX_JSON) // 100 - 150, b"0]}}")
    yield "multipart of envelopes", multipart(*[(b"Content-Type: application/json", envelope)] * 100)


def multipart(*parts: tuple[bytes, bytes], boundary: bytes = b"XX") -> bytes:
    begun = b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, body) for head, body in parts)
    return begun + b"--%b--\r\n" % boundary


def base64s(size: int) -> Iterator[tuple[str, bytes]]:
    yield "base64 of blanks", repeated(b" ", size)
    yield "base64 between blanks", repeated(b"a ", size)
    yield "base64 of padding", repeated(b"=", size)
    yield "base64 of a picture", base64.b64encode(PNG + bytes(size * 3 // 4 - 20))
    yield "base64 of a picture in lines", base64.encodebytes(PNG + bytes(size * 5 // 7))
    yield "base64 of a type", b"data:a/" + repeated(b"a", size - 7)
    yield "base64 of types", repeated(b"data:a/a;base64", size)
    yield "base64 of separators", b"data:a/a" + repeated(b";base6", size - 8)


# Headers, query strings, paths

HEADERS: dict[str, tuple[str, ...]] = {
    "Accept": ("a/b,", "*/*;", "a/b;c=d,", 'a/b;c="\\a",', " ,", ";", "a", '"', "a/b;q=0.5,", "\t", 'a/b;c="'),
    "Accept-Language": ("en,", "a-", "en-a-", "en;q=0.5,", " ,", "-", "a", "aaaaaaaa-"),
    "Accept-Encoding": ("gzip,", ",", "gzip;q=0,", ";", " ", "a;q=0.0"),
    "If-Match": ('"a",', 'W/"a",', '"', " ,", "W/", ",", '"",'),
    "If-None-Match": ('"a",', 'W/"a",', '"', " ,"),
    "Range": ("bytes=0-0,", "0", "-", " ", "bytes="),
    "Content-Type": ("a/b;", ";a=b", ' ;a="', "; ", "a", "/"),
    "X-Forwarded-For": ("127.0.0.1,", "1,", ",", "::1,", "1.2.3.4, ", ":"),
    "X-Auth-Token": ("a", ".", "eyJhbGciOiJSUzI1NiJ9.", "e30.", "=", "\xff"),
    "Authorization": ("Basic YTpi", "Bearer a", "a", " ", "Basic ====", "Basic Og"),
    "X-Auth-Account-ID": ("a",),
    "X-File-Name": ("a", "/", "\xff", "%"),
    "X-Request-ID": ("a",),
    "Origin": ("a",),
    "Access-Control-Request-Method": ("A", "a,"),
    "Cookie": ("a=b;", "=", ";", '"'),
    "Expect": ("100-continue,", "a"),
    "Transfer-Encoding": ("gzip,", "chunked,"),
    "Connection": ("close,", "a,"),
    "Host": ("a.", ":", "["),
    "X-Pretty-Print": ("true",),
}

QUERIES = (
    "a=b&",
    "&",
    "=",
    "a",
    "%41",
    "+",
    "a=%ff&",
    "a[]=1&",
    "jsonp=",
    "jsonp=a[0]",
    "jsonp=a.",
    "verb=",
    "filter_a=b&",
)
PATHS = ("/", "/a", "/%41", "/accounts", "/accounts/a", "eyJ", ".", "%2e", "/apps_store", "/..", "/users")


def header_requests(listing: str) -> Iterator[Costly]:
    for header, units in HEADERS.items():
        for unit in units:
            value = (unit * HEADER)[: HEADER - len(header)]
            for more in ("", "!"):
                sent: tuple[tuple[str, str], ...] = ((header, value[: len(value) - 1] + more),)
                yield Costly(
                    f"{header} of {unit!r}{more}", "GET", listing, headers=sent, has_token=header != "X-Auth-Token"
                )
        sent = tuple((header, (units[0] * HEADER)[: HEADER - len(header)]) for _ in range(LINES))
        yield Costly(f"{header} in {LINES} lines", "GET", listing, headers=sent)


def target_requests(listing: str) -> Iterator[Costly]:
    for unit in QUERIES:
        yield Costly(f"query of {unit!r}", "GET", f"{listing}?" + (unit * HEADER)[: HEADER - 200])
        yield Costly(f"JSONP of {unit!r}", "GET", f"{listing}?jsonp=" + (unit * HEADER)[: HEADER - 200])
    for unit in PATHS:
        yield Costly(f"path of {unit!r}", "GET", (unit * HEADER)[: HEADER - 100].lstrip("/"))
        yield Costly(f"path below the listing of {unit!r}", "GET", listing + "/" + (unit * HEADER)[: HEADER - 200])


# All


def body_requests(system: System) -> Iterator[Costly]:
    account = f"accounts/{system.master.id}"
    app = f"{system.master.path}/{system.apps['voip']}"
    routes = {
        "user_auth": ("PUT", "user_auth"),
        "user_auth_recovery_reset": ("POST", "user_auth/recovery"),
        "api_auth": ("PUT", "api_auth"),
        "app_permission": ("POST", app),
        "apps_store": ("POST", f"{system.master.path}/blacklist"),
        "app_whitelabel": ("PUT", f"{app}/override"),
        "users": ("PUT", f"{account}/users"),
        "accounts": ("PUT", "accounts"),
    }

    def requests(bodies: Iterator[tuple[str, bytes]], method: str, target: str, kind: str) -> Iterator[Costly]:
        for name, body in bodies:
            yield Costly(f"{method} {name}", method, target, body, (("Content-Type", kind),))

    for has_token, size in ((False, ANONYMOUS_BODY), (True, MAX_JSON)):
        sources: list[tuple[Callable[[int], Iterator[tuple[str, bytes]]], str]] = [
            (json_bodies, JSON),
            (forms, FORM),
            (multiparts, "multipart/form-data; boundary=XX"),
            (base64s, "application/base64"),
        ]
        for bodies, kind in sources:
            for costly in requests(bodies(size), "PUT", "user_auth", kind):
                yield Costly(costly.name, "PUT", "user_auth", costly.body, costly.headers, has_token)
    for schema, (method, target) in routes.items():
        yield from requests(wrong_data(schema, MAX_JSON), method, target, JSON)
    upload = f"{app}/override/icon"
    yield from requests(multiparts(MAX_UPLOAD), "POST", upload, "multipart/form-data; boundary=XX")
    yield from requests(base64s(MAX_UPLOAD), "POST", upload, "application/base64")
