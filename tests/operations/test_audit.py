"""Audit events of requests: who changed what, what was refused, and logins."""

import logging
from typing import Any

import pytest

from crossbar_appstore.kazoo.accounts import password_hashes
from tests.kit.accounts import PASSWORD
from tests.kit.service import Service
from tests.kit.system import System
from tests.operations.audited import Audited, audited

__all__ = ["audited"]


async def test_apps_store_changes_are_audited_with_before_and_after(
    system: System, service: Service, audited: Audited
) -> None:
    account = await system.account("Audited", below=system.master)
    path, voip = account.path, system.apps["voip"]
    everybody, admins = {"allowed_users": "all", "users": []}, {"allowed_users": "admins", "users": []}
    headers = {"X-Request-ID": "r-1"}
    assert (await service.put(f"{path}/{voip}", account, everybody, headers=headers)).status == 201
    assert (await service.post(f"{path}/{voip}", account, admins)).status == 200
    assert (await service.delete(f"{path}/{voip}", account)).status == 200
    assert (await service.post(f"{path}/blacklist", system.master, {"blacklist": [voip]})).status == 200
    install, update, uninstall, blacklist = audited()
    assert [each["action"] for each in (install, update, uninstall, blacklist)] == [
        "apps_store.install",
        "apps_store.update",
        "apps_store.uninstall",
        "apps_store.blacklist",
    ]
    assert install["who"] == {"account_id": account.id, "user_id": account.admin.id, "method": "cb_user_auth"}
    assert (install["account_id"], install["app_id"], install["client"]) == (account.id, voip, "127.0.0.1")
    assert (install["request_id"], install["outcome"], install["status"]) == ("r-1", "done", 201)
    assert install["before"] is None
    assert install["after"]["allowed_users"] == update["before"]["allowed_users"] == "all"
    assert update["after"]["allowed_users"] == uninstall["before"]["allowed_users"] == "admins"
    assert uninstall["after"] is None
    assert blacklist["after"] == [voip]
    assert blacklist["who"]["account_id"] == system.master.id


async def test_refused_changes_are_audited_and_reads_are_not(
    system: System, service: Service, audited: Audited
) -> None:
    account = await system.account("Refused", below=system.master)
    voip = system.apps["voip"]
    assert (await service.get(account.path, account)).status == 200
    assert (await service.get(account.path)).status == 401
    assert audited() == []
    assert (await service.put(f"{account.path}/{voip}", account.user, {"allowed_users": "all"})).status == 403
    assert (await service.delete(f"{account.path}/{voip}", None)).status == 401
    forbidden, anonymous = audited()
    assert (forbidden["action"], forbidden["outcome"], forbidden["status"]) == ("apps_store.install", "refused", 403)
    assert (forbidden["app_id"], forbidden["who"]["user_id"]) == (voip, account.user.id)
    assert (anonymous["action"], anonymous["who"], anonymous["status"]) == ("apps_store.uninstall", None, 401)


async def test_change_with_a_malformed_body_is_audited_as_refused(
    system: System, service: Service, audited: Audited
) -> None:
    account, voip = await system.account("Malformed", below=system.master), system.apps["voip"]
    headers = {"Content-Type": "application/json"}
    for call, path in (
        (service.put, f"{account.path}/{voip}"),
        (service.put, "user_auth"),
        (service.post, "user_auth/recovery"),
    ):
        assert (await call(path, None, body=b'{"data":', headers=headers)).status == 400
    install, login, recovery = audited()
    assert (install["action"], install["outcome"], install["status"]) == ("apps_store.install", "refused", 400)
    assert (install["account_id"], install["app_id"]) == (account.id, voip)
    assert (login["action"], login["outcome"], login["endpoint"]) == ("login", "refused", "user_auth")
    assert (recovery["action"], recovery["outcome"]) == ("login.recovery", "refused")


async def test_change_that_no_endpoint_has_is_not_audited(system: System, service: Service, audited: Audited) -> None:
    path = f"{system.master.path}/{system.apps['voip']}/a/b/c"
    assert (await service.put(path, system.master, {"allowed_users": "all"})).status == 404
    assert (await service.post("about", system.master, {})).status == 405
    assert (await service.delete(system.master.path, system.master)).status == 405
    assert audited() == []


async def test_user_auth_put_is_audited_without_credentials(system: System, service: Service, audited: Audited) -> None:
    admin = system.master.admin
    assert (await service.login(admin)).status == 201
    wrong, _ = password_hashes(admin.name, "wrong")
    credentials = {"credentials": wrong, "account_name": system.master.name}
    assert (await service.put("user_auth", None, credentials)).status == 401
    success, failure = audited()
    assert (success["action"], success["outcome"], success["user_id"]) == ("login", "done", admin.id)
    assert success["account_id"] == system.master.id
    assert (failure["action"], failure["outcome"], failure["who"]) == ("login", "refused", None)
    assert failure["named"] == {"account_name": system.master.name}
    right, _ = password_hashes(admin.name, PASSWORD)
    await service.put("user_auth", None, {"credentials": right, "account_name": right})
    (misplaced,) = audited()
    assert "named" not in misplaced
    assert not any(secret in f"{success}{failure}{misplaced}" for secret in (wrong, right))


async def test_user_changes_are_audited_with_the_masquerading_administrator(
    system: System, service: Service, audited: Audited
) -> None:
    account = await system.account("Masked", below=system.master)
    masked = system.token(system.master, **{"as": {"account_id": account.id, "owner_id": account.admin.id}})
    new = {"first_name": "A", "last_name": "B", "username": "ab", "password": "countess"}
    assert (await service.put(f"accounts/{account.id}/users", None, new, token=masked)).status == 201
    (event,) = audited()
    assert (event["action"], event["after"]["username"]) == ("user.create", "ab")
    assert event["who"]["account_id"] == system.master.id
    assert event["who"]["acting_as"] == {"account_id": account.id, "user_id": account.admin.id}
    assert "countess" not in str(event)


async def test_access_log_has_account_and_user_of_the_caller(
    system: System, service: Service, caplog: pytest.LogCaptureFixture, new_service: Any
) -> None:
    caplog.set_level(logging.INFO)
    account = await system.account("Logged", below=system.master)
    assert (await new_service(CROSSBAR_ACCESS_LOG="1").get(account.path, system.master)).status == 200
    (line,) = (vars(record) for record in caplog.records if record.message == "request")
    assert (line["account_id"], line["auth_account_id"]) == (account.id, system.master.id)
    assert line["auth_user_id"] == system.master.admin.id
