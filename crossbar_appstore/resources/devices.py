"""The endpoint ``devices`` as far as other paths lead through it: ``accounts/{A}/devices/{D}/apps_store``."""

from typing import ClassVar

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.resources.users import exists_in_account


class Devices(Resource):
    """Devices of an account; there is no path of their own here.

    Args:
        store: documents.
    """

    noun: ClassVar[str] = "devices"

    def __init__(self, store: Datastore) -> None:
        self._store = store

    async def resource_exists(self, context: Context, *params: str) -> None:
        """A device named on the way to another resource has to exist in the account (`cb_devices_v2`)."""
        await exists_in_account(self._store, context, params)
