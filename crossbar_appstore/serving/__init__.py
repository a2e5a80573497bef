"""Serving: one worker in this process, or several that share the port, write counters, rate limits, password tries."""

import asyncio
import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from crossbar_appstore.serving.notification import notify, watch
from crossbar_appstore.serving.worker import DRAIN, bound_socket, run, stop_signal, work
from crossbar_appstore.settings import Settings, SettingsError, service_manager

__all__ = ["DRAIN", "run", "serve", "shared_directory"]


async def serve(
    settings: Settings, announce: Callable[[str], None] = lambda _: None, *, share_port: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM, and tell the service manager when the service is ready and when it stops.

    Args:
        settings: of the service.
        announce: called with the address once requests are answered.
        share_port: share the ports with a service of the same user that listens on them, which may be stopped then.

    Raises:
        SettingsError: no CouchDB was named, or the port for health checks cannot be listened on.
        OSError: the address cannot be listened on.
    """
    settings.require_couchdb()
    manager = service_manager()
    with (
        shared_directory(settings) as complete,
        _reserved_port(settings.host, settings.port, share_port) as port,
        _reserved_operations_port(settings, share_port) as operations_port,
    ):
        chosen = dataclasses.replace(complete, ops_port=operations_port)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{port}"

        stop = stop_signal()
        watching: list[asyncio.Task[None]] = []

        def ready() -> None:
            announce(address)
            notify(manager, "READY=1", f"STATUS=listening on {address}")
            # Not before: the socket holds few datagrams, and READY=1 must not be one too many.
            watching.append(asyncio.create_task(watch(manager, stop)))

        try:
            if settings.workers == 1:
                await work(chosen, port, ready, stop)
            else:
                from crossbar_appstore.serving.supervisor import supervise  # noqa: PLC0415 (one worker does not need it)

                await supervise(chosen, port, ready, stop)
        finally:
            for task in watching:
                task.cancel()


@contextlib.contextmanager
def shared_directory(settings: Settings) -> Iterator[Settings]:
    """The settings with a directory of what workers share: where they name none, one that is removed afterwards."""
    if settings.shared_dir is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-") as made:
        yield dataclasses.replace(settings, shared_dir=Path(made))


@contextlib.contextmanager
def _reserved_port(host: str, port: int, share: bool) -> Iterator[int]:
    """Hold a port for the workers; if it is 0, choose one that is the same for all of them. Raises ``OSError``."""
    # Without SO_REUSEPORT the port of another running service is refused, so that none is shared by mistake.
    with bound_socket(host, port, shared=share) as probe:
        chosen: int = probe.getsockname()[1]
    # This socket shares the port with those of the workers and never listens.
    with bound_socket(host, chosen):
        yield chosen


@contextlib.contextmanager
def _reserved_operations_port(settings: Settings, share: bool) -> Iterator[int | None]:
    """Hold the port for health checks, None where the settings name none. Raises ``SettingsError``."""
    if settings.ops_port is None:
        yield None
        return
    with contextlib.ExitStack() as held:
        try:
            port = held.enter_context(_reserved_port(settings.host, settings.ops_port, share))
        except OSError as error:
            reason = f"cannot listen on {settings.host}:{settings.ops_port}: {error.strerror or error}"
            raise SettingsError("CROSSBAR_OPS_PORT", reason) from None
        yield port
