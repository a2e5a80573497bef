"""The documents of a new account in KAZOO's form."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from crossbar_appstore.kazoo.accounts import (
    Place,
    account_document,
    child_place,
    config_document,
    new_apps_store,
    password_hashes,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.documents import GREGORIAN_EPOCH

MASTER, RESELLER, ACCOUNT = "a" * 32, "b" * 32, "c" * 32
NOW = 63_837_676_800


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW - GREGORIAN_EPOCH))


def test_account_document_of_the_first_account_is_the_masters(frozen: None) -> None:
    doc = account_document(MASTER, {"name": "My Company!", "realm": "my.realm"}, Place())
    assert doc.pop("pvt_api_key") != doc.pop("pvt_signature_secret")
    assert doc == {
        "_id": MASTER,
        "name": "My Company!",
        "realm": "my.realm",
        "language": "en-US",
        "timezone": "America/Los_Angeles",
        "pvt_type": "account",
        "pvt_vsn": "1",
        "pvt_alphanum_name": "mycompany",
        "pvt_account_id": MASTER,
        "pvt_account_db": f"account%2Faa%2Faa%2F{'a' * 28}",
        "pvt_created": NOW,
        "pvt_modified": NOW,
        "pvt_tree": [],
        "pvt_enabled": True,
        "pvt_reseller": True,
        "pvt_reseller_id": MASTER,
        "pvt_superduper_admin": True,
    }


def test_account_document_of_another_account_has_ancestors() -> None:
    doc = account_document(ACCOUNT, {"timezone": "UTC"}, Place((MASTER, RESELLER), RESELLER), enabled=False)
    assert doc["pvt_tree"] == [MASTER, RESELLER]
    assert (doc["pvt_reseller"], doc["pvt_superduper_admin"], doc["pvt_enabled"]) == (False, False, False)
    assert doc["pvt_reseller_id"] == RESELLER
    assert doc["timezone"] == "UTC"
    assert "pvt_alphanum_name" not in doc


def test_account_document_ignores_private_fields_of_clients() -> None:
    doc = account_document(ACCOUNT, {"pvt_superduper_admin": True, "pvt_tree": []}, Place((MASTER,)))
    assert doc["pvt_superduper_admin"] is False
    assert doc["pvt_tree"] == [MASTER]
    assert doc["pvt_reseller_id"] == MASTER


def test_account_document_has_new_secrets_of_kazoos_size() -> None:
    first, second = (account_document(ACCOUNT, {}, Place()) for _ in range(2))
    assert len(first["pvt_api_key"]) == 64
    assert len(first["pvt_signature_secret"]) == 32
    assert first["pvt_api_key"] != second["pvt_api_key"]
    assert first["pvt_signature_secret"] != second["pvt_signature_secret"]


def test_user_document_stores_only_hashes_of_the_password() -> None:
    doc = user_document("u", ACCOUNT, {"password": "secret", "first_name": "J"}, username="Joe", password="secret")
    assert doc["username"] == "joe"
    assert doc["pvt_md5_auth"] == hashlib.md5(b"joe:secret", usedforsecurity=False).hexdigest()
    assert doc["pvt_sha1_auth"] == hashlib.sha1(b"joe:secret", usedforsecurity=False).hexdigest()
    assert '"secret"' not in json.dumps(doc)
    assert (doc["pvt_type"], doc["priv_level"], doc["enabled"]) == ("user", "user", True)
    assert len(doc["pvt_signature_secret"]) == 32


def test_password_hashes_equal_those_of_recorded_users(shared: Path) -> None:
    fixture = json.loads((shared / "conformance" / "fixture.json").read_text())
    users = [
        doc
        for database, documents in fixture["databases"].items()
        if database.startswith("account/")
        for doc in documents
        if doc.get("pvt_type") == "user"
    ]
    assert users
    for user in users:
        assert password_hashes(user["username"], "secret") == (user["pvt_md5_auth"], user["pvt_sha1_auth"])


@pytest.mark.parametrize("database", ["accounts", "services"])
def test_account_and_services_documents_have_all_recorded_fields(shared: Path, database: str) -> None:
    fixture = json.loads((shared / "conformance" / "fixture.json").read_text())
    build = {
        "accounts": account_document(ACCOUNT, {"name": "x", "realm": "y"}, Place()),
        "services": services_document(ACCOUNT, Place()),
    }
    for recorded in fixture["databases"][database]:
        assert recorded.keys() - build[database].keys() <= {"pvt_trial_expires"}


def test_services_document_follows_the_place(frozen: None) -> None:
    doc = services_document(ACCOUNT, Place((MASTER, RESELLER), RESELLER))
    assert doc == {
        "_id": ACCOUNT,
        "pvt_type": "service",
        "pvt_vsn": 2,
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": f"account%2Fcc%2Fcc%2F{'c' * 28}",
        "pvt_created": NOW,
        "pvt_modified": NOW,
        "pvt_tree": [MASTER, RESELLER],
        "pvt_reseller": False,
        "pvt_reseller_id": RESELLER,
        "pvt_status": "good_standing",
        "plans": {},
        "quantities": {"account": {}, "cascade": {}, "manual": {}},
    }
    assert services_document(MASTER, Place())["pvt_reseller"] is True


def test_new_apps_store_has_only_the_account() -> None:
    assert new_apps_store(ACCOUNT) == {
        "_id": "apps_store",
        "pvt_account_id": ACCOUNT,
        "pvt_account_db": f"account%2Fcc%2Fcc%2F{'c' * 28}",
    }


def test_config_document_adds_and_never_changes_settings(frozen: None) -> None:
    fresh = config_document("auth", {"system_key": "k"})
    assert fresh == {
        "_id": "auth",
        "pvt_type": "config",
        "pvt_account_id": "system_config",
        "pvt_account_db": "system_config",
        "pvt_created": NOW,
        "pvt_modified": NOW,
        "default": {"system_key": "k"},
    }
    stored = {"_id": "auth", "_rev": "1-x", "default": {"system_key": "old", "other": 1}, "node@host": {"a": 1}}
    again = config_document("auth", {"system_key": "k", "secret": "s"}, stored)
    assert again["default"] == {"system_key": "old", "other": 1, "secret": "s"}
    assert (again["_rev"], again["node@host"]) == ("1-x", {"a": 1})
    assert stored["default"] == {"system_key": "old", "other": 1}
    assert config_document("auth", {"a": 1}, {"_id": "auth", "default": "text"})["default"] == {"a": 1}
    assert config_document("auth", {"a": 1}, {"_id": "auth", "default": {"a": ""}})["default"] == {"a": 1}


@pytest.mark.parametrize(
    ("parent", "services", "place"),
    [
        ({"pvt_tree": []}, {"pvt_reseller": True}, Place((MASTER,), MASTER)),
        ({"pvt_tree": [RESELLER]}, {"pvt_reseller_id": RESELLER}, Place((RESELLER, MASTER), RESELLER)),
        ({"pvt_tree": [RESELLER], "pvt_reseller": "true"}, None, Place((RESELLER, MASTER), MASTER)),
        ({"pvt_tree": [RESELLER]}, None, Place((RESELLER, MASTER), RESELLER)),
        ({"pvt_tree": "broken"}, {"pvt_reseller_id": 5}, Place((MASTER,), MASTER)),
    ],
)
def test_child_place_is_below_the_parent_and_its_reseller(parent: object, services: object, place: Place) -> None:
    assert isinstance(parent, dict)
    assert services is None or isinstance(services, dict)
    assert child_place(MASTER, parent, services) == place
