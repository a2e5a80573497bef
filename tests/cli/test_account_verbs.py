"""The verbs about accounts and users, and the ways to give them a password."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest

from crossbar_appstore.auth.credentials import Credentials, Directory
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from tests.cli.conftest import VARIABLES, Run
from tests.maintenance.conftest import MASTER

SUB = ("Sub Ltd", "sub.example.com", "Jane")
NEW = "new-password"


@pytest.fixture
async def sub(run: Run, system: MasterCatalogue, monkeypatch: pytest.MonkeyPatch) -> JsonObject:
    """The ids of an account below the master account; NEW is in the environment afterwards."""
    monkeypatch.setenv("CROSSBAR_PASSWORD", "sub-password")
    created: JsonObject = (await run("create-account", *SUB, "--json")).json
    monkeypatch.setenv("CROSSBAR_PASSWORD", NEW)
    return created


async def can_log_in(couch: Couch, account_id: str, username: str, password: str) -> bool:
    md5, sha1 = password_hashes(username, password)
    directory = Directory(couch)
    found = [await directory.users(account_id, Credentials(*each)) for each in ((md5, "md5"), (sha1, "sha"))]
    assert found[0] == found[1]
    return bool(found[0])


async def user_of(couch: Couch, ids: JsonObject) -> JsonObject:
    return await couch.open_doc(account_db(ids["account_id"]), ids["user_id"])


async def test_create_account_warns_of_password_argument(run: Run, empty_system: Couch) -> None:
    result = await run("create-account", *SUB, "sub-password", "--dry-run")
    assert result.code == 0
    assert result.err.startswith("Warning: a password on the command line")
    assert "--password-file" in result.err
    assert "sub-password" not in result.out + result.err


@pytest.mark.parametrize(
    "content", [b"from-a-file", b"from-a-file\n", b"from-a-file\r\n", b"\xef\xbb\xbffrom-a-file\n"]
)
async def test_create_account_reads_password_file(
    run: Run, empty_system: Couch, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    result = await run("create-account", *SUB, "--password-file", str(file))
    assert (result.code, result.err) == (0, "")
    account_id = result.out.splitlines()[0].split()[-1]
    assert await can_log_in(empty_system, account_id, "jane", "from-a-file")


async def test_create_account_keeps_blanks_of_password_file(run: Run, empty_system: Couch, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("  two words  \n")
    created = (await run("create-account", *SUB, "--password-file", str(file), "--json")).json
    assert await can_log_in(empty_system, created["account_id"], "jane", "  two words  ")


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"\xff\xfe\xfd\xfc\xfb\xfa", "UTF-8")])
async def test_create_account_names_unreadable_password_file(
    run: Run, empty_system: Couch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    result = await run("create-account", *SUB, "--password-file", str(file))
    assert result.code == 1
    assert str(file) in result.err
    assert said in result.err


async def test_create_account_reads_password_from_variable(
    run: Run, empty_system: Couch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSBAR_PASSWORD", NEW)
    result = await run("create-account", *SUB)
    assert (result.code, result.err) == (0, "")
    assert await can_log_in(empty_system, result.out.splitlines()[0].split()[-1], "jane", NEW)


async def test_create_account_without_terminal_names_ways_to_give_password(run: Run, empty_system: Couch) -> None:
    result = await run("create-account", *SUB)
    assert result.code == 2
    assert "--password-file" in result.err
    assert "CROSSBAR_PASSWORD" in result.err


async def test_create_account_refuses_password_given_twice(run: Run, empty_system: Couch) -> None:
    result = await run("create-account", *SUB, "sub-password", "--password-file", "-")
    assert result.code == 2
    assert "not both" in result.err


async def started(*words: str, stdin: int, stderr: int) -> asyncio.subprocess.Process:
    """The program as a process, without a controlling terminal: it asks on standard input."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossbar_appstore", *words),
        env=environment,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


async def test_set_password_reads_standard_input(couchdb_url: str, system: MasterCatalogue) -> None:
    words = ("set-password", MASTER.realm, "boss", "--password-file", "-", "--couchdb-url", couchdb_url)
    process = await started(*words, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate(f"{NEW}\n".encode())
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"password set  boss  ")
    assert await can_log_in(system.couch, system.account_id, "boss", NEW)
    assert not await can_log_in(system.couch, system.account_id, "boss", MASTER.password)


async def test_set_password_asks_without_echo(couchdb_url: str, system: MasterCatalogue) -> None:
    terminal, other = pty.openpty()

    def answer() -> None:
        # Echo is off while the program asks; the terminal shows what is typed before that.
        for _ in range(2):
            shown = b""
            while b":" not in shown:
                shown += os.read(terminal, 1000)
            os.write(terminal, f"{NEW}\n".encode())
            typed.append(shown)

    typed: list[bytes] = []
    words = ("set-password", MASTER.realm, "boss", "--couchdb-url", couchdb_url)
    process = await started(*words, stdin=other, stderr=other)
    os.close(other)
    try:
        await asyncio.to_thread(answer)
        assert await process.wait() == 0
    finally:
        os.close(terminal)
    assert b"Password" in typed[0]
    assert all(NEW.encode() not in shown for shown in typed)
    assert await can_log_in(system.couch, system.account_id, "boss", NEW)


async def test_set_password_ends_logins_and_keeps_the_rest(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    before = await user_of(system.couch, sub)
    await system.couch.save_doc(account_db(sub["account_id"]), {**before, "password": "plain", "note": 1})
    dry = await run("set-password", "Sub Ltd", "jane", "--dry-run")
    assert dry.out == f"would be password set  jane  {sub['user_id']}\n"
    assert await can_log_in(system.couch, sub["account_id"], "jane", "sub-password")
    result = await run("set-password", "Sub Ltd", "JANE", "--json")
    assert result.json == {
        "dry_run": False,
        "changed": True,
        "account_id": sub["account_id"],
        "user_id": sub["user_id"],
    }
    after = await user_of(system.couch, sub)
    assert after["pvt_signature_secret"] != before["pvt_signature_secret"]
    assert after["note"] == 1
    assert "password" not in after
    assert await can_log_in(system.couch, sub["account_id"], "jane", NEW)
    assert not await can_log_in(system.couch, sub["account_id"], "jane", "sub-password")
    changing = {"_rev", "pvt_md5_auth", "pvt_sha1_auth", "pvt_signature_secret", "pvt_modified", "note"}
    assert {key: value for key, value in after.items() if key not in changing} == {
        key: value for key, value in before.items() if key not in changing
    }


async def test_set_password_says_that_user_is_disabled(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    user = await user_of(system.couch, sub)
    await system.couch.save_doc(account_db(sub["account_id"]), {**user, "enabled": False})
    assert "the user is disabled" in (await run("set-password", sub["account_id"], sub["user_id"])).err


async def test_set_password_refuses_short_password_and_unnamed_user(
    run: Run, system: MasterCatalogue, sub: JsonObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = account_db(sub["account_id"])
    await system.couch.save_doc(database, {"_id": "a" * 32, "pvt_type": "user"})
    assert (await run("set-password", "Sub Ltd", "a" * 32, "--json")).json["refused"]["field"] == "username"
    monkeypatch.setenv("CROSSBAR_PASSWORD", "12345")
    short = await run("set-password", "Sub Ltd", "jane", "--json")
    assert (short.code, short.json["refused"]["rule"]) == (1, "minLength")
    assert await can_log_in(system.couch, sub["account_id"], "jane", "sub-password")


@pytest.mark.parametrize(
    "words",
    [
        ["set-password", "nobody", "jane"],
        ["set-password", "Sub Ltd", "nobody"],
        ["promote", "nobody"],
        ["api-key", "no"],
    ],
)
async def test_account_verbs_refuse_unknown_account_and_user(run: Run, sub: JsonObject, words: list[str]) -> None:
    result = await run(*words, "--json")
    assert result.code == 1
    assert repr(words[1 if words[1] != "Sub Ltd" else 2]) in result.err
    assert result.json["refused"]["message"] in result.err


async def test_demote_and_promote_change_level(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    before = await user_of(system.couch, sub)
    dry = await run("demote", "jane", "--dry-run")
    assert dry.out == f"would be demoted  jane  {sub['user_id']}\n"
    assert (await user_of(system.couch, sub))["_rev"] == before["_rev"]
    demoted = await run("demote", "jane")
    assert demoted.out == f"demoted  jane  {sub['user_id']}\n"
    assert "no enabled administrator any more" in demoted.err
    assert (await user_of(system.couch, sub))["priv_level"] == "user"
    assert (await run("demote", "jane")).out.startswith("unchanged  jane")
    promoted = await run("promote", sub["user_id"], "--json")
    assert promoted.json["changed"] is True
    after = await user_of(system.couch, sub)
    assert {**after, "_rev": "", "pvt_modified": 0} == {**before, "_rev": "", "pvt_modified": 0}


async def test_promote_refuses_name_in_several_accounts(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    other = (await run("create-account", "Other", "other.example.com", "jane", "--json")).json
    ambiguous = await run("promote", "jane")
    assert ambiguous.code == 1
    assert sub["account_id"] in ambiguous.err
    assert other["account_id"] in ambiguous.err
    chosen = await run("demote", "jane", "--account", "other.example.com", "--json")
    assert chosen.json["user_id"] == other["user_id"]
    assert (await user_of(system.couch, sub))["priv_level"] == "admin"


async def test_users_lists_users_of_account(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    database = account_db(sub["account_id"])
    await system.couch.save_doc(database, {"_id": "b" * 32, "pvt_type": "user", "username": "adam", "enabled": False})
    await system.couch.save_doc(
        database, {"_id": "c" * 32, "pvt_type": "user", "username": "gone", "pvt_deleted": True}
    )
    result = await run("users", "sub.example.com")
    assert [line.split()[:4] for line in result.out.splitlines()] == [
        ["USERNAME", "ID", "LEVEL", "ENABLED"],
        ["adam", "b" * 32, "user", "no"],
        ["jane", sub["user_id"], "admin", "yes"],
    ]
    design = await system.couch.open_doc(database, "_design/users")
    await system.couch.delete_doc(database, "_design/users", design["_rev"])
    listed = (await run("users", "sub.example.com", "--json")).json
    assert [user["username"] for user in listed["users"]] == ["adam", "jane"]
    assert all(key not in str(listed) for key in ("pvt_", "md5"))


async def test_accounts_lists_accounts_as_list_and_tree(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    first = (await run("create-account", "Alpha", "alpha.example.com", "u", "--json")).json
    below = sub["account_id"]
    document = await system.couch.open_doc("accounts", first["account_id"])
    tree = [system.account_id, below]
    await system.couch.save_doc("accounts", {**document, "pvt_tree": tree, "pvt_enabled": False})
    plain = await run("accounts")
    assert [line.split()[0] for line in plain.out.splitlines()] == ["NAME", "Alpha", "Master", "Sub"]
    shown = (await run("accounts", "--tree")).out.splitlines()[1:]
    assert [line[:10].rstrip() for line in shown] == ["Master Ltd", "  Sub Ltd", "    Alpha"]
    assert shown[0].endswith("yes      superduper admin")
    assert shown[2].split()[1:] == ["alpha.example.com", first["account_id"], "no"]
    listed = (await run("accounts", "--tree", "--json")).json["accounts"]
    assert [one["tree"] for one in listed] == [[], [system.account_id], tree]


async def test_accounts_of_empty_couchdb_are_none(run: Run, empty_system: Couch) -> None:
    assert (await run("accounts", "--json")).json == {"accounts": []}


async def test_api_key_shows_and_replaces_key_in_both_documents(
    run: Run, system: MasterCatalogue, sub: JsonObject
) -> None:
    account_id = sub["account_id"]
    before = await system.couch.open_doc(account_db(account_id), account_id)
    old = before["pvt_api_key"]
    assert (await run("api-key", "Sub Ltd")).out == f"{old}\n"
    assert (
        await run("api-key", "Sub Ltd", "--new", "--dry-run")
    ).out == f"would be replaced  API key of {account_id}\n"
    assert await Directory(system.couch).account_by_api_key(old) == account_id
    new = (await run("api-key", "Sub Ltd", "--new", "--json")).json["api_key"]
    assert len(new) == 64
    assert await Directory(system.couch).account_by_api_key(old) is None
    assert await Directory(system.couch).account_by_api_key(new) == account_id
    copies = [await system.couch.open_doc(each, account_id) for each in (account_db(account_id), "accounts")]
    assert [copy["pvt_api_key"] for copy in copies] == [new, new]
    # The tokens that the old key issued are signed with this.
    assert copies[0]["pvt_signature_secret"] == copies[1]["pvt_signature_secret"] != before["pvt_signature_secret"]


async def test_account_verbs_only_read_beside_kazoo(run: Run, system: MasterCatalogue, sub: JsonObject) -> None:
    await system.couch.create_database("system_data")
    before = await user_of(system.couch, sub)
    for words in (["accounts"], ["users", "Sub Ltd"], ["api-key", "Sub Ltd"]):
        assert (await run(*words)).code == 0
    for words in (
        ["set-password", "Sub Ltd", "jane"],
        ["promote", "jane"],
        ["demote", "jane"],
        ["api-key", "Sub Ltd", "--new"],
    ):
        result = await run(*words, "--json")
        assert (result.code, result.json["refused"]["rule"]) == (1, "alone")
        assert "KAZOO" in result.json["refused"]["message"]
    assert await user_of(system.couch, sub) == before
