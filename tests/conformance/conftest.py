"""The marker ``conformance``: replays recorded steps; tox runs them in an environment of their own."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "conformance: replays what Crossbar was recorded to answer")
