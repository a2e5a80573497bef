"""doctor: databases that an interrupted creation of an account left."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.datastore.views import DatabaseClass, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db, new_id
from crossbar_appstore.maintenance import accounts, orphans
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.doctor import examine, repair
from crossbar_appstore.maintenance.lookup import MasterCatalogue, UnknownAccount, find_account
from crossbar_appstore.maintenance.reports import Severity
from crossbar_appstore.maintenance.system import prepare_system

CHECK: Final = "orphan_database"
SUB = NewAccount("Sub Ltd", "sub.example.com", "admin", "sub-password")
SAVES: Final = 5 + len(names_for(DatabaseClass.ACCOUNT))
"""Documents that a creation saves: the account, design documents, ``apps_store``, user, services, the copy."""


class Killed(BaseException):
    """The end of the process."""


class Dying(Couch):
    """A client whose process is killed before it saves one document more than ``left``; nothing is undone then."""

    left = 0

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        self.left -= 1
        self._check()
        return await super().save_doc(database, doc)

    async def open_doc(self, database: str, doc_id: str, **query: Any) -> JsonObject:
        self._check()
        return await super().open_doc(database, doc_id, **query)

    async def delete_database(self, database: str) -> None:
        self._check()
        await super().delete_database(database)

    def _check(self) -> None:
        if self.left < 0:
            raise Killed


@pytest.fixture
async def account_ids(couch: Couch, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The ids of accounts (and users) that were created, in order; their databases are deleted afterwards."""
    given: list[str] = []

    def next_id() -> str:
        given.append(new_id())
        return given[-1]

    monkeypatch.setattr(accounts, "new_id", next_id)
    yield given
    for each in given:
        with suppress(DatabaseMissing):
            await couch.delete_database(account_db(each))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every database counts as older than an hour."""
    monkeypatch.setattr(orphans, "ORPHAN_SECONDS", -2)


async def interrupted(system: MasterCatalogue, account_ids: list[str], saves: int = SAVES - 1) -> str:
    """Create an account in a process that is killed after so many saves; returns its id."""
    before = len(account_ids)
    async with Dying(system.couch.address) as couch:
        couch.left = saves
        with pytest.raises(Killed):
            await create_account(couch, SUB)
    return account_ids[before]


async def change(system: MasterCatalogue, database: str, doc_id: str, **fields: Any) -> None:
    stored = await system.couch.open_doc(database, doc_id)
    await system.couch.save_doc(database, stored | fields)


@pytest.mark.parametrize("saves", range(SAVES))
async def test_repair_removes_old_database_of_an_interrupted_creation(
    system: MasterCatalogue, account_ids: list[str], monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    account_id = await interrupted(system, account_ids, saves)
    assert await system.couch.database_exists(account_db(account_id))
    with pytest.raises(UnknownAccount):
        await find_account(system.couch, SUB.realm)
    young = await examine(system.couch)
    assert young.healthy
    assert [one.severity for one in young.findings if one.check == CHECK] == [Severity.INFO]
    assert await repair(system.couch, young) == ()
    monkeypatch.setattr(orphans, "ORPHAN_SECONDS", -2)
    diagnosis = await examine(system.couch)
    (finding,) = (one for one in diagnosis.findings if one.check == CHECK)
    assert (finding.severity, finding.subject) == (Severity.WARNING, account_db(account_id))
    assert "removes" in finding.as_json()["fix"]
    assert await system.couch.database_exists(account_db(account_id))
    (words,) = await repair(system.couch, diagnosis)
    assert account_db(account_id) in words
    assert not await system.couch.database_exists(account_db(account_id))
    with pytest.raises(DocumentMissing):
        await system.couch.open_doc("services", account_id)
    assert (await examine(system.couch)).healthy
    # The same request again.
    created = await create_account(system.couch, SUB)
    assert (await find_account(system.couch, SUB.realm))["_id"] == created.account_id
    assert (await examine(system.couch)).healthy


async def test_create_account_makes_account_findable_last(system: MasterCatalogue, account_ids: list[str]) -> None:
    account_id = await interrupted(system, account_ids)
    (user,) = await system.couch.find(account_db(account_id), {"pvt_type": "user"})
    assert user["_id"] in account_ids
    assert (await system.couch.open_doc("services", account_id))["pvt_type"] == "service"


@pytest.mark.parametrize("case", ["document", "apps", "user", "deleted", "services", "many"])
@pytest.mark.usefixtures("old")
async def test_repair_keeps_database_with_other_documents(
    system: MasterCatalogue, account_ids: list[str], case: str
) -> None:
    account_id = await interrupted(system, account_ids)
    database, couch = account_db(account_id), system.couch
    later = gregorian_seconds() + 3600
    match case:
        case "document":
            await couch.save_doc(database, {"_id": "x", "pvt_type": "device"})
        case "apps":
            await change(system, database, "apps_store", apps={"x": {}})
        case "user":
            await couch.save_doc(database, {"_id": "x", "pvt_type": "user", "pvt_created": later})
        case "deleted":
            await change(system, database, account_id, pvt_deleted=True)
        case "services":
            await change(system, "services", account_id, plans={"x": {}})
        case "many":
            await couch.save_docs(database, [{"_id": f"u{number}", "pvt_type": "user"} for number in range(30)])
    diagnosis = await examine(couch)
    (finding,) = (one for one in diagnosis.findings if one.check == CHECK)
    assert (finding.severity, finding.removal) == (Severity.WARNING, None)
    assert finding.value
    assert await repair(couch, diagnosis) == ()
    assert await couch.database_exists(database)


@pytest.mark.usefixtures("old")
async def test_repair_keeps_database_beside_kazoo(system: MasterCatalogue, account_ids: list[str]) -> None:
    account_id = await interrupted(system, account_ids)
    await system.couch.create_database("system_data")
    diagnosis = await examine(system.couch)
    assert [one.severity for one in diagnosis.findings if one.check == CHECK] == [Severity.INFO]
    assert await repair(system.couch, diagnosis) == ()
    assert await system.couch.database_exists(account_db(account_id))


@pytest.mark.usefixtures("old")
async def test_repair_keeps_databases_where_the_accounts_were_lost(
    system: MasterCatalogue, account_ids: list[str]
) -> None:
    created = await create_account(system.couch, SUB)
    await system.couch.delete_database("accounts")
    diagnosis = await examine(system.couch)
    subjects = {one.subject for one in diagnosis.findings if one.check == CHECK}
    assert subjects == {account_db(created.account_id), system.database}
    assert all(one.removal is None for one in diagnosis.findings if one.check == CHECK)
    await repair(system.couch, diagnosis)
    assert await system.couch.database_exists(account_db(created.account_id))
    await system.couch.delete_database(system.database)


@pytest.mark.usefixtures("old")
async def test_repair_keeps_database_whose_account_was_created_meanwhile(
    system: MasterCatalogue, account_ids: list[str]
) -> None:
    account_id = await interrupted(system, account_ids)
    diagnosis = await examine(system.couch)
    account = await system.couch.open_doc(account_db(account_id), account_id)
    await system.couch.save_doc("accounts", {key: value for key, value in account.items() if key != "_rev"})
    assert await repair(system.couch, diagnosis) == ()
    assert (await find_account(system.couch, SUB.realm))["_id"] == account_id
    assert (await examine(system.couch)).healthy


@pytest.mark.usefixtures("old")
async def test_examine_finds_what_the_creation_of_the_master_account_left(
    empty_system: Couch, account_ids: list[str]
) -> None:
    async with Dying(empty_system.address) as couch:
        await prepare_system(empty_system)
        couch.left = SAVES - 1
        with pytest.raises(Killed):
            await create_account(couch, SUB)
    diagnosis = await examine(empty_system)
    assert [one.subject for one in diagnosis.findings if one.check == CHECK] == [account_db(account_ids[0])]
    assert len(await repair(empty_system, diagnosis)) == 1
    assert (await create_account(empty_system, SUB)).is_master
