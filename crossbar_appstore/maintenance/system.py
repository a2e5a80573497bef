"""A system of its own: the databases, design documents and keys that it needs, made where they are missing.

Beside KAZOO nothing of this is ours to make.
"""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.auth.bootstrap import ensure_system_auth
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import NoMasterAccount
from crossbar_appstore.datastore.master_account import MasterAccount
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for, standing_alone
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.master_catalogue import configuration

ACCOUNTS: Final = "accounts"
SERVICES: Final = "services"
_SYSTEM_DATABASES: Final = (ACCOUNTS, SERVICES, "system_config", "system_auth")


class BesideKazoo(Exception):
    """The CouchDB is a KAZOO cluster's, which makes such things itself."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a system was found to be. ``alone``: no KAZOO lives there, so what was missing was made."""

    alone: bool
    master_account_id: str | None


async def prepare_system(couch: Couch) -> Prepared:
    """Make what is missing, unless a KAZOO lives on this CouchDB. Safe to repeat, and to run twice at the same time.

    Raises:
        DatastoreError: CouchDB is away, or would not have it.
    """
    alone = await standing_alone(couch)
    if alone:
        for database in _SYSTEM_DATABASES:
            await couch.create_database(database)
        await ensure(couch, ACCOUNTS, names_for(DatabaseClass.ACCOUNTS))
        await ensure_system_auth(couch)
    master = await master_account_id(couch)
    if alone and master is not None:
        await _prepare_account_database(couch, account_db(master))
    return Prepared(alone, master)


async def master_account_id(couch: Couch) -> str | None:
    """The master account's id, ``None`` as long as there is no account."""
    try:
        return await MasterAccount(couch, configuration(couch)).id()
    except NoMasterAccount:
        return None


async def require_alone(couch: Couch, command: str) -> None:
    """Nothing, if no KAZOO lives on this CouchDB.

    Raises:
        BesideKazoo: one does; ``command`` is what to run there instead.
    """
    if not await standing_alone(couch):
        raise BesideKazoo(f"a KAZOO lives on this CouchDB and does this itself: {command}")


async def _prepare_account_database(couch: Couch, database: str) -> None:
    # Not made anew if it is gone: an account without its documents would be found in it.
    if await couch.database_exists(database):
        await ensure(couch, database, names_for(DatabaseClass.ACCOUNT))
