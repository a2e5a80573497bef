"""The application answers under each runner of aiohttp as under ``crossbar-appstore serve``."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient
from yarl import URL

from crossbar_appstore.application import create_application
from crossbar_appstore.json_codec import loads
from tests.docs.pages import DOCS, fences
from tests.kit.service import Client
from tests.kit.system import System
from tests.serving.running import FRESH, PATIENCE, running, settings

PAGE = DOCS / "library.md"
Answers = list[tuple[int, Mapping[str, str], Any]]


def requests(system: System) -> list[tuple[str, str, dict[str, str], bytes | None]]:
    """Successes and errors of each kind: method, request target, headers, body."""
    path, app = f"/v2/{system.master.path}", system.apps["voip"]
    mine = {"X-Auth-Token": system.token(system.master.admin)}
    json = {**mine, "Content-Type": "application/json"}
    return [
        ("GET", path, mine, None),
        ("GET", path, {**mine, "Accept-Encoding": "gzip"}, None),
        ("GET", f"{path}?accept=csv&file_name=apps.csv", mine, None),
        ("GET", path, {**mine, "If-None-Match": "*"}, None),
        ("GET", f"/v2/apps_store/{app}/icon", {"Range": "bytes=0-3"}, None),
        ("GET", path, {"Origin": "http://ui.example.com"}, None),
        ("GET", f"{path}/unknown", mine, None),
        ("HEAD", path, mine, None),
        ("OPTIONS", path, {"Origin": "http://ui.example.com"}, None),
        ("LINK", path, mine, None),
        ("PUT", f"{path}/{app}", {**json, "Content-Encoding": "gzip"}, b"not gzip"),
        ("POST", f"{path}/{app}", {**json, "Expect": "100-continue"}, b'{"data":{}}'),
        ("PUT", "/v1/user_auth", json, b"{"),
        ("GET", "/v2/nosuch", mine, None),
        ("GET", "/v2/accounts/%zz", mine, None),
        ("GET", "/", {}, None),
    ]


async def answers(system: System, address: str) -> Answers:
    """The answers to all requests without what differs each time."""
    found: Answers = []
    async with aiohttp.ClientSession(auto_decompress=False) as session, asyncio.timeout(PATIENCE):
        for method, target, headers, body in requests(system):
            url = URL(address.rstrip("/") + target, encoded=True)
            sent = {**headers, "X-Request-ID": "the-same"}
            async with session.request(method, url, headers=sent, data=body) as reply:
                volatile = ("Date", "Content-Length")
                kept = {name: value for name, value in reply.headers.items() if name not in volatile}
                raw = await reply.read()
                found.append((reply.status, kept, _comparable(raw, kept)))
    return found


def _comparable(raw: bytes, headers: Mapping[str, str]) -> Any:
    if "Content-Encoding" in headers or headers.get("Content-Type") != "application/json" or not raw:
        return raw[:2] if "Content-Encoding" in headers else raw
    return {name: value for name, value in loads(raw).items() if name not in ("timestamp", "tokens")}


@pytest.fixture
async def served(system: System, kit_couchdb_url: str, tmp_path: Path) -> Answers:
    """What ``crossbar-appstore serve`` answers."""
    async with running(kit_couchdb_url, tmp_path / "served") as service:
        found = await answers(system, service.address)
    statuses = [200, 200, 200, 304, 206, 401, 404, 405, 200, 501, 400, 400, 410, 404, 400, 200]
    assert [status for status, _, _ in found] == statuses
    return found


@asynccontextmanager
async def program(words: list[str], couchdb_url: str, folder: Path, pattern: str, **more: str) -> AsyncIterator[str]:
    """A Python program in a process of its own; its address, found in its output by the pattern."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSBAR_", "KAZOO_", "AMQP_"))}
    log = folder / "output"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *words),
            cwd=folder,
            env={**kept, "COUCHDB_URL": couchdb_url, "PYTHONUNBUFFERED": "1", **more},
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(pattern, log.read_text())):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        yield found[1]
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0, log.read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def example(heading: str) -> str:
    """The Python example below a heading of the page."""
    line = PAGE.read_text(encoding="utf-8").splitlines().index(f"## {heading}")
    return next(fence.text for fence in fences(PAGE) if fence.line > line and fence.language == "python")


async def test_run_app_answers_as_serve(system: System, served: Answers, kit_couchdb_url: str, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "service.py").write_text(example("web.run_app").replace("8000", str(port)))
    async with program(["service.py"], kit_couchdb_url, tmp_path, r"(http://127\.0\.0\.1:\d+)") as address:
        assert await answers(system, address) == served


async def test_app_runner_answers_as_serve(system: System, served: Answers, kit_couchdb_url: str) -> None:
    runner = web.AppRunner(create_application(settings(kit_couchdb_url)))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        assert await answers(system, "http://{}:{}".format(*runner.addresses[0])) == served
    finally:
        await runner.cleanup()


async def test_aiohttp_client_answers_as_serve(
    system: System, served: Answers, kit_couchdb_url: str, aiohttp_client: AiohttpClient
) -> None:
    client = await aiohttp_client(create_application(settings(kit_couchdb_url)))
    assert await answers(system, str(client.make_url("/"))) == served


async def test_gunicorn_workers_with_a_shared_directory_read_own_writes(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    (tmp_path / "service.py").write_text(example("gunicorn"))
    (tmp_path / "shared").mkdir()
    words = ["-m", "gunicorn", "service:application", "--bind", "127.0.0.1:0", "--workers", "2"]
    words += ["--worker-class", "aiohttp.GunicornWebWorker"]
    listening = r"Listening at: (http://127\.0\.0\.1:\d+)"
    more = {"CROSSBAR_SHARED_DIR": str(tmp_path / "shared")}
    async with program(words, kit_couchdb_url, tmp_path, listening, **more) as address:
        client = Client(system, address, fresh_connections=True)
        sub = await system.account("Sub", below=system.master)
        path = f"{sub.path}/{system.apps['voip']}"
        for _ in range(FRESH):  # both workers cache the account, with nothing installed
            assert "allowed_users" not in (await client.get(path, sub)).data
        assert (await client.put(path, sub, {"allowed_users": "all"})).status == 201
        seen = []
        for number in range(100):
            allowed = ("admins", "all")[number % 2]
            assert (await client.post(path, sub, {"allowed_users": allowed})).status == 200
            seen.append((await client.get(path, sub)).data["allowed_users"] == allowed)
        await client.stop()
    assert seen.count(True) == 100


@pytest.mark.parametrize("worker", ["GunicornWebWorker", "GunicornUVLoopWebWorker"])
async def test_gunicorn_worker_answers_as_serve(
    system: System, served: Answers, kit_couchdb_url: str, tmp_path: Path, worker: str
) -> None:
    (tmp_path / "service.py").write_text(example("gunicorn"))
    words = ["-m", "gunicorn", "service:application", "--bind", "127.0.0.1:0", "--worker-class", f"aiohttp.{worker}"]
    words += ["--access-logfile", "-"]
    async with program(words, kit_couchdb_url, tmp_path, r"Listening at: (http://127\.0\.0\.1:\d+)") as address:
        assert await answers(system, address) == served
    assert "GET /v2" not in (tmp_path / "output").read_text(), "aiohttp's access log may hold tokens"
