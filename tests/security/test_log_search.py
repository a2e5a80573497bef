"""The search of logs, which runs under all tests: it finds what it must, and does not repeat it."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.accounts import Account
from tests.kit.leaks import LOG_SEARCH, LogSearch, secrets_in
from tests.kit.system import System

log = logging.getLogger("crossbar_appstore.some.part")
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrYXpvbyJ9.c2lnbmF0dXJl"


@pytest.fixture
def search() -> Iterator[LogSearch]:
    """What these tests log is no leak."""
    yield LOG_SEARCH
    LOG_SEARCH.take()


def test_log_search_finds_a_token_in_message_extra_and_traceback(search: LogSearch) -> None:
    log.debug("request with %s", TOKEN)
    log.info("request", extra={"path": f"/v2/accounts/{TOKEN}"})
    try:
        raise ValueError(TOKEN)
    except ValueError:
        log.exception("it broke")
    found = search.take()
    assert [each.partition(" in ")[0] for each in found] == ["a JSON Web Token"] * 3
    assert all("of the logger crossbar_appstore.some.part" in each and "eyJ" not in each for each in found)
    assert search.take() == []


def test_log_search_finds_hashes_and_secrets_of_the_systems_accounts(system: System, search: LogSearch) -> None:
    account = Account.new("Searched", system.master)
    for document in (account.document, account.user.document):
        for name in ("pvt_md5_auth", "pvt_sha1_auth", "pvt_signature_secret", "pvt_api_key"):
            if name in document:
                log.info("found %s", document[name])
                assert search.take() == [
                    "a known hash or secret in 'found %s' of the logger crossbar_appstore.some.part"
                ]
    log.info("secret %s", system.server_secret)
    assert len(search.take()) == 1
    log.info("account %s", account.id)
    assert search.take() == []


def test_log_search_reads_the_logs_of_services(tmp_path: Path, search: LogSearch) -> None:
    written = tmp_path / "service.log"
    search.watch(written)
    written.write_text('{"message": "listening"}\n')
    assert search.take() == []
    with written.open("a") as file:
        file.write(f'{{"message": "refused", "token": "{TOKEN}"}}\n')
    assert search.take() == ["a JSON Web Token in service.log"]
    assert search.take() == []


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"Authorization: Basic {base64.b64encode(b'account:hash').decode()}",
        "Authorization: Bearer 0123456789abcdef",
        "-----BEGIN RSA PRIVATE KEY-----",
        "http://admin:couch-password@127.0.0.1:5984/accounts",
        f"https://ui.example.com/?recovery={'0' * 137}",
        f"document {'0a' * 69} in account",
        '{"pvt_md5_auth": "0123456789abcdef0123456789abcdef"}',
        '"secret_for_user_signature":"0123456789abcdef"',
    ],
)
def test_secrets_in_text(text: str) -> None:
    assert len(secrets_in(f"before {text} after")) == 1


@pytest.mark.parametrize(
    "text", ["", "[token]", "Basic and Bearer", "http://127.0.0.1:5984/a@b", "0123456789abcdef" * 2, "pvt_md5_auth"]
)
def test_secrets_in_text_without_any(text: str) -> None:
    assert secrets_in(text) == set()
