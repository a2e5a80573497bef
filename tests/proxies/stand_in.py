"""A server that stands for Crossbar, or for the service: it says what it was asked, and by whom."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web


@dataclass
class StandIn:
    """Answers every request with its own name, the path, the length of the body, and the X-Forwarded-For headers.

    ``/readyz`` is answered with 200 while ``ready``. Paths with ``slow`` wait for ``free``.
    """

    name: str
    ready: bool = True
    seen: list[str] = field(default_factory=list)
    checks: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """``host:port``"""
        assert self._runner is not None
        return "{}:{}".format(*self._runner.addresses[0])

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**25)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Refuse connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        is_check = request.method == "GET" and request.raw_path in ("/readyz", "/") and not _is_forwarded(request)
        if is_check:
            self.checks += 1
            return web.Response(status=200 if self.ready or request.raw_path == "/" else 503)
        self.seen.append(request.raw_path)
        if "slow" in request.raw_path:
            await self.free.wait()
        return web.json_response(
            {
                "name": self.name,
                "path": request.raw_path,
                "length": len(await request.read()),
                "forwarded": request.headers.getall("X-Forwarded-For", []),
            }
        )


def _is_forwarded(request: web.Request) -> bool:
    return "X-Forwarded-For" in request.headers
