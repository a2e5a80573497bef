"""Which account is the master account (``kapps_util:get_master_account_id/0``), read-only.

KAZOO writes the answer of its search to ``system_config``; we only read it.
"""

from typing import Protocol

from crossbar_appstore.json_codec import Json
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID
from crossbar_appstore.kazoo.ids import account_db, is_account_id

from .couch import Couch
from .errors import DatabaseMissing, NoMasterAccount, ViewMissing
from .replies import ViewRow


class Settings(Protocol):
    """``system_config``, as ``configuration.Configuration`` reads it."""

    async def get(self, category: str, key: str, default: Json = None) -> Json:
        """The value of a key of a category."""
        ...


class MasterAccount:
    """Finds the master account's id: as configured, else the oldest account.

    Args:
        couch: where the accounts are.
        settings: as they were a moment ago, perhaps.
        newest: the same as they are now; ``settings`` themselves if those are.
    """

    def __init__(self, couch: Couch, settings: Settings, newest: Settings | None = None) -> None:
        self._couch = couch
        self._settings = settings
        self._newest = newest or settings
        self._oldest: str | None = None

    async def id(self) -> str:
        """The account id (32 characters).

        Raises:
            NoMasterAccount: no account exists.
            DatastoreError: CouchDB does not say.
        """
        configured = await _configured(self._settings)
        if configured is not None:
            return configured
        if self._oldest is None:
            oldest = await self._find_oldest()
            # Once more, after the accounts: what was known of the configuration may be older than they are.
            configured = await _configured(self._newest)
            if configured is not None:
                return configured
            # An account, once the oldest, stays the oldest.
            self._oldest = oldest
        return self._oldest

    async def database(self) -> str:
        """The master account's database, unencoded."""
        return account_db(await self.id())

    async def _find_oldest(self) -> str:
        try:
            rows = await self._couch.view("accounts", "accounts/listing_by_id", include_docs=True)
        except (ViewMissing, DatabaseMissing):
            rows = []
        if not rows:
            raise NoMasterAccount("there is no account")
        # min keeps the first of equals, as KAZOO's fold does.
        return str(min(rows, key=_created).id)


async def _configured(settings: Settings) -> str | None:
    value = await settings.get(ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID)
    return value if isinstance(value, str) and is_account_id(value) else None


def _created(row: ViewRow) -> float:
    created = (row.doc or {}).get("pvt_created")
    # Erlang's term order: what is no number comes after every number.
    return created if isinstance(created, int | float) and not isinstance(created, bool) else float("inf")
