import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from crossbar_appstore.embedded import EmbeddedCouchDB, server
from crossbar_appstore.embedded.errors import DataDirectoryInUse, DirectoryUnusable, PortTaken, StartFailed
from crossbar_appstore.embedded.install import installation
from tests.kit.processes import gone

JSON = {"Accept": "application/json"}


async def put(url: str, body: object = None) -> int:
    async with aiohttp.ClientSession(headers=JSON) as session, session.put(url, json=body) as reply:
        return reply.status


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession(headers=JSON) as session, session.get(url) as reply:
        return reply.status, await reply.text()


async def until_refused(url: str) -> None:
    while True:
        try:
            await get(url)
        except aiohttp.ClientConnectorError:
            return
        except aiohttp.ClientError:
            await asyncio.sleep(0.02)


async def test_embedded_couchdb_answers_and_serves_fauxton(embedded_couchdb: EmbeddedCouchDB) -> None:
    status, text = await get(embedded_couchdb.url)
    assert status == 200
    assert json.loads(text)["version"]
    assert embedded_couchdb.url.startswith("http://127.0.0.1:")
    status, page = await get(embedded_couchdb.fauxton_url)
    assert status == 200
    assert "<html" in page


async def test_embedded_couchdb_keeps_documents_between_starts(tmp_path: Path, embedded_cache: Path) -> None:
    async with EmbeddedCouchDB(data_dir=tmp_path / "kept", cache=embedded_cache) as first:
        assert await put(f"{first.url}/account%2Fab%2Fcd%2Fef") == 201
        assert await put(f"{first.url}/account%2Fab%2Fcd%2Fef/apps_store", {"kept": True}) == 201
    async with EmbeddedCouchDB(data_dir=tmp_path / "kept", cache=embedded_cache) as second:
        status, text = await get(f"{second.url}/account%2Fab%2Fcd%2Fef/apps_store")
    assert status == 200
    assert json.loads(text)["kept"] is True


async def test_embedded_couchdb_in_memory_drops_databases(tmp_path: Path, embedded_cache: Path) -> None:
    for _ in range(2):
        async with EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache, in_memory=True) as couch:
            assert await put(f"{couch.url}/accounts") == 201
    assert list((tmp_path / "data" / "databases").glob("accounts*")) == []


async def test_embedded_couchdb_exit_ends_process(tmp_path: Path, embedded_cache: Path) -> None:
    couch = EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache)
    async with couch:
        pid, url = couch._running().pid, couch.url
    assert gone(pid)
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(url)
    with pytest.raises(RuntimeError, match="not running"):
        _ = couch._running().pid


async def test_embedded_couchdb_keeps_databases_created_just_before_exit(tmp_path: Path, embedded_cache: Path) -> None:
    couch = EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache)
    for number in range(5):
        async with couch:
            assert await put(f"{couch.url}/made-{number}") == 201
    async with couch:
        assert [(await get(f"{couch.url}/made-{number}"))[0] for number in range(5)] == [200] * 5


KILLED = """
import asyncio, sys
from pathlib import Path
from crossbar_appstore.embedded import EmbeddedCouchDB

async def main():
    async with EmbeddedCouchDB(data_dir=Path(sys.argv[1]), cache=Path(sys.argv[2])) as couch:
        print(couch.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM], ids=lambda sign: sign.name)
async def test_embedded_couchdb_ends_when_service_is_killed_and_restarts(
    tmp_path: Path, embedded_cache: Path, sign: signal.Signals
) -> None:
    data = tmp_path / "data"
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, str(data), str(embedded_cache), stdout=asyncio.subprocess.PIPE
    )
    assert service.stdout is not None
    url = (await service.stdout.readline()).strip()
    assert await put(f"{url.decode()}/accounts") == 201
    service.send_signal(sign)
    assert await service.wait() == -sign
    async with EmbeddedCouchDB(data_dir=data, cache=embedded_cache) as couch:
        # The lock of the data directory is free only after the orphaned server has ended.
        await until_refused(url.decode())
        assert (await get(f"{couch.url}/accounts"))[0] == 200


async def test_embedded_couchdb_refuses_data_directory_in_use(
    tmp_path: Path, embedded_cache: Path, embedded_couchdb: EmbeddedCouchDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LOCK_TIMEOUT", 0.1)
    with pytest.raises(DataDirectoryInUse, match="couchdb; CROSSBAR_DATA_DIR"):
        await EmbeddedCouchDB(data_dir=tmp_path / "couchdb", cache=embedded_cache).__aenter__()
    assert (await get(embedded_couchdb.url))[0] == 200


async def test_embedded_couchdb_names_setting_of_directory_without_home(tmp_path: Path, embedded_cache: Path) -> None:
    # The path stays like this where neither HOME nor the system's users tell a home directory.
    homeless = Path("~/.local/share/crossbar-appstore")
    with pytest.raises(DirectoryUnusable, match="set HOME or CROSSBAR_DATA_DIR"):
        await EmbeddedCouchDB(data_dir=homeless, cache=embedded_cache).__aenter__()
    with pytest.raises(DirectoryUnusable, match="set HOME or CROSSBAR_CACHE_DIR"):
        await EmbeddedCouchDB(data_dir=tmp_path, cache=Path("~/.cache")).__aenter__()
    assert not Path("~").exists()


async def test_embedded_couchdb_uses_or_refuses_requested_port(tmp_path: Path, embedded_cache: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}; --couchdb-port"):
            await EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache, port=port).__aenter__()
    async with EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache, port=port) as couch:
        assert couch.url == f"http://127.0.0.1:{port}"


async def test_embedded_couchdb_retries_with_other_free_port(
    tmp_path: Path, embedded_cache: Path, embedded_couchdb: EmbeddedCouchDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = int(embedded_couchdb.url.rpartition(":")[2])
    free = server._free_port()
    ports = iter([taken, taken, free, 0, 0])
    monkeypatch.setattr(server, "_free_port", lambda: next(ports))
    async with EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache) as couch:
        assert couch.url == f"http://127.0.0.1:{free}"


async def test_embedded_couchdb_appends_to_log_in_data_directory(tmp_path: Path, embedded_cache: Path) -> None:
    data = tmp_path / "data"
    couch = EmbeddedCouchDB(data_dir=data, cache=embedded_cache)
    for _ in range(2):
        async with couch:
            await put(f"{couch.url}/accounts")
    assert couch.log == data / "couchdb.log"
    assert couch.log.read_text(encoding="utf-8").count("PUT /accounts") == 2
    assert sorted(entry.name for entry in data.iterdir()) == ["config.json", "couchdb.log", "databases", "lock"]


async def test_embedded_couchdb_wait_returns_exit_code(tmp_path: Path, embedded_cache: Path) -> None:
    async with EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache) as couch:
        os.kill(couch._running().pid, signal.SIGKILL)
        assert await couch.wait() == -signal.SIGKILL


async def test_embedded_couchdb_exit_kills_server_that_does_not_stop(
    tmp_path: Path, embedded_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_STOP_TIMEOUT", 0.2)
    async with EmbeddedCouchDB(data_dir=tmp_path / "data", cache=embedded_cache) as couch:
        pid = couch._running().pid
        os.kill(pid, signal.SIGSTOP)
    assert gone(pid)


ILL = """
const ill = (request, reply) => { reply.statusCode = 500; reply.end() }
require('node:http').createServer(ill).listen(Number(process.argv[3]), '127.0.0.1')
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_START_TIMEOUT", 2.0)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("throw new Error('broken today')", r"ended with exit code 1:\n(.|\n)*broken today"),
        ("console.error('dreaming')", r"does not answer \(TimeoutError\(\)\):\ndreaming"),
        (
            ILL,
            r"does not answer \(ClientResponseError\(.*500",
        ),
        ("process.argv[3] = '99999'; require('node:http').createServer().listen(1, '192.0.2.1')", "EADDRNOTAVAIL"),
    ],
    ids=["throws", "silent", "ill", "cannot listen"],
)
async def test_embedded_couchdb_reports_server_that_does_not_start(
    tmp_path: Path, embedded_cache: Path, impatient: None, code: str, reason: str
) -> None:
    module = installation(tmp_path / "cache") / "node_modules" / "pouchdb-server" / "lib"
    module.mkdir(parents=True)
    (module / "index.js").write_text(code, encoding="utf-8")
    couch = EmbeddedCouchDB(data_dir=tmp_path / "data", cache=tmp_path / "cache")
    with pytest.raises(StartFailed, match=reason):
        await couch.__aenter__()
    with pytest.raises(StartFailed, match=reason):
        # The lock of the data directory is free again.
        await couch.__aenter__()
