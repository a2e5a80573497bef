"""The password of CouchDB is tried once at a time, and fewer times than CouchDB locks a user out after."""

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.datastore import credentials
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.credentials import PAUSES, TRY_SECONDS, Tries
from crossbar_appstore.datastore.errors import AccessDenied, DatastoreError, LockedOut, Misconfigured
from crossbar_appstore.datastore.store import Datastore

from .conftest import QUICK, NewDatabase, eventually
from .fault_proxy import FaultProxy, Passwords, Status

COUCHDB_THRESHOLD = 5
COUCHDB_WINDOW = 300.0
"""CouchDB's ``[chttpd_auth_lockout]``: ``threshold``, and ``max_lifetime`` in seconds."""


@pytest.fixture
def passwords(proxy: FaultProxy) -> Passwords:
    proxy.passwords = Passwords("kazoo", "right")
    return proxy.passwords


def client(proxy: FaultProxy, tries: Tries, password: str = "right") -> Couch:
    return Couch(proxy.url, user="kazoo", password=password, timeouts=QUICK, tries=tries)


@pytest.fixture
async def workers(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[list[Couch]]:
    """Two clients with the right password that share the tries through a file."""
    made = [client(proxy, Tries.in_file(tmp_path / "tries")) for _ in range(2)]
    yield made
    for each in made:
        await each.close()


async def outcomes(clients: list[Couch], database: str, each: int = 20) -> set[Any]:
    """What becomes of requests of all kinds that are made at the same time."""
    results = await asyncio.gather(
        *(couch.open_doc(database, "x") for couch in clients for _ in range(each)),
        *(couch.save_doc(database, {"_id": uuid.uuid4().hex}) for couch in clients),
        *(couch.open_attachment(database, "x", "icon.png") for couch in clients),
        *(couch.database_exists(database) for couch in clients),
        *(couch.feeds.changes_since(database, 0) for couch in clients),
        return_exceptions=True,
    )
    return {type(result) for result in results if isinstance(result, DatastoreError)} or {None}


@pytest.fixture
async def filled(couch: Couch, database: str) -> str:
    icon = {"icon.png": {"content_type": "image/png", "data": "AAAA"}}
    await couch.save_doc(database, {"_id": "x", "_attachments": icon})
    return database


# Sessions


async def test_client_sends_the_password_once_for_all_requests(
    workers: list[Couch], passwords: Passwords, filled: str
) -> None:
    assert await outcomes(workers, filled) == {None}
    assert await outcomes(workers, filled) == {None}
    assert (passwords.posts, passwords.most, passwords.with_password, passwords.wrong) == (2, 1, 0, 0)


async def test_client_signs_in_again_when_its_cookie_is_old_or_refused(
    workers: list[Couch], passwords: Passwords, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await outcomes(workers[:1], filled) == {None}
    monkeypatch.setattr(passwords, "_cookie", lambda: b"another")
    assert await outcomes(workers[:1], filled) == {None}
    assert (passwords.posts, passwords.with_password) == (2, 0)
    monkeypatch.setattr(credentials, "RENEW_SECONDS", 0.0)
    monkeypatch.setattr(passwords, "_cookie", lambda: b"a third")
    assert await outcomes(workers[:1], filled) == {None}
    before = passwords.posts
    assert await workers[0].database_exists(filled)
    assert passwords.posts == before + 1


@pytest.mark.parametrize(("sessions", "accepts_cookies"), [(False, True), (True, False)])
async def test_client_sends_the_password_with_each_request_where_cookies_are_useless(
    workers: list[Couch],
    proxy: FaultProxy,
    passwords: Passwords,
    filled: str,
    sessions: bool,
    accepts_cookies: bool,
) -> None:
    passwords.sessions, passwords.accepts_cookies = sessions, accepts_cookies
    assert await outcomes(workers, filled) == {None}
    posts, before, asked = passwords.posts, passwords.with_password, len(proxy.requests)
    assert await workers[0].database_exists(filled)
    assert len(proxy.requests) == asked + 1
    assert (passwords.posts, passwords.with_password, passwords.wrong) == (posts, before + 1, 0)


async def test_client_without_sessions_pauses_after_a_wrong_password(
    workers: list[Couch], passwords: Passwords, filled: str
) -> None:
    passwords.sessions = False
    assert await outcomes(workers, filled) == {None}
    passwords.password = "changed"
    with pytest.raises(Misconfigured):
        await workers[0].database_exists(filled)
    assert await outcomes(workers, filled) == {Misconfigured}
    assert passwords.wrong == 1


# Wrong passwords


async def test_workers_with_a_wrong_password_try_it_once(proxy: FaultProxy, passwords: Passwords, filled: str) -> None:
    tries = Tries.alone()
    async with client(proxy, tries, "wrong") as one, client(proxy, tries, "wrong") as two:
        for _ in range(3):
            assert await outcomes([one, two], filled) == {Misconfigured}
    assert (passwords.wrong, passwords.most) == (1, 1)


async def test_workers_whose_password_was_changed_try_the_old_one_once(
    workers: list[Couch], passwords: Passwords, filled: str
) -> None:
    assert await outcomes(workers, filled) == {None}
    passwords.password = "changed"
    for _ in range(3):
        assert await outcomes(workers, filled) == {Misconfigured}
    assert (passwords.wrong, passwords.with_password) == (1, 0)


async def test_workers_recover_when_the_password_is_right_again(
    workers: list[Couch], passwords: Passwords, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "PAUSES", (0.2, 0.2, 0.2))
    assert await outcomes(workers, filled) == {None}
    passwords.password = "changed"
    assert await outcomes(workers, filled) == {Misconfigured}
    await asyncio.sleep(0.25)
    assert await outcomes(workers, filled) == {Misconfigured}
    assert passwords.wrong == 2
    passwords.password = "right"

    async def recovered() -> bool:
        return await outcomes(workers, filled) == {None}

    await eventually(recovered)
    assert passwords.wrong == 2


async def test_datastores_with_feeds_and_probes_try_a_wrong_password_once_a_pause(
    proxy: FaultProxy, passwords: Passwords, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feeds, the catalogue, the question whether CouchDB is there, and requests with prefetching."""
    monkeypatch.setattr(credentials, "PAUSES", (0.5, 1.0, 60.0))
    couches = [client(proxy, Tries.in_file(tmp_path / "tries"), "wrong") for _ in range(2)]
    async with Datastore(couches[0]) as one, Datastore(couches[1]) as two:
        async with asyncio.timeout(20):
            while passwords.wrong < 3:
                for store in (one, two):
                    with pytest.raises(DatastoreError):
                        await store.open(filled, "x", prefetch=["y", "z"])
                    with pytest.raises(DatastoreError):
                        await store.catalogue.snapshot()
                await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)
        assert (passwords.wrong, passwords.most) == (3, 1)
        assert one.away
        assert two.away


async def test_client_asks_once_a_minute_while_the_user_is_locked_out(
    workers: list[Couch], passwords: Passwords, filled: str
) -> None:
    passwords.wrong = COUCHDB_THRESHOLD
    with pytest.raises(LockedOut, match="temporarily locked"):
        await workers[0].database_exists(filled)
    with pytest.raises(LockedOut, match=f"again in {credentials.LOCKED_PAUSE:.0f} s"):
        await workers[1].database_exists(filled)
    assert passwords.posts == 1


async def test_client_user_who_is_no_administrator_may_do_everything_else(
    workers: list[Couch], passwords: Passwords, proxy: FaultProxy, filled: str
) -> None:
    proxy.fail(Status(401, "You are not a server admin.", "unauthorized"), path="/_all_dbs")
    for _ in range(3):
        with pytest.raises(AccessDenied, match="You are not a server admin"):
            await workers[0].databases("account/")
        assert await workers[0].database_exists(filled)
    assert passwords.wrong == 0


# When to try


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(credentials, "time", made)
    yield made
    monkeypatch.undo()


async def test_tries_are_fewer_than_couchdb_allows_in_each_of_its_windows(clock: Clock) -> None:
    tries, made = Tries.alone(), []
    for second in range(3600):
        clock.now = 1000.0 + second
        try:
            tries.check()
        except Misconfigured:
            continue
        await tries.begin()
        tries.rejected(locked_out=False)
        made.append(clock.now)
    windows = [sum(1 for each in made if 0 <= each - first <= COUCHDB_WINDOW) for first in made]
    # Other programs of the same machine and user may make a mistake, too.
    assert max(windows) <= COUCHDB_THRESHOLD - 2
    assert made[:3] == [1000.0, 1000.0 + PAUSES[0], 1000.0 + PAUSES[0] + PAUSES[1]]
    assert len(made) > 3600 / (PAUSES[-1] + 1)


async def test_tries_begin_again_after_a_right_password(clock: Clock, tmp_path: Path) -> None:
    one, two = (Tries.in_file(tmp_path / "tries") for _ in range(2))
    for pause in PAUSES[:2]:
        await one.begin()
        one.rejected(locked_out=False)
        with pytest.raises(Misconfigured, match=f"in {pause:.0f} s"):
            await two.begin()
        clock.now += pause
    await two.begin()
    two.accepted()
    await one.begin()
    one.rejected(locked_out=False)
    with pytest.raises(Misconfigured, match=f"in {PAUSES[0]:.0f} s"):
        two.check()


async def test_tries_wait_for_the_one_that_is_running(tmp_path: Path) -> None:
    one, two = (Tries.in_file(tmp_path / "tries") for _ in range(2))
    await one.begin()
    waiting = asyncio.create_task(two.begin())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    one.end()
    await waiting
    two.rejected(locked_out=False)
    with pytest.raises(Misconfigured):
        await one.begin()


async def test_tries_do_not_wait_for_a_process_that_ended_or_a_clock_that_began_anew(clock: Clock) -> None:
    tries = Tries.alone()
    await tries.begin()
    clock.now += TRY_SECONDS
    await tries.begin()
    tries.rejected(locked_out=False)
    clock.now = 10.0  # as after a start of the machine
    await tries.begin()


# CouchDB itself


@pytest.fixture
async def lockable(couch: Couch) -> AsyncIterator[tuple[Couch, str]]:
    """An administrator of a CouchDB that locks users out, and the name of a user with the password "right"."""
    if "COUCHDB_URL" not in os.environ:
        pytest.skip("COUCHDB_URL names no Apache CouchDB")
    found = await couch.server()
    version = tuple(map(int, re.findall(r"\d+", found.version)[:2]))
    if "apache" not in found.vendor or version < (3, 4):
        pytest.skip(f"{found.vendor} {found.version} locks nobody out")
    name = f"user-{uuid.uuid4().hex}"
    await couch.create_database("_users")
    user = {"_id": f"org.couchdb.user:{name}", "type": "user", "name": name, "roles": []}
    saved = await couch.save_doc("_users", user | {"password": "right"})
    yield couch, name
    stored = await couch.open_doc("_users", saved["_id"])
    await couch.delete_doc("_users", stored["_id"], stored["_rev"])


async def test_couchdb_does_not_lock_out_the_user_of_workers_whose_password_was_changed(
    lockable: tuple[Couch, str], couchdb_url: str, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, name = lockable
    database = await new_database()
    monkeypatch.setattr(credentials, "PAUSES", (0.3, 0.3, 60.0))
    tries = Tries.alone()
    bare = re.sub(r"//.*@", "//", couchdb_url)

    def user(password: str, tries: Tries) -> Couch:
        return Couch(bare, user=name, password=password, tries=tries)

    async def allowed(couch: Couch) -> bool:
        # A known user without a right to the database is refused otherwise than an unknown one.
        with pytest.raises(DatastoreError) as refused:
            await couch.open_doc(database, "x")
        return isinstance(refused.value, AccessDenied)

    async with user("right", tries) as one, user("right", tries) as two:
        assert await allowed(one)
        assert await allowed(two)
        stored = await admin.open_doc("_users", f"org.couchdb.user:{name}")
        await admin.save_doc("_users", stored | {"password": "changed"})
        for _ in range(20):
            assert await outcomes([one, two], database) == {Misconfigured}
            await asyncio.sleep(0.1)
        async with user("changed", Tries.alone()) as other:
            assert await allowed(other)
