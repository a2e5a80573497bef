"""PouchDB Server as a child process: its data directory, starting it on a free loopback port, stopping it."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import aiohttp

from crossbar_appstore.embedded.errors import DataDirectoryInUse, DirectoryUnusable, PortTaken, StartFailed
from crossbar_appstore.embedded.install import PROJECT, TAIL, Node, file_lock, find_node, installed

HOST = "127.0.0.1"
_PORT_TAKEN = 98  # exit code of run.cjs
_PORT_TRIES = 5
_LOCK_TIMEOUT = 15.0  # seconds that the server of a killed service may take to notice and end
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0
_LOG_LIMIT = 10_000_000  # bytes; a longer log becomes couchdb.log.1 at the next start


class DataDirectory:
    """Holds ``databases/``, ``config.json``, ``lock`` and ``couchdb.log``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.databases = path / "databases"
        self.config = path / "config.json"
        self.lock = path / "lock"
        self.log = path / "couchdb.log"

    def prepare(self) -> None:
        """Create the directories, rotate a long log, and write PouchDB's ``config.json``, keeping other entries."""
        # The databases contain the keys that sign tokens.
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        config = self._stored_config()
        config.setdefault("log", {})["file"] = str(self.log)
        # PouchDB would repeat its log on standard output, a pipe that is not read.
        config.setdefault("pouchdb_server", {})["no-stdout-logs"] = True
        # With CORS, every web page that the user visits could read and write these databases.
        config.setdefault("httpd", {})["enable_cors"] = False
        self.config.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    def log_tail(self) -> str:
        """The end of the log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-TAIL:].strip()

    def _stored_config(self) -> dict[str, dict[str, object]]:
        try:
            config = json.loads(self.config.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        sections = config.items() if isinstance(config, dict) else ()
        return {name: section for name, section in sections if isinstance(section, dict)}


class EmbeddedCouchDB:
    """A CouchDB-compatible server that runs during an ``async with``.

    Args:
        data_dir: for ``DataDirectory``, created if missing and kept afterwards. One server at a time can use it.
        cache: where PouchDB Server is installed, shared by all data directories.
        port: 0 takes a free one.
        in_memory: keep databases in memory only, for tests.

    Raises (on entering):
        NodeMissing, InstallFailed, DirectoryUnusable, DataDirectoryInUse, PortTaken, StartFailed: see
            ``embedded/errors.py``.
    """

    def __init__(self, *, data_dir: Path, cache: Path, port: int = 0, in_memory: bool = False) -> None:
        self._data = DataDirectory(data_dir if _is_homeless(data_dir) else data_dir.absolute())
        self._cache = cache
        self._port = port
        self._in_memory = in_memory
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, as ``COUCHDB_URL`` has it."""
        return f"http://{HOST}:{self._port}"

    @property
    def fauxton_url(self) -> str:
        """The address of Fauxton, CouchDB's web interface."""
        return f"{self.url}/_utils/"

    @property
    def log(self) -> Path:
        """The log file."""
        return self._data.log

    async def wait(self) -> int:
        """Wait until the server ends by itself, which is an error; returns its exit code."""
        return await self._running().wait()

    async def __aenter__(self) -> Self:
        node = await asyncio.to_thread(find_node)
        with _written_to(self._cache, "CROSSBAR_CACHE_DIR"):
            installation = await installed(self._cache, node)
        with _written_to(self._data.path, "CROSSBAR_DATA_DIR"):
            await asyncio.to_thread(self._data.prepare)
        async with AsyncExitStack() as locked:
            try:
                async with asyncio.timeout(_LOCK_TIMEOUT):
                    lock = await locked.enter_async_context(file_lock(self._data.lock))
            except TimeoutError:
                raise DataDirectoryInUse(
                    f"Another embedded CouchDB is using {self._data.path}; CROSSBAR_DATA_DIR names another directory"
                ) from None
            # The server inherits the lock and holds it after this block has released ours.
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
        # Another program may take a free port before the server listens on it.
        for port in [self._port] if self._port else [_free_port() for _ in range(_PORT_TRIES)]:
            process = await self._spawn(node, installation, lock, port)
            try:
                listening = await self._wait_until_ready(process, port)
            except BaseException:
                # Also a cancelled start must leave no server behind.
                await _stop(process)
                raise
            if listening:
                self._process, self._port = process, port
                return
        raise PortTaken(
            f"Another program listens on {HOST}:{self._port or 'each port that was free'}; --couchdb-port names another"
        )

    async def _wait_until_ready(self, process: asyncio.subprocess.Process, port: int) -> bool:
        """Wait until the server answers; False if its port is taken."""
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                # run.cjs prints one line when the server listens; end of file means that the process ended.
                if await cast("asyncio.StreamReader", process.stdout).readline():
                    url = f"http://{HOST}:{port}/"
                    async with aiohttp.ClientSession() as session, session.get(url, raise_for_status=True) as response:
                        await response.read()
                    return True
                code = await process.wait()
        except (OSError, aiohttp.ClientError) as error:
            raise StartFailed(f"PouchDB Server does not answer ({error!r}):\n{self._data.log_tail()}") from error
        if code == _PORT_TAKEN:
            return False
        raise StartFailed(f"PouchDB Server ended with exit code {code}:\n{self._data.log_tail()}")

    async def _spawn(self, node: Node, installation: Path, lock: int, port: int) -> asyncio.subprocess.Process:
        arguments = [str(PROJECT / "run.cjs"), str(installation), str(port), HOST, str(self._data.databases)]
        if self._in_memory:
            arguments.append("--in-memory")
        with self._data.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                node.node,
                *arguments,
                cwd=self._data.path,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C must not reach the server: it is stopped after the requests that still need it.
                start_new_session=True,
            )


@contextmanager
def _written_to(directory: Path, variable: str) -> Iterator[None]:
    """Raise DirectoryUnusable, which names the setting, where a directory cannot be written."""
    if _is_homeless(directory):
        raise DirectoryUnusable(f"there is no home directory for {directory}: set HOME or {variable}")
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise DirectoryUnusable(f"{directory} cannot be written: {reason}; {variable} names another one") from None


def _is_homeless(directory: Path) -> bool:
    """Whether a path still begins with ``~``, since the user has no home directory."""
    return directory.parts[:1] == ("~",)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


async def _stop(process: asyncio.subprocess.Process) -> None:
    # run.cjs ends the server when its standard input is closed, also if this process is killed.
    cast("asyncio.StreamWriter", process.stdin).close()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
