"""``user_auth``, ``api_auth``, ``token_auth`` and ``auth`` over HTTP, in the shapes that were recorded of Crossbar."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest

from crossbar_appstore.json_codec import JsonObject
from tests.auth.service import Service
from tests.auth.world import Account, Rooms, World, open_couch

WRONG = ("invalid_credentials", {"message": "invalid credentials"})


@pytest.fixture
def rooms(world: World) -> Rooms:
    return Rooms(world)


@pytest.fixture
async def service(rooms: Rooms) -> AsyncIterator[Service]:
    made = Service(rooms)
    async with made.client:
        yield made


def login(account: Account, level: str = "admin", **data: Any) -> JsonObject:
    return {"data": {"credentials": account.users[level]["pvt_md5_auth"], **data}}


def by_name(account: Account, level: str = "admin", **data: Any) -> JsonObject:
    return login(account, level, account_name=account.document["name"], **data)


def masked(world: World, mask: Any) -> JsonObject:
    data = by_name(world.sub)["data"]
    return {"data": data | {"as": mask}}


def claims_of(world: World, token: str) -> JsonObject:
    return dict(jwt.decode(token, world.key.public_key(), algorithms=["RS256"]))


# user_auth


async def test_a_login_gets_the_recorded_reply(service: Service, world: World, rooms: Rooms) -> None:
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=201)
    body, user_id = answer.body, world.sub.users["admin"]["_id"]
    assert answer.location == f"/v2/user_auth/{user_id}"
    assert list(body) == [
        "page_size",
        "version",
        "timestamp",
        "node",
        "request_id",
        "tokens",
        "auth_token",
        "data",
        "revision",
        "status",
    ]
    assert (body["page_size"], body["revision"], body["status"]) == (1, "automatic", "success")
    assert list(body["data"].items()) == list(
        {
            "owner_id": user_id,
            "account_id": world.sub.id,
            "ui_config": {},
            "capabilities": {"voicemail": {"transcription": {"default": False, "available": False}}},
            "is_master_account": False,
            "is_reseller": False,
            "reseller_id": world.reseller.id,
            "cluster_id": "c" * 32,
            "account_name": world.sub.document["name"],
            "language": "en-US",
            "apps": [{"id": "a" * 32, "name": "voip", "label": "Voip"}],
        }.items()
    )
    assert rooms.asked == [(world.sub.id, user_id)]


async def test_the_token_of_a_login_is_kazoos_and_opens_the_account(service: Service, world: World) -> None:
    token = (await service.ask("PUT", "user_auth", by_name(world.sub, "user"), status=201)).body["auth_token"]
    expected = world.claims(world.sub, "user")
    claims = claims_of(world, token)
    assert list(claims) == ["iss", "identity_sig", "account_id", "owner_id", "method", "exp"]
    assert abs(claims.pop("exp") - expected.pop("exp")) < 60
    assert claims == expected
    seen = await service.ask("GET", f"accounts/{world.sub.id}/apps_store", token=token, status=200)
    assert seen.data == {"account_id": world.sub.id, "owner_id": world.sub.users["user"]["_id"]}


async def test_master_and_resellers_are_told_that_they_are(service: Service, world: World) -> None:
    master = (await service.ask("PUT", "user_auth", by_name(world.master), status=201)).data
    assert (master["is_master_account"], master["is_reseller"], master["reseller_id"]) == (True, True, world.master.id)
    reseller = (await service.ask("PUT", "user_auth", by_name(world.reseller), status=201)).data
    assert (reseller["is_master_account"], reseller["is_reseller"]) == (False, True)
    assert reseller["reseller_id"] == world.master.id


async def test_without_a_services_document_the_nearest_reseller_is_found(service: Service, world: World) -> None:
    await world.remove("services", world.sub.id)
    data = (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data
    assert (data["is_reseller"], data["reseller_id"]) == (False, world.reseller.id)


async def test_without_any_services_document_the_master_is_the_reseller(service: Service, world: World) -> None:
    for account in world.accounts:
        await world.remove("services", account.id)
    data = (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data
    assert (data["is_reseller"], data["reseller_id"]) == (False, world.master.id)


async def test_a_system_that_names_no_master_account_has_none(service: Service, world: World) -> None:
    for category in ("accounts", "cluster"):
        await world.remove("system_config", category)
    for account in world.accounts:
        await world.remove("services", account.id)
    data = (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data
    assert data["is_master_account"] is False
    assert "reseller_id" not in data


@pytest.mark.parametrize(
    "how", ["account_name", "account_realm", "realm", "fallen through", "both realms", "by sha", "by number"]
)
async def test_accounts_are_named_in_every_way(service: Service, world: World, how: str) -> None:
    name, realm = world.sub.document["name"], world.sub.document["realm"]
    database = "numbers/+1202"
    if how == "by number":
        await world.couch.create_database(database)
        await world.put(database, {"_id": "+12025550123", "pvt_assigned_to": world.sub.id})
    sha = {"credentials": world.sub.users["admin"]["pvt_sha1_auth"], "method": "sha", "account_name": name}
    data: JsonObject = {
        "account_name": {"account_name": f"{name}!".upper()},
        "account_realm": {"account_realm": realm.upper()},
        "realm": {"realm": realm},
        "fallen through": {"phone_number": "+12025550199", "account_realm": "bad.realm", "account_name": name},
        "both realms": {"account_realm": realm, "realm": "bad.realm"},
        "by sha": sha,
        "by number": {"phone_number": "202-555-0123"},
    }
    answer = await service.ask("PUT", "user_auth", login(world.sub, **data[how]), status=201)
    assert answer.data["account_id"] == world.sub.id
    if how == "by number":
        await world.couch.delete_database(database)


async def test_a_login_may_be_tunnelled(service: Service, world: World) -> None:
    answer = await service.ask("POST", "user_auth?verb=put", by_name(world.sub), status=201)
    assert answer.location == f"/v2/user_auth/{world.sub.users['admin']['_id']}"


async def test_a_wrong_password_tells_that_the_account_was_found(service: Service, world: World) -> None:
    body = by_name(world.sub) | {"data": by_name(world.sub)["data"] | {"credentials": "0" * 32}}
    answer = await service.ask("PUT", "user_auth", body, status=401)
    assert answer.error == (*WRONG, 0)
    assert "version" not in answer.body


@pytest.mark.parametrize("data", [{"account_name": "nobody at all"}, {"account_realm": "no.realm"}, {"realm": 5}, {}])
async def test_an_unknown_account_is_a_wrong_password(service: Service, world: World, data: JsonObject) -> None:
    assert (await service.ask("PUT", "user_auth", login(world.sub, **data), status=401)).error == (*WRONG, None)


async def test_one_of_several_accounts_of_a_name_is_enough(service: Service, world: World) -> None:
    await world.put("accounts", world.other.document | {"name": world.sub.document["name"]})
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=201)
    assert answer.data["account_id"] == world.sub.id
    body = by_name(world.sub) | {"data": by_name(world.sub)["data"] | {"credentials": "0" * 32}}
    assert (await service.ask("PUT", "user_auth", body, status=401)).error == (*WRONG, None)


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({}, "credentials", "required"),
        ({"credentials": ""}, "credentials", "minLength"),
        ({"credentials": 5}, "credentials", "type"),
        ({"credentials": "x" * 65}, "credentials", "maxLength"),
        ({"credentials": "x", "method": "sha1"}, "method", "enum"),
        ({"credentials": "x", "account_name": ""}, "account_name", "minLength"),
    ],
)
async def test_the_body_is_validated(service: Service, data: JsonObject, path: str, rule: str) -> None:
    message, errors, page_size = (await service.ask("PUT", "user_auth", {"data": data}, status=400)).error
    assert (message, page_size) == ("validation error", None)
    assert list(errors) == [path]
    assert list(errors[path]) == [rule]


async def test_missing_credentials_are_reported_as_recorded(service: Service) -> None:
    answer = await service.ask("PUT", "user_auth", {"data": {"account_name": "Sub"}}, status=400)
    assert answer.data == {
        "credentials": {"required": {"message": "Field is required but missing", "value": "credentials"}}
    }


async def test_a_list_is_no_login(service: Service) -> None:
    assert (await service.ask("PUT", "user_auth", {"data": []}, status=400)).body["message"] == "validation error"


async def test_a_disabled_account_refuses_logins(service: Service, world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_enabled=False)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=400)
    assert answer.error == ("validation error", {"account": {"disabled": {"message": "account disabled"}}}, 1)


async def test_an_account_whose_trial_ended_refuses_logins(service: Service, world: World) -> None:
    await world.change(world.sub, world.sub.document, pvt_trial_expires=1000, pvt_enabled=False)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=400)
    expired = {"account": {"expired": {"message": "account expired", "cause": 1000}}}
    assert answer.error == ("validation error", expired, 1)


@pytest.mark.parametrize("action", ["impersonate_user", "zzz"])
async def test_actions_need_a_user_in_the_path(service: Service, world: World, action: str) -> None:
    answer = await service.ask("PUT", "user_auth", by_name(world.sub, action=action), status=403)
    assert answer.error == ("forbidden", {"message": "forbidden"}, None)


async def test_unknown_actions_of_the_mighty_are_their_mistake(service: Service, world: World) -> None:
    token = world.token(world.master)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub, action="zzz"), token=token, status=400)
    assert list(answer.data["action"]) == ["enum"]
    await service.ask("PUT", "user_auth", by_name(world.sub, action="impersonate_user"), token=token, status=403)


async def test_a_garbage_token_does_not_stand_in_the_way_of_a_login(service: Service, world: World) -> None:
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), token="garbage", status=201)
    assert answer.body["auth_token"] != "garbage"


async def test_a_login_takes_two_tokens_from_the_bucket(service: Service, world: World) -> None:
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=201)
    assert answer.body["tokens"]["remaining"] == 98
    api = {"data": {"api_key": world.sub.document["pvt_api_key"]}}
    assert (await service.ask("PUT", "api_auth", api, status=201)).body["tokens"]["remaining"] == 96


async def test_a_mask_is_put_into_the_token_unchecked(service: Service, world: World) -> None:
    mask = {"account_id": world.reseller.id, "owner_id": "x"}
    answer = await service.ask("PUT", "user_auth", masked(world, mask), status=201)
    claims = claims_of(world, answer.body["auth_token"])
    assert claims["as"] == mask
    assert list(claims) == ["iss", "identity_sig", "account_id", "owner_id", "as", "method", "exp"]
    assert answer.data["account_id"] == world.sub.id
    await service.ask("GET", f"accounts/{world.sub.id}", token=answer.body["auth_token"], status=401)


async def test_a_mask_that_is_no_object_is_dropped(service: Service, world: World) -> None:
    answer = await service.ask("PUT", "user_auth", masked(world, "x"), status=201)
    assert "as" not in claims_of(world, answer.body["auth_token"])


async def test_a_factors_answer_is_kept_in_the_token(service: Service, world: World) -> None:
    answer = await service.ask("PUT", "user_auth", by_name(world.sub, multi_factor_response="123"), status=201)
    assert list(claims_of(world, answer.body["auth_token"]))[-1] == "mfa_resp"


@pytest.mark.parametrize(
    ("provider", "data"),
    [
        (
            {"provider_name": "duo"},
            {
                "message": "client needs to preform second-factor authentication",
                "multi_factor_request": {"provider_name": "duo"},
            },
        ),
        ({"provider_name": "duo", "enabled": False}, {"message": "invalid credentials"}),
    ],
)
async def test_a_second_factor_that_we_cannot_check_refuses(
    service: Service, world: World, provider: JsonObject, data: JsonObject
) -> None:
    await world.config("crossbar.auth", auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True}}})
    await world.put("system_auth", {"_id": "duo", **provider})
    body = by_name(world.sub, multi_factor_response="123")
    assert (await service.ask("PUT", "user_auth", body, status=401)).error == ("invalid_credentials", data, 1)


async def test_a_method_that_is_switched_off_refuses(service: Service, world: World) -> None:
    await world.config("crossbar.auth", auth_modules={"cb_user_auth": {"enabled": False}})
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=401)
    assert answer.error == ("invalid credentials", {}, 1)


async def test_tokens_for_ever_have_no_expiry(service: Service, world: World) -> None:
    await world.config("crossbar.auth", token_auth_expiry_s=0)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=201)
    assert "exp" not in claims_of(world, answer.body["auth_token"])


async def test_without_a_signing_key_nobody_can_log_in(service: Service, world: World) -> None:
    await world.remove("system_auth", world.key_id)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=500)
    assert answer.error == ("datastore_fault", {"cause": "system_key", "message": "unknown failure"}, None)


async def test_while_couchdb_is_away_nobody_is_called_wrong(world: World) -> None:
    async with open_couch("http://127.0.0.1:1") as nowhere:
        away = Service(Rooms(world, couch=nowhere))
        async with away.client:
            answer = await away.ask("PUT", "user_auth", by_name(world.sub), status=503)
            assert answer.body["message"] == "datastore_unreachable"


@pytest.mark.parametrize(("path", "status"), [("user_auth", 405), ("user_auth/a/b", 404), ("api_auth/x", 404)])
async def test_other_paths_and_methods_are_refused(service: Service, path: str, status: int) -> None:
    await service.ask("POST", path, {"data": {}}, status=status)


# The reply


@pytest.mark.parametrize(
    ("user", "account", "system", "language"),
    [
        ("de-DE", "fr-FR", "it-IT", "de-DE"),
        (None, "fr-FR", "it-IT", "fr-FR"),
        (None, None, "it-IT", "it-IT"),
        (None, "", None, "en-US"),
    ],
)
async def test_the_users_language_goes_before_the_accounts(
    service: Service, world: World, user: str | None, account: str | None, system: str | None, language: str
) -> None:
    document, owner = world.sub.document, world.sub.users["admin"]
    document.pop("language")
    await world.change(world.sub, document, **({} if account is None else {"language": account}))
    await world.change(world.sub, owner, **({} if user is None else {"language": user}))
    await world.config("crossbar", default_language=system)
    answer = await service.ask("PUT", "user_auth", by_name(world.sub), status=201)
    assert answer.data["language"] == language


async def test_a_language_of_null_is_left_out_as_in_kazoo(service: Service, world: World) -> None:
    await world.change(world.sub, world.sub.users["admin"], language=None)
    assert "language" not in (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data


async def test_addresses_and_capabilities_come_from_the_settings(service: Service, world: World) -> None:
    await world.config("provisioner", provisioning_url="https://p.test/")
    await world.config("callflow", voicemail={"transcribe_default": True})
    await world.remove("system_config", "cluster")
    data = (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data
    assert data["ui_config"] == {"api": {"provisioner": {"url": "https://p.test/"}}}
    assert data["capabilities"]["voicemail"]["transcription"]["default"] is True
    assert "cluster_id" not in data


# Looking at the own session


async def test_the_own_token_below_the_own_account_shows_the_session(service: Service, world: World) -> None:
    token = world.token(world.sub)
    shown = await service.ask("GET", f"accounts/{world.sub.id}/user_auth/{token}", token=token, status=200)
    assert shown.data["owner_id"] == world.sub.users["admin"]["_id"]
    assert shown.data["apps"]


async def test_any_other_look_at_a_token_is_refused(service: Service, world: World) -> None:
    token, parent = world.token(world.sub), world.token(world.reseller)
    assert (await service.ask("GET", f"user_auth/{token}", token=token, status=403)).error[0] == "forbidden"
    await service.ask("GET", f"user_auth/{token}", token=parent, status=401)
    await service.ask("GET", f"accounts/{world.sub.id}/user_auth/{parent}", token=parent, status=403)
    await service.ask("GET", f"user_auth/{token}", status=401)


# Impersonation


def impersonation(account: Account, level: str = "user") -> str:
    return f"accounts/{account.id}/users/{account.users[level]['_id']}/user_auth"


IMPERSONATE: JsonObject = {"data": {}, "action": "impersonate_user"}


async def test_administrators_of_the_system_become_other_users(service: Service, world: World) -> None:
    token = world.token(world.master)
    answer = await service.ask("PUT", impersonation(world.sub), IMPERSONATE, token=token, status=201)
    claims = claims_of(world, answer.body["auth_token"])
    assert (claims["account_id"], claims["owner_id"]) == (world.sub.id, world.sub.users["user"]["_id"])
    assert claims["original_account_id"] == world.master.id
    assert claims["original_owner_id"] == world.master.users["admin"]["_id"]
    assert claims["identity_sig"] == world.claims(world.sub, "user")["identity_sig"]
    assert "page_size" not in answer.body
    assert "revision" not in answer.body
    seen = await service.ask("GET", f"accounts/{world.sub.id}", token=answer.body["auth_token"], status=200)
    assert seen.data["owner_id"] == world.sub.users["user"]["_id"]


@pytest.mark.parametrize(
    ("who", "level"), [("reseller", "admin"), ("master", "user"), ("master", None), ("sub", "admin")]
)
async def test_nobody_else_does(service: Service, world: World, who: str, level: str | None) -> None:
    token = world.token(getattr(world, who), level)
    answer = await service.ask("PUT", impersonation(world.sub), IMPERSONATE, token=token, status=403)
    assert answer.error == ("forbidden", {"message": "forbidden"}, None)


async def test_the_own_account_is_not_impersonated(service: Service, world: World) -> None:
    await service.ask("PUT", impersonation(world.master), IMPERSONATE, token=world.token(world.master), status=403)


async def test_impersonation_needs_a_user_who_exists_and_an_account_that_is_open(
    service: Service, world: World
) -> None:
    token = world.token(world.master)
    path = f"accounts/{world.sub.id}/users/nobody/user_auth"
    answer = await service.ask("PUT", path, IMPERSONATE, token=token, status=404)
    assert answer.error == ("bad_identifier", {"cause": "nobody", "message": "bad identifier"}, None)
    await world.change(world.sub, world.sub.document, pvt_enabled=False)
    again = Service(Rooms(world))
    async with again.client:
        answer = await again.ask("PUT", impersonation(world.sub), IMPERSONATE, token=token, status=400)
        assert list(answer.data["account"]) == ["disabled"]


async def test_impersonation_is_no_login(service: Service, world: World) -> None:
    token = world.token(world.master)
    path = f"accounts/{world.sub.id}/user_auth"
    await service.ask("PUT", path, IMPERSONATE, token=token, status=403)
    await service.ask("PUT", path, by_name(world.sub), token=token, status=201)


async def test_impersonation_needs_no_second_factor(service: Service, world: World) -> None:
    await world.config("crossbar.auth", auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True}}})
    await world.put("system_auth", {"_id": "duo", "provider_name": "duo"})
    await service.ask("PUT", impersonation(world.sub), IMPERSONATE, token=world.token(world.master), status=201)


# api_auth


async def test_an_account_logs_in_with_its_key(service: Service, world: World, rooms: Rooms) -> None:
    body = {"data": {"api_key": world.sub.document["pvt_api_key"]}}
    answer = await service.ask("PUT", "api_auth", body, status=201)
    assert answer.location == f"/v2/api_auth/{world.sub.id}"
    assert (answer.body["page_size"], answer.body["revision"]) == (1, "automatic")
    assert next(iter(answer.data)) == "account_id"
    assert "owner_id" not in answer.data
    claims = claims_of(world, answer.body["auth_token"])
    assert list(claims) == ["iss", "identity_sig", "account_id", "method", "exp"]
    assert claims["method"] == "cb_api_auth"
    assert claims["identity_sig"] == world.claims(world.sub, None)["identity_sig"]
    assert rooms.asked == [(world.sub.id, None)]
    await service.ask("GET", f"accounts/{world.sub.id}", token=answer.body["auth_token"], status=200)


async def test_an_unknown_key_is_a_bad_identifier(service: Service) -> None:
    answer = await service.ask("PUT", "api_auth", {"data": {"api_key": "f" * 64}}, status=404)
    assert answer.error == ("bad identifier", ["f" * 64], 0)


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({}, "api_key", "required"),
        ({"api_key": "f" * 63}, "api_key", "minLength"),
        ({"api_key": "f" * 65}, "api_key", "maxLength"),
        ({"api_key": "f" * 64, "zz": 1}, "zz", "additionalProperties"),
    ],
)
async def test_the_key_is_validated(service: Service, data: JsonObject, path: str, rule: str) -> None:
    errors = (await service.ask("PUT", "api_auth", {"data": data}, status=400)).data
    assert {name: list(rules) for name, rules in errors.items()} == {path: [rule]}


# token_auth


async def test_a_token_is_shown_with_its_claims_in_order(service: Service, world: World) -> None:
    claims = world.claims(world.sub)
    data = (await service.ask("GET", "token_auth", token=world.sign(claims), status=200)).data
    assert list(data)[:6] == ["account_id", "exp", "identity_sig", "iss", "method", "owner_id"]
    assert claims.items() <= data.items()
    assert data["account_name"] == world.sub.document["name"]
    assert data["apps"]


async def test_a_token_is_shown_below_an_account_too(service: Service, world: World) -> None:
    token = world.token(world.reseller)
    below = await service.ask("GET", f"accounts/{world.sub.id}/token_auth", token=token, status=200)
    assert below.data["account_id"] == world.reseller.id
    await service.ask("GET", f"accounts/{world.other.id}/token_auth", token=token, status=403)


async def test_private_claims_are_not_shown(service: Service, world: World) -> None:
    token = world.token(world.sub, pvt_secret="x", _hidden="y")
    data = (await service.ask("GET", "token_auth", token=token, status=200)).data
    assert not {"pvt_secret", "_hidden"} & data.keys()


async def test_without_a_token_there_is_none_to_show(service: Service) -> None:
    assert (await service.ask("GET", "token_auth", status=401)).error == (*WRONG, None)
    assert (await service.ask("DELETE", "token_auth", status=401)).error == (*WRONG, None)


async def test_a_token_given_back_stays_good(service: Service, world: World) -> None:
    token = world.token(world.sub)
    answer = await service.ask("DELETE", "token_auth", token=token, status=200)
    assert "data" not in answer.body
    assert answer.body["auth_token"] == token
    await service.ask("GET", "token_auth", token=token, status=200)


# auth/tokeninfo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_tokeninfo_tells_what_a_login_told(service: Service, world: World, method: str) -> None:
    token = world.token(world.sub)
    path = f"auth/tokeninfo?token={token}" if method == "GET" else "auth/tokeninfo"
    body = {"data": {"token": token}} if method == "POST" else None
    answer = await service.ask(method, path, body, status=200)
    assert answer.body["auth_token"] == token
    assert "version" not in answer.body
    login_data = (await service.ask("PUT", "user_auth", by_name(world.sub), status=201)).data
    assert answer.data == login_data | {"account_realm": world.sub.document["realm"]}


async def test_tokeninfo_of_an_account_alone(service: Service, world: World) -> None:
    body = {"data": {"token": world.token(world.sub, None)}}
    data = (await service.ask("POST", "auth/tokeninfo", body, status=200)).data
    assert data["account_id"] == world.sub.id
    assert "owner_id" not in data


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [
        ("garbage", 401, "invalid_token"),
        ("expired", 401, "token expired"),
        ("forged", 401, "identity verifty failed"),
        ("stateless", 403, "no associated account_id"),
        ("", 404, "missing token in request"),
        (5, 404, "missing token in request"),
    ],
)
async def test_tokeninfo_tells_what_is_wrong(
    service: Service, world: World, token: Any, status: int, message: str
) -> None:
    tokens = {
        "expired": world.token(world.sub, exp=1000),
        "forged": world.token(world.sub, identity_sig="AAAA"),
        "stateless": world.sign({"iss": "kazoo"}),
    }
    body = {"data": {"token": tokens.get(token, token)}}
    assert (await service.ask("POST", "auth/tokeninfo", body, status=status)).error == (message, {}, None)


async def test_tokeninfo_without_a_token(service: Service) -> None:
    assert (await service.ask("GET", "auth/tokeninfo", status=404)).error[0] == "missing token in params"
    assert (await service.ask("POST", "auth/tokeninfo", {"data": []}, status=404)).error[1] == {}
    await service.ask("GET", "auth/callback", status=404)
    await service.ask("GET", "auth", status=404)


async def test_neither_tokens_nor_hashes_reach_the_log(
    service: Service, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = by_name(world.sub)
    token = (await service.ask("PUT", "user_auth", body, status=201)).body["auth_token"]
    await service.ask("GET", "token_auth", token=token, status=200)
    assert token not in caplog.text
    assert body["data"]["credentials"] not in caplog.text
