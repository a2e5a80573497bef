import asyncio
import base64
from typing import Any

import pytest

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.resources.users import Users
from tests.resources.companion.api import Api
from tests.resources.companion.world import PASSWORD, Account, World

NEW: JsonObject = {"first_name": "Ada", "last_name": "Lovelace", "username": "Ada", "password": "countess"}


def users_of(account: Account) -> str:
    return f"accounts/{account.id}/users"


def path_of(account: Account, level: str = "admin") -> str:
    return f"{users_of(account)}/{account.users[level]['_id']}"


async def stored(world: World, account: Account, user_id: str) -> JsonObject:
    return await world.couch.open_doc(account.database, user_id)


async def login(api: Api, account: Account, username: str, password: str) -> int:
    md5, _ = password_hashes(username.lower(), password)
    credentials = {"credentials": md5, "account_realm": account.document["realm"]}
    return (await api.put("user_auth", None, credentials)).status


class TestReading:
    async def test_a_list_is_in_order_of_last_name(self, api: Api, world: World) -> None:
        for last_name in ("Zuse", "Babbage", "Abel"):
            await api.put(users_of(world.sub), world.sub, {"first_name": "A", "last_name": last_name})
        answer = await api.get(f"{users_of(world.sub)}?filter_first_name=A", world.sub)
        assert [each["last_name"] for each in answer.data] == ["Abel", "Babbage", "Zuse"]

    async def test_a_list_has_the_fields_of_kazoos_view(self, api: Api, world: World) -> None:
        answer = await api.get(users_of(world.sub), world.sub)
        assert answer.status == 200
        assert {each["username"] for each in answer.data} == {"sub-admin", "sub-user"}
        assert all({"id", "features", "priv_level", "flags"} <= set(each) for each in answer.data)
        assert answer.body["revision"] == "automatic"
        assert answer.body["page_size"] == 2
        assert "start_key" not in answer.body
        assert "next_start_key" not in answer.body

    async def test_a_list_can_be_a_table(self, api: Api, world: World) -> None:
        answer = await api.get(f"{users_of(world.sub)}?paginate=false", world.sub, headers={"Accept": "text/csv"})
        assert answer.headers["Content-Type"].startswith("text/csv")
        head, *rows = answer.raw.decode().splitlines()
        assert '"username"' in head
        assert len(rows) == 2

    async def test_a_list_is_the_same_without_a_view(self, api: Api, world: World, couch: Couch) -> None:
        await api.put(
            users_of(world.sub),
            world.sub,
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
        with_view = await api.get(users_of(world.sub), world.sub)
        design = await couch.open_doc(world.sub.database, "_design/users")
        await couch.delete_doc(world.sub.database, "_design/users", design["_rev"])
        await api.put(users_of(world.sub), world.sub, {"first_name": "x", "last_name": "x"})
        without = await api.get(f"{users_of(world.sub)}?filter_not_first_name=x", world.sub)
        assert sorted(without.data, key=str) == sorted(with_view.data, key=str)
        features = {each["username"]: each["features"] for each in without.data}
        assert features["ada"] == [
            "faxing", "hotdesk", "call_forward_failover", "caller_id", "vm_to_email", "music_on_hold", "do_not_disturb"
        ]  # fmt: skip

    async def test_a_list_comes_in_pages(self, api: Api, world: World) -> None:
        for number in range(5):
            await api.put(users_of(world.sub), world.sub, {"first_name": "x", "last_name": f"name{number}"})
        seen: list[str] = []
        start = ""
        for size in (3, 3, 1):
            answer = await api.get(f"{users_of(world.sub)}?page_size=3{start}", world.sub)
            assert answer.body["page_size"] == len(answer.data) == size
            assert ("start_key" in answer.body) is bool(start)
            seen += [each["id"] for each in answer.data]
            start = f"&start_key={answer.body.get('next_start_key')}"
        assert len(seen) == len(set(seen)) == 7
        assert start == "&start_key=None"

    async def test_a_page_begins_where_the_last_one_said(self, api: Api, world: World) -> None:
        first = await api.get(f"{users_of(world.sub)}?page_size=1", world.sub)
        token = first.body["next_start_key"]
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert raw[:2] == bytes([131, 109])
        second = await api.get(f"{users_of(world.sub)}?page_size=1&start_key={token}", world.sub)
        assert second.body["start_key"] == token
        assert second.data[0]["id"] != first.data[0]["id"]

    async def test_fifty_are_a_page(self, api: Api, world: World) -> None:
        users = [{"_id": f"u{n}", "pvt_type": "user", "first_name": f"{n:03}", "last_name": "x"} for n in range(60)]
        await world.couch.save_docs(world.sub.database, users)
        assert len((await api.get(users_of(world.sub), world.sub)).data) == 50
        assert len((await api.get(f"{users_of(world.sub)}?page_size=0", world.sub)).data) == 50
        assert len((await api.get(f"{users_of(world.sub)}?page_size=many", world.sub)).data) == 50

    async def test_the_size_of_a_page_is_configured(self, api: Api, world: World) -> None:
        await world.config("crossbar", pagination_page_size=1)
        assert len((await api.get(users_of(world.sub), world.sub)).data) == 1

    async def test_without_pagination_everything_comes_and_no_page_is_named(self, api: Api, world: World) -> None:
        users = [{"_id": f"u{n}", "pvt_type": "user", "first_name": f"{n}", "last_name": "x"} for n in range(60)]
        await world.couch.save_docs(world.sub.database, users)
        answer = await api.get(f"{users_of(world.sub)}?paginate=false&start_key=x&page_size=5", world.sub)
        assert len(answer.data) > 60 - 1
        assert not {"page_size", "start_key", "next_start_key"} & set(answer.body)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("filter_priv_level=admin", {"sub-admin"}),
            ("filter_not_priv_level=admin", {"sub-user"}),
            ('filter_username=["sub-user","x"]', {"sub-user"}),
            ("has_key=username", {"sub-admin", "sub-user"}),
            ("key_missing=username", set()),
            ("value_missing=nothing", {"sub-admin", "sub-user"}),
            ("has_value=nothing", set()),
            ("created_from=1", {"sub-admin", "sub-user"}),
            ("modified_to=1", set()),
            ("created_to=never", set()),
            ("filter_pvt_md5_auth=x", set()),
            ("unknown=1&_=1700000000000", {"sub-admin", "sub-user"}),
        ],
    )
    async def test_a_list_can_be_filtered(self, api: Api, world: World, query: str, expected: set[str]) -> None:
        answer = await api.get(f"{users_of(world.sub)}?{query}", world.sub)
        assert {each["username"] for each in answer.data} == expected

    async def test_nobody_filters_for_a_hash(self, api: Api, world: World) -> None:
        known = world.sub.users["admin"]["pvt_md5_auth"]
        assert (await api.get(f"{users_of(world.sub)}?filter_pvt_md5_auth={known}", world.sub)).data == []

    async def test_an_unchanged_list_is_not_sent_again(self, api: Api, world: World) -> None:
        first = await api.get(users_of(world.sub), world.sub)
        again = await api.get(users_of(world.sub), world.sub, headers={"If-None-Match": first.headers["ETag"]})
        assert again.status == 304

    async def test_a_user_comes_with_revision_and_without_private_fields(self, api: Api, world: World) -> None:
        answer = await api.get(path_of(world.sub), world.sub)
        document = await stored(world, world.sub, world.sub.users["admin"]["_id"])
        assert answer.data["username"] == "sub-admin"
        assert answer.data["id"] == document["_id"]
        assert answer.body["revision"] == document["_rev"]
        assert answer.headers["ETag"] == f'"{document["_rev"]}"'
        assert not [key for key in answer.data if key.startswith(("pvt_", "_"))]

    async def test_a_password_that_was_stored_in_the_open_is_not_shown(self, api: Api, world: World) -> None:
        user = {"_id": "old", "pvt_type": "user", "first_name": "a", "last_name": "b", "password": "open"}
        await world.couch.save_doc(world.sub.database, user)
        answer = await api.get(f"{users_of(world.sub)}/old", world.sub)
        assert b"open" not in answer.raw

    @pytest.mark.parametrize("doc_id", ["nobody", "an-app", "untyped", "_design%2Fusers"])
    async def test_what_is_no_user_is_unknown(self, api: Api, world: World, doc_id: str) -> None:
        await world.couch.save_doc(world.sub.database, {"_id": "an-app", "pvt_type": "app"})
        await world.couch.save_doc(world.sub.database, {"_id": "untyped", "blacklist": ["x"]})
        person = {"first_name": "a", "last_name": "b"}
        assert (await api.post(f"{users_of(world.sub)}/{doc_id}", world.sub, person)).status == 404
        answer = await api.get(f"{users_of(world.sub)}/{doc_id}", world.sub)
        assert answer.status == 404
        assert answer.body["message"] == "bad_identifier"
        assert answer.data["message"] == "bad identifier"
        assert answer.data["cause"] == doc_id.replace("%2F", "/")

    async def test_ancestors_read_a_descendants_users_and_nobody_else_does(self, api: Api, world: World) -> None:
        for account in (world.master, world.reseller, world.sub):
            assert (await api.get(path_of(world.sub), account)).status == 200
        assert (await api.get(path_of(world.sub), world.other)).status == 403
        assert (await api.get(path_of(world.reseller), world.sub)).status == 403
        assert (await api.get(path_of(world.sub))).status == 401

    async def test_a_path_without_an_account_says_what_is_missing(self, api: Api, world: World) -> None:
        answer = await api.get("users", world.master)
        assert answer.status == 400
        assert "required" in answer.data["account_id"]

    async def test_photos_and_cards_are_not_here(self, api: Api, world: World) -> None:
        assert (await api.get(f"{path_of(world.sub)}/photo", world.sub)).status == 404


class TestOnTheWay:
    async def test_a_user_or_device_in_the_path_has_to_exist(self, api: Api, world: World) -> None:
        for noun in ("users", "devices"):
            answer = await api.get(f"accounts/{world.sub.id}/{noun}/nobody/whitelabel", world.sub)
            assert answer.status == 404
            assert answer.data == {"cause": "nobody", "message": "bad identifier"}
        await world.couch.save_doc(world.sub.database, {"_id": "phone", "pvt_type": "device"})
        for path in (path_of(world.sub), f"accounts/{world.sub.id}/devices/phone"):
            answer = await api.get(f"{path}/whitelabel", world.sub)
            assert answer.data["cause"] == "whitelabel"

    async def test_a_deleted_user_leads_nowhere(self, api: Api, world: World) -> None:
        await world.couch.save_doc(world.sub.database, {"_id": "gone", "pvt_type": "user", "pvt_deleted": True})
        answer = await api.get(f"{users_of(world.sub)}/gone/whitelabel", world.sub)
        assert answer.data == {"cause": "gone", "message": "bad identifier"}

    async def test_without_an_account_no_user_is_found(self, api: Api, world: World) -> None:
        user_id = world.master.users["admin"]["_id"]
        answer = await api.get(f"users/{user_id}/about", world.master)
        assert answer.status == 404
        assert answer.data == {"cause": user_id, "message": "bad identifier"}

    async def test_a_noun_alone_is_passed(self, api: Api, world: World) -> None:
        answer = await api.get(f"accounts/{world.sub.id}/users/about", world.sub)
        assert answer.status == 200

    async def test_devices_have_no_path_of_their_own(self, api: Api, world: World) -> None:
        assert (await api.get(f"accounts/{world.sub.id}/devices", world.sub)).status == 404


class TestCreating:
    async def test_a_new_user_can_log_in(self, api: Api, world: World) -> None:
        answer = await api.put(users_of(world.sub), world.sub, NEW)
        assert answer.status == 201
        user_id = answer.data["id"]
        assert answer.headers["Location"] == f"/v2/{users_of(world.sub)}/{user_id}"
        assert answer.data["username"] == "ada"
        assert answer.data["priv_level"] == "user"
        assert "password" not in answer.data
        document = await stored(world, world.sub, user_id)
        md5, sha1 = password_hashes("ada", "countess")
        assert (document["pvt_md5_auth"], document["pvt_sha1_auth"]) == (md5, sha1)
        assert document["_rev"] == answer.body["revision"]
        assert document["pvt_type"] == "user"
        assert document["pvt_account_id"] == world.sub.id
        assert document["pvt_account_db"].startswith("account%2F")
        assert document["pvt_auth_user_id"] == world.sub.users["admin"]["_id"]
        assert "password" not in document
        assert await login(api, world.sub, "ADA", "countess") == 201

    async def test_a_user_needs_no_login(self, api: Api, world: World) -> None:
        answer = await api.put(users_of(world.sub), world.sub, {"first_name": "a", "last_name": "b"})
        document = await stored(world, world.sub, answer.data["id"])
        assert "pvt_md5_auth" not in document
        assert "username" not in document
        assert document["pvt_signature_secret"]

    async def test_a_password_alone_makes_a_user_name(self, api: Api, world: World) -> None:
        fields = {"first_name": "a", "last_name": "b", "password": "x"}
        answer = await api.put(users_of(world.sub), world.sub, fields)
        assert answer.data["username"].startswith("user_")
        assert await login(api, world.sub, answer.data["username"], "x") == 201

    async def test_a_user_name_needs_a_password(self, api: Api, world: World) -> None:
        fields = {"first_name": "a", "last_name": "b", "username": "c"}
        answer = await api.put(users_of(world.sub), world.sub, fields)
        assert answer.status == 400
        assert answer.data["password"]["required"]["cause"] == "c"

    async def test_names_are_required(self, api: Api, world: World) -> None:
        answer = await api.put(users_of(world.sub), world.sub, {"priv_level": "root"})
        assert answer.status == 400
        assert {path: list(rules) for path, rules in answer.data.items()} == {
            "first_name": ["required"],
            "last_name": ["required"],
            "priv_level": ["enum"],
        }

    async def test_data_has_to_be_an_object(self, api: Api, world: World) -> None:
        answer = await api.put(users_of(world.sub), world.sub, [NEW])
        assert answer.status == 400
        assert answer.data["data"]["type"]["target"] == "object"

    async def test_private_fields_of_a_client_are_dropped(self, api: Api, world: World) -> None:
        fields = {
            **NEW,
            "pvt_superduper_admin": True,
            "pvt_account_id": "x",
            "_id": "mine",
            "id": "mine",
            "_rev": "1-x",
        }
        answer = await api.put(users_of(world.sub), world.sub, fields)
        document = await stored(world, world.sub, answer.data["id"])
        assert answer.data["id"] != "mine"
        assert "pvt_superduper_admin" not in document
        assert document["pvt_account_id"] == world.sub.id

    async def test_a_user_name_belongs_to_one(self, api: Api, world: World) -> None:
        answer = await api.put(users_of(world.sub), world.sub, {**NEW, "username": "SUB-user"})
        assert answer.status == 400
        assert answer.data == {
            "username": {"unique": {"message": "Username must be unique within account", "cause": "sub-user"}}
        }

    async def test_a_user_name_belongs_to_one_without_a_view(self, api: Api, world: World, couch: Couch) -> None:
        design = await couch.open_doc(world.sub.database, "_design/users")
        await couch.delete_doc(world.sub.database, "_design/users", design["_rev"])
        answer = await api.put(users_of(world.sub), world.sub, {**NEW, "username": "sub-user"})
        assert "unique" in answer.data["username"]

    async def test_a_deleted_users_name_is_free(self, api: Api, world: World) -> None:
        await api.delete(path_of(world.sub, "user"), world.sub)
        answer = await api.put(users_of(world.sub), world.sub, {**NEW, "username": "sub-user"})
        assert answer.status == 201

    async def test_a_hotdesk_id_belongs_to_one(self, api: Api, world: World) -> None:
        hotdesk = {"hotdesk": {"id": "1234"}}
        first = await api.put(users_of(world.sub), world.sub, {"first_name": "a", "last_name": "b", **hotdesk})
        assert first.status == 201
        second = await api.put(users_of(world.sub), world.sub, {"first_name": "c", "last_name": "d", **hotdesk})
        assert second.data["hotdesk.id"]["unique"]["cause"] == "1234"

    async def test_forwarding_calls_needs_a_number(self, api: Api, world: World) -> None:
        fields = {"first_name": "a", "last_name": "b", "call_forward": {"enabled": True}}
        answer = await api.put(users_of(world.sub), world.sub, fields)
        assert "required" in answer.data["call_forward.number"]

    async def test_two_at_the_same_time_never_get_the_same_name(self, api: Api, world: World) -> None:
        answers = await asyncio.gather(*(api.put(users_of(world.sub), world.sub, NEW) for _ in range(4)))
        assert {answer.status for answer in answers} <= {201, 400}
        listed = await api.get(f"{users_of(world.sub)}?filter_username=ada", world.sub)
        assert len(listed.data) == sum(answer.status == 201 for answer in answers) <= 1


class TestChanging:
    async def test_a_post_replaces_the_public_fields_and_keeps_the_private(self, api: Api, world: World) -> None:
        user_id = world.sub.users["user"]["_id"]
        await world.change(world.sub, world.sub.users["user"], pvt_note="kept", title="gone")
        before = await stored(world, world.sub, user_id)
        fields = {"first_name": "New", "last_name": "Name", "username": "sub-user", "ui_metadata": {"ui": "monster-ui"}}
        answer = await api.post(path_of(world.sub, "user"), world.sub, fields)
        after = await stored(world, world.sub, user_id)
        assert answer.status == 200
        assert answer.body["revision"] == after["_rev"] != before["_rev"]
        assert after["first_name"] == "New"
        assert "title" not in after
        kept = ("pvt_note", "pvt_md5_auth", "pvt_sha1_auth", "pvt_signature_secret", "pvt_created")
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
        assert after["ui_metadata"] == {"ui": "monster-ui"}
        assert await login(api, world.sub, "sub-user", PASSWORD) == 201

    async def test_a_patch_changes_what_it_names(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        await api.patch(path, world.sub, {"profile": {"title": "Dr", "role": "x"}, "last_name": "b"})
        answer = await api.patch(path, world.sub, {"appList": ["a" * 32], "profile": {"role": None}})
        assert answer.status == 200
        assert answer.data["appList"] == ["a" * 32]
        assert answer.data["profile"] == {"title": "Dr"}
        assert answer.data["username"] == "sub-user"
        assert (await api.get(path, world.sub)).data == answer.data

    async def test_a_user_who_is_invalid_can_be_patched_into_a_valid_one_only(self, api: Api, world: World) -> None:
        answer = await api.patch(path_of(world.sub, "user"), world.sub, {"last_name": None})
        assert "required" in answer.data["last_name"]

    async def test_a_new_password_ends_old_sessions(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        await api.patch(path, world.sub, {"last_name": "b"})
        assert (await api.get(path, (world.sub, "user"))).status == 200
        assert (await api.patch(path, world.sub, {"password": "other"})).status == 200
        assert (await api.get(path, (world.sub, "user"))).status == 401
        assert await login(api, world.sub, "sub-user", "other") == 201
        assert await login(api, world.sub, "sub-user", PASSWORD) == 401

    async def test_the_same_password_again_ends_nothing(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        await api.patch(path, world.sub, {"password": PASSWORD, "last_name": "b"})
        assert (await api.get(path, (world.sub, "user"))).status == 200

    async def test_another_name_needs_the_password(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        refused = await api.patch(path, world.sub, {"username": "other", "last_name": "b"})
        assert "required" in refused.data["password"]
        answer = await api.patch(path, world.sub, {"username": "Other", "password": "x", "last_name": "b"})
        assert answer.data["username"] == "other"
        assert await login(api, world.sub, "other", "x") == 201

    async def test_a_user_without_a_name_has_no_hashes(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        assert (await api.post(path, world.sub, {"first_name": "a", "last_name": "b"})).status == 200
        document = await stored(world, world.sub, world.sub.users["user"]["_id"])
        assert "pvt_md5_auth" not in document
        assert await login(api, world.sub, "sub-user", PASSWORD) == 401

    async def test_a_name_in_use_is_refused(self, api: Api, world: World) -> None:
        answer = await api.patch(path_of(world.sub, "user"), world.sub, {"username": "sub-admin", "password": "x"})
        assert "unique" in answer.data["username"]

    async def test_nothing_of_another_writer_is_lost(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        await api.patch(path, world.sub, {"last_name": "b"})
        answers = await asyncio.gather(*(api.patch(path, world.sub, {f"note{number}": number}) for number in range(4)))
        assert {answer.status for answer in answers} == {200}
        data = (await api.get(path, world.sub)).data
        assert {f"note{number}" for number in range(4)} <= set(data)

    async def test_a_change_holds_its_precondition(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        revision = (await api.patch(path, world.sub, {"last_name": "b"})).body["revision"]
        old = {"If-Match": '"1-old"'}
        assert (await api.patch(path, world.sub, {"note": 1}, headers=old)).status == 412
        assert (await api.delete(path, world.sub, headers=old)).status == 412
        current = {"If-Match": f'"{revision}"'}
        assert (await api.patch(path, world.sub, {"note": 1}, headers=current)).status == 200
        assert (await api.patch(path, world.sub, {"note": 2}, headers=current)).status == 412

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    async def test_a_precondition_holds_until_the_change_is_saved(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        path, user = path_of(world.sub, "user"), world.sub.users["user"]
        execute = getattr(Users, method.lower())

        async def late(self: Users, context: Context, *params: str) -> None:
            await world.change(world.sub, user, outside=True)
            await execute(self, context, *params)

        monkeypatch.setattr(Users, method.lower(), late)
        revision = (await api.get(path, world.sub)).body["revision"]
        answer = await api.call(method, path, world.sub, {"note": 1}, headers={"If-Match": f'"{revision}"'})
        assert answer.status == 412
        document = await stored(world, world.sub, user["_id"])
        assert document["outside"] is True
        assert "note" not in document
        assert "pvt_deleted" not in document

    @pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
    async def test_what_is_not_there_cannot_be_changed(self, api: Api, world: World, method: str) -> None:
        data = {"first_name": "a", "last_name": "b"}
        answer = await api.call(method, f"{users_of(world.sub)}/nobody", world.sub, data)
        assert answer.status == 404


class TestDeleting:
    async def test_a_deleted_user_is_gone_but_for_the_document(self, api: Api, world: World) -> None:
        path = path_of(world.sub, "user")
        answer = await api.delete(path, world.sub)
        assert answer.status == 200
        assert answer.data["_read_only"] == {"deleted": True}
        assert answer.data["username"] == "sub-user"
        document = await stored(world, world.sub, world.sub.users["user"]["_id"])
        assert document["pvt_deleted"] is True
        assert document["_rev"] == answer.body["revision"]
        assert (await api.get(path, world.sub)).status == 404
        assert (await api.delete(path, world.sub)).status == 404
        assert [each["username"] for each in (await api.get(users_of(world.sub), world.sub)).data] == ["sub-admin"]
        assert await login(api, world.sub, "sub-user", PASSWORD) == 401


class TestWithoutRights:
    """A user who is no administrator."""

    async def test_reads_the_account_and_its_users(self, api: Api, world: World) -> None:
        plain = (world.sub, "user")
        assert (await api.get(users_of(world.sub), plain)).status == 200
        assert (await api.get(path_of(world.sub), plain)).status == 200

    async def test_changes_the_own_document(self, api: Api, world: World) -> None:
        plain = (world.sub, "user")
        path = path_of(world.sub, "user")
        await api.patch(path, world.sub, {"last_name": "b", "enabled": True, "flags": ["x"]})
        answer = await api.patch(path, plain, {"appList": ["a" * 32], "language": "de-DE"})
        assert answer.status == 200
        assert answer.data["appList"] == ["a" * 32]
        fields = {"first_name": "c", "last_name": "d", "username": "sub-user"}
        posted = await api.post(path, plain, fields)
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
    async def test_gets_no_rights_by_it(self, api: Api, world: World, method: str, fields: dict[str, Any]) -> None:
        path = path_of(world.sub, "user")
        whole = {"first_name": "c", "last_name": "d", "username": "sub-user"}
        answer = await api.call(method, path, (world.sub, "user"), {**whole, **fields})
        assert answer.status == 403
        assert answer.data == {"cause": next(iter(fields)), "message": "forbidden"}
        document = await stored(world, world.sub, world.sub.users["user"]["_id"])
        assert document["priv_level"] == "user"
        assert "service" not in document

    async def test_changes_nobody_else(self, api: Api, world: World) -> None:
        plain = (world.sub, "user")
        assert (await api.patch(path_of(world.sub), plain, {"last_name": "x"})).status == 403
        assert (await api.post(path_of(world.sub), plain, NEW)).status == 403
        assert (await api.delete(path_of(world.sub), plain)).status == 403
        assert (await api.put(users_of(world.sub), plain, NEW)).status == 403

    async def test_does_not_delete_itself(self, api: Api, world: World) -> None:
        assert (await api.delete(path_of(world.sub, "user"), (world.sub, "user"))).status == 403

    async def test_changes_no_descendants_users(self, api: Api, world: World) -> None:
        assert (await api.patch(path_of(world.sub), (world.reseller, "user"), {"last_name": "x"})).status == 403

    async def test_masquerading_as_an_administrator_changes_nothing(self, api: Api, world: World) -> None:
        admin = world.sub.users["admin"]
        mask = {"account_id": world.sub.id, "owner_id": admin["_id"]}
        token = world.token(world.reseller, "user", **{"as": mask})
        answer = await api.patch(path_of(world.sub), None, {"last_name": "x"}, token=token)
        assert answer.status == 403

    async def test_may_do_everything_where_writing_takes_no_administrator(self, lenient_api: Api, world: World) -> None:
        answer = await lenient_api.put(users_of(world.sub), (world.sub, "user"), NEW)
        assert answer.status == 201


async def test_administrators_of_ancestors_and_accounts_alone_may_write(api: Api, world: World) -> None:
    path = path_of(world.sub, "user")
    for number, who in enumerate([world.master, world.reseller, world.sub, (world.sub, None), (world.reseller, None)]):
        answer = await api.patch(path, who, {"last_name": f"b{number}"})
        assert answer.status == 200, who
    assert (await api.patch(path, world.other, {"last_name": "c"})).status == 403
