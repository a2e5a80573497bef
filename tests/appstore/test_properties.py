"""Properties for any documents: nothing raises, hidden apps stay hidden, replies do not break the web client."""

import copy
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crossbar_appstore.appstore.allowed_apps import AccountState, allowed_apps, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import AccountUser
from crossbar_appstore.appstore.listing import app_body, label_languages, list_entries, login_apps, shown_text
from crossbar_appstore.appstore.metadata import REFRESH_KEYS, refresh, validate_app
from crossbar_appstore.appstore.resellers import invented_services, is_reseller
from crossbar_appstore.appstore.service_plans import (
    applications,
    fallback_account,
    mentions,
    merge_weights,
    plan_references,
)
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.validation.validator import schema
from tests.appstore.hiding import assert_hidden_stays_hidden
from tests.appstore.samples import ACCOUNT, ADMIN, MASTER, MEMBER, PORT, RESELLER, VENDOR, VOIP, find_app
from tests.json_values import json_values

APP_IDS = st.sampled_from([VOIP, PORT])
ACCOUNT_IDS = st.sampled_from([MASTER, RESELLER, VENDOR, ACCOUNT])


def documents(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[JsonObject]:
    """Objects in which each member is missing, well-formed (mostly), or anything at all."""
    known = {key: st.one_of(strategy, strategy, strategy, json_values) for key, strategy in members.items()}
    odd = {"pvt_deleted": st.sampled_from([False, "false", None, True, "true"]), "x": json_values}
    return st.fixed_dictionaries({}, optional={**known, **odd})


users_lists = st.lists(
    st.one_of(st.sampled_from([MEMBER, ADMIN, {"id": MEMBER}, {"id": ADMIN}]), json_values), max_size=3
)
booleans = st.sampled_from([True, False, "true", "false"])
names = st.sampled_from(["voip", "port", "extra"])

permission_entries = documents(
    allowed_users=st.sampled_from(["all", "admins", "specific", "nobody", ["all"], ["admins"]]),
    users=users_lists,
    name=names,
    published=booleans,
    _id=APP_IDS,
    id=APP_IDS,
)
stores = documents(
    apps=st.dictionaries(APP_IDS, st.one_of(permission_entries, json_values), max_size=3),
    blacklist=st.lists(st.one_of(APP_IDS, json_values), max_size=3),
)
locales = st.sampled_from(["en-US", "de-DE", "x"])
app_documents = documents(
    _id=APP_IDS,
    name=names,
    published=booleans,
    i18n=st.dictionaries(locales, st.one_of(documents(label=st.text(max_size=3)), json_values), max_size=2),
    allowed_users=st.sampled_from(["all", "x"]),
    api_url=st.sampled_from(["", "https://x/v2"]),
)
plan_entries = documents(enabled=booleans, vendor_id=ACCOUNT_IDS)
plan_apps = st.dictionaries(APP_IDS, st.one_of(plan_entries, json_values), max_size=3)
plans = documents(
    applications=plan_apps,
    merge=documents(strategy=st.sampled_from(["simple", "recursive", "cumulative"]), priority=st.integers(-5, 5)),
    bookkeeper=documents(id=names, type=names, vendor_id=ACCOUNT_IDS),
)
assignments = st.dictionaries(
    st.sampled_from(["p1", "p2"]), st.one_of(documents(vendor_id=ACCOUNT_IDS, overrides=plans), json_values), max_size=2
)
services_documents = documents(
    plans=assignments,
    overrides=plans,
    pvt_reseller=booleans,
    pvt_reseller_id=ACCOUNT_IDS,
    bookkeeper=documents(id=names, vendor_id=ACCOUNT_IDS),
)
whitelabels = documents(hide_port=booleans)
user_documents = documents(priv_level=st.sampled_from(["admin", "user"]), language=locales)
accounts = documents(
    _id=st.just(ACCOUNT),
    apps=st.dictionaries(APP_IDS, permission_entries, max_size=2),
    language=locales,
    pvt_tree=st.lists(ACCOUNT_IDS, max_size=3),
)
users = st.one_of(
    st.none(), st.builds(AccountUser, st.sampled_from([MEMBER, ADMIN]), st.one_of(st.none(), user_documents))
)


@st.composite
def states(draw: st.DrawFn) -> AccountState:
    plan = draw(plan_apps)
    needed = needed_vendor_apps(plan, MASTER)
    return AccountState(
        account_id=draw(st.sampled_from([ACCOUNT, ACCOUNT, ACCOUNT, MASTER])),
        master_account_id=MASTER,
        plan_apps=plan,
        vendor_apps={key: draw(st.one_of(st.none(), app_documents)) for key in needed},
        apps_store=draw(st.one_of(st.none(), stores)),
        account=draw(st.one_of(st.none(), accounts)),
        whitelabel=draw(st.one_of(st.none(), whitelabels)),
        is_reseller=draw(st.booleans()),
    )


catalogues = st.lists(app_documents, max_size=3)


def optional(key: str, *values: Any) -> st.SearchStrategy[JsonObject]:
    """An object with one of the values under the key, or an empty one."""
    return st.sampled_from([{}, *({key: value} for value in values)])


def joined(*parts: st.SearchStrategy[JsonObject]) -> st.SearchStrategy[JsonObject]:
    return st.tuples(*parts).map(lambda objects: {key: value for part in objects for key, value in part.items()})


plain_entries = joined(
    optional("allowed_users", "all", "admins", "specific", "nobody", ["all"]),
    optional("users", [], [MEMBER], [{"id": MEMBER}], [ADMIN]),
    optional("published", True),
    optional("name", "voip"),
)
plain_states = st.builds(
    lambda apps_store, plan_entry, whitelabel, is_reseller, account_id: AccountState(
        account_id, MASTER, {PORT: plan_entry}, {}, apps_store, None, whitelabel, is_reseller
    ),
    st.one_of(
        st.none(),
        joined(
            plain_entries.map(lambda entry: {"apps": {PORT: entry}}),
            optional("blacklist", [PORT], [VOIP], PORT),
            optional("pvt_deleted", True),
        ),
    ),
    st.one_of(json_values, optional("enabled", True, False, "false", None)),
    optional("hide_port", True, False),
    st.booleans(),
    st.sampled_from([ACCOUNT, ACCOUNT, ACCOUNT, MASTER]),
)
plain_apps = joined(
    st.just({"_id": PORT}), optional("published", True, False, "false", None), optional("name", "port", "voip")
)
plain_users = st.one_of(
    st.none(),
    st.builds(
        AccountUser,
        st.sampled_from([MEMBER, ADMIN]),
        joined(optional("priv_level", "admin", "user"), optional("pvt_deleted", True)),
    ),
)


@settings(max_examples=500)
@given(plain_apps, plain_states, plain_users)
def test_allowed_apps_keeps_a_hidden_app_hidden(app: JsonObject, state: AccountState, user: AccountUser | None) -> None:
    apps = allowed_apps([app], state, user)
    assert_hidden_stays_hidden(apps, [app], state, user)


@given(catalogues, states(), users)
def test_allowed_apps_keeps_a_hidden_app_hidden_for_any_documents(
    catalogue: list[JsonObject], state: AccountState, user: AccountUser | None
) -> None:
    before = copy.deepcopy((catalogue, state.apps_store, state.plan_apps, state.vendor_apps, state.account))
    apps = allowed_apps(catalogue, state, user)
    assert_hidden_stays_hidden(apps, catalogue, state, user)
    assert (catalogue, state.apps_store, state.plan_apps, state.vendor_apps, state.account) == before


@given(catalogues, states(), users)
def test_allowed_apps_for_a_user_are_a_subset_of_the_accounts(
    catalogue: list[JsonObject], state: AccountState, user: AccountUser | None
) -> None:
    for_account, for_user = allowed_apps(catalogue, state), allowed_apps(catalogue, state, user)
    assert [app.id for app in for_user] == [app.id for app in for_account]
    for mine, whole in zip(for_user, for_account, strict=True):
        assert whole.published or not mine.published
        assert mine.trail[-1].published == mine.published
        assert mine.trail[-1].rule == mine.authority == mine.document["authority"]


@given(catalogues, states(), user_documents)
@example([{"_id": "1" * 32, "name": 0}], AccountState("c" * 32, "a" * 32), {})
def test_listing_returns_nothing_that_breaks_the_web_client(
    catalogue: list[JsonObject], state: AccountState, user: JsonObject
) -> None:
    apps = allowed_apps(catalogue, state)
    bodies = [body for body in map(app_body, apps) if body is not None]
    listed = list_entries(apps)
    for entry in (*listed.entries, *bodies):
        assert entry["id"]
        # For a single app KAZOO returns a number as it is stored: 0 is a valid name.
        assert shown_text(entry["name"])
        assert entry["i18n"]
        assert all(isinstance(texts["label"], str) for texts in entry["i18n"].values())
        assert entry.get("api_url") != ""
        assert entry.get("allowed_users", "all") in ("all", "admins", "specific")
        assert not any(key.startswith(("_", "pvt_")) for key in entry)
    assert all(isinstance(entry["name"], str) for entry in listed.entries)
    assert len(listed.entries) + len(listed.skipped) == sum(app.published for app in apps)
    for entry in login_apps(apps, label_languages(user, state.account)).entries:
        assert isinstance(entry["name"], str)
        assert isinstance(entry["label"], str)


@given(catalogues, states(), APP_IDS, st.one_of(permission_entries, json_values))
def test_allowed_apps_permission_does_not_affect_other_apps(
    catalogue: list[JsonObject], state: AccountState, app_id: str, entry: Any
) -> None:
    def others(permissions: JsonObject) -> list[Any]:
        given_state = AccountState(
            ACCOUNT, MASTER, state.plan_apps, state.vendor_apps, {"apps": permissions}, whitelabel=state.whitelabel
        )
        return [app for app in allowed_apps(catalogue, given_state) if app.id != app_id]

    assert others({app_id: entry}) == others({})
    found = find_app(allowed_apps(catalogue, state), app_id)
    assert found is None or found.id == app_id


@given(
    st.one_of(st.none(), services_documents),
    accounts,
    st.lists(st.tuples(names, st.one_of(assignments, json_values)), max_size=2),
    st.lists(st.one_of(st.none(), plans), min_size=1, max_size=3),
    st.one_of(st.none(), json_values.map(lambda weights: {"default": {"merge_strategy_priority": weights}})),
)
def test_applications_of_any_plans_are_accepted_by_allowed_apps(
    services: JsonObject | None,
    account: JsonObject,
    object_plans: list[tuple[str, Any]],
    found: list[JsonObject | None],
    config: JsonObject | None,
) -> None:
    effective = services if services is not None else invented_services(account, {RESELLER: None}, MASTER)
    references = plan_references(effective, object_plans)
    stored = {reference.key: found[index % len(found)] for index, reference in enumerate(references)}
    apps = applications(references, stored, merge_weights(config))
    assert fallback_account(apps, effective) in (None, MASTER, RESELLER, VENDOR, ACCOUNT)
    for app_id in apps:
        assert mentions(app_id, references, stored)
    state = AccountState(ACCOUNT, MASTER, apps, is_reseller=is_reseller(effective))
    assert_hidden_stays_hidden(allowed_apps([{"_id": VOIP, "name": "voip"}], state), [{"_id": VOIP}], state, None)


@given(app_documents, app_documents)
def test_validate_app_and_refresh_accept_any_metadata(current: JsonObject, metadata: JsonObject) -> None:
    assert validate_app({**metadata, "masqueradable": True}).keys() <= {*validate_app(metadata), "masqueradable"}
    assert schema("app").with_defaults(metadata).keys() >= {
        key for key in metadata if not key.startswith(("_", "pvt_"))
    }
    changed, document = refresh(current, metadata, REFRESH_KEYS)
    assert changed or document == current
    assert not refresh(document, metadata, REFRESH_KEYS)[0]
