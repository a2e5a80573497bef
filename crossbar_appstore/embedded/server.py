"""One PouchDB Server as a child process: started on a free loopback port, waited for, stopped with us."""

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import aiohttp

from crossbar_appstore.embedded.datadir import DataDirectory
from crossbar_appstore.embedded.errors import DataDirectoryInUse, PortTaken, StartFailed
from crossbar_appstore.embedded.install import PROJECT, installed
from crossbar_appstore.embedded.locking import file_lock
from crossbar_appstore.embedded.node import Node, find_node

HOST = "127.0.0.1"
_PORT_TAKEN = 98  # run.cjs ends with it
_PORT_TRIES = 5
_PREDECESSOR_PATIENCE = 15.0  # seconds that a killed service's server may take to notice and end
_START_PATIENCE = 60.0
_STOP_PATIENCE = 10.0


class EmbeddedCouchDB:
    """A CouchDB-compatible server for as long as the ``async with`` lasts.

    Args:
        data_dir: holds the databases, PouchDB's ``config.json`` and its log; created if missing. Documents stay there
            from one start to the next. A directory serves one server at a time.
        cache: where PouchDB Server is installed, shared by all data directories.
        log: the server's log file; ``couchdb.log`` in the data directory if not given.
        port: 0 takes a free one; another number is taken as it is.
        in_memory: databases that end with the server, for tests.

    Raises (on entering):
        NodeMissing, InstallFailed, DataDirectoryInUse, PortTaken, StartFailed: see ``embedded/errors.py``.
    """

    def __init__(
        self, *, data_dir: Path, cache: Path, log: Path | None = None, port: int = 0, in_memory: bool = False
    ) -> None:
        self._data = DataDirectory(data_dir.absolute(), log.absolute() if log else None)
        self._cache = cache
        self._port = port
        self._in_memory = in_memory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a slash at the end, as ``COUCHDB_URL`` has it."""
        return f"http://{HOST}:{self._port}"

    @property
    def fauxton_url(self) -> str:
        """The address of Fauxton, CouchDB's web page, for a browser on this machine."""
        return f"{self.url}/_utils/"

    @property
    def log(self) -> Path:
        """The log file."""
        return self._data.log

    @property
    def pid(self) -> int:
        """The process id of the server.

        Raises:
            RuntimeError: it is not running.
        """
        return self._running().pid

    async def wait(self) -> int:
        """Wait until the server ends and give its exit code; it only ends by itself when something is wrong."""
        return await self._running().wait()

    async def __aenter__(self) -> Self:
        node = await asyncio.to_thread(find_node)
        installation = await installed(self._cache, node)
        await asyncio.to_thread(self._data.prepare)
        async with AsyncExitStack() as locked:
            try:
                lock = await locked.enter_async_context(file_lock(self._data.lock, patience=_PREDECESSOR_PATIENCE))
            except TimeoutError:
                raise DataDirectoryInUse(f"Another embedded CouchDB is using {self._data.path}") from None
            # The server inherits the lock and keeps it when we let go of ours at the end of this block.
            await self._start(node, installation, lock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._running(), None
        await _stop(process)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the embedded CouchDB is not running")
        return self._process

    async def _start(self, node: Node, installation: Path, lock: int) -> None:
        # Between finding a free port and listening on it another program may take it.
        for port in [self._port] if self._port else [_free_port() for _ in range(_PORT_TRIES)]:
            process = await self._spawn(node, installation, lock, port)
            try:
                listening = await self._come_up(process, port)
            except BaseException:
                await _stop(process)
                raise
            if listening:
                self._process, self._port = process, port
                return
        raise PortTaken(f"Another program listens on {HOST}:{self._port or 'each port that was free'}")

    async def _come_up(self, process: asyncio.subprocess.Process, port: int) -> bool:
        """Wait until the server answers; False when its port is taken."""
        try:
            async with asyncio.timeout(_START_PATIENCE):
                # One line says that the server listens; the end of the output, that the process ended instead.
                if await cast("asyncio.StreamReader", process.stdout).readline():
                    await _answering(f"http://{HOST}:{port}/")
                    return True
                code = await process.wait()
        except (OSError, aiohttp.ClientError) as error:
            raise StartFailed(f"PouchDB Server does not answer ({error!r}):\n{self._data.log_tail()}") from error
        if code == _PORT_TAKEN:
            return False
        raise StartFailed(f"PouchDB Server ended with exit code {code}:\n{self._data.log_tail()}")

    async def _spawn(self, node: Node, installation: Path, lock: int, port: int) -> asyncio.subprocess.Process:
        words = [str(PROJECT / "run.cjs"), str(installation), str(port), HOST, str(self._data.databases)]
        if self._in_memory:
            words.append("--in-memory")
        with self._data.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                node.node,
                *words,
                cwd=self._data.path,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C reaches us alone: we stop the server last, after the requests that still need it.
                start_new_session=True,
            )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


async def _answering(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(url, raise_for_status=True) as reply:
        await reply.read()


async def _stop(process: asyncio.subprocess.Process) -> None:
    # The end of this pipe is the server's sign to end.
    cast("asyncio.StreamWriter", process.stdin).close()
    try:
        async with asyncio.timeout(_STOP_PATIENCE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
