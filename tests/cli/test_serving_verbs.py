"""``serve`` and ``demo``, run as processes where signals matter."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossbar_appstore.addresses import couch_address
from crossbar_appstore.cli import serving
from crossbar_appstore.cli.demonstration import PASSWORD, curl_lines
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.maintenance.accounts import Demonstration
from crossbar_appstore.maintenance.lookup import master_account_id
from crossbar_appstore.settings import Settings
from tests.cli.conftest import VARIABLES, Run
from tests.datastore.fault_proxy import FaultProxy, Passwords, Status
from tests.maintenance.folders import make_app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program as a process; killed at the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "crossbar_appstore", *words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_until(stream: asyncio.StreamReader | None, words: str) -> str:
    """The output of a process up to the line that contains these words."""
    assert stream is not None
    read = ""
    while words not in read:
        line = (await stream.readline()).decode()
        assert line, f"ended before {words!r}: {read}"
        read += line
    return read


async def stop(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    process.send_signal(number)
    return await process.wait()


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, await reply.json(content_type=None)


async def listening(process: asyncio.subprocess.Process) -> str:
    """The address that ``serve`` logs."""
    line = (await read_until(process.stderr, '"listening"')).splitlines()[-1]
    address: str = json.loads(line)["address"]
    return address


async def test_serve_prepares_own_system_and_answers(empty_system: Couch) -> None:
    async with running("serve", "--couchdb-url", empty_system.address, "--crossbar-port", "0") as process:
        status, body = await get(f"{await listening(process)}/v2/accounts/{'0' * 32}/apps_store")
        assert status == 404
        assert body["status"] == "error"
        assert await empty_system.database_exists("system_auth")
        assert await stop(process, signal.SIGTERM) == 0


async def test_serve_beside_kazoo_writes_nothing(empty_system: Couch) -> None:
    await empty_system.create_database("system_data")
    async with running("serve", "--couchdb-url", empty_system.address, "--crossbar-port", "0") as process:
        await listening(process)
        assert await stop(process, signal.SIGINT) == 0
    for database in ("accounts", "services", "system_auth", "system_config"):
        assert not await empty_system.database_exists(database)


async def test_serve_names_address_in_use(run: Run, empty_system: Couch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        async with running("serve", "--couchdb-url", empty_system.address, "--crossbar-port", port) as process:
            assert await process.wait() == 1
            assert process.stderr is not None
            assert f"cannot listen on 127.0.0.1:{port}" in (await process.stderr.read()).decode()


async def test_serve_with_a_wrong_password_stays_up_and_tries_it_once(empty_system: Couch, couchdb_url: str) -> None:
    async with FaultProxy(couchdb_url) as proxy:
        proxy.passwords = Passwords("admin", "right")
        url = f"http://admin:wrong-password@127.0.0.1:{proxy.url.rpartition(':')[2]}"
        words = ("serve", "--couchdb-url", url, "--crossbar-port", "0", "--crossbar-workers", "2")
        async with running(*words) as process:
            log = await read_until(process.stderr, '"listening"')
            address = json.loads(log.splitlines()[-1])["address"]
            statuses = {(await get(f"{address}/v2/accounts/{'0' * 31}{n}/apps_store"))[0] for n in range(10)}
            assert statuses == {503}
            # Longer than the seconds after which an unreachable CouchDB is asked again.
            await asyncio.sleep(serving.PATIENCE + 1)
            assert (await get(f"{address}/v2/accounts/{'0' * 32}/apps_store"))[0] == 503
            assert await stop(process, signal.SIGTERM) == 0
            assert process.stderr is not None
            log += (await process.stderr.read()).decode()
        assert (proxy.passwords.wrong, proxy.passwords.posts) == (1, 1)
    assert "wrong-password" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    (away,) = [line for line in lines if line["message"].startswith("CouchDB is away")]
    assert away["reason"] == "CouchDB refuses the user and password: Name or password is incorrect."
    assert len({line["pid"] for line in lines if line["message"].startswith("CouchDB is unavailable")}) >= 1
    assert not any(line["message"] == "change feed disconnected" for line in lines)


async def test_serve_exits_with_four_if_the_user_may_not_create_what_is_missing(
    empty_system: Couch, couchdb_url: str
) -> None:
    async with FaultProxy(couchdb_url) as proxy:
        proxy.fail(Status(401, "You are not a server admin.", "unauthorized"), method="PUT")
        async with running("serve", "--couchdb-url", proxy.url, "--crossbar-port", "0") as process:
            assert await process.wait() == 4
            assert process.stderr is not None
            assert "CouchDB does not allow the user to do this: You are not a" in (await process.stderr.read()).decode()


async def test_serve_system_prepares_couchdb_that_starts_later(
    tmp_path: Path, embedded_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.1)
    port = free_port()
    settings = replace(Settings(), couchdb=couch_address(f"http://127.0.0.1:{port}"), port=0)
    answering = asyncio.Event()
    addresses: list[str] = []

    def announce(address: str) -> None:
        addresses.append(address)
        answering.set()

    service = asyncio.create_task(serving.serve_system(settings, announce))
    try:
        await answering.wait()
        status, _ = await get(f"{addresses[0]}/v2/accounts/{'0' * 32}/apps_store")
        assert status == 503
        async with (
            EmbeddedCouchDB(data_dir=tmp_path, cache=embedded_cache, port=port, in_memory=True) as server,
            Couch(server.url) as couch,
        ):
            while not await couch.database_exists("system_auth"):
                await asyncio.sleep(0.05)
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


async def test_serve_system_stops_preparing_when_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "PATIENCE", 0.05)
    settings = replace(Settings(), couchdb=couch_address(f"http://127.0.0.1:{free_port()}"), port=0)
    answering = asyncio.Event()
    service = asyncio.create_task(serving.serve_system(settings, lambda _: answering.set()))
    await answering.wait()
    before = asyncio.all_tasks()
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert all(task.done() for task in before - {asyncio.current_task()})


async def test_demo_serves_system_usable_as_printed(tmp_path: Path, embedded_cache: Path) -> None:
    words = ("demo", "--crossbar-port", "0", "--crossbar-data-dir", str(tmp_path / "data"))
    async with running(*words) as process:
        printed = await read_until(process.stdout, "Stop with Ctrl-C.")
        assert "4 created." in printed
        assert f"user name admin, password {PASSWORD}" in printed
        status, _ = await get_text(found(printed, r"Fauxton +(\S+)"))
        assert status == 200
        assert await mailed_link(printed, tmp_path / "data" / "mails")
        assert sorted(await list_apps(printed)) == ["call-notes", "shift-plan", "sound-library", "wallboard"]
        assert await stop(process, signal.SIGINT) == 0
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(found(printed, r"Fauxton +(\S+)"))
    make_app(tmp_path / "apps", "extra-app")
    async with running(*words, "--apps", str(tmp_path / "apps"), "--realm", "other.example.com") as process:
        again = await read_until(process.stdout, "Stop with Ctrl-C.")
        assert found(again, r"id (\w+)") == found(printed, r"id (\w+)")
        assert "realm demo.example.com" in again
        assert len(await list_apps(again)) == 5
        assert await stop(process, signal.SIGTERM) == 0


async def mailed_link(printed: str, folder: Path) -> bool:
    """Ask for a new password of the demo's administrator; whether the link comes in a mail that others cannot read."""
    assert str(folder) in printed
    data = {"username": "admin", "account_name": "Demo", "ui_url": "http://127.0.0.1:3000/"}
    url = found(printed, r"API +(\S+)") + "/user_auth/recovery"
    async with aiohttp.ClientSession() as session, session.put(url, json={"data": data}) as response:
        assert response.status == 201, await response.text()
    async with asyncio.timeout(20):
        while not (stored := list(folder.glob("*.eml"))) or not stored[0].stat().st_size:
            await asyncio.sleep(0.05)
    assert stored[0].stat().st_mode & 0o777 == 0o600
    text = stored[0].read_text(encoding="utf-8")
    return "To: admin@demo.example.com" in text and "http://127.0.0.1:3000/?recovery=" in text


def found(text: str, pattern: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, (pattern, text)
    return match[1]


async def get_text(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status, await reply.text()


async def list_apps(printed: str) -> list[str]:
    """The app names that the two printed command lines return, run by a shell."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    lines = [line.strip() for line in printed.splitlines() if "curl" in line]
    assert len(lines) == 2
    shell = await asyncio.create_subprocess_exec(
        "bash", "-c", "\n".join(lines), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await shell.communicate()
    return [app["name"] for app in json.loads(out)["data"]]


async def test_demo_ends_when_couchdb_ends(tmp_path: Path, embedded_cache: Path) -> None:
    async with running("demo", "--crossbar-port", "0", "--crossbar-data-dir", str(tmp_path)) as process:
        await read_until(process.stdout, "Stop with Ctrl-C.")
        os.kill(child_of(process.pid), signal.SIGKILL)
        assert await process.wait() == 1
        assert process.stderr is not None
        assert "CouchDB ended" in (await process.stderr.read()).decode()


def child_of(pid: int) -> int:
    """The only child of a process: the CouchDB of a demo."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if not children.exists():
        pytest.skip("/proc lists no children")
    (child,) = children.read_text().split()
    return int(child)


async def test_demo_refuses_invalid_account(tmp_path: Path, embedded_cache: Path) -> None:
    async with running("demo", "--crossbar-data-dir", str(tmp_path), "--password", "12345") as process:
        assert await process.wait() == 2
        assert process.stderr is not None
        assert "password" in (await process.stderr.read()).decode()


async def test_demo_makes_random_password_if_others_can_connect(tmp_path: Path, embedded_cache: Path) -> None:
    words = ("demo", "--crossbar-port", "0", "--crossbar-host", "0.0.0.0", "--crossbar-data-dir", str(tmp_path))
    async with running(*words) as process:
        printed = await read_until(process.stdout, "Stop with Ctrl-C.")
        password = found(printed, r"password (\S+)")
        assert password != PASSWORD
        assert len(password) >= 16
        assert await stop(process, signal.SIGINT) == 0
    async with running(*words) as process:
        assert "(the one given when the account was created)" in await read_until(process.stdout, "Stop with Ctrl-C.")
        assert await stop(process, signal.SIGINT) == 0


async def test_demo_ignores_couchdb_of_environment(empty_system: Couch, tmp_path: Path, embedded_cache: Path) -> None:
    environment = {**os.environ, "COUCHDB_URL": empty_system.address}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "crossbar_appstore", "demo", "--crossbar-port", "0", "--crossbar-data-dir", str(tmp_path)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    await read_until(process.stdout, "Stop with Ctrl-C.")
    assert await stop(process, signal.SIGTERM) == 0
    assert await master_account_id(empty_system) is None


def test_curl_lines_use_placeholder_for_unknown_password() -> None:
    shown = Demonstration("a" * 32, "It's", "x.y", "admin", None, is_new=False, load=None)
    login, apps = curl_lines("http://127.0.0.1:8000/v2", shown)
    assert "It" in login
    assert apps.endswith(f"/accounts/{'a' * 32}/apps_store")
