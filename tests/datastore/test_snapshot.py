import pytest

from crossbar_appstore.datastore.snapshot import fault_of, in_view_order, is_app, make_snapshot, owned
from crossbar_appstore.json_codec import Json, JsonObject

MASTER = "aa" * 16


def test_make_snapshot_finds_apps_by_id_and_the_first_of_a_name() -> None:
    apps: list[JsonObject] = [{"_id": "1", "name": "a"}, {"_id": "2", "name": "a"}, {"_id": "3", "name": ["a"]}]
    snapshot = make_snapshot(7, MASTER, apps, 1.5)
    assert snapshot.apps == tuple(apps)
    assert snapshot.by_id["2"] is apps[1]
    assert dict(snapshot.by_name) == {"a": apps[0]}
    assert (snapshot.generation, snapshot.master_account_id, snapshot.stale) == (7, MASTER, False)


@pytest.mark.parametrize("deleted", [None, False, 0, ""])
def test_is_app_accepts_what_the_view_emits(deleted: Json) -> None:
    assert is_app({"pvt_type": "app", "pvt_deleted": deleted})
    assert is_app({"pvt_type": "app"})


@pytest.mark.parametrize("deleted", [True, 1, "false", [], {}])
def test_is_app_takes_what_javascript_calls_true_for_deleted(deleted: Json) -> None:
    assert not is_app({"pvt_type": "app", "pvt_deleted": deleted})
    assert not is_app({"pvt_type": "user"})


def test_owned_names_the_master_account() -> None:
    right = owned({"_id": "1", "pvt_account_id": "other"}, MASTER)
    assert right["pvt_account_id"] == MASTER
    assert right["pvt_account_db"] == f"account%2Faa%2Faa%2F{'aa' * 14}"
    assert owned(right, MASTER) is right


def test_fault_of_an_app_without_an_id() -> None:
    assert fault_of({"_id": "x"}) is None
    assert fault_of({"_id": ""})
    assert fault_of({"_id": 7})
    assert fault_of({})


def test_in_view_order_sorts_by_name_then_id() -> None:
    apps: list[JsonObject] = [
        {"_id": "2", "name": "b"},
        {"_id": "3", "name": "a"},
        {"_id": "1", "name": "b"},
        {"_id": "4"},
    ]
    assert [app["_id"] for app in in_view_order(apps)] == ["4", "3", "1", "2"]
