import asyncio
import csv
import io
import os
import signal
import sys

import pytest

from crossbar_appstore.cli.program import AWAY, INTERRUPTED
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import new_apps_store
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance.lookup import MasterCatalogue, stored
from crossbar_appstore.maintenance.many_accounts import AccountName
from tests.cli.conftest import Run
from tests.datastore.fault_proxy import Fault, FaultProxy, Status
from tests.maintenance.conftest import MASTER
from tests.maintenance.many import add_accounts
from tests.maintenance.test_editing import save_app
from tests.operations.audited import Audited, audited

__all__ = ["audited"]


@pytest.fixture
async def app_id(system: MasterCatalogue) -> str:
    return str((await save_app(system))["_id"])


@pytest.fixture
async def tenants(system: MasterCatalogue) -> list[AccountName]:
    return await add_accounts(system.couch, 5, [system.account_id])


async def apps_of(system: MasterCatalogue, account: AccountName) -> JsonObject:
    document = await stored(system.couch, account_db(account.id), "apps_store")
    return object_at(document, "apps")


async def installed_in(system: MasterCatalogue, accounts: list[AccountName]) -> int:
    return sum([bool(await apps_of(system, account)) for account in accounts])


async def test_install_installs_below_account_and_is_repeatable(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    dry = await run("install", "wallboard", "--below", MASTER.realm, "--dry-run")
    assert dry.code == 0
    assert dry.out.splitlines()[0] == f"would be installed    {tenants[0].name}  {tenants[0].id}"
    assert dry.out.splitlines()[-1] == "Would be: 5 installed."
    assert await installed_in(system, tenants) == 0
    result = await run("install", "wallboard", "--below", MASTER.realm, "--allowed-users", "admins")
    assert (result.code, result.out.splitlines()[-1]) == (0, "5 installed.")
    assert await apps_of(system, tenants[4]) == {app_id: {"allowed_users": "admins", "users": [], "name": "wallboard"}}
    again = await run("install", "wallboard", "--all", "--allowed-users", "admins", "--json")
    assert again.code == 0
    assert again.json["counts"] == {"unchanged": 5, "installed": 1}
    assert (again.json["app_id"], again.json["dry_run"]) == (app_id, False)
    assert again.json["accounts"][1] == {
        "account_id": tenants[0].id,
        "account_name": tenants[0].name,
        "outcome": "unchanged",
        "reason": "it is installed already",
        "revision": None,
    }


async def test_install_in_named_accounts_for_users(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    named = f"{tenants[0].name}, {tenants[1].id}"
    words = ["install", "wallboard", "--accounts", named, "--accounts", tenants[2].name]
    result = await run(*words, "--allowed-users", "specific", "--users", "jane,john")
    assert (result.code, result.out.splitlines()[-1]) == (0, "3 installed.")
    assert (await apps_of(system, tenants[0]))[app_id]["users"] == [{"id": "jane"}, {"id": "john"}]
    updated = await run(*words, "--update")
    assert (updated.code, updated.out.splitlines()[-1]) == (0, "3 updated.")
    assert (await apps_of(system, tenants[2]))[app_id]["allowed_users"] == "all"
    assert await installed_in(system, tenants) == 3


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--all", "--below", MASTER.realm],
        ["--all", "--accounts", MASTER.realm],
        ["--accounts", ""],
        ["--accounts", ", "],
        ["--all", "--allowed-users", "some"],
        ["--all", "--users", "jane"],
        ["--all", "--concurrency", "0"],
    ],
)
async def test_install_refuses_wrong_use(run: Run, app_id: str, words: list[str]) -> None:
    assert (await run("install", "wallboard", *words)).code == 2


async def test_install_refuses_unknown_app_or_account_before_any_change(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    assert (await run("install", "nothing", "--all")).code == 1
    unknown = await run("install", "wallboard", "--accounts", f"{tenants[0].name},nobody")
    assert unknown.code == 1
    assert "nobody" in unknown.err
    assert await installed_in(system, tenants) == 0


async def test_install_reports_accounts_that_fail_and_does_the_others(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    await system.couch.delete_database(account_db(tenants[1].id))
    result = await run("install", "wallboard", "--below", MASTER.realm)
    assert result.code == 1
    assert result.out.splitlines()[1].startswith(f"failed       {tenants[1].name}  {tenants[1].id}  ")
    assert result.out.splitlines()[-1] == "4 installed, 1 failed."
    assert (await run("installs", "wallboard")).code == 1
    refused = await run("install", "0" * 32, "--accounts", tenants[0].id)
    assert (refused.code, refused.out.splitlines()[-1]) == (1, "1 refused.")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.LOSE_REPLY, "CouchDB did not answer a change, which may have been saved: "),
        (Status(403, "no"), "CouchDB does not allow the user to do this: no"),
    ],
)
async def test_install_says_what_kept_an_account_from_being_saved(
    run: Run,
    system: MasterCatalogue,
    app_id: str,
    tenants: list[AccountName],
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault | Status,
    said: str,
) -> None:
    async with FaultProxy(system.couch.address) as proxy:
        proxy.fail(fault, method="PUT", path=account_db(tenants[1].id).replace("/", "%2F"), times=1000)
        monkeypatch.setenv("COUCHDB_URL", proxy.url)
        result = await run("install", "wallboard", "--below", MASTER.realm)
    lines = result.out.splitlines()
    assert (result.code, lines[-1]) == (1, "4 installed, 1 failed.")
    assert lines[1].startswith(f"failed       {tenants[1].name}  {tenants[1].id}  {said}")


async def test_install_and_uninstall_refuse_account_that_is_deleted_in_its_own_database(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    # As the API, whatever the database of all accounts says.
    database = account_db(tenants[1].id)
    document = await system.couch.open_doc(database, tenants[1].id)
    await system.couch.save_doc(database, {**document, "pvt_deleted": True})
    for verb, count in (("install", "4 installed, 1 refused."), ("uninstall", "4 uninstalled, 1 refused.")):
        result = await run(verb, "wallboard", "--below", MASTER.realm, *(["--yes"] if verb == "uninstall" else []))
        lines = result.out.splitlines()
        assert (result.code, lines[-1]) == (1, count)
        assert lines[1] == f"refused      {tenants[1].name}  {tenants[1].id}  the account is deleted"
    assert await apps_of(system, tenants[1]) == {}


async def test_install_stops_where_couchdb_goes_away_and_continues_later(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FaultProxy(system.couch.address) as proxy:
        proxy.fail(Status(503), path=account_db(tenants[3].id).replace("/", "%2F"), times=1000)
        proxy.fail(Status(503), path="accounts/_all_docs?limit=1", times=1000)
        with monkeypatch.context() as patched:
            patched.setenv("COUCHDB_URL", proxy.url)
            result = await run("install", "wallboard", "--below", MASTER.realm, "--concurrency", "1")
    assert result.code == AWAY
    assert "2 of 5 accounts are left; run it again" in result.err
    assert await installed_in(system, tenants) == 3
    again = await run("install", "wallboard", "--below", MASTER.realm)
    assert (again.code, again.out.splitlines()[-1]) == (0, "3 unchanged, 2 installed.")


async def test_install_and_installs_ask_couchdb_a_few_times_per_account(
    run: Run, system: MasterCatalogue, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = await add_accounts(system.couch, 20, [system.account_id], "Client")
    async with FaultProxy(system.couch.address) as proxy:
        monkeypatch.setenv("COUCHDB_URL", proxy.url)
        asked = []
        for verb in ("install", "install", "installs"):
            before = proxy.count()
            assert (await run(verb, "wallboard", "--below", MASTER.realm)).code == 0
            asked.append(proxy.count() - before)
    shared = 25
    assert asked[0] <= 5 * len(accounts) + shared
    # What is done already is not decided again.
    assert asked[1] <= len(accounts) + shared
    assert asked[2] <= len(accounts) + shared


async def test_install_completes_what_it_has_begun_when_interrupted(
    system: MasterCatalogue, app_id: str, couchdb_url: str
) -> None:
    accounts = await add_accounts(system.couch, 40, [system.account_id], "Client")
    words = ["install", "wallboard", "--below", MASTER.realm, "--concurrency", "2"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "crossbar_appstore",
        *words,
        env={**os.environ, "COUCHDB_URL": couchdb_url, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    first = await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == INTERRUPTED, err
    assert b"accounts are left; run it again" in err
    told = len((first + out).splitlines())
    # Of what is not told, no more than what ran at the same time was done.
    assert told <= await installed_in(system, accounts) <= told + 2 < 40


async def test_uninstall_asks_before_it_uninstalls_from_many(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName], monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("install", "wallboard", "--below", MASTER.realm)
    one = await run("uninstall", "wallboard", "--accounts", tenants[0].id)
    assert (one.code, one.out.splitlines()[-1]) == (0, "1 uninstalled.")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    no = await run("uninstall", "wallboard", "--all", "--json")
    assert (no.code, no.json["refused"]["message"]) == (1, "nothing was changed")
    assert "from 6 accounts?" in no.err
    dry = await run("uninstall", "wallboard", "--all", "--dry-run", "--json")
    assert dry.json["counts"] == {"unchanged": 2, "uninstalled": 4}
    assert await installed_in(system, tenants) == 4
    yes = await run("uninstall", "wallboard", "--all", "--yes")
    assert (yes.code, yes.out.splitlines()[-1]) == (0, "2 unchanged, 4 uninstalled.")
    assert await installed_in(system, tenants) == 0


async def test_installs_lists_accounts_apps_and_users(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName]
) -> None:
    apps = {
        app_id: {"allowed_users": "specific", "users": [{"id": "u2"}, "u1"], "name": "old name"},
        "gone": {"name": "=gone()", "users": ["u1"], "allowed_users": "all"},
        "odd": 7,
    }
    document = new_apps_store(tenants[1].id) | {"apps": apps, "blacklist": [app_id]}
    await system.couch.save_doc(account_db(tenants[1].id), document)
    (older,) = await add_accounts(system.couch, 1, [system.account_id, tenants[0].id], "Zoo", apps={app_id: {}})
    account = [tenants[1].name, tenants[1].id]
    rows = [
        [*account, "wallboard", app_id, "specific", "u1 u2", "yes"],
        [*account, "'=gone()", "gone", "all", "", "no"],
        [*account, "", "odd", "specific", "", "no"],
        [older.name, older.id, "wallboard", app_id, "specific", "", "no"],
    ]
    result = await run("installs", "--csv")
    assert result.code == 0
    headings, *listed = csv.reader(io.StringIO(result.out))
    assert headings == ["account", "account_id", "app", "app_id", "allowed_users", "users", "blacklisted"]
    assert listed == rows
    assert list(csv.reader(io.StringIO((await run("installs", "wallboard", "--csv")).out)))[1:] == [rows[0], rows[3]]
    below = await run("installs", app_id, "--below", tenants[0].id, "--json")
    assert below.json == {
        "accounts": 1,
        "installs": [
            {
                "account_id": older.id,
                "account_name": older.name,
                "app_id": app_id,
                "app_name": "wallboard",
                "allowed_users": "specific",
                "users": [],
                "blacklisted": False,
            }
        ],
        "failed": [],
    }
    lines = (await run("installs", "=gone()")).out.splitlines()
    assert (len(lines), lines[0].split()[0]) == (2, "ACCOUNT")
    assert (await run("installs", "nothing")).code == 1
    assert (await run("installs", "--csv", "--json")).code == 2


async def test_blacklist_set_add_remove(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName], audited: Audited
) -> None:
    account = tenants[0]
    other = str((await save_app(system, name="notes"))["_id"])

    async def blacklist() -> object:
        return (await stored(system.couch, account_db(account.id), "apps_store") or {}).get("blacklist")

    dry = await run("blacklist", "set", account.name, "wallboard", "--dry-run")
    assert dry.out == f"would be updated  blacklist of {account.name}  {account.id}\n    + {app_id}\n"
    assert await blacklist() is None
    assert (await run("blacklist", "set", account.name, "wallboard")).code == 0
    assert await blacklist() == [app_id]
    added = await run("blacklist", "add", account.id, "notes", "wallboard", "--json")
    assert [event["who"]["command"] for event in audited()] == ["blacklist set", "blacklist add"]
    assert await blacklist() == added.json["after"] == [app_id, other]
    unchanged = await run("blacklist", "add", account.id, "notes")
    assert unchanged.out.startswith("unchanged  ")
    removed = await run("blacklist", "remove", account.id, app_id)
    assert removed.out.splitlines()[1:] == [f"    - {app_id}", f"      {other}"]
    assert await blacklist() == [other]
    assert (await run("blacklist", "set", account.id)).code == 0
    assert await blacklist() == []
    assert (await run("blacklist", "add", account.id, "nothing")).code == 1
    assert (await run("blacklist", "add", account.id)).code == 2


async def test_remove_app_and_unpublish_app_count_installs_if_asked(
    run: Run, system: MasterCatalogue, app_id: str, tenants: list[AccountName], monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("install", "wallboard", "--accounts", f"{tenants[0].id},{tenants[1].id}")
    assert "accounts" not in (await run("unpublish-app", "wallboard", "--dry-run")).out
    told = await run("unpublish-app", "wallboard", "--dry-run", "--count-installs")
    assert told.out.splitlines()[-1] == "    installed in 2 of 6 accounts"
    await system.couch.delete_database(account_db(tenants[4].id))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    asked = await run("remove-app", "wallboard", "--count-installs")
    assert "), installed in 2 of 6 accounts; 1 could not be read?" in asked.err
    removed = await run("remove-app", "wallboard", "--count-installs", "--yes", "--json")
    assert removed.json["installs"] == {"installed": 2, "accounts": 6, "unread": 1}
    assert removed.json["removed"] is True
