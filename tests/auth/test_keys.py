"""The key ring over key documents."""

import pytest

from crossbar_appstore.datastore.errors import Unreachable
from crossbar_appstore.json_codec import JsonObject
from tests.auth.world import Rooms, World


async def test_a_key_is_read_once(world: World) -> None:
    rooms = Rooms(world)
    key = await rooms.keys.private(world.key_id)
    asked = rooms.store.counters.requests
    assert key is not None
    assert await rooms.keys.private(world.key_id) is key
    assert rooms.store.counters.requests == asked


async def test_a_changed_document_is_read_again(world: World) -> None:
    rooms = Rooms(world)
    first = await rooms.keys.public(world.key_id)
    await world.put("system_auth", world.key_document() | {"note": "touched"})
    second = await rooms.keys.public(world.key_id)
    assert first is not None
    assert second is not None
    assert second is not first
    assert second.public_numbers() == first.public_numbers()


async def test_documents_without_a_usable_key_have_none(world: World) -> None:
    rooms = Rooms(world)
    names = ["bare", "garbage", "misnamed"]
    attachments = [None, {"private_key.pem": "Z2FyYmFnZQ=="}, {"other.pem": "Z2FyYmFnZQ=="}]
    for name, files in zip(names, attachments, strict=True):
        document: JsonObject = {"_id": f"{world.tag}-{name}", "pvt_type": "system_key"}
        if files is not None:
            document |= {
                "_attachments": {file: {"content_type": "text/plain", "data": data} for file, data in files.items()}
            }
        await world.put("system_auth", document)
    try:
        assert [await rooms.keys.private(f"{world.tag}-{name}") for name in names] == [None] * 3
    finally:
        for name in names:
            await world.remove("system_auth", f"{world.tag}-{name}")


@pytest.mark.parametrize("key_id", ["", "_all_docs", "_design/x", "a/b", "../x", "x" * 200, "missing"])
async def test_ids_that_no_key_has(world: World, key_id: str) -> None:
    assert await Rooms(world).keys.public(key_id) is None


async def test_a_key_that_cannot_be_read_again_stays_what_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = Rooms(world)
    key = await rooms.keys.public(world.key_id)
    await world.put("system_auth", world.key_document() | {"note": "touched"})

    async def away(*args: object) -> None:
        raise Unreachable("gone")

    monkeypatch.setattr(rooms.store.couch, "open_attachment", away)
    assert await rooms.keys.public(world.key_id) is key
    with pytest.raises(Unreachable):
        await Rooms(world).keys.public(world.key_id)


async def test_only_so_many_keys_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbar_appstore.auth.keys._KEPT", 0)
    rooms = Rooms(world)
    assert await rooms.keys.public(world.key_id) is not await rooms.keys.public(world.key_id)
