"""Audit events in a database: saved in the background, bounded by number and age, shown by the verb."""

import asyncio
import json
import logging.handlers
import socket
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.cli import main
from crossbar_appstore.cli.auditing import in_system_log
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.operations.audit import now
from crossbar_appstore.operations.audit_trail import AuditTrail, AuditWriter, audit_log, remove_old, saved_events
from tests.kit.fixtures import NewService
from tests.kit.system import System, open_couch
from tests.operations.audited import Audited, audited

__all__ = ["audited"]

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(kit_couchdb_url: str) -> AsyncIterator[str]:
    name = f"audit-{uuid.uuid4().hex}"
    yield name
    async with open_couch(kit_couchdb_url) as couch:
        if await couch.database_exists(name):
            await couch.delete_database(name)


def event(action: str = "x.update", **members: Any) -> JsonObject:
    return {"time": now(), "action": action, "outcome": "done", **members}


async def saved(couch: Couch, database: str) -> list[JsonObject]:
    return [each async for each in saved_events(couch, database, LONG_AGO)]


async def test_audit_writer_creates_its_database_and_saves_events_in_order(
    kit_couchdb_url: str, system: System, database: str
) -> None:
    async with AuditWriter(open_couch(kit_couchdb_url), database) as writer:
        trail = AuditTrail(writer)
        for number in range(450):
            trail.write(event(f"x.{number}"))
    assert await system.couch.database_exists(database)
    found = await saved(system.couch, database)
    assert sorted(int(each["action"][2:]) for each in found) == list(range(450))
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)


async def test_audit_writer_beside_kazoo_creates_no_database(
    kit_couchdb_url: str,
    system: System,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("crossbar_appstore.operations.audit_trail.CLOSE_SECONDS", 0.5)
    await system.couch.create_database("system_data")
    try:
        async with AuditWriter(open_couch(kit_couchdb_url), database) as writer:
            writer.put(event())
    finally:
        await system.couch.delete_database("system_data")
    assert not await system.couch.database_exists(database)
    assert [record.message for record in caplog.records] == ["audit events wait", "audit events not saved"]


async def test_audit_writer_without_couchdb_drops_what_exceeds_the_queue(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("crossbar_appstore.operations.audit_trail.CLOSE_SECONDS", 0.5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with AuditWriter(Couch(f"http://127.0.0.1:{closed.getsockname()[1]}"), "audit", queued=10) as writer:
            for _ in range(15):
                writer.put(event())
            assert writer.dropped == 5
    assert writer.dropped == 15
    assert {record.message for record in caplog.records} == {"audit events not saved", "audit events wait"}


async def test_remove_old_deletes_events_of_that_age_only(system: System, database: str) -> None:
    await system.couch.create_database(database)
    old = (datetime.now(UTC) - timedelta(days=400)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    ids = [f"{old}-{number:012x}" for number in range(510)]
    kept = [f"{now()}-{'a' * 12}", "1999-mine"]
    await system.couch.save_docs(database, [{"_id": each} for each in (*ids, *kept)])
    assert await remove_old(system.couch, database) == 510
    assert sorted(row.id for row in await system.couch.all_docs(database) if row.id) == sorted(kept)


async def test_audit_shows_what_a_service_and_a_command_have_changed(
    kit_couchdb_url: str,
    system: System,
    database: str,
    new_service: NewService,
    audited: Audited,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account = await system.account("Shown", below=system.master)
    other = await system.account("Else", below=system.master)
    voip, service = system.apps["voip"], new_service(CROSSBAR_AUDIT_DB=database)
    for each in (account, other):
        assert (await service.put(f"{each.path}/{voip}", each, {"allowed_users": "all"})).status == 201
    await service.stop()
    options = ["--couchdb-url", kit_couchdb_url, "--crossbar-audit-db", database]

    async def run(*words: str) -> str:
        capsys.readouterr()
        assert await asyncio.to_thread(main, [*words, *options]) == 0
        return capsys.readouterr().out

    await run("set-app-field", "numbers", "price", "5")
    await run("set-app-field", "numbers", "price", "7", "--dry-run")
    *_, edited = audited()
    assert (edited["action"], edited["app_id"], edited["after"]) == ("app.update", system.apps["numbers"], {"price": 5})
    assert edited["who"]["command"] == "set-app-field"
    lines = (await run("audit")).splitlines()
    assert len(lines) == 3
    assert f"apps_store.install  account_id={account.id} app_id={voip}" in lines[0]
    assert "app.update" in lines[2]
    (found,) = json.loads(await run("audit", "--json", "--account", account.id, "--since", "1h"))["events"]
    assert (found["action"], found["after"]["allowed_users"]) == ("apps_store.install", "all")
    assert len((await run("audit", "--app", "numbers")).splitlines()) == 1
    assert await run("audit", "--since", "2999-01-01") == ""
    await run("blacklist", "add", account.id, "voip")
    *_, hidden = audited()
    assert (hidden["action"], hidden["who"]["command"]) == ("apps_store.blacklist", "blacklist add")


async def test_audit_without_a_database_is_refused(kit_couchdb_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, ["audit", "--couchdb-url", kit_couchdb_url]) == 2
    assert "CROSSBAR_AUDIT_DB" in capsys.readouterr().err


async def test_audit_of_an_account_has_failed_logins_and_recoveries_that_named_it(
    kit_couchdb_url: str, system: System, database: str, new_service: NewService, capsys: pytest.CaptureFixture[str]
) -> None:
    account = await system.account("Named", below=system.master)
    service = new_service(CROSSBAR_AUDIT_DB=database)
    for path, named in (
        ("user_auth", {"account_name": account.name.lower(), "credentials": "a" * 32}),
        ("user_auth", {"account_realm": f"{account.id[:8]}.EXAMPLE.org", "credentials": "a" * 32}),
        ("user_auth/recovery", {"account_name": account.name, "username": "nobody"}),
        ("user_auth", {"account_name": "elsewhere", "credentials": "a" * 32}),
    ):
        assert (await service.put(path, None, named)).status >= 400
    await service.stop()
    words = ["audit", "--couchdb-url", kit_couchdb_url, "--crossbar-audit-db", database, "--account"]
    assert await asyncio.to_thread(main, [*words, account.id]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["login", "login", "recovery.request"]
    assert f"account_name={account.name}" in lines[2]
    assert await asyncio.to_thread(main, [*words, "0" * 32]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-13-01", "999999w", "0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00"]
)
def test_audit_since_refuses_what_is_no_time(since: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["audit", "--couchdb-url", "http://127.0.0.1:1", "--crossbar-audit-db", "audit", "--since", since]
    assert main(words) == 2
    assert "--since" in capsys.readouterr().err


def test_in_system_log_sends_json_under_the_name_of_the_program(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(tmp_path / "log"))
        log.settimeout(5)
        with in_system_log(audit_log, "crossbar-appstore", str(tmp_path / "log")):
            AuditTrail().write(event("app.update", who={"os_user": "ada"}))
        received = log.recv(10_000).decode()
    # <facility * 8 + severity>: authpriv, informational.
    assert received.startswith("<86>crossbar-appstore: {")
    shown = json.loads(received.partition(": ")[2])
    assert (shown["message"], shown["logger"], shown["who"]) == ("app.update", "audit", {"os_user": "ada"})
    with in_system_log(audit_log, "crossbar-appstore", str(tmp_path / "missing")):
        AuditTrail().write(event())
    assert not [each for each in audit_log.handlers if isinstance(each, logging.handlers.SysLogHandler)]
