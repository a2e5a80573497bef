"""A system and a service for every test, from ``tests/kit``; the accounts and callers of the authorization table."""

import pytest

from tests.kit.fixtures import kit_couchdb_url, kit_key, kit_system, new_service, proxy, service, system
from tests.kit.system import System
from tests.security.callers import Family
from tests.security.processor_time import COSTS

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "proxy", "service", "system"]


@pytest.fixture(scope="module")
def families() -> list[Family]:
    return []


@pytest.fixture
async def family(system: System, families: list[Family]) -> Family:
    """One family for a module: what its tests may do changes nothing."""
    if not families:
        families.append(await Family.create(system))
    return families[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    measured = [costs for costs in COSTS if costs.inputs]
    if measured:
        terminalreporter.section("processor time of fuzzed inputs")
    for costs in measured:
        for line in costs.lines():
            terminalreporter.write_line(line)
