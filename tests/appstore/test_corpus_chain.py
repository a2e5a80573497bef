"""Service plans and policy together, compared with KAZOO's recorded results."""

import pytest

from crossbar_appstore.appstore.resellers import is_reseller
from tests.appstore.corpus import CRASH, Case, canonical, cases
from tests.appstore.plan_cases import effective_references, outcome, possible_apps
from tests.appstore.policy_cases import answers
from tests.appstore.policy_checks import Comparison


@pytest.mark.parametrize("case", cases("chain"))
def test_applications_and_allowed_apps_match_kazoo(case: Case) -> None:
    given, recorded = case["input"], case["output"]["services_apps"]
    ours = outcome(given, "account")["effective"]

    if recorded == CRASH:
        apps = ours
    elif "unordered" in case["tags"]:
        allowed = {canonical(apps) for apps in possible_apps(given, *effective_references(given, "account"))}
        assert {canonical(ours), canonical(recorded)} <= allowed
        apps = recorded
    else:
        assert canonical(ours) == canonical(recorded)
        # The order of vendor apps is that of a hash in KAZOO; use the recorded order.
        apps = {app_id: ours[app_id] for app_id in recorded}

    policy = answers(given, apps, is_reseller=is_reseller(given["services_doc"]))
    Comparison.of(case, policy).check()
