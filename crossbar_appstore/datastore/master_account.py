"""Which account is the master account (``kapps_util:get_master_account_id/0``), read-only.

KAZOO writes the answer of its search to ``system_config``; we only read it.
"""

from typing import Protocol

from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.ids import account_db, is_account_id

from .couch import Couch
from .errors import DatabaseMissing, NoMasterAccount, ViewMissing
from .replies import ViewRow


class Settings(Protocol):
    """``system_config``, as ``configuration.Configuration`` reads it."""

    async def get(self, category: str, key: str, default: Json = None, *, newest: bool = False) -> Json:
        """The value of a key of a category, perhaps of a moment ago if it need not be the newest."""
        ...


class MasterAccount:
    """Finds the master account's id: as configured, else the oldest account."""

    def __init__(self, couch: Couch, settings: Settings) -> None:
        self._couch = couch
        self._settings = settings
        self._oldest: str | None = None

    async def id(self) -> str:
        """The account id (32 characters).

        Raises:
            NoMasterAccount: no account exists.
            DatastoreError: CouchDB does not say.
        """
        configured = await self._configured()
        if configured is not None:
            return configured
        if self._oldest is None:
            oldest = await self._find_oldest()
            # Once more, after the accounts: what was known of the configuration may be older than they are.
            configured = await self._configured(newest=True)
            if configured is not None:
                return configured
            # An account, once the oldest, stays the oldest.
            self._oldest = oldest
        return self._oldest

    async def database(self) -> str:
        """The master account's database, unencoded."""
        return account_db(await self.id())

    async def _configured(self, *, newest: bool = False) -> str | None:
        value = await self._settings.get("accounts", "master_account_id", newest=newest)
        return value if isinstance(value, str) and is_account_id(value) else None

    async def _find_oldest(self) -> str:
        try:
            rows = await self._couch.view("accounts", "accounts/listing_by_id", include_docs=True)
        except (ViewMissing, DatabaseMissing):
            rows = []
        if not rows:
            raise NoMasterAccount("there is no account")
        # min keeps the first of equals, as KAZOO's fold does.
        return str(min(rows, key=_created).id)


def _created(row: ViewRow) -> float:
    created = (row.doc or {}).get("pvt_created")
    # Erlang's term order: what is no number comes after every number.
    return created if isinstance(created, int | float) and not isinstance(created, bool) else float("inf")
