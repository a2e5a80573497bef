"""What operators are told is so: the log, the proxy, the numbers."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from crossbar_appstore import serving
from crossbar_appstore.auth import callers
from crossbar_appstore.cli import serving as cli_serving
from crossbar_appstore.datastore import cache, catalogue, credentials, freshness
from crossbar_appstore.resources import account_apps, pictures, recovery_messages
from crossbar_appstore.serving import supervisor, worker
from tests.conftest import Need
from tests.docs.pages import CHECKOUT, DOCS, fences, rows, text
from tests.proxies.running import program

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


def test_haproxy_example_for_couchdb_is_accepted_by_haproxy(need: Need, tmp_path: Path) -> None:
    haproxy = program("haproxy")
    need("haproxy", haproxy)
    (sample,) = (fence.text for fence in fences(PAGE) if fence.language == "haproxy")
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"defaults\n    mode http\n    timeout connect 5s\n{sample}")
    done = subprocess.run([str(haproxy), "-c", "-f", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_operations_page_has_the_numbers_of_the_code() -> None:
    page = " ".join(text(PAGE).split())
    for told in (
        f"have {serving.DRAIN:.0f} seconds to finish",
        f"does not run for {supervisor.HANGING:.0f} seconds",
        f"has been silent for {supervisor.HANGING:.0f} seconds",
        f"when they are {freshness.UNWATCHED_SECONDS} seconds old",
        f"for up to {freshness.WATCHED_SECONDS:.0f} seconds",
        f"{cache.MAX_ENTRIES:,} documents and views",
        f"the decisions for {account_apps.MAX_ACCOUNTS:,} accounts",
        f"{callers.CACHED_CALLERS:,} callers",
        f"{account_apps.MAX_BYTES // 1_000_000} MB of serialized lists",
        f"{pictures.MAX_BYTES // 1_000_000} MB of pictures",
        f"after {cache.PATIENCE} seconds",
    ):
        assert told in page
    assert cli_serving.PATIENCE == 5
    assert worker.LAST_REQUESTS == 1
    assert recovery_messages.FINISH_SECONDS == serving.DRAIN
    assert credentials.PAUSES == (30.0, 90.0, 200.0)
    assert catalogue.RELOAD_SECONDS == 300
