"""Rewrites assertions of the helper modules, and disables Hypothesis' deadlines: no test depends on timing."""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.appstore.hiding", "tests.appstore.policy_checks")

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
