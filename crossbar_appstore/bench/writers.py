"""Those who write while reads are measured: somebody who loads apps, and a second client who changes permissions."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Final

from crossbar_appstore.bench.apps import write_app_folders
from crossbar_appstore.bench.cases import Client, log_in
from crossbar_appstore.bench.exchange import connection
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.stage import APPS, Stage
from crossbar_appstore.bench.system import RESELLER

POSTS_A_SECOND: Final = 10
_LOADING: Final = "crossbar_appstore.bench.loading_process"


@contextlib.asynccontextmanager
async def writing(stage: Stage, server: Server) -> AsyncIterator[None]:
    """All apps are written by ``init-apps`` in a loop, and permissions of the reseller ten times a second.

    The loader has another machine in earnest; here it gets what is left over.

    Raises:
        CannotMeasure: a write was refused.
    """
    folder = stage.bench.room / "apps"
    await asyncio.to_thread(write_app_folders, folder, APPS)
    reseller = await log_in(server, stage.system, RESELLER, stage.system.reseller_id)
    loader = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _LOADING, stage.couchdb_url, str(folder), stdout=asyncio.subprocess.PIPE
    )
    posting = asyncio.create_task(_post(server, reseller))
    try:
        await _first_load(loader)
        yield
        if loader.returncode is not None:
            raise CannotMeasure(f"loading apps ended with exit code {loader.returncode}")
        if posting.done():
            await posting
    finally:
        posting.cancel()
        with contextlib.suppress(ProcessLookupError):
            loader.terminate()
        await asyncio.gather(loader.communicate(), posting, return_exceptions=True)


async def _first_load(loader: asyncio.subprocess.Process) -> None:
    assert loader.stdout is not None  # noqa: S101 (it is a pipe)
    if not await loader.stdout.readline():
        raise CannotMeasure("no apps could be loaded")


async def _post(server: Server, client: Client) -> None:
    """Change a permission, again and again, at a steady pace."""
    async with connection(server) as connected:
        while True:
            answered = connected.ask(client.permission())
            reply, _ = await asyncio.gather(answered, asyncio.sleep(1 / POSTS_A_SECOND))
            if reply.status != 200:
                raise CannotMeasure(f"POST permission: {reply.status}")
