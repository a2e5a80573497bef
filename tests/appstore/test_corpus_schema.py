"""The schema ``app``, compared with recorded results of ``kz_json_schema:validate/2``."""

from typing import Any

import pytest

from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.kazoo.documents import public_fields
from crossbar_appstore.validation.validator import schema
from tests.appstore.corpus import Case, canonical, cases


@pytest.mark.parametrize("case", cases("schema"))
def test_validate_app_matches_kazoo(case: Case) -> None:
    app, recorded = case["input"]["app"], case["output"]
    expected: dict[str, dict[str, Any]] = {}
    for error in recorded["errors"]:
        for path, rules in error["data"].items():
            expected.setdefault(path, {}).update(rules)

    assert canonical(validate_app(app)) == canonical(expected)
    assert (expected == {}) is recorded["valid"]
    if recorded["valid"]:
        assert canonical(schema("app").with_defaults(public_fields(app))) == canonical(recorded["with_defaults"])
