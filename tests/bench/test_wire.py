from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.bench.wire import HEAD_END, Reply, Request, status_of, whole_length


def test_a_request_is_sent_as_it_stands() -> None:
    request = Request("POST", "/v2/x?y=1", {"X-Auth-Token": "t"}, body="ä")
    assert request.encode("127.0.0.1:8000") == (
        b"POST /v2/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nX-Auth-Token: t\r\nContent-Length: 2\r\n\r\n\xc3\xa4"
    )


def test_a_request_comes_from_as_many_addresses_as_are_asked_for() -> None:
    request = Request("GET", "/", {}, addresses=70_000)
    assert b"X-Forwarded-For: 10.0.0.5\r\n" in request.encode("h", 5)
    assert b"X-Forwarded-For: 10.1.17.111\r\n" in request.encode("h", 69_999)
    assert len({request.encode("h", number) for number in range(1_000)}) == 1_000
    assert b"X-Forwarded-For" not in Request("GET", "/", {}).encode("h", 5)


def test_a_request_goes_to_as_many_paths_as_are_asked_for() -> None:
    request = Request("GET", "/v2/%04x", {}, variants=300)
    assert request.encode("h", 17).startswith(b"GET /v2/0011 HTTP/1.1\r\n")
    assert request.encode("h", 317) == request.encode("h", 17)
    assert Request("GET", "/v2/%2F", {}).encode("h").startswith(b"GET /v2/%2F ")


def test_a_request_survives_json() -> None:
    request = Request("GET", "/", {"A": "b"}, addresses=3)
    assert Request(**request.as_json()) == request


@given(st.binary(max_size=300), st.integers(1, 40))
def test_the_length_of_a_reply_is_known_as_soon_as_its_head_is_there(body: bytes, cut: int) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nX: y" % len(body) + HEAD_END
    assert whole_length(head + body) == len(head) + len(body)
    assert whole_length(head) == len(head) + len(body)
    assert whole_length(head[:-cut]) is None
    assert status_of(head) == 200


def test_a_reply_of_304_has_no_body_whatever_length_it_states() -> None:
    head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 33" + HEAD_END
    assert whole_length(head) == len(head)


def test_a_header_that_only_looks_like_a_length_is_none() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Content-Length: 33" + HEAD_END
    assert whole_length(head + b"Content-Length: 3") == len(head)


def test_a_recording_gives_the_reply_back(tmp_path: Path) -> None:
    reply = Reply.parse(b"HTTP/1.1 404 Not Found\r\nA: b: c\r\nSet: 1\r\nSet: 2\r\n\r\n", b"\n\0body\n")
    assert reply.headers == (("A", "b: c"), ("Set", "1"), ("Set", "2"))
    assert (reply.status, reply.reason) == (404, "Not Found")
    assert reply.header("set") == "1"
    assert reply.header("none") is None
    reply.save(tmp_path / "reply", "/{x}")
    assert Reply.load(tmp_path / "reply") == ("/{x}", reply)
