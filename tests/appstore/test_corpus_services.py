"""Service plans, compared with ``kz_services_applications`` and ``cb_apps_util:get_services_apps/1``."""

from typing import Any

import pytest

from tests.appstore.corpus import CRASH, Case, canonical, cases
from tests.appstore.plan_cases import effective_references, outcome, possible_apps, references_of, services_of


@pytest.mark.parametrize("case", cases("services"))
def test_applications_match_kazoo(case: Case) -> None:
    given, recorded = case["input"], case["output"]
    ours = outcome(given)

    for key, value in recorded.items():
        if value != CRASH and not ("unordered" in case["tags"] and key in {"applications", "effective"}):
            assert canonical(ours[key]) == canonical(value), key

    if "unordered" in case["tags"]:
        _assert_allowed(given, ours, recorded)


def _assert_allowed(given: dict[str, Any], ours: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Both results are among those that the rules allow."""
    services = services_of(given, given["services_doc"], given["account_doc"])
    for key, plans in (
        ("applications", references_of(given, services)),
        ("effective", effective_references(given)),
    ):
        allowed = {canonical(apps) for apps in possible_apps(given, *plans)}
        assert canonical(ours[key]) in allowed
        assert canonical(recorded[key]) in allowed
