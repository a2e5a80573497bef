"""What operators are told is so: the log, the proxy, the numbers."""

import ast
import re
from collections.abc import Iterator

import pytest

from crossbar_appstore import serving
from crossbar_appstore.auth import tokens
from crossbar_appstore.cli import serving as cli_serving
from crossbar_appstore.datastore import cache, catalogue, credentials, freshness
from crossbar_appstore.resources import account_apps, pictures
from tests.docs.pages import CHECKOUT, DOCS, README, fences, rows, text

PAGE = DOCS / "operations.md"
LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}

Entry = tuple[str, str, frozenset[str]]
"""Message, level, members."""


def logged() -> Iterator[Entry]:
    """What the service logs, from its source."""
    for path in (CHECKOUT / "crossbar_appstore").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if _is_log_call(node):
                assert isinstance(node, ast.Call)
                yield _entry(node)


def _is_log_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("log", "logger")
    )


def _entry(call: ast.Call) -> Entry:
    assert isinstance(call.func, ast.Attribute)
    message = call.args[0]
    assert isinstance(message, ast.Constant), ast.unparse(call)
    extra = [keyword.value for keyword in call.keywords if keyword.arg == "extra"]
    keys = extra[0].keys if extra and isinstance(extra[0], ast.Dict) else []
    members = frozenset(str(key.value) for key in keys if isinstance(key, ast.Constant))
    return str(message.value), LEVELS[call.func.attr], members


def test_operations_page_lists_every_log_message() -> None:
    told = {
        (cells[0].strip("`"), cells[1], frozenset(re.findall(r"`(\w+)`", cells[2])))
        for cells in rows(PAGE)
        if len(cells) == 4 and cells[1] in LEVELS.values()
    }
    assert told == set(logged())


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.name)
def test_proxy_examples_match_the_paths_of_the_app_store(page: object) -> None:
    patterns = [
        pattern
        for fence in fences(README if page == README else PAGE)
        if fence.language in ("haproxy", "nginx")
        for pattern in re.findall(r"(?:path_reg|location ~) (\S+)", fence.text)
    ]
    assert len(patterns) == (1 if page == README else 2)
    account = "accounts/" + "0" * 32
    ours = (
        f"/v2/{account}/apps_store",
        f"/v2/{account}/apps_store/",
        f"/v1/{account}/apps_store/blacklist",
        f"/v2/{account}/users/{'0' * 32}/apps_store/{'1' * 32}/icon",
        f"/v2/apps_store/{'1' * 32}/screenshot/0",
        f"/v2/i18n/en-US/apps_store/{'1' * 32}/icon",
        f"/v2/whitelabel/example.com/apps_store/{'1' * 32}/icon",
    )
    kazoos = (
        "/v2/user_auth",
        f"/v2/{account}",
        f"/v2/{account}/apps_link",
        f"/v2/{account}/apps_stores",
        "/apps_store",
    )
    for pattern in patterns:
        assert all(re.search(pattern, path) for path in ours)
        assert not any(re.search(pattern, path) for path in kazoos)


def test_operations_page_has_the_numbers_of_the_code() -> None:
    page = " ".join(text(PAGE).split())
    for told in (
        f"have {serving.DRAIN:.0f} seconds to finish",
        f"when they are {freshness.UNWATCHED_SECONDS} seconds old",
        f"for up to {freshness.WATCHED_SECONDS:.0f} seconds",
        f"{cache.MAX_ENTRIES:,} documents and views",
        f"the decisions for {account_apps.MAX_ACCOUNTS:,} accounts",
        f"{tokens.CACHED_TOKENS:,} tokens",
        f"{account_apps.MAX_BYTES // 1_000_000} MB of serialized lists",
        f"{pictures.MAX_BYTES // 1_000_000} MB of pictures",
        f"after {cache.PATIENCE} seconds",
    ):
        assert told in page
    assert cli_serving.PATIENCE == 5
    assert credentials.PAUSES == (30.0, 90.0, 200.0)
    assert catalogue.RELOAD_SECONDS == 300
