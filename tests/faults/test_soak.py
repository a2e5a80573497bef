"""A lot of work with a CouchDB that is killed again and again: memory, descriptors and tasks stay flat."""

import asyncio
import os
import random
import signal
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
import pytest

from crossbar_appstore.auth import keys
from crossbar_appstore.kazoo.ids import account_db
from tests.faults.world import Api, Server, create_master, fresh_server
from tests.kit.system import open_couch
from tests.maintenance.folders import make_app
from tests.maintenance.systems import one_key
from tests.serving.running import address_of

REQUESTS: Final = 100_000
RESTARTS: Final = 50
CLIENTS: Final = 16
ACCOUNTS: Final = 20
APPS: Final = "abcdefgh"
MOST_GROWTH: Final = 12.0
"""Megabytes of resident memory after the first tenth: 8 of serialized lists, the rest is what the allocator keeps."""
MOST_DESCRIPTORS: Final = 5
MOST_TASKS: Final = 3
_QUIET: Final = 8.0
"""Seconds after which idle connections are closed."""
_SEED: Final = 12
_ALLOWED: Final = {200, 201, 304, 400, 404, 409, 503}


@dataclass
class Soak:
    """A service in a process of its own, and what it took at each hundredth of the work."""

    server: Server
    process: asyncio.subprocess.Process
    address: str
    tasks_file: Path
    master: str
    token: str
    apps: list[str]
    accounts: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    memory: list[float] = field(default_factory=list)
    """Megabytes."""

    async def work(self, requests: int, restarts: int) -> None:
        done = 0

        async def client(number: int) -> None:
            nonlocal done
            chosen = random.Random(_SEED + number)
            async with aiohttp.ClientSession() as session:
                api = Api(session, self.address, self.token)
                while done < requests:
                    done += 1
                    await self.request(api, chosen)

        clients = [asyncio.ensure_future(client(number)) for number in range(CLIENTS)]
        restarted = 0
        while done < requests:
            if len(self.memory) <= done * 100 // requests:
                self.memory.append(self.resident())
            if restarted < done * restarts // requests:
                restarted += 1
                await self.server.kill()
                await self.server.start()
            await asyncio.sleep(0.02)
        await asyncio.gather(*clients)
        assert restarted >= restarts - 1

    async def request(self, api: Api, chosen: random.Random) -> None:
        account, app = chosen.choice(self.accounts), chosen.choice(self.apps)
        path = f"accounts/{account}"
        method, where, data = chosen.choices(
            [
                ("GET", f"{path}/apps_store", None),
                ("GET", f"{path}/apps_store/{app}", None),
                ("GET", f"{path}/users", None),
                ("GET", path, None),
                ("GET", f"{path}/apps_store/blacklist", None),
                ("GET", f"accounts/{self.master}/descendants", None),
                ("GET", f"{path}/whitelabel", None),
                ("PUT", f"{path}/apps_store/{app}", {"allowed_users": "all"}),
                ("POST", f"{path}/apps_store/{app}", {"allowed_users": "admins"}),
                ("DELETE", f"{path}/apps_store/{app}", None),
                ("POST", f"{path}/apps_store/blacklist", {"blacklist": [app]}),
                ("PATCH", path, {"language": chosen.choice(["de-DE", "en-US"])}),
            ],
            [30, 20, 5, 10, 5, 2, 3, 6, 6, 6, 4, 1],
        )[0]
        status, _ = await api.call(method, where, data)
        self.statuses[status] += 1

    def resident(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 1e6)

    async def quiet(self) -> tuple[int, int]:
        """Descriptors and tasks once nobody asks."""
        await asyncio.sleep(_QUIET)
        self.tasks_file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(_QUIET):
            while not (self.tasks_file.exists() and self.tasks_file.read_text()):
                await asyncio.sleep(0.05)
        return psutil.Process(self.process.pid).num_fds(), int(self.tasks_file.read_text())


@pytest.fixture
async def soak(
    long_form: bool, tmp_path: Path, embedded_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Soak]:
    if not long_form:
        pytest.skip("the soak takes many minutes; --long asks for it")
    monkeypatch.setattr(keys, "generate", one_key)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(fresh_server(tmp_path / "couchdb", embedded_cache))
        couch = await stack.enter_async_context(open_couch(server.url))
        master = await create_master(couch)
        process = await _start(tmp_path, server.url)
        stack.push_async_callback(_stop, process)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(session, await address_of(process, tmp_path / "log"))
        await api.log_in()
        for letter in APPS:
            make_app(tmp_path / "apps", f"app{letter}")
        await _load(tmp_path / "apps", server.url)
        apps = [row.id for row in await couch.view(account_db(master), "apps_store/crossbar_listing")]
        names = [str(each) for each in apps]
        made = Soak(server, process, api.address, tmp_path / "tasks", master, api.token, names)
        for number in range(ACCOUNTS):
            _, envelope = await api.until((201,), "PUT", f"accounts/{master}", {"name": f"Account {number}"})
            made.accounts.append(envelope["data"]["id"])
        yield made


async def _start(tmp_path: Path, couchdb_url: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.faults.counted", str(tmp_path / "tasks"))
    environ = {**os.environ, "COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": "0"}
    with (tmp_path / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(*command, env=environ, stderr=log)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    await process.wait()


async def _load(apps: Path, couchdb_url: str) -> None:
    command: tuple[Any, ...] = (sys.executable, "-m", "crossbar_appstore", "init-apps", apps)
    environ = {**os.environ, "COUCHDB_URL": couchdb_url}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0


@pytest.mark.timeout(7200)
async def test_soak_takes_no_more_after_the_first_tenth(soak: Soak, capsys: pytest.CaptureFixture[str]) -> None:
    await soak.work(REQUESTS // 10, RESTARTS // 10)
    before = await soak.quiet()
    soak.memory.clear()
    await soak.work(REQUESTS - REQUESTS // 10, RESTARTS - RESTARTS // 10)
    after = await soak.quiet()
    with capsys.disabled():
        print(f"\n{soak.statuses.total()} requests, {dict(soak.statuses)}")
        print(f"resident MB: {' '.join(f'{each:.0f}' for each in soak.memory[::5])}")
        print(f"descriptors and tasks: {before} after the first tenth, {after} at the end")
    assert set(soak.statuses) <= _ALLOWED
    assert statistics.mean(soak.memory[-10:]) - max(soak.memory[:5]) <= MOST_GROWTH
    assert after[0] <= before[0] + MOST_DESCRIPTORS
    assert after[1] <= before[1] + MOST_TASKS
