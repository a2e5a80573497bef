"""How commands reach CouchDB."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from crossbar_appstore.datastore.client import Timeouts
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.settings import Settings

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
