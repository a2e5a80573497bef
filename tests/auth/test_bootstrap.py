"""Creating the key and the secrets of a standalone system."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crossbar_appstore.auth import bootstrap, keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DatabaseMissing
from crossbar_appstore.json_codec import JsonObject
from tests.kit.system import open_couch


@pytest.fixture
async def couch(kit_couchdb_url: str) -> AsyncIterator[Couch]:
    async with open_couch(kit_couchdb_url) as opened:
        yield opened


@pytest.fixture
async def system(couch: Couch, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The prefix of system databases of the test's own."""
    tag = f"x{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(bootstrap, "SYSTEM_CONFIG", f"{tag}_config")
    monkeypatch.setattr(bootstrap, "SYSTEM_AUTH", f"{tag}_auth")
    yield tag
    for database in (f"{tag}_config", f"{tag}_auth"):
        try:
            await couch.delete_database(database)
        except DatabaseMissing:
            continue


async def settings(couch: Couch, system: str, category: str) -> JsonObject:
    section: JsonObject = (await couch.open_doc(f"{system}_config", category))["default"]
    return section


async def test_ensure_system_auth_creates_key_secret_and_cluster_id(couch: Couch, system: str) -> None:
    key_id = await bootstrap.ensure_system_auth(couch)
    auth = await settings(couch, system, "auth")
    assert auth["system_key"] == key_id
    assert len(auth["secret_for_user_signature"]) == 32
    assert len((await settings(couch, system, "cluster"))["cluster_id"]) == 32
    document = await couch.open_doc(f"{system}_auth", key_id)
    assert document["pvt_type"] == "system_key"
    assert document["_rev"].startswith("1-")
    pem = await couch.open_attachment(f"{system}_auth", key_id, "private_key.pem")
    assert pem.content_type == "application/x-pem-file"
    key = keys.from_pem(pem.body)
    assert key is not None
    assert key.public_key().public_numbers().e == 2049


async def test_ensure_system_auth_changes_nothing_that_exists(couch: Couch, system: str) -> None:
    key_id = await bootstrap.ensure_system_auth(couch)
    before = [
        await couch.open_doc(f"{system}_config", "auth"),
        await couch.open_doc(f"{system}_config", "cluster"),
        await couch.open_doc(f"{system}_auth", key_id),
    ]
    assert await bootstrap.ensure_system_auth(couch) == key_id
    assert before == [
        await couch.open_doc(f"{system}_config", "auth"),
        await couch.open_doc(f"{system}_config", "cluster"),
        await couch.open_doc(f"{system}_auth", key_id),
    ]


async def test_ensure_system_auth_adds_what_is_missing(couch: Couch, system: str) -> None:
    await couch.create_database(f"{system}_config")
    await couch.create_database(f"{system}_auth")
    await couch.save_doc(f"{system}_config", {"_id": "auth", "default": {"system_key": "k1", "other": 1}})
    await couch.save_doc(f"{system}_auth", {"_id": "k1", "note": "kept"})
    assert await bootstrap.ensure_system_auth(couch) == "k1"
    auth = await settings(couch, system, "auth")
    assert (auth["system_key"], auth["other"]) == ("k1", 1)
    assert auth["secret_for_user_signature"]
    document = await couch.open_doc(f"{system}_auth", "k1")
    assert document["note"] == "kept"
    assert list(document["_attachments"]) == ["private_key.pem"]


async def test_ensure_system_auth_twice_at_the_same_time_creates_one_key(couch: Couch, system: str) -> None:
    first, second = await asyncio.gather(bootstrap.ensure_system_auth(couch), bootstrap.ensure_system_auth(couch))
    assert first == second
    assert (await settings(couch, system, "auth"))["system_key"] == first
    assert (await couch.open_doc(f"{system}_auth", first))["_rev"].startswith("1-")


async def test_ensure_config_raises_after_five_conflicts(
    couch: Couch, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await couch.create_database(f"{system}_config")
    attempts = []

    async def conflicting(database: str, doc: JsonObject) -> Any:
        attempts.append(doc)
        raise Conflict(database, doc["_id"])

    monkeypatch.setattr(couch, "save_doc", conflicting)
    with pytest.raises(Conflict):
        await bootstrap.ensure_config(couch, "auth", {"a": 1})
    assert len(attempts) == 5


async def test_ensure_system_auth_keeps_a_key_that_was_created_meanwhile(
    couch: Couch, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = couch.save_doc

    async def slower(database: str, doc: JsonObject) -> JsonObject:
        if database.endswith("_auth"):
            await save(database, {"_id": doc["_id"], "whose": "theirs"})
        return await save(database, doc)

    monkeypatch.setattr(couch, "save_doc", slower)
    key_id = await bootstrap.ensure_system_auth(couch)
    assert (await couch.open_doc(f"{system}_auth", key_id))["whose"] == "theirs"
