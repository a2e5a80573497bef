"""What operators are told is so: the log, the proxy, the numbers."""

import ast
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbar_appstore import serving
from crossbar_appstore.auth import tokens
from crossbar_appstore.cli import serving as cli_serving
from crossbar_appstore.crossbar import body
from crossbar_appstore.datastore import cache, catalogue, credentials, freshness
from crossbar_appstore.resources import account_apps, pictures, recovery_messages
from crossbar_appstore.serving import supervisor, worker
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


def samples(language: str) -> Iterator[str]:
    return (fence.text for page in (README, PAGE) for fence in fences(page) if fence.language == language)


def test_nginx_examples_let_larger_bodies_through_than_the_service() -> None:
    found = [int(size) for sample in samples("nginx") for size in re.findall(r"client_max_body_size (\d+)m;", sample)]
    assert len(found) == len(list(samples("nginx"))) == 2
    assert all(size * 2**20 > body.MAX_UPLOAD for size in found)


def test_haproxy_examples_check_the_health_of_the_service() -> None:
    for sample in samples("haproxy"):
        path = "/_up" if "couchdb" in sample.partition("\n")[0] else "/"
        assert f"option httpchk GET {path}\n" in sample
        assert "http-check expect status 200\n" in sample
        assert " check" in sample.partition("    server ")[2] or "default-server check" in sample


def test_nginx_examples_are_accepted_by_nginx(tmp_path: Path) -> None:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    for number, sample in enumerate(samples("nginx")):
        # A certificate has no place in a page.
        site = re.sub(r"\n +ssl_certificate.*", "", sample).replace(" ssl;", ";")
        site = site if "server {" in site else f"server {{ listen 8000; {site} }}"
        config = tmp_path / f"{number}.conf"
        config.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {site} }}")
        done = subprocess.run([nginx, "-t", "-c", config], capture_output=True, text=True, check=False)
        assert "syntax is ok" in done.stderr, done.stderr


def test_haproxy_examples_are_accepted_by_haproxy(tmp_path: Path) -> None:
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    rest = "\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n"
    for number, sample in enumerate(samples("haproxy")):
        config = tmp_path / f"{number}.cfg"
        kazoo = "\nbackend kazoo\n    server kazoo 127.0.0.1:8002\n" if "default_backend kazoo" in sample else ""
        config.write_text(rest + re.sub(r" ssl crt \S+", "", sample) + kazoo)
        done = subprocess.run([haproxy, "-c", "-f", config], capture_output=True, text=True, check=False)
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
        f"{tokens.CACHED_TOKENS:,} tokens",
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
