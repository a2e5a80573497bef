"""Error responses, one test for each cause."""

import logging
from urllib.parse import quote

import pytest

from crossbar_appstore.crossbar import errors
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.cors import cors_headers
from crossbar_appstore.crossbar.errors import NAMED_ERRORS, CrossbarError
from crossbar_appstore.crossbar.rate_limits import Limits
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.json_codec import Json
from tests.crossbar.conftest import Start
from tests.crossbar.sample import (
    AWAY,
    FIRST,
    FULL_METHODS,
    LIST,
    MINE,
    NO_ACCOUNT,
    OTHER,
    OWN,
    PUBLIC_PICTURE,
)
from tests.crossbar.wire import Answer, Wire

CORS = set(cors_headers({}, None))


def check(answer: Answer, code: int, message: str, data: Json) -> None:
    """Check a whole error envelope: members, their order, and the headers of every error."""
    envelope = answer.json
    assert (answer.status, envelope["message"], envelope["data"]) == (code, message, data)
    assert (envelope["error"], envelope["status"]) == (str(code), "error")
    order = ("version", "timestamp", "node", "request_id", "tokens", "auth_token", "data", "error", "message", "status")
    assert list(envelope) == [name for name in order if name in envelope]
    assert set(order) - set(envelope) <= {"version", "auth_token"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == envelope["request_id"]
    assert {name.lower() for name in CORS} <= answer.headers.keys()
    assert not {"allow", "www-authenticate"} & answer.headers.keys()


Said = tuple[str, Json]


def plain(text: str) -> Said:
    """Message and data of an error of the HTTP layer."""
    return text.replace(" ", "_"), {"message": text}


def named(name: str, **extra: str) -> Said:
    return name, {**extra, "message": NAMED_ERRORS[name][1]}


def bad_account(text: str) -> Said:
    return "bad identifier", {"message": text}


UNAUTHENTICATED: Said = ("invalid credentials", {})
DENIED = named("forbidden", cause="access denied by token restrictions")
UMLAUTS = "ä" * 32


@pytest.mark.parametrize(
    ("method", "path", "token", "code", "said"),
    [
        ("GET", "/v2/accounts/%zz/notes", None, 400, plain("malformed request target")),
        ("GET", f"{LIST}?a%zz=1", "own", 400, plain("malformed query string")),
        ("GET", f"{LIST}?bad=%", "own", 400, plain("malformed query string")),
        ("GET", f"{LIST}?=x", "own", 400, plain("malformed query string")),
        ("GET", f"{LIST}?jsonp", "own", 400, plain("jsonp callback is not a name")),
        ("LINK", LIST, "own", 501, plain("not implemented")),
        ("TRACE", LIST, "own", 501, plain("not implemented")),
        ("GET", LIST, "expired", 401, UNAUTHENTICATED),
        ("GET", LIST, "uncheckable", 503, named("datastore_unreachable")),
        ("GET", "/v2/account/notes", None, 401, UNAUTHENTICATED),
        ("GET", "/v2/account/notes", "garbage", 401, UNAUTHENTICATED),
        ("GET", f"{FIRST}/foo", None, 404, named("not_found")),
        ("GET", f"{LIST}//first", None, 404, named("not_found")),
        ("PATCH", FIRST, None, 405, named("invalid_method")),
        ("OPTIONS", LIST, None, 405, named("invalid_method")),
        ("GET", "/v2/accounts/abc/notes", None, 404, bad_account("invalid account_id 'abc'")),
        ("GET", "/v2/accounts/sub.realm/notes", "own", 404, bad_account("invalid account_id 'sub.realm'")),
        ("GET", f"/v2/accounts/{quote(UMLAUTS)}/notes", None, 404, bad_account(f"invalid account_id '{UMLAUTS}'")),
        ("GET", "/v2/accounts//notes", None, 404, bad_account("missing account_id")),
        ("GET", f"/v2/accounts/{NO_ACCOUNT}/notes", None, 404, named("bad_identifier", cause=NO_ACCOUNT)),
        ("GET", f"/v2/accounts/{OWN}/a/b/notes", "own", 404, named("not_found")),
        ("GET", f"/v2/accounts/{AWAY}/notes", "own", 503, named("datastore_unreachable")),
        ("GET", LIST, None, 401, named("invalid_credentials")),
        ("GET", LIST, "garbage", 401, named("invalid_credentials")),
        ("GET", LIST, "", 401, named("invalid_credentials")),
        ("GET", LIST, "undefined", 401, named("invalid_credentials")),
        ("GET", f"{FIRST}/picture", None, 401, named("invalid_credentials")),
        ("GET", "/v2/users/ann/notes/first/picture", None, 401, named("invalid_credentials")),
        ("GET", LIST, "other", 403, named("forbidden")),
        ("GET", "/v2/accounts/notes", "own", 403, named("forbidden")),
        ("GET", "/v2/notes", "own", 403, named("forbidden")),
        ("GET", f"/v2/accounts/{OWN}/accounts/{OTHER}/notes", "own", 403, named("forbidden")),
        ("GET", LIST, "restricted", 403, DENIED),
        ("GET", "/v2", None, 401, named("invalid_credentials")),
        ("GET", "/v2/", "own", 404, named("not_found")),
        ("GET", "/v2/nosuch", None, 401, named("invalid_credentials")),
        ("GET", "/v2/nosuch/deep/er", "own", 404, named("not_found")),
        ("POST", "/v2/nosuch", "super", 404, named("not_found")),
        ("OPTIONS", "/v2/nosuch", None, 401, named("invalid_credentials")),
        ("GET", "/v2/nosuch?verb=foo", "own", 404, named("not_found")),
        ("GET", "/v2/nosuch", "restricted", 403, DENIED),
        ("GET", f"{LIST}/nope", "own", 404, named("bad_identifier", details="nope")),
        ("GET", f"{LIST}/caf%C3%A9", "own", 404, named("bad_identifier", details="café")),
        ("GET", f"{LIST}/a+b%2Fc", "own", 404, named("bad_identifier", details="a+b/c")),
        ("GET", f"{LIST}/away", "own", 503, named("datastore_unreachable")),
        ("GET", f"{LIST}/boom", "own", 500, named("unspecified_fault")),
        ("GET", f"{LIST}/unspeakable", "own", 500, named("unspecified_fault")),
        ("PUT", FIRST, "own", 400, ("Note already there", {})),
        ("PUT", f"{LIST}/conflict", "own", 409, named("datastore_conflict")),
        ("GET", "/v2/notes/nope/picture", None, 404, named("bad_identifier", details="nope")),
    ],
)
async def test_refusal_has_code_message_and_data(
    ask: Wire, method: str, path: str, token: str | None, code: int, said: Said
) -> None:
    answer = await ask(method, path, {} if token is None else {"X-Auth-Token": token})
    check(answer, code, *said)
    # The envelope repeats the token once it is located, and has a version once the caller is authenticated.
    looked_for = code not in (400, 501) or said[0] == "Note already there"
    assert answer.json.get("auth_token") == (token if looked_for else None)
    accepted = token in ("own", "other", "super", "restricted")
    assert ("version" in answer.json) == (accepted and looked_for)


@pytest.mark.parametrize(
    ("headers", "code", "text"),
    [
        ({"Accept": "text/html"}, 406, "not acceptable"),
        ({"Accept": "foo"}, 400, "malformed accept header"),
        ({"Accept-Language": "??"}, 400, "malformed accept-language header"),
        ({"If-Match": '"stale"'}, 412, "precondition failed"),
        ({"If-None-Match": "*"}, 412, "precondition failed"),
        ({"If-Match": "abc"}, 400, "malformed entity tag"),
        ({"Content-Type": "text/plain"}, 415, "unsupported media type"),
        ({"Content-Type": "json"}, 400, "malformed content-type header"),
        ({"Content-Type": "multipart/form-data"}, 400, "multipart body without a boundary"),
    ],
)
async def test_refusal_for_header(ask: Wire, headers: dict[str, str], code: int, text: str) -> None:
    check(await ask("POST", FIRST, {**MINE, **headers}, b'{"data":{}}'), code, *plain(text))


async def test_version_1_is_410(ask: Wire) -> None:
    text = "API version 1 is not supported. Please upgrade your code to use version 2."
    check(await ask("GET", "/v1/accounts/x", MINE), 410, "gone", text)


async def test_range_beyond_end_is_416_with_length(ask: Wire) -> None:
    answer = await ask("GET", PUBLIC_PICTURE, {"Range": "bytes=1024-"})
    check(answer, 416, "range not satisfiable", {})
    assert answer.headers["content-range"] == "bytes */1024"


async def test_rate_limit_exceeded_has_retry_after(start: Start) -> None:
    ask = await start(limits=Limits(1, 0))
    assert (await ask("GET", LIST)).status == 401
    answer = await ask("GET", LIST)
    check(answer, 429, "too_many_requests", {"message": "too many requests"})
    assert answer.headers["retry-after"] == "60"
    assert answer.json["tokens"] == {"consumed": 1, "remaining": 0}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{FIRST}/foo", {"OPTIONS"}),
        (f"{LIST}/nope", {"OPTIONS", "POST", "PUT", "GET", "DELETE"}),
        ("/v2/nosuch", FULL_METHODS),
        ("/v1/x", FULL_METHODS),
    ],
)
async def test_refusal_lists_known_allowed_methods(ask: Wire, path: str, allowed: set[str]) -> None:
    assert set((await ask("GET", path, MINE)).names("access-control-allow-methods")) == allowed


async def test_head_is_405_without_body(ask: Wire) -> None:
    for path in (FIRST, PUBLIC_PICTURE, f"{FIRST}?verb=get"):
        answer = await ask("HEAD", path, MINE)
        assert (answer.status, answer.body) == (405, b"")
        assert answer.headers["access-control-allow-origin"] == "*"


async def test_unexpected_exception_is_logged_and_not_shown(ask: Wire, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask("GET", f"{LIST}/boom", {**MINE, "X-Request-ID": "req-7", "Origin": "http://x"})
    assert answer.status == 500
    assert b"secret" not in answer.body
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "a secret that only the log may know" in str(record.exc_info[1])
    assert record.__dict__["request_id"] == "req-7"


async def test_mapped_exception_is_logged_with_reason(ask: Wire, caplog: pytest.LogCaptureFixture) -> None:
    answer = await ask("GET", f"{LIST}/away", MINE)
    assert answer.headers["retry-after"] == "2"
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert (record.__dict__["code"], record.__dict__["reason"]) == (503, "StorageAway: ")


class Speaker(Resource):
    """Raises a given error."""

    noun = "speaker"
    said: CrossbarError

    def allowed_methods(self, *params: str) -> tuple[str, ...]:
        return ("GET",)

    async def authenticate(self, context: Context) -> bool:
        return True

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        raise self.said


@pytest.mark.parametrize("name", NAMED_ERRORS)
async def test_named_error_has_code_and_text(start: Start, name: str) -> None:
    code, text = NAMED_ERRORS[name]
    speaker = Speaker()
    speaker.said = errors.NamedError(name)
    check(await (await start(speaker))("GET", "/v2/speaker"), code, name, {"message": text})


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.TooManyRequests(1), "too_many_requests"),
        (errors.Forbidden(), "forbidden"),
        (errors.BadIdentifier(), "bad_identifier"),
        (errors.AuthenticationRequired(), "invalid_credentials"),
        (errors.DatastoreConflict(), "datastore_conflict"),
        (errors.DatastoreUnreachable(), "datastore_unreachable"),
        (errors.MethodNotAllowed(), "invalid_method"),
        (errors.NotFound(), "not_found"),
        (errors.UnspecifiedFault(), "unspecified_fault"),
    ],
)
def test_error_classes_agree_with_named_errors(error: CrossbarError, name: str) -> None:
    code, text = NAMED_ERRORS[name]
    assert (error.code, error.message, error.data) == (code, name, {"message": text})


def test_error_details_precede_message() -> None:
    assert errors.BadIdentifier(details="x").data == {"details": "x", "message": "bad identifier"}
    assert errors.DatastoreFault("timeout").data == {"cause": "timeout", "message": "unknown failure"}
    assert errors.ValidationError({"a": {"b": {}}}).data == {"a": {"b": {}}}


async def test_error_with_page_size_and_without_data(start: Start) -> None:
    speaker = Speaker()
    speaker.said = CrossbarError(500, "init failed")
    speaker.said.page_size = 0
    answer = await (await start(speaker))("GET", "/v2/speaker")
    assert next(iter(answer.json)) == "page_size"
    assert "data" not in answer.json


async def test_error_shows_a_kilobyte_of_a_path(ask: Wire) -> None:
    for path in (f"/v2/accounts/{'x' * 8_000}/notes", f"{LIST}/{'x' * 8_000}"):
        answer = await ask("GET", path, MINE)
        assert (answer.status, len(answer.body) < 2_000) == (404, True)
        assert "x" * 900 in answer.text
