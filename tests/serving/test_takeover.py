"""A second service on the same port takes over from the first, and no request fails."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from crossbar_appstore.serving.worker import ignore_new_connections
from tests.conftest import Need
from tests.kit.service import Client
from tests.kit.system import System
from tests.serving.load import load
from tests.serving.running import PATIENCE, running
from tests.serving.test_runners import example, program


@pytest.mark.timeout(180)
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_serve_takes_over_without_a_failed_request(
    system: System, kit_couchdb_url: str, tmp_path: Path, workers: str
) -> None:
    path, token = f"/v2/{system.master.path}", system.token(system.master.admin)
    async with (
        running(kit_couchdb_url, tmp_path / "first", CROSSBAR_WORKERS=workers) as first,
        load(first.address, path, token) as clients,
    ):
        more = {"CROSSBAR_WORKERS": workers, "CROSSBAR_PORT": first.address.rpartition(":")[2]}
        async with running(kit_couchdb_url, tmp_path / "second", "--share-port", **more) as second:
            assert second.address == first.address
            before = clients.statuses.total()
            first.process.terminate()
            assert await asyncio.wait_for(first.process.wait(), PATIENCE) == 0
            during = clients.statuses.total()
            await clients.answered(100)
            await clients.stop()
    assert clients.failures == []
    assert set(clients.statuses) == {200}
    assert clients.closed
    assert during > before > 0


async def test_serve_that_takes_over_shows_what_was_written_through_the_other(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    more = {"CROSSBAR_SHARED_DIR": str(tmp_path / "shared")}
    sub = await system.account("Sub", below=system.master)
    path = f"{sub.path}/{system.apps['voip']}"
    seen: list[bool] = []
    async with running(kit_couchdb_url, tmp_path / "first", **more) as first:
        more["CROSSBAR_PORT"] = first.address.rpartition(":")[2]
        client = Client(system, first.address, fresh_connections=True)
        assert (await client.put(path, sub, {"allowed_users": "all"})).status == 201
        async with running(kit_couchdb_url, tmp_path / "second", "--share-port", **more):
            for number in range(60):
                allowed = ("admins", "all")[number % 2]
                assert (await client.post(path, sub, {"allowed_users": allowed})).status == 200
                seen.append((await client.get(path, sub)).data["allowed_users"] == allowed)
                if number == 40:
                    first.process.terminate()
            await first.process.wait()
            await client.stop()
    assert seen == [True] * 60


async def test_serve_answers_connections_that_wait_when_it_stops(kit_couchdb_url: str, tmp_path: Path) -> None:
    async with running(kit_couchdb_url, tmp_path / "log") as service:
        port = int(service.address.rpartition(":")[2])
        service.process.send_signal(signal.SIGSTOP)
        # They wait in the queue of the socket, which nobody reads.
        waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        for _, writer in waiting:
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        service.process.terminate()
        service.process.send_signal(signal.SIGCONT)
        for reader, writer in waiting:
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
            # The service may accept some before it sees the signal. So not all answers say that the connection closes.
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            writer.close()


async def test_serve_closes_kept_connections_with_their_next_answer(kit_couchdb_url: str, tmp_path: Path) -> None:
    async with running(kit_couchdb_url, tmp_path / "log") as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(service.address.rpartition(":")[2]))

        async def closes() -> bool:
            writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return b"\r\nConnection: close\r\n" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)

        assert not await closes()
        service.process.terminate()
        async with asyncio.timeout(PATIENCE):
            while not await closes():
                await asyncio.sleep(0.01)
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
        writer.close()


def test_ignore_new_connections_drops_first_packets_only(need: Need) -> None:
    need("Linux", sys.platform == "linux")
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as first:
        address = first.getsockname()
        with socket.create_connection(address) as begun, socket.create_server(address, reuse_port=True) as second:
            ignore_new_connections(first)
            second.settimeout(PATIENCE)
            # Half of them are dropped by the first socket, which is closed before they are repeated.
            made = []
            for _ in range(8):
                made.append(socket.socket())
                made[-1].setblocking(False)
                made[-1].connect_ex(address)
            accepted = first.accept()[0]
            begun.sendall(b"begun")
            assert accepted.recv(5) == b"begun"
            accepted.close()
            first.setblocking(False)
            with pytest.raises(BlockingIOError):
                first.accept()
            first.close()
            for _ in made:
                second.accept()[0].close()
            for each in made:
                each.close()


@pytest.mark.timeout(180)
async def test_gunicorn_upgrades_losing_at_most_connections_accepted_just_then(
    system: System, kit_couchdb_url: str, tmp_path: Path
) -> None:
    (tmp_path / "service.py").write_text(example("gunicorn"))
    (tmp_path / "shared").mkdir()
    pid, log = tmp_path / "gunicorn.pid", tmp_path / "output"
    # gunicorn starts its own script again.
    words = [str(Path(sys.executable).parent / "gunicorn"), "service:application", "--bind", "127.0.0.1:0"]
    words += ["--workers", "2", "--worker-class", "aiohttp.GunicornWebWorker", "--pid", str(pid)]
    # aiohttp drops what it receives once it is told to shut down, and then waits so long for such a connection.
    words += ["--graceful-timeout", "5"]
    more = {"CROSSBAR_SHARED_DIR": str(tmp_path / "shared")}
    async with program(words, kit_couchdb_url, tmp_path, r"Listening at: (http://127\.0\.0\.1:\d+)", **more) as address:
        path, token = f"/v2/{system.master.path}", system.token(system.master.admin)
        async with load(address, path, token, kept=0, idle=0) as clients:
            await clients.answered(50)
            os.kill(int(pid.read_text()), signal.SIGUSR2)
            await _booted(log, 4)
            new = int(Path(f"{pid}.2").read_text())
            try:
                await clients.answered(50)
                os.kill(int(pid.read_text()), signal.SIGTERM)
                await _gone(Path(f"{pid}.2"))  # renamed when the old process has ended
                await clients.answered(50)
                await clients.stop()
            finally:
                os.kill(new, signal.SIGTERM)
                await _gone(pid)
    # What a worker of gunicorn has accepted, but not read, when it stops is closed without an answer.
    assert all(each.startswith("new connection: IncompleteReadError('0 bytes read") for each in clients.failures)
    assert len(clients.failures) <= 3
    assert set(clients.statuses) == {200}


async def _gone(path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while path.exists():
            await asyncio.sleep(0.05)


async def _booted(log: Path, workers: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while log.read_text().count("Booting worker") < workers:
            await asyncio.sleep(0.05)
