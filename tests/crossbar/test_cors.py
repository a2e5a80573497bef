"""Cross-origin requests: how they are recognised, and the headers of their responses."""

import pytest

from crossbar_appstore.crossbar.cors import cors_headers
from tests.crossbar.sample import FIRST, LIST, MINE, PUBLIC_PICTURE
from tests.crossbar.wire import Wire

CROSS_ORIGIN = (
    {"Origin": "http://x"},
    {"Access-Control-Request-Method": "GET"},
    {"Access-Control-Request-Headers": "x-auth-token"},
)
FIVE = {name.lower() for name in cors_headers({}, None)}


@pytest.mark.parametrize("headers", CROSS_ORIGIN)
async def test_cors_headers_for_each_of_three_request_headers(ask: Wire, headers: dict[str, str]) -> None:
    answer = await ask("GET", LIST, {**MINE, **headers})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert answer.headers.keys() >= FIVE
    assert (await ask("OPTIONS", LIST, headers)).status == 200


async def test_cors_headers_absent_without_origin(ask: Wire) -> None:
    for path in (LIST, PUBLIC_PICTURE, "/"):
        assert not FIVE & (await ask("GET", path, MINE)).headers.keys()


@pytest.mark.parametrize(
    ("path", "requested", "allowed"),
    [
        (LIST, None, "OPTIONS, GET"),
        (LIST, "GET", "OPTIONS, GET"),
        (LIST, "PUT", "PUT, OPTIONS, GET"),
        (LIST, "FOO", "FOO, OPTIONS, GET"),
        (LIST, "", "OPTIONS, GET"),
        (LIST, "b@d", "OPTIONS, GET"),
        (LIST, "GÉT", "OPTIONS, GET"),
        (FIRST, "PUT", "OPTIONS, POST, PUT, GET, DELETE"),
        ("/v2/accounts/abc/notes", None, "OPTIONS, GET"),
        ("/v2/account/notes", None, "OPTIONS, GET"),
        (f"{FIRST}/foo", None, "OPTIONS"),
        ("/v2/nosuch", None, "OPTIONS, GET, POST, PUT, DELETE, HEAD, PATCH, OPTIONS"),
    ],
)
async def test_preflight_lists_requested_method_first(
    ask: Wire, path: str, requested: str | None, allowed: str
) -> None:
    headers = {"Origin": "http://x"}
    if requested is not None:
        headers["Access-Control-Request-Method"] = requested
    answer = await ask("OPTIONS", path, headers)
    assert (answer.status, answer.body, answer.headers["access-control-allow-methods"]) == (200, b"", allowed)
    assert answer.headers["content-length"] == "0"
    assert answer.headers["access-control-max-age"] == "86400"
    assert "allow" not in answer.headers


async def test_preflight_allows_headers_of_monster_ui(ask: Wire) -> None:
    answer = await ask("OPTIONS", LIST, {"Origin": "http://x"})
    assert {"content-type", "x-auth-token", "x-kazoo-cluster-id", "if-match"} <= set(
        answer.names("access-control-allow-headers")
    )
    assert {"x-request-id", "etag", "location", "x-auth-token"} <= set(answer.names("access-control-expose-headers"))


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/", "GET", {}, 200),
        ("/foo", "GET", {}, 404),
        ("/", "OPTIONS", {}, 404),
        (PUBLIC_PICTURE, "GET", {}, 200),
        (FIRST, "GET", {**MINE, "If-None-Match": "*"}, 304),
        (FIRST, "GET", {**MINE, "Accept": "text/csv"}, 200),
        (FIRST, "GET", {**MINE, "Accept": "text/html"}, 406),
        (FIRST, "LINK", MINE, 501),
        (f"{LIST}/boom", "GET", MINE, 500),
        ("/v2/nosuch", "GET", MINE, 404),
        (f"{LIST}/%zz", "GET", MINE, 400),
    ],
)
async def test_cors_headers_on_every_kind_of_response(
    ask: Wire, path: str, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await ask(method, path, {**headers, "Origin": "http://x"})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")


async def test_cors_headers_never_allow_credentials(ask: Wire) -> None:
    answer = await ask("OPTIONS", LIST, {"Origin": "http://x"})
    assert "access-control-allow-credentials" not in answer.headers
