"""HAProxy and nginx with the files of ``deploy/`` and two services: health, failures and reloads."""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from tests.proxies.conftest import NewFront
from tests.proxies.running import Proxy, Targets
from tests.proxies.stand_in import StandIn

PICTURE = "/v2/apps_store/x/icon"
SOURCES = [f"127.7.1.{number}" for number in range(20)]
"""Clients of which both services have some."""


@pytest.fixture
async def second() -> AsyncIterator[StandIn]:
    async with StandIn("second") as made:
        yield made


async def answering(front: Proxy, path: str = PICTURE) -> list[str | int]:
    """Which server answers each of the clients; the status where none does."""

    async def ask(source: str) -> str | int:
        async with front.client(source) as client, client.get(path) as answer:
            return str((await answer.json())["name"]) if answer.status == 200 else answer.status

    return await asyncio.gather(*map(ask, SOURCES))


async def until(front: Proxy, wanted: Callable[[set[str | int]], bool]) -> list[str | int]:
    """Ask until the servers that answer are the wanted ones."""
    async with asyncio.timeout(20):
        while not wanted(set(found := await answering(front))):
            await asyncio.sleep(0.2)
    return found


async def test_one_client_stays_at_one_service(
    new_front: NewFront, service: StandIn, second: StandIn, crossbar: StandIn
) -> None:
    async with new_front(Targets(service.address, crossbar.address, second.address)) as front:
        first = await until(front, {"service", "second"}.__eq__)
        assert await answering(front) == first


async def test_haproxy_leaves_out_service_that_is_not_ready(
    new_haproxy: NewFront, service: StandIn, second: StandIn, crossbar: StandIn
) -> None:
    async with new_haproxy(Targets(service.address, crossbar.address, second.address)) as front:
        await until(front, {"service", "second"}.__eq__)
        service.ready = False
        await until(front, {"second"}.__eq__)
        service.ready = True
        await until(front, {"service", "second"}.__eq__)
        assert service.checks
        assert crossbar.checks


async def test_haproxy_uses_services_that_are_not_ready_if_none_is(
    new_haproxy: NewFront, service: StandIn, second: StandIn, crossbar: StandIn
) -> None:
    async with new_haproxy(Targets(service.address, crossbar.address, second.address)) as front:
        service.ready = second.ready = False
        async with asyncio.timeout(20):
            while b"has no server available" not in front.log.read_bytes() and b"unready" not in front.log.read_bytes():
                assert set(await answering(front)) <= {"service", "second"}
                await asyncio.sleep(0.2)
        assert set(await answering(front)) == {"service", "second"}
        await service.stop()
        assert set(await answering(front)) == {"second"}


async def test_stopped_service_is_left_out(
    new_front: NewFront, service: StandIn, second: StandIn, crossbar: StandIn
) -> None:
    async with new_front(Targets(service.address, crossbar.address, second.address)) as front:
        await until(front, {"service", "second"}.__eq__)
        await service.stop()
        await until(front, {"second"}.__eq__)


async def test_reload_fails_no_request(
    new_front: NewFront, service: StandIn, second: StandIn, crossbar: StandIn
) -> None:
    async with new_front(Targets(service.address, crossbar.address)) as front:
        found: list[str] = []
        stop = asyncio.Event()

        async def ask(source: str) -> None:
            async with front.client(source) as client:
                while not stop.is_set():
                    async with client.get("/v2/user_auth") as answer:
                        assert answer.status == 200
                        found.append((await answer.json())["name"])

        async def reload() -> None:
            for server in (second, crossbar, second):
                await asyncio.sleep(0.3)
                front.write({crossbar.address: server.address})
                front.reload()
                async with asyncio.timeout(20):
                    while found[-4:] != [server.name] * 4:
                        await asyncio.sleep(0.05)
            stop.set()

        async with asyncio.TaskGroup() as tasks:
            for source in SOURCES[:4]:
                tasks.create_task(ask(source))
            tasks.create_task(reload())
        assert {"crossbar", "second"} == set(found)


async def test_proxy_gives_up_put_whose_answer_is_missing_without_repeating_it(
    new_front: NewFront, crossbar: StandIn
) -> None:
    received = 0

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await reader.readuntil(b"\r\n\r\n")
        received += 1
        writer.close()

    servers = [await asyncio.start_server(break_off, "127.0.0.1", 0) for _ in range(2)]
    addresses = ["{}:{}".format(*server.sockets[0].getsockname()) for server in servers]
    front = new_front(Targets(addresses[0], crossbar.address, addresses[1]))
    if front.name == "haproxy":
        # Health checks are connections, too.
        front.edits = {addresses[0] + " check": addresses[0], addresses[1] + " check": addresses[1]}
    async with front, front.client() as client, client.put("/v2/apps_store/x", data=b"{}") as answer:
        assert answer.status == 502
    assert received == 1
    for server in servers:
        server.close()
    with pytest.raises(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://{addresses[0]}"):
            pass
