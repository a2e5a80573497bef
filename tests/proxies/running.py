"""Starts HAProxy and nginx with the files of ``deploy/``, in which only names of files and addresses are replaced."""

import asyncio
import os
import re
import shutil
import signal
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp

from tests.docs.pages import CHECKOUT
from tests.kit.certificates import self_signed
from tests.kit.leaks import LOG_SEARCH

DEPLOY: Final = CHECKOUT / "deploy"
PATIENCE: Final = 30.0


def program(name: str) -> str | None:
    """The path of a program that Debian keeps out of the path of ordinary users."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with these changes, each of which must apply."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Targets:
    """Where a proxy sends requests, as ``host:port``; ``second`` is another service."""

    service: str
    crossbar: str
    second: str | None = None


class Proxy(ABC):
    """A proxy in a process of its own; ``change`` edits its file, ``reload`` makes it read the file again."""

    name: str
    reload_signal: signal.Signals

    def __init__(self, directory: Path, targets: Targets) -> None:
        self.directory = directory
        self.targets = targets
        self.log = directory / f"{self.name}.log"
        self.port = _free_port()
        self.certificate = self_signed(directory / "api.example.com.pem")
        self.edits: Mapping[str, str] = {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def file(self) -> Path:
        """The configuration that it runs with."""
        return self.directory / f"{self.name}.cfg"

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process that signals go to."""
        assert self._process is not None
        return self._process

    @abstractmethod
    def text(self) -> str:
        """The shipped file, with addresses and names of files of this test."""

    @abstractmethod
    def command(self, *more: str) -> list[str]:
        """What runs it in the foreground; ``more`` is what checks the file instead."""

    def trust(self, *protocols: str) -> ssl.SSLContext:
        """TLS of a client that trusts its certificate alone."""
        context = ssl.create_default_context(cafile=self.certificate)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def write(self, edits: Mapping[str, str] | None = None) -> None:
        """Write the configuration, with further changes."""
        self.file.write_text(replaced(self.text(), edits or self.edits))

    async def check(self) -> str:
        """What the program says about the file; fails unless it accepts it."""
        self.write()
        process = await asyncio.create_subprocess_exec(
            *self.command("check"),
            cwd=self.directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def __aenter__(self) -> Self:
        self.write()
        LOG_SEARCH.watch(self.log)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(), cwd=self.directory, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        async with asyncio.timeout(PATIENCE):
            while not await self._accepts():
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(PATIENCE):
            await self.process.wait()

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    def reload(self) -> None:
        """Make it read its file again."""
        self.process.send_signal(self.reload_signal)

    def client(self, source: str | None = None) -> aiohttp.ClientSession:
        """A client with an address of the network 127.0.0.0/8."""
        local = None if source is None else (source, 0)
        connector = aiohttp.TCPConnector(ssl=self.trust(), local_addr=local, limit=0)
        return aiohttp.ClientSession(self.url, connector=connector, skip_auto_headers=("Content-Type",))


class HAProxy(Proxy):
    """HAProxy with its master process, which a reload needs."""

    name = "haproxy"
    reload_signal = signal.SIGUSR2

    def text(self) -> str:
        second = self.targets.second
        text = replaced(
            (DEPLOY / "haproxy.cfg").read_text(),
            {
                "log /dev/log local0": "log stdout format raw local0",
                "/etc/haproxy/api.example.com.pem": str(self.certificate),
                # Relative, since paths of sockets must be short.
                "/run/haproxy/admin.sock": "unix@admin.sock",
                "bind :8443": f"bind 127.0.0.1:{self.port}",
                "127.0.0.1:8001": self.targets.service,
                "127.0.0.1:8000": self.targets.crossbar,
                # Only root may become another user.
                "    chroot /var/lib/haproxy\n    user haproxy\n    group haproxy\n": "",
            },
        )
        return text if second is None else replaced(text, {"#server": "server", "10.0.0.2:8001": second})

    def command(self, *more: str) -> list[str]:
        return [str(program("haproxy")), *(["-c"] if more else ["-W"]), "-f", str(self.file)]


class Nginx(Proxy):
    """nginx."""

    name = "nginx"
    reload_signal = signal.SIGHUP

    def text(self) -> str:
        second = self.targets.second
        text = replaced(
            (DEPLOY / "nginx.conf").read_text(),
            {
                # Its workers need the files of this test.
                "user www-data;\n": "user root;\n" if os.geteuid() == 0 else "",
                "worker_processes auto;": "worker_processes 2; daemon off;",
                "/run/nginx.pid": str(self.directory / "nginx.pid"),
                "/var/log/nginx/error.log": "stderr",
                "/var/log/nginx/access.log": str(self.log),
                "/etc/ssl/certs/api.example.com.pem": str(self.certificate),
                "/etc/ssl/private/api.example.com.key": str(self.certificate),
                "listen 8443": f"listen 127.0.0.1:{self.port}",
                "127.0.0.1:8001": self.targets.service,
                "127.0.0.1:8000": self.targets.crossbar,
            },
        )
        # The folders in which it keeps bodies are those of another user.
        kept = re.sub(r"(http \{\n)", rf"\1{_temporary(self.directory)}", text)
        return kept if second is None else replaced(kept, {"#server": "server", "10.0.0.2:8001": second})

    def command(self, *more: str) -> list[str]:
        return [str(program("nginx")), *(["-t"] if more else []), "-p", str(self.directory), "-c", str(self.file)]


def _temporary(directory: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "".join(f"    {kind}_temp_path {directory / kind};\n" for kind in kinds)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
