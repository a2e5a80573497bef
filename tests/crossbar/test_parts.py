"""Unit tests of the framework: ranges, paths, query strings, CSV, indented JSON, envelopes, rate limits, access log."""

import itertools
import logging
import subprocess
import sys
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from crossbar_appstore.crossbar.access_log import AccessLog, without_tokens
from crossbar_appstore.crossbar.context import BASIC, BEARER, UNKNOWN, X_AUTH_TOKEN, Context, Noun
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.errors import CrossbarError, MethodNotAllowed
from crossbar_appstore.crossbar.headers import (
    MalformedQuery,
    attachment,
    find_token,
    parameter,
    parse_pairs,
    parse_query,
    parse_range,
)
from crossbar_appstore.crossbar.paths import ApiPath, PathParser
from crossbar_appstore.crossbar.rate_limits import BUCKETS, Buckets, Limits, RateLimiter
from crossbar_appstore.crossbar.rendering import indented, render_csv
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.trusted_proxies import TrustedProxies
from crossbar_appstore.json_codec import Json, loads


def context(headers: dict[str, str] | None = None, path: str = "/v2/notes", **members: Any) -> Context:
    made = Context("req", "GET", path, CIMultiDictProxy(CIMultiDict(headers or {})), {}, "1.2.3.4")
    for name, value in members.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("header", "length", "wanted"),
    [
        ("bytes=0-3", 10, (0, 3)),
        ("BYTES=0-3", 10, (0, 3)),
        (" bytes=0-0 ", 10, (0, 0)),
        ("bytes=9-", 10, (9, 9)),
        ("bytes=0-99", 10, (0, 9)),
        ("bytes=-4", 10, (6, 9)),
        ("bytes=-40", 10, (0, 9)),
        ("bytes=000-0003", 10, (0, 3)),
        ("bytes=0-999999999999999999", 10, (0, 9)),
        ("bytes=4-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=0-1,2-3", 10, None),
        ("bytes = 0-1", 10, None),
        ("lines=0-1", 10, None),
        ("bytes=0-" + "9" * 5000, 10, None),
        ("", 10, None),
    ],
)
def test_parse_range_returns_first_and_last_byte(header: str, length: int, wanted: tuple[int, int] | None) -> None:
    assert parse_range(header, length) == wanted


BEYOND = [("bytes=10-", 10), ("bytes=10-11", 10), ("bytes=-0", 10), ("bytes=-1", 0), ("bytes=0-", 0)]


@pytest.mark.parametrize(("header", "length"), BEYOND)
def test_parse_range_beyond_end_raises(header: str, length: int) -> None:
    with pytest.raises(CrossbarError) as raised:
        parse_range(header, length)
    assert (raised.value.code, raised.value.headers) == (416, {"Content-Range": f"bytes */{length}"})


NOUNS = {"accounts": False, "notes": False, "everything": True}


@pytest.mark.parametrize(
    ("path", "nouns"),
    [
        ("/v2", []),
        ("/v2/", []),
        ("/v2/nosuch/notes", []),
        ("/v2/notes", [("notes", ())]),
        ("/v2/notes/a/b", [("notes", ("a", "b"))]),
        ("/v2/notes//a", [("notes", ("", "a"))]),
        ("/v2/notes/a%2Fb/", [("notes", ("a/b",))]),
        ("/v2/n%6Ftes/a+b", [("notes", ("a+b",))]),
        ("/v2/Notes", []),
        ("/v2/notes/%2f%2F", [("notes", ("//",))]),
        ("/v2/notes/caf%C3%A9/%ff", [("notes", ("café", "\ufffd"))]),
        ("/v2/accounts/x/notes", [("accounts", ("x",)), ("notes", ())]),
        ("/v2/accounts/x/account/notes", [("accounts", ("x", "account")), ("notes", ())]),
        ("/v2/accounts/accounts", [("accounts", ()), ("accounts", ())]),
        ("/v2/everything/notes/accounts", [("everything", ("notes", "accounts"))]),
        ("/v2/notes/everything", [("notes", ()), ("everything", ())]),
        ("/v2/account", [("accounts", ("",))]),
        ("/v2/account/x/notes", [("accounts", ("", "x")), ("notes", ())]),
    ],
)
def test_path_parser_splits_nouns_and_params(path: str, nouns: list[tuple[str, tuple[str, ...]]]) -> None:
    parser = PathParser(NOUNS)
    alias = path.split("/")[2:3] == ["account"]
    expected = ApiPath("v2", tuple(Noun(*noun) for noun in nouns), alias)
    assert parser.parse(path) == parser.parse(path) == expected


@pytest.mark.parametrize("path", ["/", "", "/v", "/vx", "/v2x", "/V2", "//v2", "/v²", "/v-", "/hook"])
def test_path_parser_returns_none_without_version(path: str) -> None:
    assert PathParser(NOUNS).parse(path) is None


def test_path_parser_does_not_cache_long_paths() -> None:
    parser = PathParser(NOUNS)
    assert parser.parse("/v2/notes/" + "x" * 1000) == ApiPath("v2", (Noun("notes", ("x" * 1000,)),))
    assert parser._cached.cache_info().currsize == 0


@pytest.mark.parametrize("path", ["/v2/%", "/v2/%z1", "/%zz", "/v2/notes/%1"])
def test_path_parser_malformed_escape_raises(path: str) -> None:
    with pytest.raises(MalformedQuery):
        PathParser(NOUNS).parse(path)


def test_parse_query_decodes_pairs() -> None:
    assert parse_pairs("a=1&a&b=&+=%20&c=d=e") == [("a", "1"), ("a", None), ("b", ""), (" ", " "), ("c", "d=e")]
    assert parse_query("a=1&a=2&b") == {"a": "1", "b": ""}
    assert parse_query("") == {}
    assert parse_query("é=\udcff&%C3%A9=%FF") == {"é": "\ufffd"}
    for raw in ("=", "=a", "a&=b", "%", "a=%2", "%gg=1"):
        with pytest.raises(MalformedQuery):
            parse_query(raw)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ([], ""),
        ({}, ""),
        ({"id": "x", "account_id": "y"}, '"ID","Account ID"\n"x","y"\n'),
        ({"n": 1.5, "no": None, "b": True}, '"n","no","b"\n"1.5","","true"\n'),
        ([{"a": 1}, {"b": "é"}], '"a","b"\n"1",""\n"","é"\n'),
        ({"i18n": {"en-US": {"label": "x"}}, "description": "d"}, '"i18n_en-US_label","Description"\n"x","d"\n'),
        ({"tags": ["a", 1, {"b": 2}, None], "empty": [], "none": {}}, '"tags","empty"\n"a,1,{""b"":2},",""\n'),
        ({"q": 'say "hi"\nnow'}, '"q"\n"say ""hi""\nnow"\n'),
        ({"a": "=1", "b": "+1", "c": "-1"}, '"a","b","c"\n"\'=1","\'+1","\'-1"\n'),
        ({"d": "@x", "e": -1, "=f": "\tx"}, '"d","e","\'=f"\n"\'@x","\'-1","\'\tx"\n'),
        ("text", '""\n"text"\n'),
    ],
)
def test_render_csv_flattens_and_quotes(data: Json, rows: str) -> None:
    assert render_csv(data).decode() == rows


@pytest.mark.parametrize(
    ("name", "quoted", "header"),
    [
        ("icon.png", False, "attachment; filename=icon.png"),
        ("icon.png", True, 'attachment; filename="icon.png"'),
        ("a b.png", False, 'attachment; filename="a b.png"'),
        ("\x00\r\n", True, 'attachment; filename=""'),
        ("a/b/", True, 'attachment; filename=""'),
        ("\ud800", True, 'attachment; filename=""'),
        ("😀.png", False, "attachment; filename=\"?.png\"; filename*=UTF-8''%F0%9F%98%80.png"),
    ],
)
def test_attachment_quotes_file_name(name: str, quoted: bool, header: str) -> None:
    assert attachment(name, quoted=quoted) == header


def test_parameter_unquotes_value() -> None:
    raw = ' ; A=1;b="x;\\"y"; b=2'
    assert [parameter(raw, name) for name in ("a", "b", "c")] == ["1", 'x;"y', None]


def test_indented_formats_as_jiffy() -> None:
    value = {"a": 1, "b": [], "c": {}, "d": [1, {"e": "é\n"}], "f": None, "g": 2**70}
    lines = [
        "{",
        '  "a" : 1,',
        '  "b" : [',
        "    ",
        "  ],",
        '  "c" : {',
        "    ",
        "  },",
        '  "d" : [',
        "    1,",
        "    {",
        '      "e" : "é\\n"',
        "    }",
        "  ],",
        '  "f" : null,',
        '  "g" : 1180591620717411303424',
        "}",
    ]
    assert indented(value).split("\n") == lines
    assert loads("\n".join(lines)) == value
    scalars: list[Json] = [[], "x", 1.5]
    assert [indented(each) for each in scalars] == ["[\n  \n]", '"x"', "1.5"]


def test_envelope_node_is_digest_of_name() -> None:
    assert Envelope("kazoo_apps@host", "5").node == Envelope("kazoo_apps@host", "6").node != Envelope("other", "5").node
    assert len(Envelope("x", "5").node) == 22


def success(envelope: Envelope, finished: Context, remaining: int = 0) -> Json:
    return loads(envelope.success(finished, remaining))


def test_envelope_begins_with_paging_members() -> None:
    listing = context(identity="somebody")
    reply = listing.reply
    reply.data, reply.page_size, reply.start_key, reply.next_start_key = [], 0, "a", ["b"]
    reply.metadata, reply.revision = {"m": 1}, "1-x"
    envelope = success(Envelope("n", "5"), listing, 7)
    first = ["start_key", "next_start_key", "page_size", "version", "timestamp", "node", "request_id", "tokens"]
    assert list(envelope) == [*first, "data", "metadata", "revision", "status"]
    assert envelope["tokens"] == {"consumed": 1, "remaining": 7}


def test_envelope_timestamp_follows_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    envelope = Envelope("n", "5")
    seen = []
    for now in (0.9, 0.1, 86400.0 * 365, 1795316741.5):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        seen.append(success(envelope, context())["timestamp"])
    assert seen == ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1971-01-01T00:00:00Z", "2026-11-22T03:05:41Z"]


def test_rate_limiter_bucket_empties_and_refills() -> None:
    now = 0.0
    limiter = RateLimiter(Limits(size=3, refill=0.5), clock=lambda: now)
    assert limiter.level("a") == 3
    assert [limiter.consume("a", 1) for _ in range(4)] == [None, None, None, 2]
    assert (limiter.level("a"), limiter.level("b")) == (0, 3)
    now = 2.0
    assert limiter.level("a") == 1
    assert limiter.consume("a", 3) == 4
    now = 100.0
    assert (limiter.level("a"), limiter.consume("a", 3)) == (3, None)


def test_rate_limiter_without_refill_waits_a_minute() -> None:
    limiter = RateLimiter(Limits(0, 0))
    assert limiter.consume("a", 1) == 60


def test_rate_limiter_drops_least_recently_used_buckets() -> None:
    now = itertools.count()
    limiter = RateLimiter(Limits(1, 0), clock=lambda: float(next(now)))
    limiter.consume("first", 1)
    limiter.consume("busy", 1)
    for number in range(2 * BUCKETS):
        limiter.consume(str(number), 1)
        limiter.consume("busy", 1)
    assert (limiter.level("first"), limiter.level("busy")) == (1, 0)
    assert sum(limiter.level(str(number)) == 0 for number in range(2 * BUCKETS)) < BUCKETS


def test_rate_limiters_with_a_file_share_buckets(tmp_path: Path) -> None:
    file = tmp_path / "rate-limits"
    one, two = (RateLimiter(Limits(10, 0), buckets=Buckets.in_file(file)) for _ in range(2))
    assert [limiter.consume("a", 3) for limiter in (one, two, one, two)] == [None, None, None, 60]
    assert (one.level("a"), two.level("a"), two.level("b")) == (1, 1, 10)
    assert file.stat().st_size < 500_000


def test_rate_limiters_of_processes_give_out_no_token_twice(tmp_path: Path) -> None:
    """Four processes take single tokens from one bucket at once."""
    program = """
import pathlib, sys
from crossbar_appstore.crossbar.rate_limits import Buckets, Limits, RateLimiter
limiter = RateLimiter(Limits(2_000, 0), buckets=Buckets.in_file(pathlib.Path(sys.argv[1])))
print(sum(limiter.consume("a", 1) is None for _ in range(2_000)))
"""
    command = [sys.executable, "-c", program, str(tmp_path / "rate-limits")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sum(int(process.communicate()[0]) for process in processes) == 2_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("1.1.1.1", ["9.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", ["8.8.8.8, 9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        ("10.0.0.1", ["10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["9.9.9.9:80"], "10.0.0.1"),
        ("::1", ["9.9.9.9"], "9.9.9.9"),
        ("", ["9.9.9.9"], ""),
        ("::ffff:10.0.0.1", ["9.9.9.9"], "9.9.9.9"),
        ("::ffff:11.0.0.1", ["9.9.9.9"], "::ffff:11.0.0.1"),
        ("10.0.0.1", ["9.9.9.9" + ",10.0.0.2" * 19], "9.9.9.9"),
        ("10.0.0.1", ["9.9.9.9" + ",10.0.0.2" * 20], "10.0.0.2"),
        ("10.0.0.1", ["9.9.9.9", *["10.0.0.2"] * 20], "10.0.0.2"),
    ],
)
def test_client_address_is_first_untrusted_hop(peer: str, forwarded: list[str], client: str) -> None:
    assert TrustedProxies(map(ip_network, ("10.0.0.0/8", "::1/128"))).client(peer, forwarded) == client


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"])
@pytest.mark.parametrize("network", ["10.0.0.1/32", "::ffff:10.0.0.1/128", "::ffff:10.0.0.0/104"])
def test_client_address_proxy_is_trusted_in_ipv4_and_mapped_form(network: str, peer: str) -> None:
    assert TrustedProxies([ip_network(network)]).client(peer, ["9.9.9.9"]) == "9.9.9.9"


def test_client_address_follows_changed_networks() -> None:
    proxies = TrustedProxies()
    assert proxies.client("10.0.0.1", ["9.9.9.9"]) == "10.0.0.1"
    proxies.trust([ip_network("10.0.0.1/32")])
    assert proxies.client("10.0.0.1", ["9.9.9.9"]) == "9.9.9.9"
    proxies.trust([])
    assert proxies.client("10.0.0.1", ["9.9.9.9"]) == "10.0.0.1"


@pytest.mark.parametrize(
    ("headers", "members", "found"),
    [
        ({}, {}, (None, None)),
        ({"X-Auth-Token": ""}, {"query": {"auth_token": "q"}}, ("", X_AUTH_TOKEN)),
        ({"Authorization": "Basic x"}, {"query": {"auth_token": "q"}}, ("q", X_AUTH_TOKEN)),
        ({}, {"data": {"auth_token": "d"}, "query": {"auth_token": "q"}}, ("d", X_AUTH_TOKEN)),
        ({}, {"envelope": {"auth_token": "e"}}, ("e", X_AUTH_TOKEN)),
        ({}, {"data": {"auth_token": 5}}, (None, None)),
        ({"Authorization": "Basic a b"}, {}, ("a b", BASIC)),
        ({"Authorization": "Bearer x"}, {}, ("x", BEARER)),
        ({"Authorization": "basic x"}, {}, ("basic x", UNKNOWN)),
        ({"Authorization": "Basic"}, {}, ("Basic", UNKNOWN)),
        ({}, {"query": {"authorization": "Bearer y"}}, ("y", BEARER)),
        ({}, {"data": ["a"], "query": {"authorization": "z"}}, ("z", UNKNOWN)),
        ({"X-Auth-Token": "\udcff"}, {}, ("\ufffd", X_AUTH_TOKEN)),
        ({"X-Auth-Token": "é"}, {}, ("é", X_AUTH_TOKEN)),
        ({"Authorization": "Bearer \udcff"}, {}, ("\ufffd", BEARER)),
    ],
)
def test_find_token_order_of_places(headers: dict[str, str], members: dict[str, Any], found: object) -> None:
    assert find_token(context(headers, **members)) == found


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrYXpvbyJ9.c2ln-bmF0_dXJl"


def test_access_log_hides_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = f"/v2/user_auth/{TOKEN}"
    logged = Context(f"r-{TOKEN}", "GET", path, CIMultiDictProxy(CIMultiDict()), {}, "1.2.3.4", account_id="a" * 32)
    AccessLog().write(logged, 200, 17, 0.0015)
    (record,) = caplog.records
    assert TOKEN not in str(record.__dict__)
    shown = ("method", "path", "status", "bytes", "client", "account_id", "request_id", "milliseconds")
    assert [record.__dict__[name] for name in shown] == [
        "GET",
        "/v2/user_auth/[token]",
        200,
        17,
        "1.2.3.4",
        "a" * 32,
        "r-[token]",
        1.5,
    ]


def test_access_log_samples_requests_and_keeps_failures() -> None:
    eighth = AccessLog(0.125)
    assert [eighth.is_due(404) for _ in range(80)].count(True) == 10
    assert not AccessLog(0.0).is_due(499)
    assert AccessLog(0.0).is_due(503)
    assert AccessLog().is_due(200)


def test_without_tokens_replaces_every_jwt() -> None:
    assert without_tokens(f"a/{TOKEN}/b") == "a/[token]/b"
    assert without_tokens(f"{TOKEN}?{TOKEN}") == "[token]?[token]"
    assert without_tokens(TOKEN.replace(".", "%2E")) == "[token]"
    assert without_tokens("keyJ") == "keyJ"


async def test_resource_defaults_refuse() -> None:
    resource, request = Resource(), context()
    assert resource.allowed_methods("x") is None
    assert resource.rate_cost(request) == 1
    assert not await resource.authenticate(request)
    assert not await resource.authorize(request)
    assert "text/plain" not in await resource.content_types_accepted(request)
    await resource.resource_exists(request, "x")
    for method in (resource.put, resource.post, resource.patch, resource.delete):
        with pytest.raises(MethodNotAllowed):
            await method(request)


def test_context_resource_is_last_noun() -> None:
    assert context(nouns=(Noun("a", ()), Noun("b", ("c",)))).resource == Noun("b", ("c",))
    assert context().resource == Noun("404", ())


def test_crossbar_error_has_readable_text() -> None:
    assert str(CrossbarError(404, "not_found")) == "(404, 'not_found')"
