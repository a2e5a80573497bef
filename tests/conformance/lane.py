"""One CouchDB, one service on it, and the replay of some transcripts against that service."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import aiohttp

from crossbar_appstore.embedded import EmbeddedCouchDB

# A change from outside may take 2 s to be seen where the database has no feed of all databases.
SETTLE = "2.2"
PATIENCE = 30.0

Results = dict[str, tuple[str, list[str]]]


async def replay(pack: Path, transcripts: list[Path], place: Path, cache: Path) -> Results:
    """Step id → ("pass" | "fail" | "skip", what differed)."""
    report = place / "report.json"
    service_port, proxy_port = free_ports(2)
    async with EmbeddedCouchDB(data_dir=place / "couchdb", cache=cache) as couch:
        await tool(pack, "load", "--couch", couch.url)
        # The service reaches CouchDB through the proxy in which the tool makes faults, and which starts with the run.
        service = await start_service(f"http://127.0.0.1:{proxy_port}", service_port, place / "service.log")
        try:
            base = f"http://127.0.0.1:{service_port}"
            await answers(base, service, place / "service.log")
            await tool(
                pack,
                "run",
                *("--base", base, "--couch", couch.url, "--fault-proxy", f"127.0.0.1:{proxy_port}"),
                *("--settle", SETTLE, "--json", str(report), "--quiet", *map(str, transcripts)),
            )
        finally:
            service.terminate()
            await service.wait()
    files = json.loads(report.read_bytes())["files"]
    return {step["id"]: (step["result"], step["details"]) for steps in files.values() for step in steps}


async def start_service(couchdb_url: str, port: int, log: Path) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSBAR_", "KAZOO_", "AMQP_"))}
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("crossbar-appstore")),
            "serve",
            env={**kept, "COUCHDB_URL": couchdb_url, "CROSSBAR_PORT": str(port)},
            stdout=output,
            stderr=output,
        )


async def answers(url: str, service: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while service.returncode is None:
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise AssertionError(f"the service ended with {service.returncode}:\n{log.read_text(encoding='utf-8')}")


async def tool(pack: Path, *words: str) -> None:
    """Run the pack's tool; a run with differences ends with 1, as its report says step by step."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(pack / "replay.py"),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    if process.returncode not in ((0, 1) if words[0] == "run" else (0,)):
        raise AssertionError(printed.decode())


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
