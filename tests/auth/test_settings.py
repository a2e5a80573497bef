"""Login policies from the settings of the system and of accounts."""

from typing import Any

import pytest

from crossbar_appstore.auth.documents import CROSSBAR_AUTH, LoginPolicy, SecondFactor
from tests.kit.accounts import Account
from tests.kit.auth import AuthParts
from tests.kit.system import System


async def account_settings(system: System, account: Account, **values: Any) -> None:
    await system.put(account.database, {"_id": f"configs_{CROSSBAR_AUTH}", "pvt_type": "account_config", **values})


async def test_login_policy_without_settings_is_enabled_for_an_hour(parts: AuthParts, sub: Account) -> None:
    assert await parts.settings.login_policy(sub.id, "cb_user_auth") == LoginPolicy(True, 3600, None)


@pytest.mark.parametrize(
    ("general", "own", "seconds"),
    [
        (7200, None, 7200),
        ("7200", None, 7200),
        (7200, 60, 60),
        (7200, 0, 7200),
        (7200, "nonsense", 7200),
        (0, None, None),
        (-1, None, None),
        (None, 60, 60),
        ("nonsense", None, 3600),
    ],
)
async def test_login_policy_expiry_is_the_modules_else_the_general_one(
    parts: AuthParts, system: System, sub: Account, general: Any, own: Any, seconds: int | None
) -> None:
    modules = {"cb_user_auth": {"token_auth_expiry_s": own}} if own is not None else {}
    await system.config(CROSSBAR_AUTH, token_auth_expiry_s=general, auth_modules=modules)
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).expiry == seconds


@pytest.mark.parametrize(("flag", "enabled"), [(True, True), ("true", True), (False, False), ("no", False)])
async def test_login_policy_is_disabled_for_a_disabled_method(
    parts: AuthParts, system: System, sub: Account, flag: Any, enabled: bool
) -> None:
    await system.config(CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"enabled": flag}})
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).enabled is enabled
    assert (await parts.settings.login_policy(sub.id, "cb_api_auth")).enabled


async def test_login_policy_prefers_settings_nearer_to_the_account(
    parts: AuthParts, system: System, reseller: Account, sub: Account, other: Account
) -> None:
    await system.config(
        CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"enabled": False, "token_auth_expiry_s": 10}, "x": {"a": 1}}
    )
    await account_settings(system, reseller, auth_modules={"cb_user_auth": {"enabled": True}})
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")) == LoginPolicy(True, 10, None)
    await account_settings(system, sub, auth_modules={"cb_user_auth": {"token_auth_expiry_s": 20}})
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")) == LoginPolicy(True, 20, None)
    assert not (await parts.settings.login_policy(other.id, "cb_user_auth")).enabled


async def test_login_policy_ignores_settings_above_the_nearest_reseller(
    parts: AuthParts, system: System, reseller: Account, sub: Account, other: Account
) -> None:
    await account_settings(system, system.master, auth_modules={"cb_user_auth": {"enabled": False}})
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).enabled
    assert (await parts.settings.login_policy(reseller.id, "cb_user_auth")).enabled
    assert not (await parts.settings.login_policy(other.id, "cb_user_auth")).enabled
    assert not (await parts.settings.login_policy(system.master.id, "cb_user_auth")).enabled


async def enforce(system: System, **options: Any) -> None:
    await system.config(CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True, **options}}})


@pytest.mark.parametrize(
    ("provider", "factor"),
    [
        ({"provider_name": "duo"}, SecondFactor("duo")),
        ({"provider_name": "duo", "enabled": "true"}, SecondFactor("duo")),
        ({"provider_name": "duo", "enabled": False}, SecondFactor("duo", enabled=False)),
        ({"provider_name": "", "enabled": True}, None),
        ({}, None),
    ],
)
async def test_login_policy_second_factor_needs_a_provider(
    parts: AuthParts, system: System, sub: Account, provider: Any, factor: SecondFactor | None
) -> None:
    await enforce(system)
    await system.put("system_auth", {"_id": "duo", **provider})
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).second_factor == factor


async def test_login_policy_second_factor_needs_the_providers_document(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await enforce(system)
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).second_factor is None


async def test_login_policy_second_factor_is_the_systems_default_provider(
    parts: AuthParts, system: System, sub: Account
) -> None:
    await enforce(system)
    await system.put("system_auth", {"_id": "totp", "provider_name": "totp"})
    await system.config("auth", default_multi_factor_provider="totp")
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).second_factor == SecondFactor("totp")


@pytest.mark.parametrize(("include", "applies"), [(True, True), (False, False), (None, False)])
async def test_login_policy_second_factor_of_an_account_covers_descendants_if_set(
    parts: AuthParts, system: System, reseller: Account, sub: Account, include: bool | None, applies: bool
) -> None:
    options = {"account_id": reseller.id, "configuration_id": "mfa", "include_subaccounts": include}
    await enforce(system, **options)
    await system.put(reseller.database, {"_id": "mfa", "provider_name": "duo"})
    factor = SecondFactor("duo")
    assert (await parts.settings.login_policy(sub.id, "cb_user_auth")).second_factor == (factor if applies else None)
    assert (await parts.settings.login_policy(reseller.id, "cb_user_auth")).second_factor == factor
    assert (await parts.settings.login_policy(system.master.id, "cb_user_auth")).second_factor == factor


async def test_text_for_prefers_the_account(parts: AuthParts, system: System, sub: Account, other: Account) -> None:
    await system.config(CROSSBAR_AUTH, basic_auth_type="sha")
    await account_settings(system, sub, basic_auth_type="plain")
    assert await parts.settings.text_for(sub.id, CROSSBAR_AUTH, "basic_auth_type") == "plain"
    assert await parts.settings.text_for(other.id, CROSSBAR_AUTH, "basic_auth_type") == "sha"
    assert await parts.settings.text_for(other.id, CROSSBAR_AUTH, "nothing") is None
