"""No dependency is older than the page on security accepts."""

import configparser
from importlib.metadata import version
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.docs.pages import CHECKOUT, DOCS, rows

PAGE: Final = DOCS / "security.md"


def accepted() -> dict[str, Version]:
    """Package → the oldest version that is accepted."""
    tables = [cells for cells in rows(PAGE) if len(cells) == 3 and cells[0].startswith("`") and cells[1][:1].isdigit()]
    return {canonicalize_name(cells[0].strip("`")): Version(cells[1]) for cells in tables}


def lower_bounds() -> dict[str, Version]:
    """Package → the lower bound in ``setup.cfg``."""
    config = configparser.ConfigParser()
    config.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].splitlines()
    required = [Requirement(line) for line in lines if line and not line.startswith("#")]
    bounds = {each.name: next(part.version for part in each.specifier if part.operator == ">=") for each in required}
    return {canonicalize_name(name): Version(bound) for name, bound in bounds.items()}


def test_security_page_lists_the_packages_that_read_what_clients_send() -> None:
    assert {"aiohttp", "cryptography", "orjson", "pyjwt"} <= set(accepted())


@pytest.mark.parametrize("package", sorted(accepted()))
def test_installed_and_required_versions_are_not_older_than_accepted(package: str) -> None:
    oldest = accepted()[package]
    assert Version(version(package)) >= oldest
    # What another package brings has no bound of ours.
    assert lower_bounds().get(package, oldest) >= oldest
