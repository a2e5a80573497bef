import pytest

from crossbar_appstore.appstore.resellers import ancestors, invented_services, is_reseller, reseller_id
from crossbar_appstore.json_codec import Json, JsonObject
from tests.appstore.samples import ACCOUNT, MASTER, RESELLER, services

CHILD: JsonObject = {"_id": ACCOUNT, "pvt_tree": [MASTER, RESELLER]}


@pytest.mark.parametrize("mark", [True, "true"])
def test_is_reseller_by_mark_in_services_document(mark: Json) -> None:
    assert is_reseller({"pvt_reseller": mark})
    assert not is_reseller({"pvt_reseller": mark, "pvt_deleted": True})


@pytest.mark.parametrize("document", [None, {}, *({"pvt_reseller": mark} for mark in (False, None, 1, "yes"))])
def test_is_reseller_is_false_without_mark(document: JsonObject | None) -> None:
    assert not is_reseller(document)


def test_reseller_id_from_services_document() -> None:
    assert reseller_id(services()) == RESELLER
    assert reseller_id({"pvt_reseller_id": ""}) is None
    assert reseller_id(None) is None


def test_ancestors_nearest_first() -> None:
    assert ancestors(CHILD) == (RESELLER, MASTER)
    assert ancestors({"pvt_tree": [MASTER, 5, None, "short"]}) == (MASTER,)
    assert ancestors(None) == ancestors({"pvt_tree": "x"}) == ()


def test_invented_services_from_the_tree() -> None:
    marked = {RESELLER: {"pvt_reseller": True}, MASTER: {"pvt_reseller": True}}
    invented = invented_services(CHILD, marked, MASTER)
    assert reseller_id(invented) == RESELLER
    assert not is_reseller(invented)
    assert (invented["_id"], invented["pvt_account_id"], invented["pvt_tree"]) == (ACCOUNT, ACCOUNT, [MASTER, RESELLER])
    assert reseller_id(invented_services(CHILD, {RESELLER: None}, MASTER)) == MASTER
    assert "_id" not in invented_services({}, {}, MASTER)
