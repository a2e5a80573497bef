from typing import Any

import pytest

from crossbar_appstore.bench.made_up import MadeUpAccounts, made_up_id
from crossbar_appstore.kazoo.ids import account_db, is_account_id

MASTER = "a" * 32
APPS = tuple(f"{number:032x}" for number in range(9))
ID = made_up_id(77)


@pytest.fixture
def accounts() -> MadeUpAccounts:
    return MadeUpAccounts(MASTER, APPS)


def rows(accounts: MadeUpAccounts, **query: Any) -> list[Any]:
    database = accounts.database(f"{account_db(ID)}/_all_docs")
    assert database is not None
    return list(database.all_docs(query)["rows"])


def test_every_number_has_an_account_below_the_master_account(accounts: MadeUpAccounts) -> None:
    assert is_account_id(ID)
    database = accounts.database(f"{account_db(ID)}/{ID}")
    assert database is not None
    assert database.asked == ID
    account = database.documents[ID]
    assert (account["pvt_tree"], account["pvt_reseller_id"]) == ([MASTER], MASTER)
    assert account["_rev"]
    assert list(database.documents["apps_store"]["apps"]) == list(APPS[:5])


@pytest.mark.parametrize(("database", "kind"), [("accounts", "account"), ("services", "service")])
def test_an_account_is_in_the_shared_databases_too(accounts: MadeUpAccounts, database: str, kind: str) -> None:
    found = accounts.database(f"{database}/{ID}")
    assert found is not None
    assert found.documents[found.asked]["pvt_type"] == kind


@pytest.mark.parametrize(
    "path",
    ["", "_up", f"accounts/{MASTER}", f"{account_db(MASTER)}/{MASTER}", "accounts", "account/be", f"other/{ID}"],
)
def test_everything_else_is_real(accounts: MadeUpAccounts, path: str) -> None:
    assert accounts.database(path) is None


def test_documents_are_listed_by_keys_or_between_two(accounts: MadeUpAccounts) -> None:
    missing, found = rows(accounts, keys=["whitelabel", "apps_store"])
    assert missing == {"key": "whitelabel", "error": "not_found"}
    assert (found["id"], "doc" in found) == ("apps_store", False)
    assert [row["id"] for row in rows(accounts)] == ["apps_store", ID]
    assert [row["doc"]["_id"] for row in rows(accounts, startkey="b", include_docs=True)] == [ID]
    assert rows(accounts, startkey="app-", endkey="app.") == []
