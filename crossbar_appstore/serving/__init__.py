"""Serving: one worker in this process, or several processes that share the port and the write counters."""

import contextlib
from collections.abc import Callable, Iterator

from crossbar_appstore.serving.worker import DRAIN, bound_socket, run, work
from crossbar_appstore.settings import Settings

__all__ = ["DRAIN", "run", "serve"]

Announce = Callable[[str], None]


async def serve(settings: Settings, announce: Announce = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: ``settings.workers`` says how many processes answer requests.
        announce: called with the address once requests are answered.

    Raises:
        SettingsError: no CouchDB was named.
        OSError: the address cannot be listened on.
    """
    settings.require_couchdb()
    with _reserved_port(settings.host, settings.port) as port:
        address = f"http://[{settings.host}]:{port}" if ":" in settings.host else f"http://{settings.host}:{port}"
        if settings.workers == 1:
            await work(settings, port, lambda: announce(address))
        else:
            from crossbar_appstore.serving.supervisor import supervise  # noqa: PLC0415 (one worker does not need it)

            await supervise(settings, port, lambda: announce(address))


@contextlib.contextmanager
def _reserved_port(host: str, port: int) -> Iterator[int]:
    """Hold a port for the workers; if it is 0, choose one that is the same for all of them.

    The socket shares its port with those of the workers and never listens.

    Raises:
        OSError: another program has the port.
    """
    # Without SO_REUSEPORT, so that the port of another running service is refused.
    with bound_socket(host, port, shared=False) as probe:
        chosen: int = probe.getsockname()[1]
    with bound_socket(host, chosen):
        yield chosen
