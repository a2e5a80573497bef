"""``user_auth``, ``api_auth``, ``token_auth`` and ``auth`` over HTTP, in the shapes that were recorded of Crossbar."""

import logging
import time
from typing import Any

import jwt
import pytest

from crossbar_appstore.json_codec import JsonObject, dumps
from tests.kit.accounts import Account, User
from tests.kit.apps import permission
from tests.kit.auth import AuthParts
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import System

VOIP = {"id": "", "name": "voip", "api_url": "https://api.example.org/v2/", "label": "Voip"}
WRONG = ("invalid_credentials", {"message": "invalid credentials"})


async def ask(
    service: Service, method: str, path: str, body: JsonObject | None = None, *, token: str | None = None, status: int
) -> Answer:
    sent = None if body is None else dumps(body)
    answer = await service.call(method, path, token=token, body=sent, headers={"Content-Type": "application/json"})
    assert answer.status == status, answer.raw
    return answer


def error(answer: Answer) -> tuple[Any, ...]:
    envelope = answer.envelope
    return envelope["message"], envelope.get("data"), envelope.get("page_size")


def login(user: User, **data: Any) -> JsonObject:
    return {"data": {"credentials": user.document["pvt_md5_auth"], **data}}


def by_name(user: User, **data: Any) -> JsonObject:
    return login(user, account_name=user.account.name, **data)


def masked(user: User, mask: Any) -> JsonObject:
    data = by_name(user)["data"]
    return {"data": data | {"as": mask}}


def claims_of(system: System, token: str) -> JsonObject:
    return dict(jwt.decode(token, system.key.public_key(), algorithms=["RS256"]))


async def only_voip(system: System, user: User) -> None:
    """Allow the app voip for one user, and no other app for any user of the account."""
    apps = {system.apps["voip"]: permission("specific", user.id)}
    others = [system.apps[name] for name in ("numbers", "port", "hidden")]
    await system.store(user.account, apps=apps, blacklist=others)


# user_auth


async def test_user_auth_put_replies_as_recorded(
    system: System, reseller: Account, sub: Account, service: Service
) -> None:
    await system.config("cluster", cluster_id="c" * 32)
    await only_voip(system, sub.admin)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)
    body, user_id = answer.envelope, sub.admin.id
    assert answer.headers["Location"] == f"/v2/user_auth/{user_id}"
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
            "account_id": sub.id,
            "ui_config": {},
            "capabilities": {"voicemail": {"transcription": {"default": False, "available": False}}},
            "is_master_account": False,
            "is_reseller": False,
            "reseller_id": reseller.id,
            "cluster_id": "c" * 32,
            "account_name": sub.document["name"],
            "language": "en-US",
            "apps": [VOIP | {"id": system.apps["voip"]}],
        }.items()
    )


async def test_user_auth_put_takes_null_for_what_is_not_given(sub: Account, service: Service) -> None:
    unset = {"account_realm": None, "phone_number": None, "method": None, "multi_factor_response": None}
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin, **unset), status=201)
    assert answer.data["owner_id"] == sub.admin.id
    answer = await ask(service, "PUT", "user_auth", {"data": {"credentials": None}}, status=400)
    assert list(answer.data["credentials"]) == ["required"]
    key = {"data": {"api_key": sub.document["pvt_api_key"], "ui_metadata": None}}
    assert (await ask(service, "PUT", "api_auth", key, status=201)).data["account_id"] == sub.id


async def test_user_auth_put_lists_the_apps_of_the_user(system: System, sub: Account, service: Service) -> None:
    await only_voip(system, sub.admin)
    assert (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data["apps"]
    assert not (await ask(service, "PUT", "user_auth", by_name(sub.user), status=201)).data["apps"]


async def test_user_auth_put_gives_a_token_with_kazoos_claims(system: System, sub: Account, service: Service) -> None:
    token = (await ask(service, "PUT", "user_auth", by_name(sub.user), status=201)).envelope["auth_token"]
    expected = system.claims(sub.user)
    claims = claims_of(system, token)
    assert list(claims) == ["iss", "identity_sig", "account_id", "owner_id", "method", "exp"]
    assert abs(claims.pop("exp") - time.time() - 3600) < 60
    del expected["exp"]
    assert claims == expected
    seen = await ask(service, "GET", f"accounts/{sub.id}/token_auth", token=token, status=200)
    assert (seen.data["account_id"], seen.data["owner_id"]) == (sub.id, sub.user.id)


async def test_user_auth_put_tells_master_and_resellers(system: System, reseller: Account, service: Service) -> None:
    master = (await ask(service, "PUT", "user_auth", by_name(system.master.admin), status=201)).data
    assert (master["is_master_account"], master["is_reseller"], master["reseller_id"]) == (True, True, system.master.id)
    data = (await ask(service, "PUT", "user_auth", by_name(reseller.admin), status=201)).data
    assert (data["is_master_account"], data["is_reseller"]) == (False, True)
    assert data["reseller_id"] == system.master.id


async def test_user_auth_put_without_services_document_finds_the_nearest_reseller(
    system: System, reseller: Account, sub: Account, service: Service
) -> None:
    await system.remove("services", sub.id)
    data = (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data
    assert (data["is_reseller"], data["reseller_id"]) == (False, reseller.id)


async def test_user_auth_put_without_any_services_document_names_the_master_as_reseller(
    system: System, sub: Account, accounts: dict[str, Account], service: Service
) -> None:
    for account in accounts.values():
        await system.remove("services", account.id)
    data = (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data
    assert (data["is_reseller"], data["reseller_id"]) == (False, system.master.id)


async def test_login_reply_in_a_system_without_master_account(
    parts: AuthParts, system: System, sub: Account, accounts: dict[str, Account]
) -> None:
    await system.remove("system_config", "accounts")
    for account in accounts.values():
        await system.remove("services", account.id)
    data = await parts.login.reply_data({"account_id": sub.id}, sub.id, sub.admin.id)
    assert data["is_master_account"] is False
    assert "reseller_id" not in data


@pytest.mark.parametrize(
    "how", ["account_name", "account_realm", "realm", "fallen through", "both realms", "by sha", "by number"]
)
async def test_user_auth_put_finds_the_account_by_each_name(
    system: System, sub: Account, service: Service, how: str
) -> None:
    name, realm = sub.document["name"], sub.document["realm"]
    database = "numbers/+1202"
    if how == "by number":
        await system.couch.create_database(database)
        await system.put(database, {"_id": "+12025550123", "pvt_assigned_to": sub.id})
    sha = {"credentials": sub.admin.document["pvt_sha1_auth"], "method": "sha", "account_name": name}
    data: JsonObject = {
        "account_name": {"account_name": f"{name}!".upper()},
        "account_realm": {"account_realm": realm.upper()},
        "realm": {"realm": realm},
        "fallen through": {"phone_number": "+12025550199", "account_realm": "bad.realm", "account_name": name},
        "both realms": {"account_realm": realm, "realm": "bad.realm"},
        "by sha": sha,
        "by number": {"phone_number": "202-555-0123"},
    }
    answer = await ask(service, "PUT", "user_auth", login(sub.admin, **data[how]), status=201)
    assert answer.data["account_id"] == sub.id
    if how == "by number":
        await system.couch.delete_database(database)


async def test_user_auth_post_with_verb_put_logs_in(sub: Account, service: Service) -> None:
    answer = await ask(service, "POST", "user_auth?verb=put", by_name(sub.admin), status=201)
    assert answer.headers["Location"] == f"/v2/user_auth/{sub.admin.id}"


async def test_user_auth_put_with_a_wrong_password_has_a_page_size(sub: Account, service: Service) -> None:
    body = by_name(sub.admin) | {"data": by_name(sub.admin)["data"] | {"credentials": "0" * 32}}
    answer = await ask(service, "PUT", "user_auth", body, status=401)
    assert error(answer) == (*WRONG, 0)
    assert "version" not in answer.envelope


@pytest.mark.parametrize("data", [{"account_name": "nobody at all"}, {"account_realm": "no.realm"}, {"realm": 5}, {}])
async def test_user_auth_put_with_an_unknown_account_is_401(sub: Account, service: Service, data: JsonObject) -> None:
    assert error(await ask(service, "PUT", "user_auth", login(sub.admin, **data), status=401)) == (*WRONG, None)


async def test_user_auth_put_tries_all_accounts_of_a_name(
    system: System, sub: Account, other: Account, service: Service
) -> None:
    await system.put("accounts", other.document | {"name": sub.document["name"]})
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)
    assert answer.data["account_id"] == sub.id
    body = by_name(sub.admin) | {"data": by_name(sub.admin)["data"] | {"credentials": "0" * 32}}
    assert error(await ask(service, "PUT", "user_auth", body, status=401)) == (*WRONG, None)


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
async def test_user_auth_put_validates_the_body(service: Service, data: JsonObject, path: str, rule: str) -> None:
    message, errors, page_size = error(await ask(service, "PUT", "user_auth", {"data": data}, status=400))
    assert (message, page_size) == ("validation error", None)
    assert list(errors) == [path]
    assert list(errors[path]) == [rule]


async def test_user_auth_put_without_credentials_replies_as_recorded(service: Service) -> None:
    answer = await ask(service, "PUT", "user_auth", {"data": {"account_name": "Sub"}}, status=400)
    assert answer.data == {
        "credentials": {"required": {"message": "Field is required but missing", "value": "credentials"}}
    }


async def test_user_auth_put_with_a_list_is_400(service: Service) -> None:
    assert (await ask(service, "PUT", "user_auth", {"data": []}, status=400)).envelope["message"] == "validation error"


async def test_user_auth_put_to_a_disabled_account_is_400(system: System, sub: Account, service: Service) -> None:
    """KAZOO's code names 423 for it, for which the web client has a text, but what it sends is 400."""
    await system.change(sub, pvt_enabled=False)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=400)
    assert error(answer) == ("validation error", {"account": {"disabled": {"message": "account disabled"}}}, 1)


async def test_user_auth_put_to_an_account_whose_trial_has_ended_is_400(
    system: System, sub: Account, service: Service
) -> None:
    await system.change(sub, pvt_trial_expires=1000, pvt_enabled=False)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=400)
    expired = {"account": {"expired": {"message": "account expired", "cause": 1000}}}
    assert error(answer) == ("validation error", expired, 1)


@pytest.mark.parametrize("action", ["impersonate_user", "zzz"])
async def test_user_auth_put_with_an_action_needs_a_user_in_the_path(
    sub: Account, service: Service, action: str
) -> None:
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin, action=action), status=403)
    assert error(answer) == ("forbidden", {"message": "forbidden"}, None)


async def test_user_auth_put_with_an_unknown_action_of_a_superduper_admin_is_400(
    system: System, sub: Account, service: Service
) -> None:
    token = system.token(system.master.admin)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin, action="zzz"), token=token, status=400)
    assert list(answer.data["action"]) == ["enum"]
    await ask(service, "PUT", "user_auth", by_name(sub.admin, action="impersonate_user"), token=token, status=403)


async def test_user_auth_put_ignores_an_invalid_token(sub: Account, service: Service) -> None:
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), token="garbage", status=201)
    assert answer.envelope["auth_token"] != "garbage"


async def test_logins_cost_two_rate_tokens(sub: Account, service: Service) -> None:
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)
    assert answer.envelope["tokens"]["consumed"] == 2
    api = {"data": {"api_key": sub.document["pvt_api_key"]}}
    assert (await ask(service, "PUT", "api_auth", api, status=201)).envelope["tokens"]["consumed"] == 2


async def test_user_auth_put_with_as_puts_the_claim_into_the_token_unchecked(
    system: System, reseller: Account, sub: Account, service: Service
) -> None:
    mask = {"account_id": reseller.id, "owner_id": "x"}
    answer = await ask(service, "PUT", "user_auth", masked(sub.admin, mask), status=201)
    claims = claims_of(system, answer.envelope["auth_token"])
    assert claims["as"] == mask
    assert list(claims) == ["iss", "identity_sig", "account_id", "owner_id", "as", "method", "exp"]
    assert answer.data["account_id"] == sub.id
    await ask(service, "GET", f"accounts/{sub.id}", token=answer.envelope["auth_token"], status=401)


async def test_user_auth_put_with_as_that_is_no_object_drops_it(system: System, sub: Account, service: Service) -> None:
    answer = await ask(service, "PUT", "user_auth", masked(sub.admin, "x"), status=201)
    assert "as" not in claims_of(system, answer.envelope["auth_token"])


async def test_user_auth_put_keeps_the_second_factors_response_in_the_token(
    system: System, sub: Account, service: Service
) -> None:
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin, multi_factor_response="123"), status=201)
    assert list(claims_of(system, answer.envelope["auth_token"]))[-1] == "mfa_resp"


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
async def test_user_auth_put_with_a_required_second_factor_is_401(
    system: System, sub: Account, service: Service, provider: JsonObject, data: JsonObject
) -> None:
    await system.config("crossbar.auth", auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True}}})
    await system.put("system_auth", {"_id": "duo", **provider})
    body = by_name(sub.admin, multi_factor_response="123")
    assert error(await ask(service, "PUT", "user_auth", body, status=401)) == ("invalid_credentials", data, 1)


async def test_user_auth_put_by_a_disabled_method_is_401(system: System, sub: Account, service: Service) -> None:
    await system.config("crossbar.auth", auth_modules={"cb_user_auth": {"enabled": False}})
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=401)
    assert error(answer) == ("invalid credentials", {}, 1)


async def test_user_auth_put_without_expiry_gives_no_exp(system: System, sub: Account, service: Service) -> None:
    await system.config("crossbar.auth", token_auth_expiry_s=0)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)
    assert "exp" not in claims_of(system, answer.envelope["auth_token"])


async def test_user_auth_put_without_a_signing_key_is_500(system: System, sub: Account, service: Service) -> None:
    await system.remove("system_auth", system.key_id)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=500)
    assert error(answer) == ("datastore_fault", {"cause": "system_key", "message": "unknown failure"}, None)


async def test_user_auth_put_while_couchdb_is_unreachable_is_503(sub: Account, new_service: NewService) -> None:
    away = new_service("http://127.0.0.1:1")
    answer = await ask(away, "PUT", "user_auth", by_name(sub.admin), status=503)
    assert answer.envelope["message"] == "datastore_unreachable"


@pytest.mark.parametrize(("path", "status"), [("user_auth", 405), ("user_auth/a/b", 404), ("api_auth/x", 404)])
async def test_user_auth_and_api_auth_refuse_other_paths_and_methods(service: Service, path: str, status: int) -> None:
    await ask(service, "POST", path, {"data": {}}, status=status)


# The reply


@pytest.mark.parametrize(
    ("of_user", "of_account", "of_system", "language"),
    [
        ("de-DE", "fr-FR", "it-IT", "de-DE"),
        (None, "fr-FR", "it-IT", "fr-FR"),
        (None, None, "it-IT", "it-IT"),
        (None, "", None, "en-US"),
    ],
)
async def test_user_auth_put_prefers_the_users_language(
    system: System,
    sub: Account,
    service: Service,
    of_user: str | None,
    of_account: str | None,
    of_system: str | None,
    language: str,
) -> None:
    sub.document.pop("language")
    await system.change(sub, **({} if of_account is None else {"language": of_account}))
    await system.change_user(sub.admin, **({} if of_user is None else {"language": of_user}))
    await system.config("crossbar", default_language=of_system)
    answer = await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)
    assert answer.data["language"] == language


async def test_user_auth_put_leaves_out_a_language_of_null(system: System, sub: Account, service: Service) -> None:
    await system.change_user(sub.admin, language=None)
    assert "language" not in (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data


async def test_user_auth_put_takes_urls_and_capabilities_from_the_settings(
    system: System, sub: Account, service: Service
) -> None:
    await system.config("provisioner", provisioning_url="https://p.test/")
    await system.config("callflow", voicemail={"transcribe_default": True})
    data = (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data
    assert data["ui_config"] == {"api": {"provisioner": {"url": "https://p.test/"}}}
    assert data["capabilities"]["voicemail"]["transcription"]["default"] is True
    assert "cluster_id" not in data


# Looking at the own session


async def test_user_auth_get_of_the_own_token_shows_the_session(system: System, sub: Account, service: Service) -> None:
    token = system.token(sub.admin)
    shown = await ask(service, "GET", f"accounts/{sub.id}/user_auth/{token}", token=token, status=200)
    assert shown.data["owner_id"] == sub.admin.id
    assert "apps" in shown.data


async def test_user_auth_get_of_another_token_is_refused(
    system: System, reseller: Account, sub: Account, service: Service
) -> None:
    token, parent = system.token(sub.admin), system.token(reseller.admin)
    assert error(await ask(service, "GET", f"user_auth/{token}", token=token, status=403))[0] == "forbidden"
    await ask(service, "GET", f"user_auth/{token}", token=parent, status=401)
    await ask(service, "GET", f"accounts/{sub.id}/user_auth/{parent}", token=parent, status=403)
    await ask(service, "GET", f"user_auth/{token}", status=401)


# Impersonation


def impersonation(user: User) -> str:
    return f"accounts/{user.account.id}/users/{user.id}/user_auth"


IMPERSONATE: JsonObject = {"data": {}, "action": "impersonate_user"}


async def test_user_auth_put_impersonates_a_user_for_a_superduper_admin(
    system: System, sub: Account, service: Service
) -> None:
    token = system.token(system.master.admin)
    answer = await ask(service, "PUT", impersonation(sub.user), IMPERSONATE, token=token, status=201)
    claims = claims_of(system, answer.envelope["auth_token"])
    assert (claims["account_id"], claims["owner_id"]) == (sub.id, sub.user.id)
    assert claims["original_account_id"] == system.master.id
    assert claims["original_owner_id"] == system.master.admin.id
    assert claims["identity_sig"] == system.claims(sub.user)["identity_sig"]
    assert "page_size" not in answer.envelope
    assert "revision" not in answer.envelope
    token = answer.envelope["auth_token"]
    seen = await ask(service, "GET", f"accounts/{sub.id}/token_auth", token=token, status=200)
    assert seen.data["owner_id"] == sub.user.id


@pytest.mark.parametrize(
    "who",
    [
        lambda accounts: accounts["reseller"].admin,
        lambda accounts: accounts["master"].user,
        lambda accounts: accounts["master"],
        lambda accounts: accounts["sub"].admin,
    ],
)
async def test_user_auth_put_impersonation_by_anybody_else_is_403(
    system: System, sub: Account, accounts: dict[str, Account], service: Service, who: Any
) -> None:
    token = system.token(who(accounts))
    answer = await ask(service, "PUT", impersonation(sub.user), IMPERSONATE, token=token, status=403)
    assert error(answer) == ("forbidden", {"message": "forbidden"}, None)


async def test_user_auth_put_impersonation_in_the_own_account_is_403(system: System, service: Service) -> None:
    await ask(
        service,
        "PUT",
        impersonation(system.master.user),
        IMPERSONATE,
        token=system.token(system.master.admin),
        status=403,
    )


async def test_user_auth_put_impersonation_needs_an_existing_user_and_an_enabled_account(
    system: System, sub: Account, new_service: NewService
) -> None:
    service, token = new_service(), system.token(system.master.admin)
    path = f"accounts/{sub.id}/users/nobody/user_auth"
    answer = await ask(service, "PUT", path, IMPERSONATE, token=token, status=404)
    assert error(answer) == ("bad_identifier", {"cause": "nobody", "message": "bad identifier"}, None)
    await system.change(sub, pvt_enabled=False)
    answer = await ask(new_service(), "PUT", impersonation(sub.user), IMPERSONATE, token=token, status=400)
    assert list(answer.data["account"]) == ["disabled"]


async def test_user_auth_put_impersonation_needs_a_user_in_the_path(
    system: System, sub: Account, service: Service
) -> None:
    token = system.token(system.master.admin)
    path = f"accounts/{sub.id}/user_auth"
    await ask(service, "PUT", path, IMPERSONATE, token=token, status=403)
    await ask(service, "PUT", path, by_name(sub.admin), token=token, status=201)


async def test_user_auth_put_impersonation_needs_no_second_factor(
    system: System, sub: Account, service: Service
) -> None:
    await system.config("crossbar.auth", auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True}}})
    await system.put("system_auth", {"_id": "duo", "provider_name": "duo"})
    await ask(service, "PUT", impersonation(sub.user), IMPERSONATE, token=system.token(system.master.admin), status=201)


# api_auth


async def test_api_auth_put_logs_an_account_in(system: System, sub: Account, service: Service) -> None:
    await only_voip(system, sub.admin)
    body = {"data": {"api_key": sub.document["pvt_api_key"]}}
    answer = await ask(service, "PUT", "api_auth", body, status=201)
    assert answer.headers["Location"] == f"/v2/api_auth/{sub.id}"
    assert (answer.envelope["page_size"], answer.envelope["revision"]) == (1, "automatic")
    assert next(iter(answer.data)) == "account_id"
    assert "owner_id" not in answer.data
    claims = claims_of(system, answer.envelope["auth_token"])
    assert list(claims) == ["iss", "identity_sig", "account_id", "method", "exp"]
    assert claims["method"] == "cb_api_auth"
    assert claims["identity_sig"] == system.claims(sub)["identity_sig"]
    assert [app["name"] for app in answer.data["apps"]] == ["voip"]
    await ask(service, "GET", f"accounts/{sub.id}", token=answer.envelope["auth_token"], status=200)


async def test_api_auth_put_with_an_unknown_key_is_404(service: Service) -> None:
    answer = await ask(service, "PUT", "api_auth", {"data": {"api_key": "f" * 64}}, status=404)
    assert error(answer) == ("bad identifier", ["f" * 64], 0)


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({}, "api_key", "required"),
        ({"api_key": "f" * 63}, "api_key", "minLength"),
        ({"api_key": "f" * 65}, "api_key", "maxLength"),
        ({"api_key": "f" * 64, "zz": 1}, "zz", "additionalProperties"),
    ],
)
async def test_api_auth_put_validates_the_body(service: Service, data: JsonObject, path: str, rule: str) -> None:
    errors = (await ask(service, "PUT", "api_auth", {"data": data}, status=400)).data
    assert {name: list(rules) for name, rules in errors.items()} == {path: [rule]}


# token_auth


async def test_token_auth_get_shows_the_claims_in_order(system: System, sub: Account, service: Service) -> None:
    claims = system.claims(sub.admin)
    data = (await ask(service, "GET", "token_auth", token=system.sign(claims), status=200)).data
    assert list(data)[:6] == ["account_id", "exp", "identity_sig", "iss", "method", "owner_id"]
    assert claims.items() <= data.items()
    assert data["account_name"] == sub.document["name"]
    assert data["apps"]


async def test_token_auth_get_works_below_an_account(
    system: System, reseller: Account, sub: Account, other: Account, service: Service
) -> None:
    token = system.token(reseller.admin)
    below = await ask(service, "GET", f"accounts/{sub.id}/token_auth", token=token, status=200)
    assert below.data["account_id"] == reseller.id
    await ask(service, "GET", f"accounts/{other.id}/token_auth", token=token, status=403)


async def test_token_auth_get_hides_private_claims(system: System, sub: Account, service: Service) -> None:
    token = system.token(sub.admin, pvt_secret="x", _hidden="y")
    data = (await ask(service, "GET", "token_auth", token=token, status=200)).data
    assert not {"pvt_secret", "_hidden"} & data.keys()


async def test_token_auth_without_a_token_is_401(service: Service) -> None:
    assert error(await ask(service, "GET", "token_auth", status=401)) == (*WRONG, None)
    assert error(await ask(service, "DELETE", "token_auth", status=401)) == (*WRONG, None)


async def test_token_auth_delete_leaves_the_token_valid(system: System, sub: Account, service: Service) -> None:
    token = system.token(sub.admin)
    answer = await ask(service, "DELETE", "token_auth", token=token, status=200)
    assert "data" not in answer.envelope
    assert answer.envelope["auth_token"] == token
    await ask(service, "GET", "token_auth", token=token, status=200)


# auth/tokeninfo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_tokeninfo_replies_as_a_login_does(system: System, sub: Account, service: Service, method: str) -> None:
    token = system.token(sub.admin)
    path = f"auth/tokeninfo?token={token}" if method == "GET" else "auth/tokeninfo"
    body = {"data": {"token": token}} if method == "POST" else None
    answer = await ask(service, method, path, body, status=200)
    assert answer.envelope["auth_token"] == token
    assert "version" not in answer.envelope
    login_data = (await ask(service, "PUT", "user_auth", by_name(sub.admin), status=201)).data
    assert answer.data == login_data | {"account_realm": sub.document["realm"]}


async def test_tokeninfo_of_an_account_without_user(system: System, sub: Account, service: Service) -> None:
    body = {"data": {"token": system.token(sub)}}
    data = (await ask(service, "POST", "auth/tokeninfo", body, status=200)).data
    assert data["account_id"] == sub.id
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
async def test_tokeninfo_of_an_invalid_token_says_why(
    system: System, sub: Account, service: Service, token: Any, status: int, message: str
) -> None:
    tokens = {
        "expired": system.token(sub.admin, exp=1000),
        "forged": system.token(sub.admin, identity_sig="AAAA"),
        "stateless": system.sign({"iss": "kazoo"}),
    }
    body = {"data": {"token": tokens.get(token, token)}}
    assert error(await ask(service, "POST", "auth/tokeninfo", body, status=status)) == (message, {}, None)


async def test_tokeninfo_without_a_token_is_404(service: Service) -> None:
    assert error(await ask(service, "GET", "auth/tokeninfo", status=404))[0] == "missing token in params"
    assert error(await ask(service, "POST", "auth/tokeninfo", {"data": []}, status=404))[1] == {}
    await ask(service, "GET", "auth/callback", status=404)
    await ask(service, "GET", "auth", status=404)


async def test_logins_log_neither_tokens_nor_hashes(
    sub: Account, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = by_name(sub.admin)
    token = (await ask(service, "PUT", "user_auth", body, status=201)).envelope["auth_token"]
    await ask(service, "GET", "token_auth", token=token, status=200)
    assert token not in caplog.text
    assert body["data"]["credentials"] not in caplog.text
