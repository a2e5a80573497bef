"""Serving: one worker in this process, or several that share the port, write counters, rate limits, password tries."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from crossbar_appstore.serving.worker import DRAIN, bound_socket, run, work
from crossbar_appstore.settings import Settings

__all__ = ["DRAIN", "run", "serve", "shared_directory"]


async def serve(settings: Settings, announce: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM; ``announce`` is called with the address once requests are answered.

    Raises:
        SettingsError: no CouchDB was named.
        OSError: the address cannot be listened on.
    """
    settings.require_couchdb()
    with shared_directory(settings) as complete, _reserved_port(settings.host, settings.port) as port:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"http://{host}:{port}"
        if settings.workers == 1:
            await work(complete, port, lambda: announce(address))
        else:
            from crossbar_appstore.serving.supervisor import supervise  # noqa: PLC0415 (one worker does not need it)

            await supervise(complete, port, lambda: announce(address))


@contextlib.contextmanager
def shared_directory(settings: Settings) -> Iterator[Settings]:
    """The settings with a directory of what workers share: where they name none, one that is removed afterwards."""
    if settings.shared_dir is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="crossbar-appstore-") as made:
        yield dataclasses.replace(settings, shared_dir=Path(made))


@contextlib.contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port for the workers; if it is 0, choose one that is the same for all of them. Raises ``OSError``."""
    # Without SO_REUSEPORT, so that the port of another running service is refused.
    with bound_socket(host, port, shared=False) as probe:
        chosen: int = probe.getsockname()[1]
    # This socket shares the port with those of the workers and never listens.
    with bound_socket(host, chosen):
        yield chosen
