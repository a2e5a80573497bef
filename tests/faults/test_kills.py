"""SIGKILL of the service and of the server, in the middle of everything: what was acknowledged is there, and all whole.

A round starts what was killed in the round before, works, kills at a random moment, and checks CouchDB.
"""

import asyncio
import itertools
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import psutil
import pytest

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.views import DatabaseClass, design_document, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.maintenance import orphans
from crossbar_appstore.maintenance.doctor import examine, repair
from crossbar_appstore.maintenance.reports import Severity
from tests.faults.world import (
    Api,
    Blacklister,
    Creator,
    Server,
    Uploader,
    Writer,
    create_master,
    fresh_server,
    stored_document,
    until_killed,
)
from tests.kit.system import open_couch
from tests.maintenance.folders import JPEG, OTHER_PNG, make_app
from tests.maintenance.systems import one_key
from tests.samples.make_pictures import png
from tests.serving.running import PATIENCE, Running, running

SEED: Final = 12
APPS: Final = "abcdefgh"
DESIGNS: Final = {design_document(name)["_id"] for name in names_for(DatabaseClass.ACCOUNT)}
ROUNDS: Final = ("service", "service", "server", "load", "workers", "workers", "server", "workers", "load", "service")
"""What is killed, one round after the other; "workers" is a service of two."""


@dataclass
class World:
    """A system, those who change it, and the service if it runs."""

    server: Server
    couch: Couch
    api: Api
    master: str
    apps: Path
    logs: Path
    seed: random.Random
    creator: Creator
    writers: list[Writer] = field(default_factory=list)
    service: Running | None = None
    checked: set[str] = field(default_factory=set)
    version: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def serve(self, workers: int) -> None:
        """Start the service unless it runs, and repeat what was not acknowledged."""
        if self.service is None:
            log = self.logs / f"service{sum(self.kills.values())}.log"
            started = running(self.server.url, log, CROSSBAR_WORKERS=str(workers))
            self.service = await self._stack.enter_async_context(started)
            self.api.address = self.service.address
        if not self.api.token:
            await self.api.log_in()
        await self.api.until((200,), "GET", f"accounts/{self.master}/apps_store")
        await self.creator.again()

    async def stop(self) -> None:
        await self._stack.aclose()
        self.service = None

    async def kill_service(self) -> None:
        """SIGKILL: all processes, or only the first, which the workers notice; or one worker, which is replaced."""
        assert self.service is not None
        first = psutil.Process(self.service.process.pid)
        workers = first.children(recursive=True)
        victims = self.seed.choice([[first, *workers], [first], workers[:1] or [first]])
        for process in victims:
            process.kill()
        if first in victims:
            await asyncio.to_thread(psutil.wait_procs, workers, timeout=PATIENCE)
            await self.service.process.wait()
            await self.stop()

    async def round(self, kind: str) -> None:
        self.kills[kind] = self.kills.get(kind, 0) + 1
        if kind == "load":
            await self.load_killed()
        else:
            await self.serve(1 if kind == "service" else 2)
            work: list[Callable[[], Awaitable[None]]] = [each.run for each in self.writers]
            work.append(self.creator.run)
            moment = self.seed.uniform(0.05, 0.9)
            if kind == "server":
                await until_killed(self.api, moment, work, self.server.kill)
                await self.server.start()
                await self.serve(1)
            else:
                await until_killed(self.api, moment, work, self.kill_service)
        for writer in self.writers:
            await writer.verify(self.couch)
        await self.check_accounts()
        await self.check_apps()
        assert [one for one in (await examine(self.couch)).findings if one.severity is not Severity.INFO] == []

    async def check_accounts(self) -> None:
        """Who is found is whole, and who was acknowledged is found."""
        rows = await self.couch.all_docs("accounts")
        found = {str(row.id) for row in rows if is_account_id(row.id)}
        assert set(self.creator.created.values()) <= found
        for account_id in found - self.checked:
            there = {str(row.id) for row in await self.couch.all_docs(account_db(account_id))}
            assert there >= {account_id, "apps_store", *DESIGNS}
            assert await stored_document(self.couch, "services", account_id)
        self.checked |= found

    # Loads of apps from folders

    def write_apps(self) -> None:
        """The folders of the next version of each app, which has another icon."""
        self.version += 1
        for letter in APPS:
            icon = {"icon.png": _icon(self.version)}
            make_app(self.apps, f"app{letter}", icon_files=icon)

    async def load(self) -> asyncio.subprocess.Process:
        command = (
            sys.executable,
            "-m",
            "crossbar_appstore",
            "init-apps",
            str(self.apps),
            _address(self.version),
        )
        environ = {**os.environ, "COUCHDB_URL": self.server.url}
        silent = asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*command, env=environ, stdout=silent, stderr=silent)

    async def load_killed(self) -> None:
        """Kill the command or the server while apps are loaded, then load them again."""
        self.write_apps()
        before, wanted = await self.saves(), self.seed.randrange(len(APPS))
        process = await self.load()
        while process.returncode is None and await self.saves() - before < wanted:
            await asyncio.sleep(0.005)
        if self.seed.random() < 0.5:
            await self.server.kill()
            await process.wait()
            await self.server.start()
        elif process.returncode is None:
            process.kill()
            await process.wait()
        await self.check_apps()
        assert await (await self.load()).wait() == 0
        apps = await self.check_apps()
        assert {app["api_url"] for app in apps} == {_address(self.version)}

    async def saves(self) -> int:
        """The number of changes of the catalogue's database."""
        sequence = await self.couch.update_seq(account_db(self.master))
        return int(str(sequence).partition("-")[0])

    async def check_apps(self) -> list[JsonObject]:
        """Each app is there once, with the pictures of its version."""
        database = account_db(self.master)
        apps = await self.couch.find(database, {"pvt_type": "app"})
        assert len({app["name"] for app in apps}) == len(apps)
        for app in apps:
            names = ("icon.png", "one.png", "two.jpg")
            assert set(app["_attachments"]) == set(names)
            read = (self.couch.open_attachment(database, app["_id"], name) for name in names)
            pictures = await asyncio.gather(*read)
            icons = {_address(version): _icon(version) for version in (self.version - 1, self.version)}
            assert [picture.body for picture in pictures] == [icons[app["api_url"]], OTHER_PNG, JPEG]
        return apps


def _address(version: int) -> str:
    """The API address that apps of a version are loaded with."""
    return f"https://v{version}.example.org/v2/"


def _icon(version: int) -> bytes:
    return png(16, 16, lambda x, y: (x * version + y) % 7)


@pytest.fixture
async def world(tmp_path: Path, embedded_cache: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(keys, "generate", one_key)
    apps = tmp_path / "apps"
    apps.mkdir()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(fresh_server(tmp_path / "couchdb", embedded_cache))
        couch = await stack.enter_async_context(open_couch(server.url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api, master = Api(session), await create_master(couch)
        made = World(server, couch, api, master, apps, tmp_path, random.Random(SEED), Creator(api, master, "New"))
        made.write_apps()
        assert await (await made.load()).wait() == 0
        stack.push_async_callback(made.stop)
        await made.serve(1)
        await add_writers(made)
        yield made


async def add_writers(world: World) -> None:
    """Three accounts with a writer of permissions, of the blacklist and of pictures each."""
    app_id, other_id = [app["_id"] for app in await world.check_apps()][:2]
    for number in range(3):
        path = f"accounts/{world.master}"
        _, envelope = await world.api.until((201,), "PUT", path, {"name": f"Writers {number}"})
        account_id = envelope["data"]["id"]
        await world.api.until((201,), "PUT", f"accounts/{account_id}/apps_store/{other_id}/override", {"author": "Us"})
        world.writers.append(Writer(world.api, account_id, app_id))
        world.writers.append(Blacklister(world.api, account_id, app_id))
        world.writers.append(Uploader(world.api, account_id, other_id))


@pytest.mark.timeout(1800)
async def test_kills_lose_nothing_and_leave_nothing_half_written(
    world: World, long_form: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in itertools.islice(itertools.cycle(ROUNDS), 100 if long_form else 20):
        await world.round(kind)
    await world.serve(2)
    await world.stop()
    # What is left belongs to nobody, and is removed.
    monkeypatch.setattr(orphans, "ORPHAN_SECONDS", -2)
    left = await examine(world.couch)
    assert {one.check for one in left.findings if one.severity is not Severity.INFO} <= {"orphan_database"}
    repaired = await repair(world.couch, left)
    assert (await examine(world.couch, all_accounts=True)).healthy
    names = {name.replace("/", "").removeprefix("account") for name in await world.couch.databases("account/")}
    accounts = {row.id for row in await world.couch.all_docs("accounts") if is_account_id(row.id)}
    assert {name for name in names if is_account_id(name)} == accounts
    assert await doctor(world.server.url) == 0
    with capsys.disabled():
        changes = sum(writer.done for writer in world.writers)
        print(
            f"\n{sum(world.kills.values())} kills {world.kills}, {changes} acknowledged changes, "
            f"{len(world.creator.created)} accounts, {len(repaired)} databases of interrupted creations removed"
        )


async def doctor(couchdb_url: str) -> int:
    """The exit code of the command."""
    command = (sys.executable, "-m", "crossbar_appstore", "doctor")
    environ = {**os.environ, "COUCHDB_URL": couchdb_url}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()
