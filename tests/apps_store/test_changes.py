"""PUT, POST and DELETE accounts/{A}/apps_store/{APP}: replies and stored documents."""

from typing import Any

import pytest

from crossbar_appstore.datastore.errors import DocumentMissing
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import encoded_account_db
from tests.kit.accounts import Account
from tests.kit.apps import ICON, permission
from tests.kit.service import Answer, Service
from tests.kit.system import System


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


async def test_apps_store_put_answers_201_and_stores_the_permission(
    system: System, service: Service, sub: Account
) -> None:
    voip, users = system.apps["voip"], [{"id": sub.user.id}, sub.admin.id]
    path = f"{sub.path}/{voip}"
    answer = await service.put(f"{path}?_=1", sub, {"allowed_users": "specific", "users": users})
    assert answer.status == 201
    assert answer.data == {"allowed_users": "specific", "users": users, "name": "voip"}
    assert answer.headers["Location"] == f"/v2/{path}"
    stored = await system.stored(sub)
    assert stored["apps"] == {voip: answer.data}
    assert answer.envelope["revision"] == stored["_rev"]


async def test_apps_store_put_new_document_is_as_crossbar_saves_it(
    system: System, service: Service, sub: Account
) -> None:
    before = gregorian_seconds()
    answer = await service.put(f"{sub.path}/{system.apps['voip']}", sub, {}, headers={"X-Request-ID": "the-request"})
    assert answer.status == 201
    stored = await system.stored(sub)
    moments = {stored.pop(key) for key in ("pvt_created", "pvt_modified")}
    assert all(before <= moment <= gregorian_seconds() for moment in moments)
    assert stored == {
        "_id": "apps_store",
        "_rev": answer.envelope["revision"],
        "apps": {system.apps["voip"]: {"allowed_users": "specific", "users": [], "name": "voip"}},
        "pvt_account_id": sub.id,
        "pvt_account_db": encoded_account_db(sub.id),
        "pvt_vsn": "1",
        "pvt_request_id": "the-request",
        "pvt_is_authenticated": True,
        "pvt_auth_account_id": sub.id,
        "pvt_auth_user_id": sub.admin.id,
    }


async def test_apps_store_put_accepts_an_empty_body(system: System, service: Service, sub: Account) -> None:
    answer = await service.put(f"{sub.path}/{system.apps['voip']}", sub)
    assert (answer.status, answer.data) == (201, {"allowed_users": "specific", "users": [], "name": "voip"})


async def test_apps_store_put_stores_other_keys_and_the_catalogues_name(
    system: System, service: Service, sub: Account
) -> None:
    sent = {"allowed_users": "all", "ui_metadata": {"ui": "monster-ui"}, "name": "mine", "note": "x"}
    answer = await service.put(f"{sub.path}/{system.apps['voip']}", sub, sent)
    assert answer.data == {**sent, "users": [], "name": "voip"}
    assert (await system.stored(sub))["apps"] == {system.apps["voip"]: answer.data}


async def test_apps_store_post_replaces_the_permission(system: System, service: Service, sub: Account) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: permission("specific", "somebody", note="old"), "other": permission()})
    answer = await service.post(f"{sub.path}/{voip}", sub, {"allowed_users": "all"})
    assert (answer.status, answer.data) == (200, {"allowed_users": "all", "users": [], "name": "voip"})
    stored = await system.stored(sub)
    assert stored["apps"] == {voip: answer.data, "other": permission()}
    assert answer.envelope["revision"] == stored["_rev"]
    assert "Location" not in answer.headers


async def test_apps_store_delete_removes_the_permission(system: System, service: Service, sub: Account) -> None:
    voip = system.apps["voip"]
    await system.store(sub, apps={voip: permission(), "other": permission()})
    # The web client sends a body with it.
    answer = await service.delete(f"{sub.path}/{voip}", sub, {"ui_metadata": {"ui": "monster-ui"}})
    assert (answer.status, answer.data) == (200, {})
    stored = await system.stored(sub)
    assert stored["apps"] == {"other": permission()}
    assert answer.envelope["revision"] == stored["_rev"]
    app = next(each for each in (await service.get(sub.path, sub)).data if each["id"] == voip)
    assert "allowed_users" not in app


async def test_apps_store_writes_are_read_at_once(system: System, service: Service, sub: Account) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    assert "allowed_users" not in (await service.get(path, sub)).data
    await service.put(path, sub, {"allowed_users": "all"})
    assert (await service.get(path, sub)).data["allowed_users"] == "all"
    await service.post(path, sub, {"allowed_users": "admins"})
    assert (await service.get(path, sub)).data["allowed_users"] == "admins"
    await service.delete(path, sub)
    assert "allowed_users" not in (await service.get(path, sub)).data


async def test_apps_store_put_refuses_an_installed_app(system: System, service: Service, sub: Account) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    await service.put(path, sub, {"allowed_users": "all"})
    before = await system.stored(sub)
    assert (await service.put(path, sub, {})).refusal == (400, "Application already installed", {})
    assert await system.stored(sub) == before


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_apps_store_post_and_delete_refuse_an_app_that_is_not_installed(
    system: System, service: Service, sub: Account, method: str
) -> None:
    answer = await service.call(method, f"{sub.path}/{system.apps['voip']}", sub, {})
    assert answer.refusal == (400, "Application is not installed", {})
    await _assert_nothing_stored(system, sub)


async def test_apps_store_put_refuses_app_with_permission_without_users(
    system: System, service: Service, sub: Account
) -> None:
    await system.store(sub, apps={system.apps["voip"]: permission("specific")})
    assert (await service.post(f"{sub.path}/{system.apps['voip']}", sub, {"allowed_users": "all"})).status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_apps_store_writes_of_an_unavailable_app_are_403(
    system: System, service: Service, sub: Account, method: str
) -> None:
    answer = await service.call(method, f"{sub.path}/nothing", sub, {"allowed_users": "bogus"})
    assert answer.refusal == (403, "forbidden", {"details": "nothing", "message": "forbidden"})


async def test_apps_store_put_of_a_hidden_app_keeps_it_hidden(system: System, service: Service, sub: Account) -> None:
    assert (await service.put(f"{sub.path}/{system.apps['hidden']}", sub, {"allowed_users": "all"})).status == 201
    assert await service.names(sub) == ["voip", "port", "numbers"]


CATALOGUE_KEYS = (
    *("account_id", "api_url", "author", "authority", "extends", "i18n", "icon", "id", "license", "masqueradable"),
    *("phase", "price", "published", "screenshots", "source_url", "tags", "urls", "version"),
)


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_apps_store_put_refuses_catalogue_and_private_keys(
    system: System, service: Service, sub: Account, method: str
) -> None:
    stored = await system.store(sub, apps={system.apps["port"]: permission()})
    path = f"{sub.path}/{system.apps['voip' if method == 'PUT' else 'port']}"
    for key in (*CATALOGUE_KEYS, "_id", "_rev", "_attachments", "pvt_account_id", "pvt_deleted"):
        sent = {"allowed_users": "all", key: "x"}
        answer = await service.call(method, path, sub, sent)
        assert answer.refusal[:2] == (400, "validation error")
        assert answer.data[key]["additionalProperties"]["value"] == sent
    assert (await system.stored(sub))["_rev"] == stored["_rev"]


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_apps_store_put_of_a_whole_app_names_all_fields_that_cannot_be_changed(
    system: System, service: Service, sub: Account, method: str
) -> None:
    stored = await system.store(sub, apps={system.apps["port"]: permission()})
    path = f"{sub.path}/{system.apps['voip' if method == 'PUT' else 'port']}"
    whole = (await service.get(path, sub)).data
    own = sorted(whole.keys() & set(CATALOGUE_KEYS))
    assert len(own) > 5
    answer = await service.call(method, path, sub, {**whole, "allowed_users": "admins"})
    assert answer.refusal[:2] == (400, "validation error")
    messages = {key: rules["additionalProperties"]["message"] for key, rules in answer.data.items()}
    assert messages == dict.fromkeys(own, f"An app's own fields cannot be changed here: {', '.join(own)}")
    assert (await system.stored(sub))["_rev"] == stored["_rev"]


@pytest.mark.parametrize(
    ("sent", "entry"),
    [
        ({"allowed_users": "all", "users": None}, {"allowed_users": "all", "users": []}),
        ({"allowed_users": None, "users": None}, {"allowed_users": "specific", "users": []}),
        (
            {
                "allowed_users": "specific",
                "users": [{"id": "a" * 32, "name": None}],
                "ui_metadata": None,
                "x": {"y": None},
            },
            {"allowed_users": "specific", "users": [{"id": "a" * 32}], "x": {}},
        ),
        ({"allowed_users": "all", "i18n": None, "pvt_x": None}, {"allowed_users": "all", "users": []}),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_apps_store_put_takes_null_for_what_is_not_given(
    system: System, service: Service, sub: Account, method: str, sent: Any, entry: Any
) -> None:
    app_id = system.apps["voip"]
    await system.store(sub, apps={app_id: permission("admins", "b" * 32)} if method == "POST" else {})
    answer = await service.call(method, f"{sub.path}/{app_id}", sub, sent)
    assert answer.status == (201 if method == "PUT" else 200)
    assert (await system.stored(sub))["apps"][app_id] == answer.data == {**entry, "name": "voip"}


UNCOUNTABLE: list[tuple[Any, str, str]] = [
    ({"allowed_users": "bogus"}, "allowed_users", "enum"),
    ({"allowed_users": "ALL"}, "allowed_users", "enum"),
    ({"allowed_users": ""}, "allowed_users", "enum"),
    ({"allowed_users": ["all"]}, "allowed_users", "type"),
    ({"allowed_users": 1}, "allowed_users", "type"),
    ({"users": "somebody"}, "users", "type"),
    ({"users": {}}, "users", "type"),
    ({"users": [1]}, "users.0", "type"),
    ({"users": ["x", {}]}, "users.1.id", "required"),
    ({"users": [{"id": None}]}, "users.0.id", "required"),
    ([], "data", "type"),
    ([{"allowed_users": "all"}], "data", "type"),
]


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_apps_store_put_refuses_data_that_billing_cannot_count(
    system: System, service: Service, sub: Account, method: str
) -> None:
    stored = await system.store(sub, apps={system.apps["port"]: permission()})
    path = f"{sub.path}/{system.apps['voip' if method == 'PUT' else 'port']}"
    for sent, where, rule in UNCOUNTABLE:
        answer = await service.call(method, path, sub, sent)
        assert answer.refusal[:2] == (400, "validation error"), sent
        assert rule in answer.data[where]
    assert (await system.stored(sub))["_rev"] == stored["_rev"]


@pytest.mark.parametrize("content_type", ["text/csv", "application/octet-stream", "text/plain"])
async def test_apps_store_put_refuses_a_malformed_envelope(
    system: System, service: Service, sub: Account, content_type: str
) -> None:
    path, headers = f"{sub.path}/{system.apps['voip']}", {"Content-Type": content_type}
    assert (await service.put(path, sub, body=b"x", headers=headers)).status == 415
    await _assert_nothing_stored(system, sub)


async def test_apps_store_put_does_not_install_when_not_acceptable(
    system: System, service: Service, sub: Account
) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    assert (await service.put(path, sub, {}, headers={"Accept": "text/html"})).status == 406
    await _assert_nothing_stored(system, sub)


async def test_apps_store_put_accepts_and_ignores_accept_charges(
    system: System, service: Service, sub: Account
) -> None:
    body = b'{"data": {"allowed_users": "all"}, "accept_charges": true}'
    answer = await service.put(f"{sub.path}/{system.apps['voip']}", sub, body=body)
    assert answer.data == {"allowed_users": "all", "users": [], "name": "voip"}


async def test_apps_store_post_tunnels_every_verb(system: System, service: Service, sub: Account) -> None:
    path = f"{sub.path}/{system.apps['voip']}"
    assert (await service.post(f"{path}?verb=put", sub, {"allowed_users": "all"})).status == 201
    assert (await service.post(f"{path}?verb=get", sub, {})).data["allowed_users"] == "all"
    assert (await service.post(f"{path}?verb=delete", sub, {})).data == {}
    assert (await system.stored(sub))["apps"] == {}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_apps_store_other_methods_do_not_tunnel_changing_verbs(
    system: System, service: Service, sub: Account, method: str
) -> None:
    path = f"{sub.path}/{system.apps['voip']}?verb=post"
    assert (await service.call(method, path, sub)).refusal[:2] == (405, "invalid_method")
    await _assert_nothing_stored(system, sub)


async def test_apps_store_put_below_a_user_installs_with_its_location(
    system: System, service: Service, sub: Account
) -> None:
    path = f"accounts/{sub.id}/users/{sub.user.id}/apps_store/{system.apps['voip']}"
    answer = await service.put(path, sub, {"allowed_users": "all"})
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/{path}")
    assert (await system.stored(sub))["apps"].keys() == {system.apps["voip"]}


def _rich(system: System) -> JsonObject:
    """A document with fields that a write must keep."""
    return {
        "apps": {"gone": permission("all", name="gone"), system.apps["port"]: permission("admins", name="port")},
        "blacklist": ["a", "a", 7],
        "pvt_type": "kept",
        "pvt_vsn": "0",
        "pvt_created": 63800000000,
        "pvt_custom": {"deep": [None]},
        "unknown": {"kept": True},
        "_attachments": {"note.png": ICON.inline},
    }


async def _install(system: System, service: Service, sub: Account) -> Answer:
    return await service.put(f"{sub.path}/{system.apps['voip']}", sub, {"allowed_users": "all"})


async def _update(system: System, service: Service, sub: Account) -> Answer:
    return await service.post(f"{sub.path}/{system.apps['port']}", sub, {"allowed_users": "all"})


async def _uninstall(system: System, service: Service, sub: Account) -> Answer:
    return await service.delete(f"{sub.path}/{system.apps['port']}", sub)


async def _blacklist(system: System, service: Service, sub: Account) -> Answer:
    return await service.post(f"{sub.path}/blacklist", system.master, {"blacklist": [system.apps["voip"]]})


@pytest.mark.parametrize("write", [_install, _update, _uninstall, _blacklist])
async def test_apps_store_writes_keep_unknown_fields(
    system: System, service: Service, sub: Account, write: Any
) -> None:
    first = await system.store(sub, **_rich(system))
    before = await system.stored(sub)
    assert (await write(system, service, sub)).status in (200, 201)
    after = await system.stored(sub)
    assert int(after["_rev"].split("-")[0]) == int(first["_rev"].split("-")[0]) + 1
    assert await system.stored_attachment(sub, "note.png") == ICON.body
    own = {"_rev", "_attachments", "apps", "blacklist", "pvt_modified", "pvt_request_id", "pvt_is_authenticated"}
    kept = {key: value for key, value in before.items() if key not in own}
    assert {key: after[key] for key in kept} == kept
    assert set(after) - set(before) <= own | {"pvt_auth_account_id", "pvt_auth_user_id"}
    assert after["apps"]["gone"] == before["apps"]["gone"]
    if write is _blacklist:
        assert after["apps"] == before["apps"]
    else:
        assert after["blacklist"] == before["blacklist"]


async def test_apps_store_put_with_an_api_key_records_no_user(system: System, service: Service, sub: Account) -> None:
    token = system.token(sub)
    path = f"{sub.path}/{system.apps['voip']}"
    assert (await service.put(path, None, {}, token=token)).status == 201
    stored = await system.stored(sub)
    assert stored["pvt_auth_account_id"] == sub.id
    assert "pvt_auth_user_id" not in stored


async def _assert_nothing_stored(system: System, account: Account) -> None:
    with pytest.raises(DocumentMissing):
        await system.stored(account)
