from collections.abc import AsyncIterator

import pytest

import crossbar_appstore
from crossbar_appstore.datastore.couch import Couch
from tests.resources.companion.api import Api
from tests.resources.companion.world import World


@pytest.fixture
async def kazoos_schemas(couch: Couch) -> AsyncIterator[None]:
    await couch.create_database("system_schemas")
    await couch.save_docs(
        "system_schemas",
        [
            {"_id": "users", "description": "KAZOO's"},
            {"_id": "vmboxes", "type": "object"},
            {"_id": "kapi.call", "type": "object"},
            {"_id": "_design/schemas", "views": {}},
        ],
    )
    yield
    await couch.delete_database("system_schemas")


async def test_schemas_are_public_and_sorted(api: Api) -> None:
    answer = await api.get("schemas")
    assert answer.status == 200
    assert answer.data == sorted(answer.data)
    assert {"accounts", "app", "apps_store", "users", "user_auth", "whitelabel"} <= set(answer.data)


async def test_a_schema_says_whose_it_is(api: Api) -> None:
    answer = await api.get("schemas/users")
    assert answer.status == 200
    assert answer.data["id"] == "users"
    assert "first_name" in answer.data["required"]


@pytest.mark.usefixtures("kazoos_schemas")
async def test_kazoos_schemas_come_first(api: Api) -> None:
    names = (await api.get("schemas")).data
    assert {"app", "vmboxes"} <= set(names)
    assert names.count("users") == 1
    assert not [name for name in names if name.startswith(("_", "kapi."))]
    assert "kapi.call" in (await api.get("schemas?internals=true")).data
    assert (await api.get("schemas/users")).data == {"id": "users", "description": "KAZOO's"}
    assert (await api.get("schemas/app")).data["id"] == "app"


@pytest.mark.parametrize("name", ["nothing", "..%2Fsetup", "_all_docs"])
async def test_an_unknown_schema_is_not_found(api: Api, name: str) -> None:
    answer = await api.get(f"schemas/{name}")
    assert (answer.status, answer.body["message"]) == (404, "bad_identifier")


async def test_schemas_below_an_account_follow_the_hierarchy(api: Api, world: World) -> None:
    assert (await api.get(f"accounts/{world.sub.id}/schemas/app", world.sub)).status == 200
    assert (await api.get(f"accounts/{world.sub.id}/schemas/app")).status == 401


async def test_a_schema_swallows_what_follows(api: Api) -> None:
    assert (await api.get("schemas/accounts")).data["id"] == "accounts"
    assert (await api.get("schemas/accounts/users")).status == 404


async def test_about_tells_the_release_to_those_who_are_known(api: Api, world: World) -> None:
    answer = await api.get(f"accounts/{world.sub.id}/about", world.sub)
    assert answer.data["version"] == crossbar_appstore.__version__
    assert answer.data["used_memory"] > 1_000_000
    assert (await api.get("about", world.master)).status == 200
    assert (await api.get("about", world.sub)).status == 403
    assert (await api.get("about")).status == 401
    assert (await api.get("about/x", world.master)).status == 404
