"""POST carries any method in ``verb``; the others carry GET at most (deviation D3)."""

import pytest

from tests.crossbar.sample import FIRST, LIST, MINE, NEW, Notes
from tests.crossbar.wire import Wire

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    ("path", "verb", "status", "executed"),
    [
        (FIRST, "delete", 200, ["delete"]),
        (FIRST, "DELETE", 200, ["delete"]),
        (FIRST, "Delete", 200, ["delete"]),
        (FIRST, "post", 200, ["post"]),
        (FIRST, "get", 200, []),
        (NEW, "put", 201, ["put"]),
        (FIRST, "put", 400, []),
        (LIST, "get", 200, []),
        (FIRST, "patch", 405, []),
        (FIRST, "head", 405, []),
        (FIRST, "options", 405, []),
        (FIRST, "foo", 405, []),
        (FIRST, "", 405, []),
        (LIST, "post", 405, []),
        (LIST, "delete", 405, []),
    ],
)
async def test_verb_of_post_tunnels_allowed_methods(
    ask: Wire, notes: Notes, path: str, verb: str, status: int, executed: list[str]
) -> None:
    answer = await ask("POST", f"{path}?verb={verb}", MINE, {"data": {}})
    assert (answer.status, notes.executed) == (status, executed)
    if status == 405:
        assert answer.json["message"] == "invalid_method"


@pytest.mark.parametrize("method", [each for each in METHODS if each != "POST"])
@pytest.mark.parametrize("verb", METHODS)
async def test_verb_of_other_methods_is_refused(ask: Wire, notes: Notes, method: str, verb: str) -> None:
    answer = await ask(method, f"{FIRST}?verb={verb}", MINE)
    same = method == verb
    if method in ("PUT", "DELETE", "GET") and verb == "GET":
        assert (answer.status, notes.executed) == (200, [])
        assert answer.data["text"] == "one"
    elif same and method == "DELETE":
        assert (answer.status, notes.executed) == (200, ["delete"])
    elif same and method == "PUT":
        assert answer.status == 400  # It exists already.
    else:
        assert (answer.status, notes.executed) == (405, [])


@pytest.mark.parametrize("query", ["?verb=", "?verb"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_verb_empty_is_refused(ask: Wire, method: str, query: str) -> None:
    answer = await ask(method, FIRST + query, MINE)
    assert answer.status == 405


async def test_verb_unknown_removes_post_from_allowed_methods(ask: Wire) -> None:
    answer = await ask("POST", f"{FIRST}?verb=foo", MINE)
    assert answer.names("access-control-allow-methods") == ["OPTIONS", "PUT", "GET", "DELETE"]


async def test_verb_of_post_adds_post_to_allowed_methods(ask: Wire) -> None:
    answer = await ask("POST", f"{LIST}?verb=get", {**MINE, "Origin": "x"})
    assert answer.names("access-control-allow-methods") == ["OPTIONS", "POST", "GET"]


@pytest.mark.parametrize(
    ("query", "body", "executed"),
    [
        ("", {"data": {"verb": "delete"}}, ["delete"]),
        ("", {"data": {}, "verb": "delete"}, ["delete"]),
        ("", {"data": {}, "VERB": "delete"}, ["delete"]),
        ("?verb=delete", {"data": {}}, ["delete"]),
        ("?verb=post", {"data": {"verb": "delete"}}, ["delete"]),
        ("?verb=delete", {"data": {}, "verb": "post"}, ["delete"]),
        ("?verb=delete", {"data": {"verb": None}}, ["delete"]),
        ("?verb=delete&verb=post", {"data": {}}, ["delete"]),
    ],
)
async def test_verb_is_taken_from_data_then_query_then_envelope(
    ask: Wire, notes: Notes, query: str, body: object, executed: list[str]
) -> None:
    assert (await ask("POST", FIRST + query, MINE, body)).status == 200
    assert notes.executed == executed


@pytest.mark.parametrize("verb", [5, True, [], {}])
async def test_verb_that_is_no_string_is_refused(ask: Wire, notes: Notes, verb: object) -> None:
    assert (await ask("POST", FIRST, MINE, {"data": {"verb": verb}})).status == 405
    assert notes.executed == []


async def test_verb_put_sets_location(ask: Wire) -> None:
    answer = await ask("POST", f"{NEW}?verb=put", MINE, {"data": {}})
    assert (answer.status, answer.headers["location"]) == (201, NEW)


async def test_method_override_header_is_ignored(ask: Wire, notes: Notes) -> None:
    await ask("POST", FIRST, {**MINE, "X-HTTP-Method-Override": "DELETE"}, {"data": {}})
    assert notes.executed == ["post"]


async def test_verb_get_of_post_is_rendered_as_json_without_expires(ask: Wire) -> None:
    """The reply is JSON whatever Accept says, without Expires."""
    answer = await ask("POST", f"{FIRST}?verb=get", {**MINE, "Accept": "text/csv"}, {"data": {}})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert "expires" not in answer.headers
