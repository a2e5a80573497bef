"""List, single app and login reply, compared with recorded results of ``cb_apps_store`` and ``cb_apps_util``."""

import json
from typing import Any

import pytest

from crossbar_appstore.appstore.resellers import is_reseller
from crossbar_appstore.json_codec import JsonObject
from tests.appstore.corpus import Case, cases
from tests.appstore.hiding import assert_hidden_stays_hidden
from tests.appstore.policy_cases import Answers, answers, state_of, user_of
from tests.appstore.policy_checks import Comparison, assert_refused_parts_do_not_count

CASES = cases("policy")


@pytest.mark.parametrize("case", CASES)
def test_allowed_apps_match_kazoo(case: Case) -> None:
    Comparison.of(case, _answer(case["input"])).check()


@pytest.mark.parametrize("case", CASES)
def test_allowed_apps_ignores_rejected_parts_of_permissions(case: Case) -> None:
    assert_refused_parts_do_not_count(case, _answer(case["input"]), _answer)


@pytest.mark.parametrize("case", CASES)
def test_allowed_apps_keeps_hidden_apps_hidden_and_documents_unchanged(case: Case) -> None:
    given = case["input"]
    before = json.dumps(given)
    apps, reseller = _plan(given)
    ours = answers(given, apps, is_reseller=reseller)
    state = state_of(given, apps, is_reseller=reseller)
    assert_hidden_stays_hidden(ours.allowed, given["default_apps"], state, user_of(given))
    assert json.dumps(given) == before


def _answer(given: dict[str, Any]) -> Answers:
    apps, reseller = _plan(given)
    return answers(given, apps, is_reseller=reseller)


def _plan(given: dict[str, Any]) -> tuple[JsonObject, bool]:
    reseller = is_reseller({"pvt_reseller": given["is_reseller"]})
    own = given["services_apps"]
    apps = own if own or reseller else given["reseller_services_apps"]
    return (apps if isinstance(apps, dict) else {}), reseller
