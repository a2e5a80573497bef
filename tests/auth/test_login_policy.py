"""Settings of the system and of accounts, as logins obey them."""

from typing import Any

import pytest

from crossbar_appstore.auth.login_policy import LoginPolicy, SecondFactor
from crossbar_appstore.auth.settings import CROSSBAR_AUTH
from tests.auth.world import Account, Rooms, World


async def account_settings(world: World, account: Account, **values: Any) -> None:
    await world.put(account.database, {"_id": f"configs_{CROSSBAR_AUTH}", "pvt_type": "account_config", **values})


async def test_without_settings_logins_are_open_for_an_hour(world: World) -> None:
    assert await Rooms(world).policies.of(world.sub.id, "cb_user_auth") == LoginPolicy(True, 3600, None)


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
async def test_the_modules_own_expiry_wins_and_none_is_for_ever(
    world: World, general: Any, own: Any, seconds: int | None
) -> None:
    modules = {"cb_user_auth": {"token_auth_expiry_s": own}} if own is not None else {}
    await world.config(CROSSBAR_AUTH, token_auth_expiry_s=general, auth_modules=modules)
    assert (await Rooms(world).policies.of(world.sub.id, "cb_user_auth")).expiry == seconds


@pytest.mark.parametrize(("flag", "enabled"), [(True, True), ("true", True), (False, False), ("no", False)])
async def test_a_method_can_be_switched_off(world: World, flag: Any, enabled: bool) -> None:
    await world.config(CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"enabled": flag}})
    rooms = Rooms(world)
    assert (await rooms.policies.of(world.sub.id, "cb_user_auth")).enabled is enabled
    assert (await rooms.policies.of(world.sub.id, "cb_api_auth")).enabled


async def test_what_is_nearer_to_the_account_wins(world: World) -> None:
    await world.config(
        CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"enabled": False, "token_auth_expiry_s": 10}, "x": {"a": 1}}
    )
    rooms = Rooms(world)
    await account_settings(world, world.reseller, auth_modules={"cb_user_auth": {"enabled": True}})
    assert (await rooms.policies.of(world.sub.id, "cb_user_auth")) == LoginPolicy(True, 10, None)
    rooms = Rooms(world)
    await account_settings(world, world.sub, auth_modules={"cb_user_auth": {"token_auth_expiry_s": 20}})
    assert (await rooms.policies.of(world.sub.id, "cb_user_auth")) == LoginPolicy(True, 20, None)
    assert not (await rooms.policies.of(world.other.id, "cb_user_auth")).enabled


async def test_settings_above_the_nearest_reseller_do_not_count(world: World) -> None:
    await account_settings(world, world.master, auth_modules={"cb_user_auth": {"enabled": False}})
    rooms = Rooms(world)
    assert (await rooms.policies.of(world.sub.id, "cb_user_auth")).enabled
    assert (await rooms.policies.of(world.reseller.id, "cb_user_auth")).enabled
    assert not (await rooms.policies.of(world.other.id, "cb_user_auth")).enabled
    assert not (await rooms.policies.of(world.master.id, "cb_user_auth")).enabled


async def enforce(world: World, **options: Any) -> None:
    await world.config(CROSSBAR_AUTH, auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True, **options}}})


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
async def test_a_second_factor_needs_a_provider(world: World, provider: Any, factor: SecondFactor | None) -> None:
    await enforce(world)
    await world.put("system_auth", {"_id": "duo", **provider})
    assert (await Rooms(world).policies.of(world.sub.id, "cb_user_auth")).second_factor == factor


async def test_without_a_providers_document_there_is_no_second_factor(world: World) -> None:
    await enforce(world)
    assert (await Rooms(world).policies.of(world.sub.id, "cb_user_auth")).second_factor is None


async def test_the_systems_provider_can_be_named(world: World) -> None:
    await enforce(world)
    await world.put("system_auth", {"_id": f"totp-{world.tag}", "provider_name": "totp"})
    await world.config("auth", default_multi_factor_provider=f"totp-{world.tag}")
    assert (await Rooms(world).policies.of(world.sub.id, "cb_user_auth")).second_factor == SecondFactor("totp")


@pytest.mark.parametrize(("include", "applies"), [(True, True), (False, False), (None, False)])
async def test_an_accounts_provider_covers_its_descendants_if_it_says_so(
    world: World, include: bool | None, applies: bool
) -> None:
    options = {"account_id": world.reseller.id, "configuration_id": "mfa", "include_subaccounts": include}
    await enforce(world, **options)
    await world.put(world.reseller.database, {"_id": "mfa", "provider_name": "duo"})
    rooms = Rooms(world)
    factor = SecondFactor("duo")
    assert (await rooms.policies.of(world.sub.id, "cb_user_auth")).second_factor == (factor if applies else None)
    assert (await rooms.policies.of(world.reseller.id, "cb_user_auth")).second_factor == factor
    assert (await rooms.policies.of(world.master.id, "cb_user_auth")).second_factor == factor


async def test_text_for_prefers_the_account(world: World) -> None:
    await world.config(CROSSBAR_AUTH, basic_auth_type="sha")
    await account_settings(world, world.sub, basic_auth_type="plain")
    rooms = Rooms(world)
    assert await rooms.settings.text_for(world.sub.id, CROSSBAR_AUTH, "basic_auth_type") == "plain"
    assert await rooms.settings.text_for(world.other.id, CROSSBAR_AUTH, "basic_auth_type") == "sha"
    assert await rooms.settings.text_for(world.other.id, CROSSBAR_AUTH, "nothing") is None
