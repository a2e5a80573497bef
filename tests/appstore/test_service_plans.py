from typing import Any

import pytest

from crossbar_appstore.appstore.service_plans import (
    DEFAULT_WEIGHTS,
    applications,
    fallback_account,
    mentions,
    merge_weights,
    plan_references,
)
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.samples import EXTRA, MASTER, PORT, RESELLER, VENDOR, VOIP, plan, services

ON, OFF = {"enabled": True}, {"enabled": False}


def computed(
    assigned: JsonObject,
    *plans: JsonObject,
    attached: tuple[tuple[str, Json], ...] = (),
    weights: Any = DEFAULT_WEIGHTS,
    vendor: str = RESELLER,
) -> JsonObject:
    references = plan_references(assigned, attached)
    return applications(references, {(vendor, one["_id"]): one for one in plans}, weights)


def test_applications_of_one_plan() -> None:
    entry = {"enabled": True, "vendor_id": VENDOR, "name": "extra"}
    assert computed(services({"p": {}}), plan("p", {EXTRA: entry})) == {EXTRA: entry}


def test_applications_of_equal_plans_the_first_named_wins() -> None:
    both = services({"p1": {}, "p2": {}})
    assert computed(both, plan("p1", {VOIP: ON}), plan("p2", {VOIP: OFF})) == {VOIP: ON}


def test_applications_higher_priority_wins_and_none_is_highest() -> None:
    three = services({"p1": {}, "p2": {}, "p3": {}})
    low = plan("p1", {VOIP: {"name": "low"}, PORT: {"name": "low"}}, merge={"priority": 5})
    high = plan("p2", {VOIP: {"name": "high"}, PORT: {"name": "high"}}, merge={"priority": "1.0e1"})
    none = plan("p3", {PORT: {"name": "none"}}, merge={"priority": "x"})
    assert computed(three, low, high, none) == {VOIP: {"name": "high"}, PORT: {"name": "none"}}


def test_applications_merge_strategies_by_weight() -> None:
    both = services({"p1": {}, "p2": {}})
    simple, cumulative = plan("p1", {VOIP: ON}), plan("p2", {VOIP: OFF}, merge={"strategy": "cumulative"})
    assert computed(both, simple, cumulative) == {VOIP: OFF}
    turned = merge_weights({"default": {"merge_strategy_priority": {"simple": "60", "cumulative": 20}}})
    assert computed(both, simple, cumulative, weights=turned) == {VOIP: ON}


def test_applications_unknown_strategy_is_simple() -> None:
    both = services({"p1": {}, "p2": {}})
    assert computed(both, plan("p1", {VOIP: ON}), plan("p2", {VOIP: OFF}, merge={"strategy": "other"})) == {VOIP: ON}


@pytest.mark.parametrize("config", [None, {}, {"default": {"merge_strategy_priority": "x"}}, {"pvt_deleted": True}])
def test_merge_weights_defaults(config: JsonObject | None) -> None:
    assert merge_weights(config) == DEFAULT_WEIGHTS


def test_merge_weights_configured_replace_all_defaults() -> None:
    config = {"default": {"merge_strategy_priority": {"simple": "7", "recursive": None}}}
    assert merge_weights(config) == {"simple": 7, "recursive": 0}


def test_applications_plan_overrides_win_over_shared_overrides_over_plan() -> None:
    assigned = services(
        {"p": {"overrides": {"applications": {VOIP: {"name": "plan"}}}}},
        overrides={"applications": {VOIP: {"name": "shared", "enabled": False}, PORT: ON}},
    )
    document = plan("p", {VOIP: {"enabled": True, "vendor_id": VENDOR}})
    assert computed(assigned, document) == {VOIP: {"enabled": False, "vendor_id": VENDOR, "name": "plan"}, PORT: ON}


def test_applications_overrides_may_change_the_priority() -> None:
    assigned = services({"p1": {"overrides": {"merge": {"priority": 1}}}, "p2": {}})
    p1, p2 = plan("p1", {VOIP: ON}, merge={"priority": 9}), plan("p2", {VOIP: OFF}, merge={"priority": 5})
    assert computed(assigned, p1, p2) == {VOIP: OFF}


def test_applications_overrides_without_plan_have_no_effect() -> None:
    assert computed(services({}, overrides={"applications": {VOIP: OFF}})) == {}


def test_applications_omit_empty_values() -> None:
    document = plan("p", {VOIP: {}, PORT: None, EXTRA: {"a": {"b": {}}, "c": None, "name": "x"}, "y": "text"})
    assert computed(services({"p": {}}), document) == {EXTRA: {"name": "x"}, "y": "text"}


@pytest.mark.parametrize("odd", ["x", 5, None, True, [1]])
def test_applications_ignore_a_malformed_member(odd: Json) -> None:
    assert computed(services({"p": {}}), plan("p", odd)) == {}


def test_applications_merge_within_a_bookkeeper_and_replace_between_bookkeepers() -> None:
    three = services({"p1": {}, "p2": {}, "p3": {}}, bookkeeper={"id": "mine", "type": "t"})
    p1 = plan("p1", {VOIP: {"enabled": True, "name": "one"}})
    p2 = plan("p2", {VOIP: {"vendor_id": VENDOR}}, bookkeeper={"id": "mine", "type": "t"})
    p3 = plan("p3", {VOIP: {"name": "three"}, PORT: OFF}, bookkeeper={"id": "other"})
    assert computed(three, p1, p2) == {VOIP: {"enabled": True, "name": "one", "vendor_id": VENDOR}}
    assert computed(three, p1, p2, p3) == {VOIP: {"name": "three"}, PORT: OFF}


def test_plan_references_vendor() -> None:
    def vendors(**fields: Any) -> list[str]:
        return [
            reference.vendor_id for reference in plan_references(services({"p": fields.pop("entry", {})}, **fields))
        ]

    assert vendors() == [RESELLER]
    assert vendors(bookkeeper={"vendor_id": VENDOR}) == [VENDOR]
    assert vendors(entry={"vendor_id": MASTER}, bookkeeper={"vendor_id": VENDOR}) == [MASTER]
    assert vendors(entry={"vendor_id": f"account/{VENDOR[:2]}/{VENDOR[2:4]}/{VENDOR[4:]}"}) == [VENDOR]
    assert vendors(entry={"vendor_id": ""}) == [RESELLER]
    assert vendors(entry={"vendor_id": None}) == []
    assert vendors(entry={"vendor_id": "short"}) == []
    assert vendors(pvt_reseller_id=None) == []


@pytest.mark.parametrize("odd", ["x", 5, None, True])
def test_plan_references_skip_malformed_assignments(odd: Json) -> None:
    assert computed(services({"q": odd, "p": []}), plan("p", {VOIP: ON}), plan("q", {PORT: ON})) == {VOIP: ON}
    assert plan_references(services(odd)) == ()


def test_applications_of_object_plans_ignore_shared_overrides() -> None:
    assigned = services(overrides={"applications": {VOIP: OFF}})
    attached: tuple[tuple[str, Json], ...] = (
        ("device1", {"p": {"overrides": {"applications": {PORT: OFF}}}, "q": "x"}),
        ("device2", "odd"),
    )
    assert computed(assigned, plan("p", {VOIP: ON, PORT: ON}), attached=attached) == {VOIP: ON, PORT: OFF}
    assert [reference.source for reference in plan_references(assigned, attached)] == ["device1"]


def test_applications_skip_missing_and_deleted_plans() -> None:
    three = services({"gone": {}, "deleted": {}, "p": {}})
    deleted = plan("deleted", {VOIP: OFF}, pvt_deleted=True)
    assert computed(three, deleted, plan("p", {VOIP: ON})) == {VOIP: ON}
    assert plan_references(None) == plan_references({"pvt_deleted": True, "plans": {"p": {}}}) == ()


def test_fallback_account_is_the_reseller_without_own_apps() -> None:
    assert fallback_account({}, services()) == RESELLER
    assert fallback_account({VOIP: OFF}, services()) is None
    assert fallback_account({}, services(pvt_reseller="true")) is None
    assert fallback_account({}, services(pvt_reseller_id="")) is None
    assert fallback_account({}, services(pvt_reseller_id="short")) is None
    assert fallback_account({}, None) is None


def test_mentions_of_an_app_by_plan() -> None:
    assigned = services({"p1": {}, "p2": {"overrides": {"applications": {VOIP: {"enabled": False}}}}, "gone": {}})
    references = plan_references(assigned)
    plans: dict[tuple[str, str], JsonObject | None] = {
        (RESELLER, "p1"): plan("p1", {PORT: ON}),
        (RESELLER, "p2"): plan("p2", {VOIP: {"name": "voip"}}),
        (RESELLER, "gone"): None,
    }
    (mention,) = mentions(VOIP, references, plans)
    assert (mention.vendor_id, mention.plan_id, mention.revision) == (RESELLER, "p2", "1-p2")
    assert (mention.source, mention.entry) == ("services", {"name": "voip", "enabled": False})
