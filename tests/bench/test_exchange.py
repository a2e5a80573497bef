import pytest
from aiohttp import web

from crossbar_appstore.bench.exchange import connection, expect, visit
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.wire import Request
from tests.bench.servers import serving, talking


def application(seen: list[str]) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        seen.append(request.path)
        if request.path == "/bad":
            return web.json_response({"auth_token": "secret", "message": "not so", "data": {"x": 1}}, status=400)
        return web.Response(text="no envelope" * 2, status=201 if request.path == "/text" else 200)

    made = web.Application()
    made.router.add_get("/{path}", answer)
    return made


async def test_replies_are_taken_one_after_the_other_from_one_connection() -> None:
    async with serving(application([])) as server, connection(server) as connected:
        statuses = [(await connected.ask(Request("GET", path, {}))).status for path in ("/a", "/bad", "/text")]
    assert statuses == [200, 400, 201]


async def test_another_status_is_told_without_the_token() -> None:
    async with serving(application([])) as server:
        assert (await expect(server, Request("GET", "/text", {}), 201)).body == b"no envelope" * 2
        with pytest.raises(CannotMeasure, match=r"/bad: 400, not 200: .*not so") as refused:
            await expect(server, Request("GET", "/bad", {}), 200)
        assert "secret" not in str(refused.value)
        with pytest.raises(CannotMeasure, match="201, not 200: 22 bytes"):
            await expect(server, Request("GET", "/text", {}), 200)


async def test_each_request_of_a_visit_is_sent_once() -> None:
    seen: list[str] = []
    paths = [f"/{number}" for number in range(50)]
    async with serving(application(seen)) as server:
        await visit(server, (Request("GET", path, {}) for path in paths), 4)
        assert sorted(seen) == sorted(paths)
        with pytest.raises(CannotMeasure):
            await visit(server, [Request("GET", path, {}) for path in (*paths, "/bad")], 4)


async def test_who_does_not_listen_or_hangs_up_cannot_be_measured() -> None:
    with pytest.raises(CannotMeasure, match="nobody"):
        await expect(Server("nobody", "http://127.0.0.1:1", 0), Request("GET", "/", {}), 200)
    async with talking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1") as server:
        with pytest.raises(CannotMeasure, match="IncompleteRead"):
            await expect(server, Request("GET", "/", {}), 200)
