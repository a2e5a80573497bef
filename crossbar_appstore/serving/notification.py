"""Tells the service manager the state of the service, as ``Type=notify`` of systemd expects (``sd_notify(3)``)."""

import asyncio
import contextlib
import logging
import socket

from crossbar_appstore.settings import ServiceManager

log = logging.getLogger(__name__)


def notify(manager: ServiceManager | None, *assignments: str) -> None:
    """Send assignments such as ``READY=1`` in one datagram; one that cannot be sent is logged."""
    if manager is None:
        return
    path = f"\0{manager.socket[1:]}" if manager.socket.startswith("@") else manager.socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            # A service manager that does not read must not stop the service.
            sender.setblocking(False)
            sender.connect(path)
            sender.send("\n".join(assignments).encode())
    except OSError as error:
        log.warning("service manager not notified", extra={"state": assignments[0], "reason": str(error)})


async def watch(manager: ServiceManager | None, stop: asyncio.Event) -> None:
    """Send WATCHDOG=1 twice within the time of the watchdog, as long as this event loop runs; STOPPING=1 at the end."""
    pause = None if manager is None or manager.watchdog is None else manager.watchdog / 2
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        notify(manager, "STOPPING=1" if stop.is_set() else "WATCHDOG=1")
