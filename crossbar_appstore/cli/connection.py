"""Verbs that work on a CouchDB: the connection is made, the work is run to its end, the exit code is given back."""

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from crossbar_appstore.cli.options import DATABASE, json_option, settings_options
from crossbar_appstore.cli.output import Output
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.pool import Timeouts
from crossbar_appstore.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

PATIENT: Final = Timeouts(connect=5.0, read=60.0, total=120.0)
"""Nobody's request waits for a command, and a bulk of pictures takes its time."""


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Couch]:
    """The CouchDB that the settings name.

    Raises:
        SettingsError: they name none.
    """
    address = settings.require_couchdb()
    async with Couch(address.url, user=address.user, password=address.password, timeouts=PATIENT) as couch:
        yield couch


def database_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """A verb of the form ``async (couch, output, **arguments) -> exit code``, with the options that all have."""

    @functools.wraps(function)
    def verb(*, settings: Settings, as_json: bool, **arguments: Any) -> int:
        async def work() -> int:
            async with connected(settings) as couch:
                return await function(couch, Output(as_json=as_json), **arguments)

        return asyncio.run(work())

    return json_option(settings_options(*DATABASE)(verb))
