"""A door before a server: open, everything passes; shut, nobody gets in and whoever was inside is thrown out."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


@dataclass
class Door:
    """Listens on a port of 127.0.0.1, the same each time it is opened, and passes bytes on to ``target``, a URL."""

    target: str
    _port: int = 0
    _server: asyncio.Server | None = None
    _visits: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The address to use instead of the target's."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Let in whoever comes."""
        self._server = await asyncio.start_server(self._came, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections, and end those that there are."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        visits = list(self._visits)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = asyncio.create_task(self._pass_through(reader, writer))
        self._visits.add(visit)
        visit.add_done_callback(self._visits.discard)

    async def _pass_through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = urlsplit(self.target)
        try:
            inner_reader, inner_writer = await asyncio.open_connection(target.hostname, target.port)
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pour(reader, inner_writer), _pour(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(65536):
            sink.write(piece)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.close()
