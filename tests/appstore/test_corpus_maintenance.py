"""Refreshes, compared with recorded results of ``crossbar_maintenance:update_app_updates/3``."""

import json

import pytest

from crossbar_appstore.appstore.metadata import refresh
from tests.appstore.corpus import Case, canonical, cases


@pytest.mark.parametrize("case", cases("maintenance"))
def test_refresh_matches_kazoo(case: Case) -> None:
    given, recorded = case["input"], case["output"]
    before = json.dumps(given)

    keys, document = refresh(given["current"], given["metadata"], given["keys"])

    assert list(keys) == recorded["keys"]
    assert bool(keys) is recorded["saved"]
    assert canonical(document) == canonical(recorded["document"])
    assert json.dumps(given) == before
