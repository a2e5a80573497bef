"""The machine's certificates, read by who asks over TLS and not by everybody who imports aiohttp.

aiohttp reads them twice while it is imported: a tenth of a second and two megabytes in each process, of which a service
whose CouchDB is next door has nothing. So it is imported here, before anything else imports it, while there seem to be
none. Nobody is trusted by mistake: a context without certificates refuses every server. Who connects over TLS gives
``context``, which has them.
"""

import importlib
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ  # noqa: TID251 (changed for a moment, no setting is read)
from typing import Final

_PLACES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for certificates, if it is not to look where it would by itself."""


def context(url: str) -> ssl.SSLContext | None:
    """What requests to this address trust; None where it is not asked over TLS."""
    return ssl.create_default_context() if url.startswith("https:") else None


@contextmanager
def _out_of_sight() -> Iterator[None]:
    before = {place: environ[place] for place in _PLACES if place in environ}
    environ.update(dict.fromkeys(_PLACES, os.devnull))
    try:
        yield
    finally:
        for place in _PLACES:
            del environ[place]
        environ.update(before)


with _out_of_sight():
    importlib.import_module("aiohttp")
