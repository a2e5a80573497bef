"""Verbs that work on a CouchDB: the connection is made, the work is run to its end, the exit code is given back."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

from crossbar_appstore.cli.connection import connected
from crossbar_appstore.cli.options import DATABASE, json_option, settings_options
from crossbar_appstore.cli.output import Output
from crossbar_appstore.settings import Settings


def database_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """A verb of the form ``async (couch, output, **arguments) -> exit code``, with the options that all have."""

    @functools.wraps(function)
    def verb(*, settings: Settings, as_json: bool, **arguments: Any) -> int:
        async def work() -> int:
            async with connected(settings) as couch:
                return await function(couch, Output(as_json=as_json), **arguments)

        return asyncio.run(work())

    return json_option(settings_options(*DATABASE)(verb))
