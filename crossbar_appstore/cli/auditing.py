"""Audit events of what a verb changes."""

import getpass
import logging
import logging.handlers
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Final

import click

from crossbar_appstore.cli.options import connected
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.logs import json_formatter
from crossbar_appstore.operations.audit import now
from crossbar_appstore.operations.audit_events import events_of
from crossbar_appstore.operations.audit_trail import AuditTrail, AuditWriter, audit_log
from crossbar_appstore.request_scope import DocumentChange, RequestScope
from crossbar_appstore.settings import Settings

SYSTEM_LOG: Final = "/dev/log"
"""The socket of the machine's log."""
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


@contextmanager
def in_system_log(logger: logging.Logger, name: str, address: str = SYSTEM_LOG) -> Iterator[None]:
    """Send a logger's records to the machine's log too, under the name of a program, in the form of the service's log.

    Nothing is sent, and nothing fails, where there is no such log.
    """
    handler = _SystemLogHandler(address, facility=logging.handlers.SysLogHandler.LOG_AUTHPRIV)
    handler.ident, handler.append_nul = f"{name}: ", False
    handler.setFormatter(json_formatter())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


class _SystemLogHandler(logging.handlers.SysLogHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name is logging's)
        """Say nothing: a log that goes away while a command runs must not spoil its output."""


def _who() -> JsonObject:
    """The user of the machine, and the verb, with its group if it has one."""
    context = click.get_current_context(silent=True)
    # Without the program's name.
    command = None if context is None else context.command_path.partition(" ")[2]
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # In a container the user may have no name.
        user = None
    return {"command": command, "os_user": user, "host": socket.gethostname()}
