"""The endpoints ``schemas`` and ``about``."""

from collections.abc import AsyncIterator

import pytest

import crossbar_appstore
from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family


@pytest.fixture
async def kazoos_schemas(system: System) -> AsyncIterator[None]:
    await system.couch.create_database("system_schemas")
    await system.couch.save_docs(
        "system_schemas",
        [
            {"_id": "users", "description": "KAZOO's"},
            {"_id": "vmboxes", "type": "object"},
            {"_id": "kapi.call", "type": "object"},
            {"_id": "_design/schemas", "views": {}},
        ],
    )
    yield
    await system.couch.delete_database("system_schemas")


async def test_schemas_get_is_public_and_sorted(service: Service) -> None:
    answer = await service.get("schemas")
    assert answer.status == 200
    assert answer.data == sorted(answer.data)
    assert {"accounts", "app", "apps_store", "users", "user_auth", "whitelabel"} <= set(answer.data)


async def test_schemas_get_one_shows_id_and_rules(service: Service) -> None:
    answer = await service.get("schemas/users")
    assert answer.status == 200
    assert answer.data["id"] == "users"
    assert "first_name" in answer.data["required"]


@pytest.mark.usefixtures("kazoos_schemas")
async def test_schemas_get_prefers_those_in_couchdb(service: Service) -> None:
    names = (await service.get("schemas")).data
    assert {"app", "vmboxes"} <= set(names)
    assert names.count("users") == 1
    assert not [name for name in names if name.startswith(("_", "kapi."))]
    assert "kapi.call" in (await service.get("schemas?internals=true")).data
    assert (await service.get("schemas/users")).data == {"id": "users", "description": "KAZOO's"}
    assert (await service.get("schemas/app")).data["id"] == "app"


@pytest.mark.parametrize("name", ["nothing", "..%2Fsetup", "_all_docs"])
async def test_schemas_get_unknown_schema_is_404(service: Service, name: str) -> None:
    answer = await service.get(f"schemas/{name}")
    assert (answer.status, answer.envelope["message"]) == (404, "bad_identifier")


async def test_schemas_get_below_an_account_follows_the_hierarchy(service: Service, family: Family) -> None:
    assert (await service.get(f"accounts/{family.sub.id}/schemas/app", family.sub)).status == 200
    assert (await service.get(f"accounts/{family.sub.id}/schemas/app")).status == 401


async def test_schemas_get_takes_nouns_as_names(service: Service) -> None:
    assert (await service.get("schemas/accounts")).data["id"] == "accounts"
    assert (await service.get("schemas/accounts/users")).status == 404


async def test_about_get_shows_the_release_to_authenticated_callers(service: Service, family: Family) -> None:
    answer = await service.get(f"accounts/{family.sub.id}/about", family.sub)
    assert answer.data["version"] == crossbar_appstore.__version__
    assert answer.data["used_memory"] > 1_000_000
    assert (await service.get("about", family.master)).status == 200
    assert (await service.get("about", family.sub)).status == 403
    assert (await service.get("about")).status == 401
    assert (await service.get("about/x", family.master)).status == 404
