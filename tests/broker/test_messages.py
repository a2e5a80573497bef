"""The form of messages: notices as `kapi_conf` builds and checks them, and what is read from those of others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.broker.broker import node_name
from crossbar_appstore.broker.messages import Message, changed_database, escaped, notice
from crossbar_appstore.datastore.couch import Written
from crossbar_appstore.json_codec import JsonObject, dumps, loads

ACCOUNT = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
DATABASE = "account/0f/1e/2d3c4b5a69788796a5b4c3d2e1f0"
ENCODED = "account%2F0f%2F1e%2F2d3c4b5a69788796a5b4c3d2e1f0"
NODE = "us@here"


def made(written: Written) -> Message:
    message = notice(written, NODE)
    assert message is not None
    return message


def body(written: Written) -> JsonObject:
    found: JsonObject = loads(made(written).body)
    return found


def test_notice_of_an_edited_document_has_all_that_kazoo_requires() -> None:
    written = Written(DATABASE, "apps_store", {"_id": "apps_store", "_rev": "8-a", "apps": {}})
    assert made(written).exchange == "configuration"
    assert made(written).routing_key == f"doc_edited.{ENCODED}.undefined.apps_store"
    fields = body(written)
    assert re.fullmatch("[0-9a-f]{32}", fields.pop("Msg-ID"))
    assert fields.pop("App-Name") == "crossbar_appstore"
    assert fields.pop("App-Version")
    assert fields == {
        "Event-Category": "configuration",
        "Event-Name": "doc_edited",
        "Node": NODE,
        "ID": "apps_store",
        "Database": ENCODED,
        "Rev": "8-a",
        "Account-ID": ACCOUNT,
        "Is-Soft-Deleted": False,
    }


@pytest.mark.parametrize(
    ("written", "event", "key"),
    [
        (Written(DATABASE, "u", {"pvt_type": "user", "_rev": "1-a"}, created=True), "doc_created", "user.u"),
        (Written(DATABASE, "u", {"pvt_type": "user", "pvt_deleted": True}), "doc_deleted", "user.u"),
        (Written(DATABASE, "u", {"_deleted": True}), "doc_deleted", "undefined.u"),
        (Written(DATABASE, "u"), "doc_deleted", "undefined.u"),
    ],
)
def test_notice_names_the_event_and_the_type(written: Written, event: str, key: str) -> None:
    assert body(written)["Event-Name"] == event
    assert made(written).routing_key == f"{event}.{ENCODED}.{key}"
    assert body(written)["Is-Soft-Deleted"] == ((written.document or {}).get("pvt_deleted") is True)
    assert "Origin-Cache" not in body(written)


def test_notice_of_a_removed_database_is_that_of_a_database() -> None:
    fields = body(Written(DATABASE, ""))
    assert (fields["Event-Name"], fields["Type"], fields["ID"]) == ("db_deleted", "database", ENCODED)
    assert made(Written(DATABASE, "")).routing_key.startswith(f"doc_deleted.{ENCODED}.database.")


def test_notice_names_the_account_of_a_document_elsewhere() -> None:
    assert body(Written("accounts", ACCOUNT, {"pvt_account_id": ACCOUNT}))["Account-ID"] == ACCOUNT
    assert body(Written(f"{DATABASE}-202611", "x", {}))["Account-ID"] == ACCOUNT
    assert "Account-ID" not in body(Written("system_config", "crossbar", {}))


@pytest.mark.parametrize(
    "written",
    [
        Written(DATABASE, "_design/apps_store", {}),
        Written(DATABASE, "_local/x", {}),
        Written(DATABASE, "x", {"pvt_type": "login_attempt"}),
        Written(DATABASE, "x", {"pvt_type": "ledger"}),
        Written(DATABASE, "x", {}, refused=True),
        # Its id is as good as a password.
        Written(DATABASE, "x", {"pvt_type": "password_reset"}, created=True),
    ],
)
def test_notice_is_not_made_of_what_nobody_needs_to_know(written: Written) -> None:
    assert notice(written, NODE) is None


def test_notice_of_a_used_password_reset_is_made() -> None:
    assert body(Written(DATABASE, "x", {"pvt_type": "password_reset", "pvt_deleted": True}))["ID"] == "x"


@pytest.mark.parametrize(
    ("text", "word"),
    [("plain-~_A9", "plain-~_A9"), ("a b", "a+b"), ("a.b", "a%2Eb"), ("ü/#*", "%C3%BC%2F%23%2A"), ("a+b", "a%2Bb")],
)
def test_escaped_is_one_word_as_kazoo_writes_it(text: str, word: str) -> None:
    assert escaped(text) == word


@given(doc_id=st.text(min_size=1), kind=st.text())
def test_notice_routing_key_has_four_words_and_fits(doc_id: str, kind: str) -> None:
    message = notice(Written(DATABASE, f"x{doc_id}", {"pvt_type": kind}), NODE)
    if message is not None:
        assert len(message.routing_key.encode()) <= 255
        assert len(message.routing_key.split(".")) == 4
        assert all(message.routing_key.split("."))
        assert loads(message.body)["ID"] == f"x{doc_id}"


def test_changed_database_is_decoded_and_our_own_is_ignored() -> None:
    theirs = {"Node": "kazoo@there", "Database": ENCODED}
    assert changed_database(dumps(theirs), NODE) == DATABASE
    assert changed_database(dumps(theirs | {"Database": ENCODED.replace("%2F", "%2f")}), NODE) == DATABASE
    assert changed_database(dumps(theirs | {"Node": NODE}), NODE) is None


@given(st.binary() | st.sampled_from([b"[]", b"null", b'{"Database": 7.5}', b'{"Database": {}}', b"{}"]))
def test_changed_database_bears_anything(raw: bytes) -> None:
    assert isinstance(changed_database(raw, NODE), str | None)


def test_node_name_is_the_same_for_workers_of_one_service_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    one, other = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("other")
    assert node_name(one) == node_name(one) != node_name(other)
    assert node_name(None) != node_name(None)
    assert re.fullmatch(r"crossbar_appstore-[0-9a-f]{8}@\S+", node_name(None))
