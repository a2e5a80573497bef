import shutil

import pytest

from crossbar_appstore.bench import machine


def test_a_machine_says_what_decides_about_its_figures() -> None:
    described = machine.describe("python")
    assert described["cores"] >= 1
    assert described["python"].startswith("3.")
    assert described["aiohttp"]
    assert described["load_generator"] == "python"
    assert described["processor"]


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not here")
def test_wrk_says_its_version() -> None:
    assert machine.describe("wrk")["load_generator"].startswith("wrk ")


def test_the_processor_is_the_first_that_linux_names() -> None:
    assert machine.processor("processor\t: 0\nmodel name\t: Fast: 3000\nmodel name\t: Slow\n") == "Fast: 3000"
    assert machine.processor("")


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("no-such-package",))
    assert machine.describe("python")["no-such-package"] is None
