"""The endpoint ``users``, and users and devices in front of other endpoints."""

import asyncio
import base64
from typing import Any
from urllib.parse import quote

import pytest

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.resources.users import Users
from tests.kit.accounts import PASSWORD, Account, User
from tests.kit.fixtures import NewService
from tests.kit.outside import ask
from tests.kit.service import Caller, Service
from tests.kit.system import System
from tests.resources.family import Family

NEW: JsonObject = {"first_name": "Ada", "last_name": "Lovelace", "username": "Ada", "password": "countess"}


def users_of(account: Account) -> str:
    return f"accounts/{account.id}/users"


def path_of(user: User) -> str:
    return f"accounts/{user.account.id}/users/{user.id}"


async def stored(system: System, account: Account, user_id: str) -> JsonObject:
    return await system.couch.open_doc(account.database, user_id)


async def login(service: Service, account: Account, username: str, password: str) -> int:
    md5, _ = password_hashes(username.lower(), password)
    credentials = {"credentials": md5, "account_realm": account.document["realm"]}
    return (await service.put("user_auth", None, credentials)).status


async def test_users_get_list_is_sorted_by_last_name(service: Service, family: Family) -> None:
    for last_name in ("Zuse", "Babbage", "Abel"):
        await service.put(users_of(family.sub), family.sub, {"first_name": "A", "last_name": last_name})
    answer = await service.get(f"{users_of(family.sub)}?filter_first_name=A", family.sub)
    assert [each["last_name"] for each in answer.data] == ["Abel", "Babbage", "Zuse"]


async def test_users_get_list_has_the_fields_of_kazoos_view(service: Service, family: Family) -> None:
    answer = await service.get(users_of(family.sub), family.sub)
    assert answer.status == 200
    assert {each["username"] for each in answer.data} == {family.sub.admin.name, family.sub.user.name}
    assert all({"id", "features", "priv_level", "flags"} <= set(each) for each in answer.data)
    assert answer.envelope["revision"] == "automatic"
    assert answer.envelope["page_size"] == 2
    assert "start_key" not in answer.envelope
    assert "next_start_key" not in answer.envelope


async def test_users_get_list_as_csv(service: Service, family: Family) -> None:
    answer = await service.get(f"{users_of(family.sub)}?paginate=false", family.sub, headers={"Accept": "text/csv"})
    assert answer.headers["Content-Type"].startswith("text/csv")
    head, *rows = answer.raw.decode().splitlines()
    assert '"username"' in head
    assert len(rows) == 2


async def test_users_get_list_same_result_without_a_view(service: Service, family: Family, system: System) -> None:
    await service.put(
        users_of(family.sub),
        family.sub,
        {
            **NEW,
            "caller_id": {"external": {"number": "1"}},
            "call_forward": {"failover": True},
            "smartpbx": {"faxing": {"enabled": True}, "x": {"enabled": False}},
            "music_on_hold": {"media_id": "m"},
            "do_not_disturb": {"enabled": True},
            "hotdesk": {"enabled": True, "id": "7"},
            "service": {"plans": {}},
        },
    )
    with_view = await service.get(users_of(family.sub), family.sub)
    design = await system.couch.open_doc(family.sub.database, "_design/users")
    await system.couch.delete_doc(family.sub.database, "_design/users", design["_rev"])
    await service.put(users_of(family.sub), family.sub, {"first_name": "x", "last_name": "x"})
    without = await service.get(f"{users_of(family.sub)}?filter_not_first_name=x", family.sub)
    assert sorted(without.data, key=str) == sorted(with_view.data, key=str)
    features = {each["username"]: each["features"] for each in without.data}
    assert features["ada"] == [
        "faxing", "hotdesk", "call_forward_failover", "caller_id", "vm_to_email", "music_on_hold", "do_not_disturb"
    ]  # fmt: skip


async def test_users_get_list_returns_pages(service: Service, family: Family) -> None:
    for number in range(5):
        await service.put(users_of(family.sub), family.sub, {"first_name": "x", "last_name": f"name{number}"})
    seen: list[str] = []
    start = ""
    for size in (3, 3, 1):
        answer = await service.get(f"{users_of(family.sub)}?page_size=3{start}", family.sub)
        assert answer.envelope["page_size"] == len(answer.data) == size
        assert ("start_key" in answer.envelope) is bool(start)
        seen += [each["id"] for each in answer.data]
        start = f"&start_key={answer.envelope.get('next_start_key')}"
    assert len(seen) == len(set(seen)) == 7
    assert start == "&start_key=None"


async def test_users_get_list_next_start_key_is_accepted(service: Service, family: Family) -> None:
    first = await service.get(f"{users_of(family.sub)}?page_size=1", family.sub)
    token = first.envelope["next_start_key"]
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert raw[:2] == bytes([131, 109])
    second = await service.get(f"{users_of(family.sub)}?page_size=1&start_key={token}", family.sub)
    assert second.envelope["start_key"] == token
    assert second.data[0]["id"] != first.data[0]["id"]


async def test_users_get_list_page_has_50_entries(service: Service, system: System, family: Family) -> None:
    users = [{"_id": f"u{n}", "pvt_type": "user", "first_name": f"{n:03}", "last_name": "x"} for n in range(60)]
    await system.couch.save_docs(family.sub.database, users)
    assert len((await service.get(users_of(family.sub), family.sub)).data) == 50
    assert len((await service.get(f"{users_of(family.sub)}?page_size=0", family.sub)).data) == 50
    assert len((await service.get(f"{users_of(family.sub)}?page_size=many", family.sub)).data) == 50


async def test_users_get_list_page_size_is_configurable(service: Service, system: System, family: Family) -> None:
    await system.config("crossbar", pagination_page_size=1)
    assert len((await service.get(users_of(family.sub), family.sub)).data) == 1


async def test_users_get_list_without_pagination_shows_everything(
    service: Service, system: System, family: Family
) -> None:
    users = [{"_id": f"u{n}", "pvt_type": "user", "first_name": f"{n}", "last_name": "x"} for n in range(60)]
    await system.couch.save_docs(family.sub.database, users)
    answer = await service.get(f"{users_of(family.sub)}?paginate=false&start_key=x&page_size=5", family.sub)
    assert len(answer.data) > 60 - 1
    assert not {"page_size", "start_key", "next_start_key"} & set(answer.envelope)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter_priv_level=admin", {"admin"}),
        ("filter_not_priv_level=admin", {"user"}),
        ('filter_username=["{user}","x"]', {"user"}),
        ("has_key=username", {"admin", "user"}),
        ("key_missing=username", set()),
        ("value_missing=nothing", {"admin", "user"}),
        ("has_value=nothing", set()),
        ("created_from=1", {"admin", "user"}),
        ("modified_to=1", set()),
        ("created_to=never", set()),
        ("filter_pvt_md5_auth=x", set()),
        ("unknown=1&_=1700000000000", {"admin", "user"}),
    ],
)
async def test_users_get_list_filters(service: Service, family: Family, query: str, expected: set[str]) -> None:
    query = quote(query.replace("{user}", family.sub.user.name), safe="=&")
    answer = await service.get(f"{users_of(family.sub)}?{query}", family.sub)
    names = {"admin": family.sub.admin.name, "user": family.sub.user.name}
    assert {each["username"] for each in answer.data} == {names[level] for level in expected}


async def test_users_get_list_cannot_be_filtered_by_a_hash(service: Service, family: Family) -> None:
    known = family.sub.admin.document["pvt_md5_auth"]
    assert (await service.get(f"{users_of(family.sub)}?filter_pvt_md5_auth={known}", family.sub)).data == []


async def test_users_get_list_answers_304(service: Service, family: Family) -> None:
    first = await service.get(users_of(family.sub), family.sub)
    again = await service.get(users_of(family.sub), family.sub, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304


async def test_users_get_shows_revision_and_no_private_fields(system: System, service: Service, family: Family) -> None:
    answer = await service.get(path_of(family.sub.admin), family.sub)
    document = await stored(system, family.sub, family.sub.admin.id)
    assert answer.data["username"] == family.sub.admin.name
    assert answer.data["id"] == document["_id"]
    assert answer.envelope["revision"] == document["_rev"]
    assert answer.headers["ETag"] == f'"{document["_rev"]}"'
    assert not [key for key in answer.data if key.startswith(("pvt_", "_"))]


async def test_users_get_hides_passwords_stored_in_plain_text(service: Service, system: System, family: Family) -> None:
    user = {"_id": "old", "pvt_type": "user", "first_name": "a", "last_name": "b", "password": "open"}
    await system.couch.save_doc(family.sub.database, user)
    answer = await service.get(f"{users_of(family.sub)}/old", family.sub)
    assert b"open" not in answer.raw


@pytest.mark.parametrize("doc_id", ["nobody", "an-app", "untyped", "_design%2Fusers"])
async def test_users_get_and_post_of_other_documents_are_404(
    service: Service, system: System, family: Family, doc_id: str
) -> None:
    await system.couch.save_doc(family.sub.database, {"_id": "an-app", "pvt_type": "app"})
    await system.couch.save_doc(family.sub.database, {"_id": "untyped", "blacklist": ["x"]})
    person = {"first_name": "a", "last_name": "b"}
    assert (await service.post(f"{users_of(family.sub)}/{doc_id}", family.sub, person)).status == 404
    answer = await service.get(f"{users_of(family.sub)}/{doc_id}", family.sub)
    assert answer.status == 404
    assert answer.envelope["message"] == "bad_identifier"
    assert answer.data["message"] == "bad identifier"
    assert answer.data["cause"] == doc_id.replace("%2F", "/")


async def test_users_get_allows_only_the_account_and_its_ancestors(service: Service, family: Family) -> None:
    for account in (family.master, family.reseller, family.sub):
        assert (await service.get(path_of(family.sub.admin), account)).status == 200
    assert (await service.get(path_of(family.sub.admin), family.other)).status == 403
    assert (await service.get(path_of(family.reseller.admin), family.sub)).status == 403
    assert (await service.get(path_of(family.sub.admin))).status == 401


async def test_users_get_without_account_is_a_validation_error(service: Service, family: Family) -> None:
    answer = await service.get("users", family.master)
    assert answer.status == 400
    assert "required" in answer.data["account_id"]


async def test_users_get_photo_is_404(service: Service, family: Family) -> None:
    assert (await service.get(f"{path_of(family.sub.admin)}/photo", family.sub)).status == 404


async def test_resource_exists_checks_user_and_device_in_the_path(
    service: Service, system: System, family: Family
) -> None:
    for noun in ("users", "devices"):
        answer = await service.get(f"accounts/{family.sub.id}/{noun}/nobody/whitelabel", family.sub)
        assert answer.status == 404
        assert answer.data == {"cause": "nobody", "message": "bad identifier"}
    await system.couch.save_doc(family.sub.database, {"_id": "phone", "pvt_type": "device"})
    for path in (path_of(family.sub.admin), f"accounts/{family.sub.id}/devices/phone"):
        answer = await service.get(f"{path}/whitelabel", family.sub)
        assert answer.data["cause"] == "whitelabel"


async def test_resource_exists_refuses_deleted_user(service: Service, system: System, family: Family) -> None:
    await system.couch.save_doc(family.sub.database, {"_id": "gone", "pvt_type": "user", "pvt_deleted": True})
    answer = await service.get(f"{users_of(family.sub)}/gone/whitelabel", family.sub)
    assert answer.data == {"cause": "gone", "message": "bad identifier"}


async def test_resource_exists_refuses_user_without_account(service: Service, family: Family) -> None:
    user_id = family.master.admin.id
    answer = await service.get(f"users/{user_id}/about", family.master)
    assert answer.status == 404
    assert answer.data == {"cause": user_id, "message": "bad identifier"}


async def test_resource_exists_ignores_users_without_id(service: Service, family: Family) -> None:
    answer = await service.get(f"accounts/{family.sub.id}/users/about", family.sub)
    assert answer.status == 200


async def test_devices_get_is_404(service: Service, family: Family) -> None:
    assert (await service.get(f"accounts/{family.sub.id}/devices", family.sub)).status == 404


async def test_users_put_new_user_can_log_in(system: System, service: Service, family: Family) -> None:
    answer = await service.put(users_of(family.sub), family.sub, NEW)
    assert answer.status == 201
    user_id = answer.data["id"]
    assert answer.headers["Location"] == f"/v2/{users_of(family.sub)}/{user_id}"
    assert answer.data["username"] == "ada"
    assert answer.data["priv_level"] == "user"
    assert "password" not in answer.data
    document = await stored(system, family.sub, user_id)
    md5, sha1 = password_hashes("ada", "countess")
    assert (document["pvt_md5_auth"], document["pvt_sha1_auth"]) == (md5, sha1)
    assert document["_rev"] == answer.envelope["revision"]
    assert document["pvt_type"] == "user"
    assert document["pvt_account_id"] == family.sub.id
    assert document["pvt_account_db"].startswith("account%2F")
    assert document["pvt_auth_user_id"] == family.sub.admin.id
    assert "password" not in document
    assert await login(service, family.sub, "ADA", "countess") == 201


async def test_users_put_works_without_credentials(system: System, service: Service, family: Family) -> None:
    answer = await service.put(users_of(family.sub), family.sub, {"first_name": "a", "last_name": "b"})
    document = await stored(system, family.sub, answer.data["id"])
    assert "pvt_md5_auth" not in document
    assert "username" not in document
    assert document["pvt_signature_secret"]


async def test_users_put_password_without_username_generates_one(service: Service, family: Family) -> None:
    fields = {"first_name": "a", "last_name": "b", "password": "x"}
    answer = await service.put(users_of(family.sub), family.sub, fields)
    assert answer.data["username"].startswith("user_")
    assert await login(service, family.sub, answer.data["username"], "x") == 201


async def test_users_put_username_requires_a_password(service: Service, family: Family) -> None:
    fields = {"first_name": "a", "last_name": "b", "username": "c"}
    answer = await service.put(users_of(family.sub), family.sub, fields)
    assert answer.status == 400
    assert answer.data["password"]["required"]["cause"] == "c"


async def test_users_put_requires_names(service: Service, family: Family) -> None:
    answer = await service.put(users_of(family.sub), family.sub, {"priv_level": "root"})
    assert answer.status == 400
    assert {path: list(rules) for path, rules in answer.data.items()} == {
        "first_name": ["required"],
        "last_name": ["required"],
        "priv_level": ["enum"],
    }


async def test_users_put_refuses_data_that_is_no_object(service: Service, family: Family) -> None:
    answer = await service.put(users_of(family.sub), family.sub, [NEW])
    assert answer.status == 400
    assert answer.data["data"]["type"]["target"] == "object"


async def test_users_put_drops_private_fields(system: System, service: Service, family: Family) -> None:
    fields = {
        **NEW,
        "pvt_superduper_admin": True,
        "pvt_account_id": "x",
        "_id": "mine",
        "id": "mine",
        "_rev": "1-x",
    }
    answer = await service.put(users_of(family.sub), family.sub, fields)
    document = await stored(system, family.sub, answer.data["id"])
    assert answer.data["id"] != "mine"
    assert "pvt_superduper_admin" not in document
    assert document["pvt_account_id"] == family.sub.id


async def test_users_put_refuses_taken_username(service: Service, family: Family) -> None:
    answer = await service.put(users_of(family.sub), family.sub, {**NEW, "username": family.sub.user.name.upper()})
    assert answer.status == 400
    assert answer.data == {
        "username": {"unique": {"message": "Username must be unique within account", "cause": family.sub.user.name}}
    }


async def test_users_put_refuses_taken_username_without_a_view(
    service: Service, family: Family, system: System
) -> None:
    design = await system.couch.open_doc(family.sub.database, "_design/users")
    await system.couch.delete_doc(family.sub.database, "_design/users", design["_rev"])
    answer = await service.put(users_of(family.sub), family.sub, {**NEW, "username": family.sub.user.name})
    assert "unique" in answer.data["username"]


async def test_users_put_allows_username_of_a_deleted_user(service: Service, family: Family) -> None:
    await service.delete(path_of(family.sub.user), family.sub)
    answer = await service.put(users_of(family.sub), family.sub, {**NEW, "username": family.sub.user.name})
    assert answer.status == 201


async def test_users_put_refuses_taken_hotdesk_id(service: Service, family: Family) -> None:
    hotdesk = {"hotdesk": {"id": "1234"}}
    first = await service.put(users_of(family.sub), family.sub, {"first_name": "a", "last_name": "b", **hotdesk})
    assert first.status == 201
    second = await service.put(users_of(family.sub), family.sub, {"first_name": "c", "last_name": "d", **hotdesk})
    assert second.data["hotdesk.id"]["unique"]["cause"] == "1234"


async def test_users_put_call_forward_requires_a_number(service: Service, family: Family) -> None:
    fields = {"first_name": "a", "last_name": "b", "call_forward": {"enabled": True}}
    answer = await service.put(users_of(family.sub), family.sub, fields)
    assert "required" in answer.data["call_forward.number"]


async def test_users_put_concurrent_requests_get_unique_usernames(service: Service, family: Family) -> None:
    answers = await asyncio.gather(*(service.put(users_of(family.sub), family.sub, NEW) for _ in range(4)))
    assert {answer.status for answer in answers} <= {201, 400}
    listed = await service.get(f"{users_of(family.sub)}?filter_username=ada", family.sub)
    assert len(listed.data) == sum(answer.status == 201 for answer in answers) <= 1


async def test_users_post_replaces_public_fields_and_keeps_private_ones(
    service: Service, system: System, family: Family
) -> None:
    user_id = family.sub.user.id
    await system.change_user(family.sub.user, pvt_note="kept", title="gone")
    before = await stored(system, family.sub, user_id)
    fields = {
        "first_name": "New",
        "last_name": "Name",
        "username": family.sub.user.name,
        "ui_metadata": {"ui": "monster-ui"},
    }
    answer = await service.post(path_of(family.sub.user), family.sub, fields)
    after = await stored(system, family.sub, user_id)
    assert answer.status == 200
    assert answer.envelope["revision"] == after["_rev"] != before["_rev"]
    assert after["first_name"] == "New"
    assert "title" not in after
    kept = ("pvt_note", "pvt_md5_auth", "pvt_sha1_auth", "pvt_signature_secret", "pvt_created")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after["ui_metadata"] == {"ui": "monster-ui"}
    assert await login(service, family.sub, family.sub.user.name, PASSWORD) == 201


async def test_users_patch_merges_fields(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    await service.patch(path, family.sub, {"profile": {"title": "Dr", "role": "x"}, "last_name": "b"})
    answer = await service.patch(path, family.sub, {"appList": ["a" * 32], "profile": {"role": None}})
    assert answer.status == 200
    assert answer.data["appList"] == ["a" * 32]
    assert answer.data["profile"] == {"title": "Dr"}
    assert answer.data["username"] == family.sub.user.name
    assert (await service.get(path, family.sub)).data == answer.data


async def test_users_patch_result_is_validated(service: Service, family: Family) -> None:
    answer = await service.patch(path_of(family.sub.user), family.sub, {"last_name": None})
    assert "required" in answer.data["last_name"]


async def test_users_patch_new_password_ends_old_sessions(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    await service.patch(path, family.sub, {"last_name": "b"})
    assert (await service.get(path, family.sub.user)).status == 200
    assert (await service.patch(path, family.sub, {"password": "other"})).status == 200
    assert (await service.get(path, family.sub.user)).status == 401
    assert await login(service, family.sub, family.sub.user.name, "other") == 201
    assert await login(service, family.sub, family.sub.user.name, PASSWORD) == 401


async def test_users_patch_same_password_keeps_sessions(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    await service.patch(path, family.sub, {"password": PASSWORD, "last_name": "b"})
    assert (await service.get(path, family.sub.user)).status == 200


async def test_users_patch_new_username_requires_the_password(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    refused = await service.patch(path, family.sub, {"username": "other", "last_name": "b"})
    assert "required" in refused.data["password"]
    answer = await service.patch(path, family.sub, {"username": "Other", "password": "x", "last_name": "b"})
    assert answer.data["username"] == "other"
    assert await login(service, family.sub, "other", "x") == 201


async def test_users_post_without_username_removes_hashes(system: System, service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    assert (await service.post(path, family.sub, {"first_name": "a", "last_name": "b"})).status == 200
    document = await stored(system, family.sub, family.sub.user.id)
    assert "pvt_md5_auth" not in document
    assert await login(service, family.sub, family.sub.user.name, PASSWORD) == 401


async def test_users_patch_refuses_taken_username(service: Service, family: Family) -> None:
    answer = await service.patch(
        path_of(family.sub.user), family.sub, {"username": family.sub.admin.name, "password": "x"}
    )
    assert "unique" in answer.data["username"]


async def test_users_patch_concurrent_changes_are_all_stored(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    await service.patch(path, family.sub, {"last_name": "b"})
    answers = await asyncio.gather(*(service.patch(path, family.sub, {f"note{number}": number}) for number in range(4)))
    assert {answer.status for answer in answers} == {200}
    data = (await service.get(path, family.sub)).data
    assert {f"note{number}" for number in range(4)} <= set(data)


async def test_users_patch_and_delete_check_if_match(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    revision = (await service.patch(path, family.sub, {"last_name": "b"})).envelope["revision"]
    old = {"If-Match": '"1-old"'}
    assert (await service.patch(path, family.sub, {"note": 1}, headers=old)).status == 412
    assert (await service.delete(path, family.sub, headers=old)).status == 412
    current = {"If-Match": f'"{revision}"'}
    assert (await service.patch(path, family.sub, {"note": 1}, headers=current)).status == 200
    assert (await service.patch(path, family.sub, {"note": 2}, headers=current)).status == 412


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_users_patch_and_delete_check_if_match_until_saved(
    service: Service, system: System, family: Family, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    path, user = path_of(family.sub.user), family.sub.user.document
    execute = getattr(Users, method.lower())

    async def late(self: Users, context: Context, *params: str) -> None:
        await system.change_user(family.sub.user, outside=True)
        await execute(self, context, *params)

    monkeypatch.setattr(Users, method.lower(), late)
    revision = (await service.get(path, family.sub)).envelope["revision"]
    answer = await service.call(method, path, family.sub, {"note": 1}, headers={"If-Match": f'"{revision}"'})
    assert answer.status == 412
    document = await stored(system, family.sub, user["_id"])
    assert document["outside"] is True
    assert "note" not in document
    assert "pvt_deleted" not in document


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_users_post_patch_and_delete_of_unknown_user_are_404(
    service: Service, family: Family, method: str
) -> None:
    data = {"first_name": "a", "last_name": "b"}
    answer = await service.call(method, f"{users_of(family.sub)}/nobody", family.sub, data)
    assert answer.status == 404


async def test_users_delete_marks_the_document_and_hides_the_user(
    system: System, service: Service, family: Family
) -> None:
    path = path_of(family.sub.user)
    answer = await service.delete(path, family.sub)
    assert answer.status == 200
    assert answer.data["_read_only"] == {"deleted": True}
    assert answer.data["username"] == family.sub.user.name
    document = await stored(system, family.sub, family.sub.user.id)
    assert document["pvt_deleted"] is True
    assert document["_rev"] == answer.envelope["revision"]
    assert (await service.get(path, family.sub)).status == 404
    assert (await service.delete(path, family.sub)).status == 404
    assert [each["username"] for each in (await service.get(users_of(family.sub), family.sub)).data] == [
        family.sub.admin.name
    ]
    assert await login(service, family.sub, family.sub.user.name, PASSWORD) == 401


async def test_users_get_allows_users_without_administrator_rights(service: Service, family: Family) -> None:
    plain = family.sub.user
    assert (await service.get(users_of(family.sub), plain)).status == 200
    assert (await service.get(path_of(family.sub.admin), plain)).status == 200


async def test_users_patch_and_post_allow_the_own_document(service: Service, family: Family) -> None:
    plain = family.sub.user
    path = path_of(family.sub.user)
    await service.patch(path, family.sub, {"last_name": "b", "enabled": True, "flags": ["x"]})
    answer = await service.patch(path, plain, {"appList": ["a" * 32], "language": "de-DE"})
    assert answer.status == 200
    assert answer.data["appList"] == ["a" * 32]
    fields = {"first_name": "c", "last_name": "d", "username": family.sub.user.name}
    posted = await service.post(path, plain, fields)
    assert posted.status == 200
    assert posted.data["flags"] == ["x"]
    assert posted.data["priv_level"] == "user"


@pytest.mark.parametrize(
    "fields",
    [
        {"priv_level": "admin"},
        {"service": {"plans": {"p": {}}}},
        {"enabled": False},
        {"verified": True},
        {"feature_level": "all"},
        {"call_restriction": {"did_us": {"action": "inherit"}}},
        {"flags": ["vip"]},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_users_patch_and_post_of_reserved_fields_are_403(
    system: System, service: Service, family: Family, method: str, fields: dict[str, Any]
) -> None:
    path = path_of(family.sub.user)
    whole = {"first_name": "c", "last_name": "d", "username": family.sub.user.name}
    answer = await service.call(method, path, family.sub.user, {**whole, **fields})
    assert answer.status == 403
    assert answer.data == {"cause": next(iter(fields)), "message": "forbidden"}
    document = await stored(system, family.sub, family.sub.user.id)
    assert document["priv_level"] == "user"
    assert "service" not in document


async def test_users_writes_of_another_user_are_403(service: Service, family: Family) -> None:
    plain = family.sub.user
    assert (await service.patch(path_of(family.sub.admin), plain, {"last_name": "x"})).status == 403
    assert (await service.post(path_of(family.sub.admin), plain, NEW)).status == 403
    assert (await service.delete(path_of(family.sub.admin), plain)).status == 403
    assert (await service.put(users_of(family.sub), plain, NEW)).status == 403


async def test_users_delete_hides_the_user_whose_document_has_a_conflict(
    service: Service, system: System, family: Family, kit_couchdb_url: str
) -> None:
    user = family.sub.user
    document = await stored(system, family.sub, user.id)
    rivals = [{**document, "_rev": f"1-{letter * 32}", "first_name": letter} for letter in "0f"]
    bulk = f"{quote(family.sub.database, safe='')}/_bulk_docs"
    ask(kit_couchdb_url, "POST", bulk, {"docs": rivals, "new_edits": False})
    assert (await service.delete(path_of(user), family.sub)).status == 200
    assert (await service.get(path_of(user), family.sub)).status == 404
    listed = (await service.get(users_of(family.sub), family.sub)).data
    assert user.id not in [each["id"] for each in listed]


async def test_users_delete_of_oneself_is_403_without_administrator_rights(service: Service, family: Family) -> None:
    assert (await service.delete(path_of(family.sub.user), family.sub.user)).status == 403


async def test_users_patch_in_a_descendant_is_403_without_administrator_rights(
    service: Service, family: Family
) -> None:
    assert (await service.patch(path_of(family.sub.admin), family.reseller.user, {"last_name": "x"})).status == 403


async def test_users_patch_masquerading_as_an_administrator_is_403(
    service: Service, system: System, family: Family
) -> None:
    mask = {"account_id": family.sub.id, "owner_id": family.sub.admin.id}
    token = system.token(family.reseller.user, **{"as": mask})
    answer = await service.patch(path_of(family.sub.admin), None, {"last_name": "x"}, token=token)
    assert answer.status == 403


async def test_users_put_allows_every_user_where_writes_need_no_administrator(
    new_service: NewService, family: Family
) -> None:
    service = new_service(CROSSBAR_WRITES_NEED_ADMIN="false")
    answer = await service.put(users_of(family.sub), family.sub.user, NEW)
    assert answer.status == 201


async def test_users_patch_allows_administrators_of_ancestors_and_api_keys(service: Service, family: Family) -> None:
    path = path_of(family.sub.user)
    callers: list[Caller] = [family.master, family.reseller, family.sub, family.sub.alone, family.reseller.alone]
    for number, who in enumerate(callers):
        answer = await service.patch(path, who, {"last_name": f"b{number}"})
        assert answer.status == 200, who
    assert (await service.patch(path, family.other, {"last_name": "c"})).status == 403
