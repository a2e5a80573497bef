"""What a demonstration needs: a master account, and a few apps to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.app_folders import Found, find_app_folders
from crossbar_appstore.maintenance.loading import LoadRules, load_apps
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.reports import LoadReport
from crossbar_appstore.maintenance.system import prepare_system

SAMPLES: Final = Path(__file__).with_name("samples")


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The system that is shown. ``password`` is known only where it is the one that was asked for."""

    account_id: str
    account: JsonObject
    username: str
    password: str | None
    is_new: bool
    load: LoadReport | None

    @property
    def account_name(self) -> str:
        """The master account's name."""
        return string_at(self.account, "name") or ""

    @property
    def realm(self) -> str:
        """The master account's realm."""
        return string_at(self.account, "realm") or ""


async def demonstrate(couch: Couch, wanted: NewAccount, apps: Path | None) -> Demonstration:
    """Make the system, its master account and its apps, as far as they are not there.

    Args:
        couch: whose databases are ours.
        wanted: the master account, where there is none yet.
        apps: a folder of apps to load; without one, a new system gets our samples.

    Raises:
        AccountRefused: the account cannot be made.
        DatastoreError: CouchDB is away, or would not have it.
    """
    master = (await prepare_system(couch)).master_account_id
    is_new = master is None
    account_id = master if master is not None else (await create_account(couch, wanted)).account_id
    folder = apps if apps is not None or not is_new else SAMPLES
    return Demonstration(
        account_id,
        await couch.open_doc(account_db(account_id), account_id),
        wanted.username,
        wanted.password if await _opens(couch, account_id, wanted) else None,
        is_new,
        await _load(couch, find_app_folders(folder)) if folder is not None else None,
    )


async def _load(couch: Couch, found: Found) -> LoadReport:
    folders: Sequence[Path] = found.folders
    return await load_apps(await MasterCatalogue.of(couch), folders, LoadRules(), remarks=found.remarks)


async def _opens(couch: Couch, account_id: str, wanted: NewAccount) -> bool:
    """Whether user name and password are those of a user of the account."""
    md5, _ = password_hashes(wanted.username.lower(), wanted.password)
    return bool(await couch.view(account_db(account_id), "users/creds_by_md5", key=md5, limit=1))
