"""The order of the checks in the pipeline, one test for each pair of neighbouring checks."""

import pytest

from crossbar_appstore.crossbar.rate_limits import Limits
from tests.crossbar.conftest import Start
from tests.crossbar.sample import AWAY, EMPTY, FIRST, FULL_METHODS, LIST, MINE, NEW, NO_ACCOUNT, OTHER, OWN, Notes
from tests.crossbar.wire import Answer, Wire

JSON = {"Content-Type": "application/json"}
BROKEN = b"{"
EXPIRED = {"X-Auth-Token": "expired"}
HTML = {"Accept": "text/html"}


def is_malformed_json(answer: Answer) -> bool:
    return answer.status == 400 and "json" in answer.data


async def test_pipeline_malformed_path_before_version_1(ask: Wire) -> None:
    answer = await ask("GET", "/v1/accounts/%zz")
    assert (answer.status, answer.data) == (400, {"message": "malformed request target"})


async def test_pipeline_missing_host_before_version_1(ask: Wire) -> None:
    assert (await ask.send(b"GET /v1/x HTTP/1.1\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    ("headers", "path"), [(JSON, "/v1/x"), ({"Content-Type": "json"}, "/v1/x"), (JSON, "/v1/x?%z")]
)
async def test_pipeline_version_1_before_body_type_and_query(ask: Wire, headers: dict[str, str], path: str) -> None:
    answer = await ask("PUT", path, headers, BROKEN)
    assert (answer.status, answer.json["message"]) == (410, "gone")
    assert answer.data == "API version 1 is not supported. Please upgrade your code to use version 2."
    assert set(answer.names("access-control-allow-methods")) == FULL_METHODS


@pytest.mark.parametrize("method", ["LINK", "PROPFIND", "M-SEARCH"])
async def test_pipeline_malformed_json_before_unknown_method(ask: Wire, method: str) -> None:
    assert is_malformed_json(await ask(method, LIST, JSON, BROKEN))


async def test_pipeline_malformed_json_before_token_method_account_and_endpoint(ask: Wire) -> None:
    assert is_malformed_json(await ask("PUT", LIST, {**JSON, **EXPIRED}, BROKEN))
    assert is_malformed_json(await ask("PATCH", LIST, JSON, BROKEN))
    assert is_malformed_json(await ask("PUT", "/v2/accounts/abc/notes/x", JSON, BROKEN))
    assert is_malformed_json(await ask("PUT", "/v2/nosuch", JSON, BROKEN))


async def test_pipeline_malformed_json_before_token_search(ask: Wire) -> None:
    answer = await ask("PUT", NEW, {**JSON, **MINE}, BROKEN)
    assert "auth_token" not in answer.json
    assert set(answer.names("access-control-allow-methods")) == FULL_METHODS


@pytest.mark.parametrize("method", ["LINK", "PROPFIND"])
async def test_pipeline_unknown_method_before_expired_token(ask: Wire, method: str) -> None:
    answer = await ask(method, LIST, EXPIRED)
    assert (answer.status, answer.json["error"]) == (501, "501")


async def test_pipeline_expired_token_before_unknown_path(ask: Wire) -> None:
    answer = await ask("GET", f"{FIRST}/foo", EXPIRED)
    assert (answer.status, answer.json["message"], answer.data) == (401, "invalid credentials", {})
    assert answer.json["auth_token"] == "expired"
    assert set(answer.names("access-control-allow-methods")) == FULL_METHODS


async def test_pipeline_expired_token_and_account_before_method(ask: Wire) -> None:
    assert (await ask("PATCH", LIST, EXPIRED)).status == 401
    answer = await ask("PATCH", LIST, {"X-Auth-Token": "trialover"})
    assert (answer.status, answer.data["account"]["expired"]["message"]) == (400, "account expired")


async def test_pipeline_unknown_path_before_method(ask: Wire) -> None:
    answer = await ask("PATCH", f"{FIRST}/foo")
    assert (answer.status, answer.json["message"], answer.data) == (404, "not_found", {"message": "not found"})
    assert answer.names("access-control-allow-methods") == ["OPTIONS"]


@pytest.mark.parametrize("account_id", ["abc", "", NO_ACCOUNT, AWAY])
async def test_pipeline_method_before_account(ask: Wire, account_id: str) -> None:
    answer = await ask("PATCH", f"/v2/accounts/{account_id}/notes/x")
    assert (answer.status, answer.json["message"], answer.data) == (
        405,
        "invalid_method",
        {"message": "method not allowed"},
    )


@pytest.mark.parametrize("account_id", ["abc", NO_ACCOUNT])
async def test_pipeline_account_before_missing_token(ask: Wire, account_id: str) -> None:
    assert (await ask("GET", f"/v2/accounts/{account_id}/notes")).status == 404


@pytest.mark.parametrize("account_id", ["abc", NO_ACCOUNT])
async def test_pipeline_account_before_rate_limit(start: Start, account_id: str) -> None:
    ask = await start(limits=Limits(0, 0))
    assert (await ask("GET", f"/v2/accounts/{account_id}/notes")).status == 404


async def test_pipeline_rate_limit_before_wrong_credentials(start: Start) -> None:
    ask = await start(limits=Limits(0, 0))
    answer = await ask("GET", LIST, {"X-Auth-Token": "garbage"})
    assert (answer.status, answer.json["message"], answer.data) == (
        429,
        "too_many_requests",
        {"message": "too many requests"},
    )
    assert int(answer.headers["retry-after"]) > 0


async def test_pipeline_missing_token_before_foreign_account(ask: Wire) -> None:
    answer = await ask("GET", f"/v2/accounts/{OTHER}/notes")
    assert (answer.status, answer.json["message"]) == (401, "invalid_credentials")


async def test_pipeline_missing_token_before_accept(ask: Wire) -> None:
    assert (await ask("GET", LIST, HTML)).status == 401


async def test_pipeline_foreign_account_before_accept(ask: Wire) -> None:
    answer = await ask("GET", f"/v2/accounts/{OTHER}/notes", {**MINE, **HTML})
    assert (answer.status, answer.data) == (403, {"message": "forbidden"})


async def test_pipeline_token_restrictions_before_accept(ask: Wire) -> None:
    answer = await ask("GET", LIST, {"X-Auth-Token": "restricted", **HTML})
    assert (answer.status, answer.data["cause"]) == (403, "access denied by token restrictions")


async def test_pipeline_unknown_endpoint_before_accept(ask: Wire) -> None:
    assert (await ask("GET", "/v2/nosuch", {**MINE, **HTML})).status == 404


async def test_pipeline_accept_before_accept_language(ask: Wire) -> None:
    assert (await ask("GET", FIRST, {**MINE, **HTML, "Accept-Language": "??"})).status == 406
    assert (await ask("GET", FIRST, {**MINE, "Accept": "foo", "Accept-Language": "de"})).status == 400


async def test_pipeline_accept_language_before_validate(ask: Wire) -> None:
    answer = await ask("GET", f"{LIST}/nope", {**MINE, "Accept-Language": "??"})
    assert (answer.status, answer.data) == (400, {"message": "malformed accept-language header"})


async def test_pipeline_accept_before_validate(ask: Wire, notes: Notes) -> None:
    assert (await ask("GET", f"{LIST}/nope", {**MINE, **HTML})).status == 406
    assert (await ask("PUT", NEW, {**MINE, **HTML}, EMPTY)).status == 406
    assert notes.executed == []


async def test_pipeline_validate_before_preconditions(ask: Wire) -> None:
    assert (await ask("POST", f"{LIST}/nope", {**MINE, "If-Match": '"x"'}, EMPTY)).status == 404
    assert (await ask("PUT", FIRST, {**MINE, "If-Match": '"x"'}, EMPTY)).status == 400


async def test_pipeline_preceding_noun_before_validate(ask: Wire) -> None:
    answer = await ask("GET", f"/v2/accounts/{OWN}/users/bob/notes/nope", MINE)
    assert (answer.status, answer.data) == (404, {"cause": "bob", "message": "bad identifier"})
    assert (await ask("GET", f"/v2/accounts/{OWN}/users/ann/notes/first", MINE)).status == 200


async def test_pipeline_preconditions_before_content_type(ask: Wire, notes: Notes) -> None:
    headers = {**MINE, "If-Match": '"x"', "Content-Type": "text/plain"}
    assert (await ask("POST", FIRST, headers, b"x")).status == 412
    assert (await ask("POST", FIRST, {**headers, "If-Match": "x"}, b"x")).status == 400
    assert notes.executed == []


async def test_pipeline_content_type_before_conflict(ask: Wire, notes: Notes) -> None:
    answer = await ask("PUT", f"{LIST}/conflict", {**MINE, "Content-Type": "text/plain"}, b"x")
    assert (answer.status, notes.executed) == (415, [])
    assert (await ask("PUT", f"{LIST}/conflict", MINE, EMPTY)).status == 409


async def test_pipeline_preflight_before_everything(ask: Wire) -> None:
    cors = {"Origin": "http://x"}
    for path in ("/v1/x", "/v2/nosuch", "/v2/accounts/abc/notes", f"{FIRST}/foo/bar", f"{LIST}?%zz", "/v2/%zz"):
        answer = await ask("OPTIONS", path, {**cors, **EXPIRED, **JSON, **HTML}, BROKEN)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["access-control-allow-origin"] == "*"
