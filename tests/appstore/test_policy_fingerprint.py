"""``policy_fingerprint`` is equal exactly for accounts with equal replies."""

from typing import Any

import pytest

from crossbar_appstore.appstore.allowed_apps import AccountState, allowed_apps, policy_fingerprint
from crossbar_appstore.appstore.listing import app_body, list_entries
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.samples import ACCOUNT, EXTRA, MASTER, PORT, VENDOR, VOIP, app, store

CATALOGUE = [app(PORT, "port"), app(VOIP, "voip")]
OTHER = "b" * 32
PERMISSION = {"allowed_users": "all", "users": []}


def state(**fields: Any) -> AccountState:
    return AccountState(**{"account_id": ACCOUNT, "master_account_id": MASTER, **fields})


def override(app_id: str, **fields: Any) -> dict[str, JsonObject]:
    return {app_id: {"_id": f"app_whitelabel-{app_id}", "_rev": "1-o", **fields}}


def replies(of: AccountState) -> list[Json]:
    apps = allowed_apps(CATALOGUE, of)
    return [list_entries(apps).entries, *map(app_body, apps)]


ALIKE = {
    "account": (state(), state(account_id=OTHER)),
    "account document": (state(), state(account={"_id": ACCOUNT, "name": "x"})),
    "revision": (state(apps_store=store({VOIP: PERMISSION})), state(apps_store=store({VOIP: PERMISSION}, _rev="9-x"))),
    "where permissions are": (
        state(apps_store=store({VOIP: PERMISSION})),
        state(account={"_id": ACCOUNT, "apps": {VOIP: PERMISSION}}),
    ),
    "reseller without a whitelabel": (state(), state(is_reseller=True)),
    "whitelabel that hides nothing": (state(), state(whitelabel={"_id": "whitelabel", "hide_port": False})),
    "private fields of an override": (
        state(overrides=override(VOIP, i18n={"en-US": {"label": "x"}})),
        state(overrides=override(VOIP, i18n={"en-US": {"label": "x"}}, pvt_modified=1)),
    ),
    "soft-deleted apps of a vendor": (
        state(plan_apps={EXTRA: {"vendor_id": VENDOR}}, vendor_apps={(VENDOR, EXTRA): None}),
        state(
            plan_apps={EXTRA: {"vendor_id": VENDOR}},
            vendor_apps={(VENDOR, EXTRA): app(EXTRA, "extra", owner=VENDOR, pvt_deleted=True)},
        ),
    ),
}
UNLIKE = {
    "master account": (state(), state(account_id=MASTER)),
    "permission": (state(), state(apps_store=store({VOIP: PERMISSION}))),
    "users": (
        state(apps_store=store({VOIP: PERMISSION})),
        state(apps_store=store({VOIP: {**PERMISSION, "users": ["x"]}})),
    ),
    "blacklist": (state(), state(apps_store=store(blacklist=[VOIP]))),
    "plan": (state(), state(plan_apps={VOIP: {"enabled": False}})),
    "vendor": (
        state(plan_apps={EXTRA: {"vendor_id": VENDOR}}),
        state(
            plan_apps={EXTRA: {"vendor_id": VENDOR}},
            vendor_apps={(VENDOR, EXTRA): app(EXTRA, "extra", owner=VENDOR)},
        ),
    ),
    "whitelabel": (state(), state(whitelabel={"_id": "whitelabel", "hide_port": True})),
    "override": (state(), state(overrides=override(VOIP, i18n={"en-US": {"label": "x"}}))),
}


@pytest.mark.parametrize("states", ALIKE.values(), ids=ALIKE)
def test_policy_fingerprint_equal_for_states_with_equal_replies(states: tuple[AccountState, AccountState]) -> None:
    one, two = states
    assert policy_fingerprint(one) == policy_fingerprint(two) is not None
    assert replies(one) == replies(two)


@pytest.mark.parametrize("states", UNLIKE.values(), ids=UNLIKE)
def test_policy_fingerprint_differs_for_states_with_different_replies(
    states: tuple[AccountState, AccountState],
) -> None:
    one, two = states
    assert policy_fingerprint(one) != policy_fingerprint(two)
    assert replies(one) != replies(two)


def test_policy_fingerprint_is_none_if_nested_too_deeply() -> None:
    nested: Json = {}
    for _ in range(100_000):
        nested = {"x": nested}
    assert policy_fingerprint(state(apps_store=store({VOIP: nested}))) is None
