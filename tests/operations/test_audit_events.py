"""Audit events of changed documents, without secrets."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db, monthly_db, new_id, new_reset_id
from crossbar_appstore.operations.audit_events import clean, events_of
from crossbar_appstore.request_scope import DocumentChange

ACCOUNT = "0123456789abcdef0123456789abcdef"
APP = "a" * 32
SECRET = "S3cr3t-of-somebody"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrYXpvbyJ9.c2ln-bmF0"


def events(before: JsonObject | None, after: JsonObject | None, doc_id: str = "d", **where: str) -> list[JsonObject]:
    return list(events_of(DocumentChange(where.get("database", account_db(ACCOUNT)), doc_id, before, after)))


def test_events_of_apps_store_tells_each_app_and_the_blacklist() -> None:
    before = {"apps": {"kept": {"allowed_users": "all"}, "gone": {"allowed_users": "all"}, "other": {}}}
    after = {"apps": {"kept": {"allowed_users": "admins"}, "new": {"allowed_users": "all"}, "other": {}}}
    found = events(before, {**after, "blacklist": ["x"], "pvt_modified": 1}, "apps_store")
    assert [(each["action"], each.get("app_id"), each["before"], each["after"]) for each in found] == [
        ("apps_store.update", "kept", {"allowed_users": "all"}, {"allowed_users": "admins"}),
        ("apps_store.uninstall", "gone", {"allowed_users": "all"}, None),
        ("apps_store.install", "new", None, {"allowed_users": "all"}),
        ("apps_store.blacklist", None, None, ["x"]),
    ]
    assert all(each["account_id"] == ACCOUNT for each in found)


def test_events_of_user_shows_what_differs_and_names_a_changed_password() -> None:
    before = {"pvt_type": "user", "username": "ada", "priv_level": "user", "pvt_md5_auth": SECRET}
    after = {**before, "priv_level": "admin", "pvt_md5_auth": SECRET[::-1], "call_forward": {"number": "1"}}
    (event,) = events(before, after, "u")
    assert event == {
        "action": "user.update",
        "account_id": ACCOUNT,
        "user_id": "u",
        "before": {"priv_level": "user"},
        "after": {"priv_level": "admin"},
        "changed": ["call_forward", "password", "priv_level"],
    }


def test_events_of_soft_deleted_document_is_a_deletion() -> None:
    user = {"pvt_type": "user", "username": "ada"}
    assert events(user, {**user, "pvt_deleted": True}, "u")[0]["action"] == "user.delete"
    assert events({**user, "pvt_deleted": True}, user, "u")[0]["action"] == "user.create"


def test_events_of_soft_deleted_document_show_what_was_deleted() -> None:
    user = {"pvt_type": "user", "username": "ada", "first_name": "A"}
    (deleted,) = events(user, {**user, "pvt_deleted": True}, "u")
    assert (deleted["before"], deleted["after"]) == ({"username": "ada"}, None)
    assert deleted["changed"] == ["first_name", "username"]
    (created,) = events({**user, "pvt_deleted": True}, user, "u")
    assert (created["before"], created["after"]) == (None, {"username": "ada"})


def test_events_of_app_and_override() -> None:
    app = {"pvt_type": "app", "name": "voip", "price": 1}
    (event,) = events(app, {**app, "price": 2, "_attachments": {"x.png": {"data": SECRET}}}, APP)
    assert (event["action"], event["app_id"], event["app"]) == ("app.update", APP, "voip")
    assert (event["before"], event["after"], event["changed"]) == ({"price": 1}, {"price": 2}, ["pictures", "price"])
    (event,) = events(None, {"pvt_type": "app_whitelabel", "name": "mine"}, f"app_whitelabel-{APP}")
    assert (event["action"], event["app_id"], event["after"]) == ("override.create", APP, {"name": "mine"})


def test_events_of_copies_resets_and_unchanged_documents_are_none() -> None:
    account = {"pvt_type": "account", "name": "x"}
    assert events(None, account, ACCOUNT, database="accounts") == []
    assert events(account, {**account, "pvt_modified": 7}, ACCOUNT) == []
    reset = new_reset_id(ACCOUNT, 2026, 11, 137)
    assert events(None, {"pvt_type": "password_reset"}, reset, database=monthly_db(ACCOUNT, 2026, 11)) == []


def test_events_of_other_documents_name_members_without_values() -> None:
    (event,) = events({"pvt_type": "callflow"}, {"pvt_type": "callflow", "flow": {"pin": SECRET}}, new_id())
    assert event["action"] == "callflow.update"
    assert event["changed"] == ["flow"]
    assert SECRET not in str(event)


def test_clean_cuts_long_values() -> None:
    assert len(str(clean("x" * 10_000))) == 500
    shown = clean(list(range(1_000)))
    assert isinstance(shown, list)
    assert shown[-1] == "… 500 more"
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    assert "…" in json.dumps(clean(deep), ensure_ascii=False)


SECRET_NAMES = st.sampled_from(
    [
        *("password", "passwd", "passphrase", "pvt_md5_auth", "pvt_sha1_auth", "pvt_api_key", "api_key", "API-Key"),
        *("pvt_signature_secret", "secret", "client_secret", "credentials", "credentials_hash", "hash", "md5", "pin"),
        *(
            "pass",
            "passcode",
            "access_key",
            "auth_token",
            "authToken",
            "x_auth_token",
            "authorization",
            "cookie",
            "private_key",
            "session_id",
            "token",
        ),
    ]
)
PLAIN = st.none() | st.booleans() | st.integers() | st.text("abc ", max_size=8)
TEXTS_WITH_SECRETS = st.sampled_from(
    [
        f"https://user:{SECRET}@host/",
        f"Basic {SECRET}",
        f"Bearer {SECRET}",
        f"see {JWT}.{SECRET}",
        f"https://host/?a=1&api_key={SECRET}&b=2",
        f"https://host/?auth_token={SECRET}",
        f"https://host/?password={SECRET}#x",
        f"https://host/?client_secret={SECRET}",
        f"https://ui/#/?recovery={SECRET.replace('-', '_')}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}",
    ]
)
HIDDEN = st.dictionaries(SECRET_NAMES, st.sampled_from([SECRET, [SECRET], {"x": SECRET}]), min_size=1, max_size=3)


def grown(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(children, max_size=2) | st.dictionaries(st.text("abcxyz_", max_size=6), children, max_size=2) | HIDDEN
    )


VALUES = st.recursive(PLAIN | TEXTS_WITH_SECRETS | HIDDEN, grown, max_leaves=4)
MEMBERS = ["name", "username", "realm", "email", "i18n", "custom", "apps", "blacklist"]
TYPES = st.sampled_from(
    ["user", "account", "app", "app_whitelabel", "callflow", "device", "whitelabel", "", "Ünï", None]
)
DOCUMENTS = st.builds(
    lambda kind, plain, secret, apps: {"pvt_type": kind, **plain, **secret, "apps": apps, "name": plain.get("name")},
    TYPES,
    st.dictionaries(st.sampled_from(MEMBERS), VALUES, max_size=3),
    HIDDEN,
    st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(before=st.none() | DOCUMENTS, after=st.none() | DOCUMENTS, doc_id=st.sampled_from(["apps_store", "d", ACCOUNT]))
def test_events_of_any_document_hold_no_secret(
    before: JsonObject | None, after: JsonObject | None, doc_id: str
) -> None:
    shown = json.dumps(events(before, after, doc_id), ensure_ascii=False)
    for secret in (SECRET, SECRET.replace("-", "_"), JWT):
        assert secret not in shown
