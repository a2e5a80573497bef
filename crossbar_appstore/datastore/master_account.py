"""``system_config``, and which account is the master account; both read-only."""

from collections.abc import Awaitable, Callable
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import as_text

from .couch import Couch
from .errors import DatabaseMissing, NoMasterAccount, ViewMissing
from .replies import ViewRow

SYSTEM_CONFIG: Final = "system_config"

Reader = Callable[[str, str], Awaitable[JsonObject | None]]
"""Reads a document of a database; None where there is none."""


class Configuration:
    """KAZOO's configuration documents, one a category (``kapps_config``).

    Reads the ``default`` section, which holds for every node and zone; overrides for single nodes are not ours.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read

    async def get(self, category: str, key: str, default: Json = None) -> Json:
        """The value of ``key`` in the document ``category``.

        A key that is missing, null or an empty string counts as missing: ``default`` then.

        Raises:
            DatastoreError: CouchDB does not answer, and the category is not cached.
        """
        section = (await self._read(SYSTEM_CONFIG, category) or {}).get("default")
        value = section.get(key) if isinstance(section, dict) else None
        return default if value is None or value == "" else value

    async def text(self, category: str, key: str) -> str | None:
        """The value as text, None if it is missing (``kapps_config:get_ne_binary/2``); errors as ``get``."""
        value = await self.get(category, key)
        return None if value is None else as_text(value)


class MasterAccount:
    """Finds the master account: as configured, else the oldest account (``kapps_util:get_master_account_id/0``).

    KAZOO writes the answer of its search to ``system_config``; we only read it.

    Args:
        couch: where the accounts are.
        config: the configuration, perhaps cached.
        newest: the same as it is in CouchDB now; ``config`` itself if that is.
    """

    def __init__(self, couch: Couch, config: Configuration, newest: Configuration | None = None) -> None:
        self._couch = couch
        self._config = config
        self._newest = newest or config
        self._oldest: str | None = None

    async def id(self) -> str:
        """The account id (32 characters).

        Raises:
            NoMasterAccount: no account exists.
            DatastoreError: CouchDB does not answer.
        """
        configured = await _configured(self._config)
        if configured is not None:
            return configured
        if self._oldest is None:
            oldest = await self._find_oldest()
            # Read again, after the accounts: the cached configuration may be older than they are, and then another
            # account of the same second could be taken for the master account.
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


async def _configured(config: Configuration) -> str | None:
    value = await config.get(ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID)
    return value if isinstance(value, str) and is_account_id(value) else None


def _created(row: ViewRow) -> float:
    created = (row.doc or {}).get("pvt_created")
    # Erlang's term order: what is no number comes after every number.
    return created if isinstance(created, int | float) and not isinstance(created, bool) else float("inf")
