"""Prometheus accepts the alerts, and each fires when it should."""

import shutil
import subprocess
from typing import Final

from tests.conftest import Need
from tests.docs.pages import CHECKOUT, DOCS, rows

RULES: Final = CHECKOUT / "deploy" / "prometheus" / "alerts.yml"
TESTS: Final = CHECKOUT / "tests" / "operations" / "alerts.yml"


def promtool(need: Need, *arguments: object) -> str:
    program = shutil.which("promtool")
    need("promtool", program)
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_are_accepted_by_promtool(need: Need) -> None:
    assert "5 rules found" in promtool(need, "check", "rules", RULES)


def test_alerts_fire_when_they_should(need: Need) -> None:
    assert "SUCCESS" in promtool(need, "test", "rules", TESTS)


def test_each_alert_is_tested_and_on_the_page() -> None:
    lines = [line.split() for line in RULES.read_text().splitlines()]
    alerts = [words[2] for words in lines if words[:2] == ["-", "alert:"]]
    assert len(alerts) == 5
    tested = TESTS.read_text()
    assert [name for name in alerts if f"alertname: {name}\n" not in tested] == []
    assert [cells[0].strip("`") for cells in rows(DOCS / "monitoring.md") if cells[0].startswith("`Crossbar")] == alerts
