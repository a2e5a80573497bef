"""``serve``: answer requests until stopped."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import click

from crossbar_appstore import serving
from crossbar_appstore.cli.options import connected, example, settings_options
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.datastore.errors import Misconfigured, OutcomeUnknown, TimedOut, Unreachable
from crossbar_appstore.logs import Reminder, set_up_logging
from crossbar_appstore.maintenance.system import prepare_system
from crossbar_appstore.settings import Settings

log = logging.getLogger(__name__)

PATIENCE: Final = 5.0
"""Seconds between two attempts to reach a CouchDB that was away when the service started."""


@click.command("serve", epilog=example("serve --kazoo-config /etc/kazoo/core/config.ini --crossbar-port 8001"))
@click.option(
    "--share-port",
    is_flag=True,
    help="Share the port with a service of the same user that listens on it, to take over from that.",
)
@settings_options(without=("CROSSBAR_DATA_DIR", "CROSSBAR_CACHE_DIR"))
def serve(*, settings: Settings, share_port: bool) -> int:
    """Serve until stopped.

    SIGINT, SIGTERM and SIGHUP stop it when the requests under way are answered. A service manager that waits to be told
    (systemd's Type=notify) is told when it is ready and when it stops.

    Where no KAZOO lives on the CouchDB, databases, design documents and keys that are missing are made first. Beside
    KAZOO nothing of this is written.
    """
    settings.require_couchdb()
    set_up_logging()
    serving.run(serve_system(settings, _log_address, share_port=share_port))
    return DONE


def _log_address(address: str) -> None:
    log.info("listening", extra={"address": address})


async def serve_system(settings: Settings, announce: Callable[[str], None], *, share_port: bool = False) -> None:
    """Prepare the system and serve it; a CouchDB that is away is waited for while requests are answered already.

    So is one that rejects the password: a service that ended would be started again, until CouchDB locks the user out.

    Raises:
        click.ClickException: another program uses the address, or it is none of this machine's.
        DatastoreError: CouchDB rejects a request.
    """
    # What is prepared here and the workers share the tries of the password.
    with serving.shared_directory(settings) as complete:
        await _serve(complete, announce, share_port)


async def _serve(settings: Settings, announce: Callable[[str], None], share_port: bool) -> None:
    reminder = Reminder()
    preparing = None if await _prepared(settings, reminder) else asyncio.create_task(_prepare_later(settings, reminder))
    try:
        await serving.serve(settings, announce, share_port=share_port)
    except OSError as error:
        option = _option_for(error)
        # Other errors are not the operator's mistake, and need their traceback.
        if option is None:
            raise
        reason = f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}"
        raise click.ClickException(f"{reason}; {option} names another one") from None
    finally:
        if preparing is not None:
            preparing.cancel()
            with suppress(asyncio.CancelledError):
                await preparing


def _option_for(error: OSError) -> str | None:
    """The option that names another address or port, None if the error is not about these."""
    if isinstance(error, socket.gaierror) or error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return "--crossbar-host"
    return "--crossbar-port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else None


async def _prepared(settings: Settings, reminder: Reminder) -> bool:
    """Prepare the system; False if CouchDB is away, or rejects the password."""
    try:
        async with connected(settings) as couch:
            found = await prepare_system(couch)
    except (Unreachable, TimedOut, OutcomeUnknown, Misconfigured) as error:
        if reminder.due(type(error)):
            log.warning("CouchDB is away, it will be asked again", extra={"reason": error.explained})
        return False
    log.info("CouchDB is there", extra={"alone": found.alone, "master_account_id": found.master_account_id})
    if found.alone and found.master_account_id is None:
        log.warning("there is no account yet: crossbar-appstore create-account creates the first one")
    return True


async def _prepare_later(settings: Settings, reminder: Reminder) -> None:
    prepared = False
    while not prepared:
        await asyncio.sleep(PATIENCE)
        prepared = await _prepared(settings, reminder)
