"""What is decided once in a moment, and what is not."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from multidict import istr

from crossbar_appstore.crossbar.context import Binary, Context
from crossbar_appstore.crossbar.errors import BadIdentifier, DatastoreUnreachable, Refusal
from crossbar_appstore.crossbar.request_headers import DECIDING, RequestHeaders
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.crossbar.throttling import Limits
from crossbar_appstore.json_codec import JsonObject
from tests.crossbar.conftest import Eternity, Start
from tests.crossbar.sample import Everything


class Steady(Resource):
    """Says how often it was asked; ``gone`` is not there, ``away`` cannot be read."""

    noun: ClassVar[str] = "steady"
    steady: ClassVar[bool] = True

    def __init__(self) -> None:
        self.asked = 0

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET", "POST")

    async def authenticate(self, context: Context) -> bool:
        return context.resource.params != ("private",)

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        self.asked += 1
        match params:
            case ("gone",):
                raise BadIdentifier(details="gone")
            case ("away",):
                raise DatastoreUnreachable
            case ("slow",):
                raise Refusal(429, "slow down")
            case ("large",):
                context.reply.binary = Binary(_load, "image/png", "large.png", "tag", "public")
        context.reply.data, context.reply.etag = {"asked": self.asked}, "tag"

    async def post(self, context: Context, *params: str) -> None:
        """Nothing changes."""


async def _load() -> bytes:
    return b"x" * 70_000


@pytest.fixture
def steady() -> Steady:
    return Steady()


OWN: Mapping[str, str] = {"X-Auth-Token": "own"}


async def test_the_same_request_is_decided_once_in_a_moment(start: Start, steady: Steady) -> None:
    moments = Eternity()
    ask = await start(steady, moments=moments)
    first, second = [await ask("GET", "/v2/steady", OWN) for _ in range(2)]
    assert steady.asked == 1
    assert first.json["data"] == second.json["data"] == {"asked": 1}
    assert first.json["request_id"] != second.json["request_id"]
    assert second.headers["x-request-id"] == second.json["request_id"]
    moments.number += 1
    assert (await ask("GET", "/v2/steady", OWN)).json["data"] == {"asked": 2}


async def test_what_is_refused_is_refused_again(start: Start, steady: Steady) -> None:
    ask = await start(steady)
    first, second = [await ask("GET", "/v2/steady/gone", OWN) for _ in range(2)]
    assert (first.status, second.status, steady.asked) == (404, 404, 1)
    assert first.json["data"] == second.json["data"]


@pytest.mark.parametrize(
    "path",
    ["/v2/steady/away", "/v2/steady/slow", "/v2/everything", "/v2/steady/large"],
    ids=["a failure", "too many", "not steady", "a large picture"],
)
async def test_what_does_not_last_is_decided_each_time(start: Start, steady: Steady, path: str) -> None:
    everything = Everything()
    asked = 0
    validate = everything.validate

    async def count(context: Context, *params: str) -> None:
        nonlocal asked
        asked += 1
        await validate(context, *params)

    everything.validate = count  # type: ignore[method-assign] # counts
    ask = await start(steady, everything)
    for _ in range(2):
        await ask("GET", path, OWN)
    assert steady.asked + asked == 2


async def test_whoever_brings_a_body_or_changes_something_is_asked_about_it(start: Start, steady: Steady) -> None:
    ask = await start(steady)
    some: JsonObject = {"data": {}}
    for method, body in (("GET", None), ("GET", some), ("GET", some), ("POST", some), ("POST", some), ("GET", None)):
        assert (await ask(method, "/v2/steady", OWN, body)).status == 200
    assert steady.asked == 5


@pytest.mark.parametrize("name", DECIDING)
async def test_each_header_that_counts_makes_another_request(start: Start, steady: Steady, name: istr) -> None:
    ask = await start(steady)
    sent: dict[str, Any] = {**OWN, str(name): {"Accept": "*/*", "Content-Type": "application/json"}.get(name, "x")}
    await ask("GET", "/v2/steady", OWN)
    await ask("GET", "/v2/steady", sent)
    assert steady.asked == 2, "what was decided without it is not given"
    await ask("GET", "/v2/steady", sent)
    assert steady.asked == 2, "what was decided with it is"


async def test_one_is_never_given_what_was_decided_for_another(start: Start, steady: Steady) -> None:
    ask = await start(steady)
    assert (await ask("GET", "/v2/steady/private", OWN)).status == 200
    assert (await ask("GET", "/v2/steady/private")).status == 401
    assert (await ask("GET", "/v2/steady/private", {"X-Auth-Token": "none"})).status == 401
    assert (await ask("GET", "/v2/steady/private", OWN)).status == 200


async def test_whoever_has_no_token_pays_each_time(start: Start, steady: Steady) -> None:
    ask = await start(steady, limits=Limits(3, 0.0), proxies=("127.0.0.0/8",))
    replies = [await ask("GET", "/v2/steady") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply.json["tokens"]["remaining"] for reply in replies] == [2, 1, 0, 0]
    assert steady.asked == 1
    neighbour = await ask("GET", "/v2/steady", {"X-Forwarded-For": "9.9.9.9"})
    assert (neighbour.status, neighbour.json["tokens"]["remaining"], steady.asked) == (200, 2, 1)


async def test_a_refusal_for_want_of_a_token_is_paid_for_too(start: Start, steady: Steady) -> None:
    ask = await start(steady, limits=Limits(2, 0.0))
    assert [(await ask("GET", "/v2/steady/private")).status for _ in range(3)] == [401, 401, 429]


def test_no_decision_depends_on_other_headers() -> None:
    headers = RequestHeaders([f"value {name}" for name in DECIDING])
    assert headers["Accept"] == "value Accept"
    assert "Origin" in headers
    assert len(list(headers)) == len(headers) == len(DECIDING)
    for ask in (headers.get, headers.__contains__, headers.__getitem__):
        with pytest.raises(LookupError):
            ask("User-Agent")
    assert "Origin" not in RequestHeaders()
