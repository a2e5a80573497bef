from pathlib import Path

import pytest

from crossbar_appstore.bench import processes
from crossbar_appstore.bench.bare_process import application
from crossbar_appstore.bench.exchange import expect
from crossbar_appstore.bench.processes import CannotMeasure, bare_handler
from crossbar_appstore.bench.wire import Reply, Request
from tests.bench.servers import serving

HEADERS = (("X-Request-ID", "7"), ("ETag", '"x"'), ("Content-Type", "application/json"), ("Server", "theirs"))


def without_date(reply: Reply) -> Reply:
    kept = sorted((name, value) for name, value in reply.headers if name.lower() not in ("date", "content-length"))
    return Reply(reply.status, reply.reason, tuple(kept), reply.body)


@pytest.mark.parametrize(("status", "body"), [(200, b'{"a":1}'), (404, b"{}")])
async def test_the_bare_handler_answers_as_the_service_did(status: int, body: bytes) -> None:
    recorded = Reply(status, "As They Said", tuple(sorted(HEADERS)), body)
    async with serving(application("/v2/{id}", recorded)) as server:
        for method in ("GET", "POST"):
            assert without_date(await expect(server, Request(method, "/v2/7", {}), status)) == recorded
        await expect(server, Request("GET", "/v2/7/8", {}), 404)


async def test_the_bare_handler_runs_in_a_process_of_its_own_and_ends_with_us(tmp_path: Path) -> None:
    recorded = Reply(304, "Not Modified", (("ETag", '"x"'),), b"")
    recorded.save(tmp_path / "reply", "/v2/{id}")
    async with bare_handler(tmp_path / "reply", tmp_path / "log") as server:
        reply = await expect(server, Request("GET", "/v2/7", {}), 304)
        assert reply.header("ETag") == '"x"'
        assert server.cpu_seconds() > 0
        assert [each.pid for each in server.usage()] == [server.pid]
    with pytest.raises(CannotMeasure):
        await expect(server, Request("GET", "/v2/7", {}), 304)


async def test_a_server_that_does_not_start_names_its_log(tmp_path: Path) -> None:
    with pytest.raises(CannotMeasure, match="log"):
        async with bare_handler(tmp_path / "missing", tmp_path / "log"):
            pytest.fail("it started")
    assert "FileNotFoundError" in (tmp_path / "log").read_text()


async def test_a_server_that_says_nothing_is_not_waited_for_any_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_START_SECONDS", 0.2)
    monkeypatch.setattr(processes, "_STOP_SECONDS", 0.2)
    monkeypatch.setattr(processes, "_BARE", "tests.bench.stubborn")
    with pytest.raises(CannotMeasure, match="did not start"):
        async with bare_handler(tmp_path / "missing", tmp_path / "log"):
            pytest.fail("it started")
