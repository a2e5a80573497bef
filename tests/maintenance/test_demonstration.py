import dataclasses
from pathlib import Path

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.app_plan import Action
from crossbar_appstore.maintenance.demonstration import SAMPLES, demonstrate
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from tests.maintenance.conftest import MASTER
from tests.maintenance.folders import make_app


async def test_a_new_system_gets_an_account_and_our_samples(empty_system: Couch) -> None:
    shown = await demonstrate(empty_system, MASTER, None)
    assert shown.is_new
    assert (shown.account_name, shown.realm) == (MASTER.name, MASTER.realm)
    assert shown.password == MASTER.password
    assert shown.load is not None
    assert shown.load.counts == {Action.CREATED: len(list(SAMPLES.iterdir()))}
    assert not shown.load.has_refusals


async def test_the_second_time_everything_is_there(empty_system: Couch) -> None:
    first = await demonstrate(empty_system, MASTER, None)
    second = await demonstrate(empty_system, MASTER, None)
    assert (second.is_new, second.load, second.account_id) == (False, None, first.account_id)
    assert second.password == MASTER.password


async def test_a_password_that_is_not_the_account_s_is_not_shown(system: MasterCatalogue) -> None:
    other = dataclasses.replace(MASTER, name="Other Ltd", realm="other.example.com", password="other-password")
    shown = await demonstrate(system.couch, other, None)
    assert shown.password is None
    assert shown.account_name == MASTER.name


async def test_named_apps_take_the_place_of_the_samples(system: MasterCatalogue, tmp_path: Path) -> None:
    make_app(tmp_path)
    for expected in (Action.CREATED, Action.UNCHANGED):
        shown = await demonstrate(system.couch, MASTER, tmp_path)
        assert shown.load is not None
        assert shown.load.counts == {expected: 1}
    assert [document["name"] for document in await system.apps()] == ["wallboard"]
