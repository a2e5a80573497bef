"""Audit events of what a verb changes."""

import getpass
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import click

from crossbar_appstore.cli.options import connected
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.logs import in_system_log
from crossbar_appstore.operations.audit import now
from crossbar_appstore.operations.audit_events import events_of
from crossbar_appstore.operations.audit_trail import AuditTrail, AuditWriter, audit_log
from crossbar_appstore.request_scope import DocumentChange, RequestScope
from crossbar_appstore.settings import Settings

QUEUED: Final = 100_000
"""Events of one verb that wait for the database at most."""


@asynccontextmanager
async def audited(settings: Settings) -> AsyncIterator[None]:
    """Make an event of each change within: in the machine's log, and in the database that the settings name."""
    async with AsyncExitStack() as entered:
        entered.enter_context(in_system_log(audit_log, "crossbar-appstore"))
        writer = None
        if settings.audit_db is not None:
            writer = AuditWriter(connected(settings), settings.audit_db, queued=QUEUED)
            await entered.enter_async_context(writer)
        trail, who = AuditTrail(writer), _who()

        def record(change: DocumentChange) -> None:
            for event in events_of(change):
                trail.write({"time": now(), "outcome": "done", "who": who, **event})

        entered.enter_context(RequestScope(record=record))
        yield


def _who() -> JsonObject:
    """The user of the machine, and the verb."""
    context = click.get_current_context(silent=True)
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # In a container the user may have no name.
        user = None
    return {"command": None if context is None else context.info_name, "os_user": user, "host": socket.gethostname()}
