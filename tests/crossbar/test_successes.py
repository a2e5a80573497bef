"""Successful responses: envelope, headers, status codes, and renderings."""

import re
from typing import ClassVar
from urllib.parse import quote

import pytest

from crossbar_appstore import json_codec
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ABSENT
from crossbar_appstore.crossbar.rate_limits import Limits
from crossbar_appstore.crossbar.resource import Methods, Resource
from tests.crossbar.conftest import Start
from tests.crossbar.sample import (
    BROWSER,
    EMPTY,
    FIRST,
    LIST,
    MINE,
    NEW,
    OTHER,
    OWN,
    PICTURE,
    PUBLIC_PICTURE,
    Notes,
)
from tests.crossbar.wire import Wire

MEMBERS = ["version", "timestamp", "node", "request_id", "tokens", "auth_token", "data", "revision", "status"]


async def test_success_envelope_members(ask: Wire) -> None:
    answer = await ask("GET", FIRST, {**MINE, "X-Request-ID": "req-1"})
    envelope = answer.json
    assert list(envelope) == MEMBERS
    assert envelope["data"] == {"id": "first", "text": "one", "tags": ["a", "b"]}
    assert (envelope["version"], envelope["auth_token"], envelope["status"]) == ("5.0", "own", "success")
    assert (envelope["request_id"], answer.headers["x-request-id"]) == ("req-1", "req-1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", envelope["timestamp"])
    assert envelope["node"] == "CqfwYQ-Uyj_TPTkzhDJANQ"
    assert envelope["tokens"] == {"consumed": 1, "remaining": 1_000_000}
    assert b'": ' not in answer.body


async def test_success_headers_of_get(ask: Wire) -> None:
    headers = (await ask("GET", FIRST, MINE)).headers
    assert headers["content-type"] == "application/json"
    assert headers["content-language"] == "en"
    assert headers["vary"] == "accept-language, accept, accept-encoding"
    assert headers["expires"] == "Fri, 01 Jan 1999 00:00:00 GMT"
    assert headers["cache-control"] == "private, no-cache"
    assert headers["server"] == "crossbar-appstore"
    assert headers["date"].endswith("GMT")


async def test_success_headers_of_write_omit_expires_and_etag(ask: Wire) -> None:
    for method in ("POST", "DELETE"):
        answer = await ask(method, FIRST, MINE, EMPTY)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert not {"expires", "etag", "location"} & answer.headers.keys()


@pytest.mark.parametrize(
    "path", [NEW, "/v2/account/notes/new?x=1", "/v2/accounts/" + OWN + "/users/ann/notes/caf%C3%A9"]
)
async def test_put_sets_location_to_request_path(ask: Wire, path: str) -> None:
    answer = await ask("PUT", path, MINE, {"data": {"text": "x"}})
    assert (answer.status, answer.headers["location"]) == (201, path.partition("?")[0])
    assert (await ask("GET", path, MINE)).data["text"] == "x"


async def test_put_uses_location_token_and_cost_of_resource(ask: Wire) -> None:
    answer = await ask("PUT", "/v2/logins", {}, EMPTY)
    assert (answer.status, answer.headers["location"]) == (201, "/v2/logins/1")
    assert answer.json["auth_token"] == "new"
    assert answer.json["tokens"]["consumed"] == 2
    assert "version" not in answer.json


async def test_success_envelope_begins_with_page_size(ask: Wire) -> None:
    assert next(iter((await ask("GET", "/v2/everything")).json)) == "page_size"


@pytest.mark.parametrize("scheme", ["Basic secret", "Bearer x", "Digest x", "x"])
async def test_authorization_scheme_is_split_from_token(ask: Wire, scheme: str) -> None:
    answer = await ask("GET", FIRST, {"Authorization": scheme})
    assert answer.status == (200 if scheme == "Basic secret" else 401)
    assert answer.json["auth_token"] == scheme.removeprefix("Basic ").removeprefix("Bearer ")


async def test_token_in_query_string_is_accepted(ask: Wire) -> None:
    assert (await ask("GET", f"{FIRST}?auth_token=own&_=1700000000000")).status == 200
    assert (await ask("GET", f"{FIRST}?auth_token=own", {"X-Auth-Token": "other"})).status == 403


async def test_superduper_token_reaches_every_account(ask: Wire) -> None:
    for account_id in (OWN, OTHER):
        assert (await ask("GET", f"/v2/accounts/{account_id}/notes", {"X-Auth-Token": "super"})).status == 200


@pytest.mark.parametrize("token", ["garbage", "expired", "trialover", "uncheckable", ""])
async def test_public_picture_ignores_unusable_token(ask: Wire, token: str) -> None:
    assert (await ask("GET", PUBLIC_PICTURE, {"X-Auth-Token": token})).body == PICTURE
    assert (await ask("GET", f"{PUBLIC_PICTURE}?auth_token={token}")).body == PICTURE
    assert (await ask("GET", PUBLIC_PICTURE, {"Authorization": f"Bearer {token}"})).body == PICTURE


async def test_public_put_refuses_expired_token(ask: Wire) -> None:
    assert (await ask("PUT", "/v2/logins", {"X-Auth-Token": "expired"}, EMPTY)).status == 401


async def test_picture_headers_and_body(ask: Wire) -> None:
    answer = await ask("GET", PUBLIC_PICTURE, {"Accept-Encoding": "gzip"})
    assert answer.body == PICTURE
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-disposition"] == "attachment; filename=picture.png"
    assert headers["cache-control"] == "public, max-age=86400"
    assert headers["etag"] == '"pic1"'
    assert headers["vary"] == "accept-language"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert not {"expires", "content-encoding"} & headers.keys()


async def test_picture_with_unsafe_name_and_type(ask: Wire) -> None:
    headers = (await ask("GET", "/v2/notes/formula/picture")).headers
    assert headers["content-type"] == "application/octet-stream"
    disposition = """attachment; filename="bild ?.png"; filename*=UTF-8''bild%20%C3%A4.png"""
    assert headers["content-disposition"] == disposition


@pytest.mark.parametrize(
    ("accept", "status"),
    [("image/*", 200), ("image/png", 200), ("*/*", 200), (BROWSER, 200), ("application/json", 406), ("image/gif", 406)],
)
async def test_picture_is_offered_in_its_own_type(ask: Wire, accept: str, status: int) -> None:
    assert (await ask("GET", PUBLIC_PICTURE, {"Accept": accept})).status == status


async def test_picture_missing_is_404_in_json_or_406(ask: Wire) -> None:
    path = "/v2/notes/nope/picture"
    assert (await ask("GET", path, {"Accept": "image/*"})).status == 406
    assert (await ask("GET", path, {"Accept": "image/*, */*;q=0.1"})).status == 404


@pytest.mark.parametrize(
    ("headers", "status", "content_range"),
    [
        ({"Range": "bytes=0-3"}, 206, "bytes 0-3/1024"),
        ({"Range": "bytes=1020-"}, 206, "bytes 1020-1023/1024"),
        ({"Range": "bytes=-4"}, 206, "bytes 1020-1023/1024"),
        ({"Range": "bytes=0-9999"}, 206, "bytes 0-1023/1024"),
        ({"Range": "lines=1-2"}, 200, None),
        ({"Range": "bytes=0-1,3-4"}, 200, None),
        ({"Range": "bytes=4-2"}, 200, None),
        ({"Range": "bytes=0-3", "If-Range": '"pic1"'}, 206, "bytes 0-3/1024"),
        ({"Range": "bytes=0-3", "If-Range": '"old"'}, 200, None),
        ({"Range": "bytes=0-3", "If-Range": "Wed, 21 Oct 2015 07:28:00 GMT"}, 200, None),
    ],
)
async def test_picture_range_is_206(ask: Wire, headers: dict[str, str], status: int, content_range: str | None) -> None:
    answer = await ask("GET", PUBLIC_PICTURE, headers)
    assert (answer.status, answer.headers.get("content-range")) == (status, content_range)
    assert answer.headers["accept-ranges"] == "bytes"
    first, last = (0, 1023) if content_range is None else map(int, re.findall(r"\d+", content_range)[:2])
    assert answer.body == PICTURE[first : last + 1]


async def test_range_of_json_is_ignored(ask: Wire) -> None:
    assert (await ask("GET", FIRST, {**MINE, "Range": "bytes=0-3"})).status == 200


async def test_range_of_tunnelled_get_is_ignored(ask: Wire) -> None:
    answer = await ask("POST", f"{FIRST}/picture?verb=get", {**MINE, "Range": "bytes=0-3"})
    assert (answer.status, answer.body) == (200, PICTURE)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("application/x-json", "application/json"),
        ("application/json;version=1", "application/json"),
        ("application/json;q=0", "application/json"),
        ("application/*", "application/json"),
        ("application/json, text/javascript, */*; q=0.01", "application/json"),
        (BROWSER, "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("application/octet-stream", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
    ],
)
async def test_accept_header_selects_json_or_csv(ask: Wire, accept: str, content_type: str) -> None:
    answer = await ask("GET", LIST, {**MINE, "Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("accept=csv", "*/*", "text/csv"),
        ("accept=text/csv", "*/*", "text/csv"),
        ("accept=application/octet-stream", "*/*", "text/csv"),
        ("accept=text/html", "*/*", "application/json"),
        ("accept=pdf", "*/*", "application/json"),
        ("accept", "*/*", "application/json"),
        ("accept=application/json", "text/csv", "text/csv"),
    ],
)
async def test_accept_in_query_string_selects_csv(ask: Wire, query: str, accept: str, content_type: str) -> None:
    answer = await ask("GET", f"{LIST}?{query}", {**MINE, "Accept": accept})
    assert answer.headers["content-type"] == content_type


async def test_csv_reply_body_and_file_name(ask: Wire) -> None:
    answer = await ask("GET", LIST, {**MINE, "Accept": "text/csv"})
    assert answer.text == '"ID","text","tags"\n"first","one","a,b"\n"formula","\'=1+1",""\n'
    name = answer.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="json_[0-9a-f]{22}\.csv"', name)
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "query", "name"),
    [
        ({"X-File-Name": "my.csv"}, "", 'filename="my.csv"'),
        ({}, "?file_name=my%20own.csv", 'filename="my own.csv"'),
        ({"X-File-Name": "a.csv"}, "?file_name=b.csv", 'filename="a.csv"'),
        ({"X-File-Name": 'a"b\\c'}, "", 'filename="a\\"b\\\\c"'),
        ({"X-File-Name": "../../etc/passwd"}, "", 'filename="passwd"'),
        ({}, "?file_name=a%0D%0AX-Evil:1", 'filename="aX-Evil:1"'),
        ({"X-File-Name": "é.csv"}, "", """filename="?.csv"; filename*=UTF-8''%C3%A9.csv"""),
    ],
)
async def test_csv_reply_uses_requested_file_name(ask: Wire, headers: dict[str, str], query: str, name: str) -> None:
    answer = await ask("GET", LIST + query, {**MINE, **headers, "Accept": "text/csv"})
    assert answer.headers["content-disposition"] == f"attachment; {name}"


@pytest.mark.parametrize(
    ("language", "answered"),
    [("fr", "fr"), ("*", "*"), ("fr-CH, fr;q=.9", "fr-ch"), ("de;q=0", "de"), ("en-us;q=0.1, fr;q=0.9", "en-us")],
)
async def test_content_language_is_negotiated(ask: Wire, language: str, answered: str) -> None:
    if answered == "en-us":
        # The preferred language is not on offer: only the first one of the header is, besides English.
        assert language.startswith(answered)
    answer = await ask("GET", FIRST, {**MINE, "Accept-Language": language})
    assert answer.headers["content-language"] == answered


async def test_accept_charset_is_ignored(ask: Wire) -> None:
    assert (await ask("GET", FIRST, {**MINE, "Accept-Charset": "utf-16"})).status == 200


async def test_put_ignores_csv_preference(ask: Wire) -> None:
    answer = await ask("PUT", NEW, {**MINE, "Accept": "text/csv"}, EMPTY)
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")


@pytest.mark.parametrize("callback", ["cb", "a.b.c", "$x_1", "list[0].cb", "jQuery1_2"])
async def test_jsonp_wraps_success_and_error(ask: Wire, callback: str) -> None:
    for path, status in ((FIRST, 200), (f"{LIST}/nope", 404)):
        answer = await ask("GET", f"{path}?jsonp={callback}", MINE)
        assert answer.status == status
        assert answer.text.startswith(f"{callback}(")
        assert answer.text.endswith(");")
        assert json_codec.loads(answer.body[len(callback) + 1 : -2])["status"]
        assert answer.headers["content-type"] == "application/javascript"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("callback", ["", "alert(1)//", "a b", "<script>", "a[b]", "a\n", "x" * 257, "é", "[0]"])
async def test_jsonp_invalid_callback_is_refused(ask: Wire, callback: str) -> None:
    answer = await ask("GET", f"{FIRST}?jsonp={quote(callback)}", MINE)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert answer.data == {"message": "jsonp callback is not a name"}


async def test_jsonp_callback_in_body_is_accepted(ask: Wire) -> None:
    answer = await ask("POST", FIRST, MINE, {"data": {}, "jsonp": "cb"})
    assert answer.text.startswith("cb({")
    assert (await ask("POST", FIRST, MINE, {"data": {}, "jsonp": 5})).status == 400


@pytest.mark.parametrize(
    ("headers", "query", "pretty"),
    [
        ({"X-Pretty-Print": "true"}, "", True),
        ({}, "?pretty_print=true", True),
        ({"X-Pretty-Print": "false"}, "?pretty_print=true", False),
        ({}, "?pretty_print=false", False),
        ({}, "?pretty_print=1", False),
    ],
)
async def test_pretty_print_by_header_or_query(ask: Wire, headers: dict[str, str], query: str, pretty: bool) -> None:
    answer = await ask("GET", FIRST + query, {**MINE, **headers})
    assert ('\n  "data" : {\n    "id" : "first",' in answer.text) == pretty
    assert answer.data["id"] == "first"


async def test_pretty_print_with_jsonp(ask: Wire) -> None:
    answer = await ask("GET", f"{FIRST}?pretty_print=true&jsonp=cb", MINE)
    assert answer.text.startswith('cb({\n  "version" : "5.0",')
    assert answer.text.endswith("\n});")


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("GZIP", True), ("gzip;q=0", False), ("br", False), ("*", False)],
)
async def test_compression_of_long_json_if_accepted(ask: Wire, notes: Notes, encoding: str, packed: bool) -> None:
    notes.notes["long"] = {"id": "long", "text": "x" * 400}
    answer = await ask("GET", LIST, {**MINE, "Accept-Encoding": encoding})
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    body = answer.unpacked if packed else answer.body
    assert json_codec.loads(body)["data"][-1]["text"] == "x" * 400
    csv = await ask("GET", f"{LIST}?accept=csv", {**MINE, "Accept-Encoding": encoding})
    assert ("content-encoding" in csv.headers) == packed


async def test_compression_skips_short_json(ask: Wire) -> None:
    answer = await ask("DELETE", FIRST, {**MINE, "Accept-Encoding": "gzip"})
    assert len(answer.body) <= 300
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/?a=b"])
async def test_banner_for_root(ask: Wire, method: str, path: str) -> None:
    answer = await ask(method, path, {})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=UTF-8")
    assert "x-request-id" not in answer.headers
    assert (b"crossbar-appstore" in answer.body) == (method != "HEAD")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH", "HEAD", "LINK", "OPTIONS"])
@pytest.mark.parametrize("path", ["/foo/bar", "/vx/accounts", "/v/x", "//v2/notes", "/V2/notes", "/healthz", "//"])
async def test_path_without_version_is_404(ask: Wire, method: str, path: str) -> None:
    answer = await ask(method, path, {}, b"{" if method == "POST" else None)
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    if method != "HEAD":
        assert answer.json["message"] == "not_found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_root_is_404_for_other_methods_than_get(ask: Wire, method: str) -> None:
    assert (await ask(method, "/", {})).status == 404


@pytest.mark.parametrize("version", ["v2", "v3", "v10", "v-1", "v+4", "v02", "hooks", "%762"])
async def test_version_of_any_number_is_accepted(ask: Wire, version: str) -> None:
    assert (await ask("GET", f"/{version}/accounts/{OWN}/notes", MINE)).status == 200


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/accounts/{OWN}/notes/",
        f"/v2/accounts/{OWN}/notes///",
        f"/v2/accounts/{OWN}//notes",
        f"/v2/accounts/{OWN}/garbage/notes",
        f"/v2/accounts/{OWN}/no%74es",
        "/v2/account/notes",
        f"/v2/accounts/{OTHER}/accounts/{OWN}/notes",
        f"http://localhost/v2/accounts/{OWN}/notes",
        f"HTTP://localhost:80/v2/accounts/{OWN}/notes?x=1",
    ],
)
async def test_path_variants_reach_list(ask: Wire, path: str) -> None:
    assert (await ask("GET", path, MINE)).data[0]["id"] == "first"


async def test_greedy_resource_takes_names_of_other_endpoints(ask: Wire) -> None:
    answer = await ask("GET", "/v2/everything/accounts/notes/x%0Ay/")
    assert answer.data["params"] == ["accounts", "notes", "x\ny"]


@pytest.mark.parametrize(
    ("query", "parsed"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("a", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("%61+b=%2B+%C3%A9", {"a b": "+ é"}),
        ("a=%ff", {"a": "\ufffd"}),
        ("&&a=1&", {"a": "1"}),
    ],
)
async def test_query_string_is_decoded(ask: Wire, query: str, parsed: dict[str, str]) -> None:
    assert (await ask("GET", f"/v2/everything?{query}")).data["query"] == parsed


class Weather(Resource):
    """Sets the members of the reply that few endpoints set."""

    noun: ClassVar[str] = "weather"

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET", "DELETE")

    async def authenticate(self, context: Context) -> bool:
        return True

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = ABSENT
        context.reply.status = 202
        context.reply.stale = True

    async def delete(self, context: Context, *params: str) -> None:
        """Does nothing."""


async def test_reply_without_data_with_status_and_warning(start: Start) -> None:
    ask = await start(Weather())
    for method in ("GET", "DELETE"):
        answer = await ask(method, "/v2/weather")
        assert (answer.status, "data" in answer.json) == (202, False)
        assert answer.headers["warning"] == '110 - "Response is stale"'


class Dear:
    """A configuration with buckets of ten tokens, where requests cost three times as much."""

    async def limits(self) -> Limits:
        return Limits(10, 0)

    async def cost(self, context: Context, suggested: int) -> int:
        return 3 * suggested


async def test_rates_of_configuration_set_cost(start: Start) -> None:
    ask = await start(rates=Dear())
    assert (await ask("PUT", "/v2/logins", {}, EMPTY)).json["tokens"] == {"consumed": 6, "remaining": 4}
    assert (await ask("PUT", "/v2/logins", {}, EMPTY)).status == 429
    assert (await ask("GET", FIRST, MINE)).json["tokens"] == {"consumed": 1, "remaining": 10}
