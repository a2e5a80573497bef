"""If-Match and If-None-Match: their truth table, then their syntax."""

import pytest

from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.preconditions import parse_entity_tags
from tests.crossbar.sample import EMPTY, FIRST, LIST, MINE, NEW, PUBLIC_PICTURE, Notes, etag
from tests.crossbar.wire import Wire

CURRENT = "current"  # stands for the entity tag of the note
STALE = '"stale"'


def header(value: str, notes: Notes) -> str:
    return value.replace(CURRENT, f'"{etag(notes.notes["first"])}"')


@pytest.mark.parametrize(
    ("method", "path", "name", "value", "status"),
    [
        ("GET", FIRST, "If-Match", CURRENT, 200),
        ("GET", FIRST, "If-Match", "*", 200),
        ("GET", FIRST, "If-Match", STALE, 412),
        ("GET", FIRST, "If-Match", f"W/{CURRENT}", 412),
        ("GET", FIRST, "If-Match", '"other-tag"', 200),
        ("GET", FIRST, "If-Match", f"{STALE}, {CURRENT}", 200),
        ("GET", FIRST, "If-None-Match", CURRENT, 304),
        ("GET", FIRST, "If-None-Match", f"W/{CURRENT}", 304),
        ("GET", FIRST, "If-None-Match", "*", 304),
        ("GET", FIRST, "If-None-Match", STALE, 200),
        ("GET", FIRST, "If-None-Match", f"{STALE}, {CURRENT}", 304),
        ("POST", FIRST, "If-Match", CURRENT, 200),
        ("POST", FIRST, "If-Match", "*", 200),
        ("POST", FIRST, "If-Match", STALE, 412),
        ("POST", FIRST, "If-Match", f"W/{CURRENT}", 412),
        ("POST", FIRST, "If-None-Match", CURRENT, 412),
        ("POST", FIRST, "If-None-Match", "*", 412),
        ("POST", FIRST, "If-None-Match", STALE, 200),
        ("DELETE", FIRST, "If-Match", CURRENT, 200),
        ("DELETE", FIRST, "If-Match", "*", 200),
        ("DELETE", FIRST, "If-Match", STALE, 412),
        ("DELETE", FIRST, "If-None-Match", "*", 412),
        ("DELETE", FIRST, "If-None-Match", STALE, 200),
        ("PUT", NEW, "If-Match", "*", 412),
        ("PUT", NEW, "If-Match", STALE, 412),
        ("PUT", NEW, "If-None-Match", "*", 201),
        ("PUT", NEW, "If-None-Match", STALE, 201),
        ("GET", f"/v2/accounts/{'a' * 32}", "If-Match", STALE, 412),
        ("GET", f"/v2/accounts/{'a' * 32}", "If-None-Match", STALE, 200),
        ("GET", f"/v2/accounts/{'a' * 32}", "If-None-Match", "*", 304),
    ],
)
async def test_precondition_truth_table(
    ask: Wire, notes: Notes, method: str, path: str, name: str, value: str, status: int
) -> None:
    body = None if method in ("GET", "DELETE") else EMPTY
    answer = await ask(method, path, {**MINE, name: header(value, notes)}, body)
    assert answer.status == status
    assert bool(notes.executed) == (status in (200, 201) and method != "GET")
    if status == 412:
        assert (answer.json["error"], answer.data) == ("412", {"message": "precondition failed"})


@pytest.mark.parametrize(("if_match", "status"), [(CURRENT, 304), (STALE, 412)])
async def test_if_match_is_evaluated_before_if_none_match(ask: Wire, notes: Notes, if_match: str, status: int) -> None:
    headers = {**MINE, "If-Match": header(if_match, notes), "If-None-Match": "*"}
    assert (await ask("GET", FIRST, headers)).status == status


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize("value", ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2065 07:28:00 GMT", "yesterday"])
async def test_if_modified_since_is_ignored(ask: Wire, name: str, value: str) -> None:
    assert (await ask("GET", FIRST, {**MINE, name: value})).status == 200


async def test_not_modified_has_headers_of_reply_without_body(ask: Wire, notes: Notes) -> None:
    whole = await ask("GET", FIRST, MINE)
    answer = await ask("GET", FIRST, {**MINE, "If-None-Match": whole.headers["etag"]})
    for name in ("etag", "vary", "cache-control", "expires", "content-language"):
        assert answer.headers[name] == whole.headers[name]
    assert answer.headers["x-request-id"]
    assert not {"content-type", "content-length", "transfer-encoding"} & answer.headers.keys()


async def test_not_modified_leaves_connection_usable(ask: Wire) -> None:
    request = f"GET {FIRST} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: own\r\n".encode()
    async with ask.connection() as connection:
        await connection.send(request + b"If-None-Match: *\r\n\r\n" + request + b"\r\n")
        assert [(await connection.answer()).status for _ in range(2)] == [304, 200]


async def test_not_modified_does_not_load_picture(ask: Wire, notes: Notes) -> None:
    answer = await ask("GET", PUBLIC_PICTURE, {"If-None-Match": '"pic1"', "Origin": "x"})
    assert (answer.status, notes.pictures_loaded) == (304, 0)
    assert answer.headers["cache-control"] == "public, max-age=86400"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_list_has_strong_etag(ask: Wire) -> None:
    assert (await ask("GET", LIST, MINE)).headers["etag"] == '"list"'


async def test_post_has_no_etag(ask: Wire) -> None:
    assert "etag" not in (await ask("POST", FIRST, MINE, {"data": {}})).headers


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("*", None),
        (" * ", None),
        ('"a"', ((False, "a"),)),
        ('""', ((False, ""),)),
        ('W/"a"', ((True, "a"),)),
        ('"a","b"', ((False, "a"), (False, "b"))),
        (' , "a" ,, W/"b" , ', ((False, "a"), (True, "b"))),
        ('"a,b"', ((False, "a,b"),)),
        ('"1-abc/é"', ((False, "1-abc/é"),)),
    ],
)
def test_parse_entity_tags_returns_weakness_and_value(value: str, tags: object) -> None:
    assert parse_entity_tags(value) == tags


@pytest.mark.parametrize("value", ["", "abc", '"a', 'a"', 'w/"a"', '"a" "b"', '"a"b', "*, *", '"a b"', ",", '"\x7f"'])
def test_parse_entity_tags_malformed_is_refused(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_entity_tags(value)
    assert refused.value.code == 400


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_precondition_malformed_header_is_400(ask: Wire, name: str) -> None:
    answer = await ask("GET", FIRST, {**MINE, name: "abc"})
    assert (answer.status, answer.data) == (400, {"message": "malformed entity tag"})
