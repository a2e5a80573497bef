"""The page on security names the limits of the code, and no dependency is older than it accepts."""

import configparser
from importlib.metadata import version
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbar_appstore.crossbar import body, errors
from crossbar_appstore.crossbar.pipeline import TimeLimits
from crossbar_appstore.package_data import load_schema
from crossbar_appstore.resources import recovery_messages, uploads
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


_TIMES: Final = TimeLimits()
LIMITS: Final = {
    "body without a valid token": body.ANONYMOUS_BODY,
    "body with a valid token": body.MAX_JSON,
    "upload of a file, with a valid token": body.MAX_UPLOAD,
    "uploaded picture": uploads.MAX_PICTURE,
    "uploaded welcome page": uploads.MAX_PAGE,
    "levels of a body": body.MAX_DEPTH,
    "members and items of a body": body.MAX_MEMBERS,
    "digits of an integer": body.MAX_DIGITS,
    "entries of a blacklist": load_schema("apps_store")["properties"]["blacklist"]["maxItems"],
    "places that an error names": errors.MAX_PLACES,
    "bytes of a value that an error repeats": errors.MAX_SHOWN,
    "bytes of a body for each token of the rate limit": body.FREE_BODY,
    "seconds for a head, and between two pieces of a body": _TIMES.head,
    "seconds for a body": _TIMES.body,
    "seconds for the answer": _TIMES.answer,
    "requests for links that a worker has begun": recovery_messages.MAX_WAITING,
    "links to one user at once": recovery_messages.PER_USER.size,
}


def test_security_page_names_the_limits_of_the_code() -> None:
    shown = {cells[0]: cells[1].split()[0] for cells in rows(PAGE) if len(cells) == 2 and cells[1][:1].isdigit()}
    assert shown == {what: f"{int(limit):,}" for what, limit in LIMITS.items()}
    assert _TIMES.pause == _TIMES.head
