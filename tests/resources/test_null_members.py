"""A null member of a request counts as not given, on every route that writes (Go clients write unset members so)."""

from typing import Any

import pytest

from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family


async def stored(system: System, database: str, doc_id: str) -> Any:
    return await system.couch.open_doc(database, doc_id)


async def test_users_put_and_post_take_null_for_what_is_not_given(
    system: System, service: Service, family: Family
) -> None:
    names = {"first_name": "Ada", "last_name": "L"}
    unset = {"email": None, "enabled": None, "timezone": None, "username": None, "password": None, "flags": None}
    nested = {"call_forward": {"number": None, "keep_caller_id": None}, "ui_metadata": {"ui": None}}
    created = await service.put(f"accounts/{family.sub.id}/users", family.sub, {**names, **unset, **nested})
    assert created.status == 201, created.raw
    document = await stored(system, family.sub.database, created.data["id"])
    assert not unset.keys() - {"enabled"} & document.keys()
    assert (document["enabled"], document["ui_metadata"]) == (True, {})
    assert not {"number", "keep_caller_id"} & {key for key, value in document["call_forward"].items() if value is None}

    path = f"accounts/{family.sub.id}/users/{created.data['id']}"
    changed = await service.post(path, family.sub, {**names, "email": "ada@example.org", "priv_level": "admin"})
    assert (changed.data["email"], changed.data["priv_level"]) == ("ada@example.org", "admin")
    again = await service.post(path, family.sub, {**names, "email": None, "priv_level": None})
    assert again.status == 200, again.raw
    assert ("email" in again.data, again.data["priv_level"]) == (False, "user")
    required = await service.post(path, family.sub, {**names, "last_name": None})
    assert (required.status, list(required.data["last_name"])) == (400, ["required"])


async def test_users_post_of_a_plain_user_keeps_reserved_fields_that_are_null(
    system: System, service: Service, family: Family
) -> None:
    user = await system.user(family.sub, priv_level="user", flags=["x"])
    path = f"accounts/{family.sub.id}/users/{user.id}"
    sent = {"first_name": "A", "last_name": "B", "username": user.name, "flags": None, "priv_level": None}
    answer = await service.post(path, user, sent)
    assert answer.status == 200, answer.raw
    assert (answer.data["flags"], answer.data["priv_level"]) == (["x"], "user")


async def test_users_patch_removes_what_is_null(service: Service, family: Family) -> None:
    path = f"accounts/{family.sub.id}/users/{family.sub.user.id}"
    assert (await service.patch(path, family.sub, {"email": "a@example.org"})).data["email"] == "a@example.org"
    assert "email" not in (await service.patch(path, family.sub, {"email": None})).data


async def test_accounts_put_and_post_take_null_for_what_is_not_given(
    system: System, service: Service, family: Family
) -> None:
    unset = {"realm": None, "timezone": None, "org": None, "enabled": None, "call_restriction": None}
    created = await family.create_account(family.reseller, f"Null {family.tag}", **unset)
    assert created.status == 201, created.raw
    account_id = created.data["id"]
    document = await stored(system, "accounts", account_id)
    assert (document["pvt_enabled"], "org" in document, bool(document["realm"])) == (True, False, True)
    sent = {"name": document["name"], "realm": None, "timezone": None, "enabled": None, "caller_id": {"x": None}}
    answer = await service.post(f"accounts/{account_id}", family.reseller, sent)
    assert answer.status == 200, answer.raw
    assert (answer.data["realm"], answer.data["timezone"]) == (document["realm"], document["timezone"])
    for database in (f"account/{account_id[:2]}/{account_id[2:4]}/{account_id[4:]}", "accounts"):
        after = await stored(system, database, account_id)
        assert (after["pvt_enabled"], after["caller_id"]) == (True, {})


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_whitelabel_put_and_post_take_null_for_what_is_not_given(
    system: System, service: Service, family: Family, method: str
) -> None:
    path = f"accounts/{family.sub.id}/whitelabel"
    if method == "POST":
        await service.put(path, family.sub, {"domain": f"ui.{family.tag}.test", "company_name": "Acme"})
    sent = {"domain": None, "company_name": None, "hide_credits": None, "nav": {"help": None}, "port": None}
    answer = await service.call(method, path, family.sub, sent)
    wanted = {"hide_credits": False, "hide_powered": False, "hide_registration": False, "nav": {}}
    assert answer.data == {"id": "whitelabel", **wanted}
    document = await stored(system, family.sub.database, "whitelabel")
    assert wanted.items() <= document.items()
    assert not {"domain", "company_name", "port"} & document.keys()
    assert "pvt_whitelabel_domain" not in await stored(system, "accounts", family.sub.id)
