"""Assertions of the helper modules explain themselves as those of tests do."""

import pytest

pytest.register_assert_rewrite("tests.appstore.hiding", "tests.appstore.policy_checks")
