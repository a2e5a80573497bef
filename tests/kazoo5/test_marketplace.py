"""apps_store/marketplace: answered as on a system that is not connected to one."""

from typing import Any

import pytest

from tests.kit.accounts import Account
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
async def superduper(system: System) -> Account:
    await system.change(system.master, pvt_superduper_admin=True)
    return system.master


@pytest.mark.parametrize("prefix", ["", "accounts/{}/"])
async def test_apps_store_marketplace_is_disabled_for_superduper_admins(
    service: Service, superduper: Account, prefix: str
) -> None:
    path = f"{prefix.format(superduper.id)}apps_store/marketplace"
    answer = await service.get(path, superduper)
    assert (answer.status, answer.data) == (200, {"enabled": False, "is_linked": False, "status": "disabled"})
    absent = (404, "not_found", {"message": "not found"})
    for action in ("enable", "disable", "link", "unlink", "update"):
        assert (await service.call("PATCH", path, superduper, {"action": action})).refusal == absent


@pytest.mark.parametrize("prefix", ["", "accounts/{}/"])
async def test_apps_store_marketplace_get_is_403_for_others(
    system: System, service: Service, superduper: Account, prefix: str
) -> None:
    sub = await system.account("Sub", below=superduper)
    path = f"{prefix.format(sub.id)}apps_store/marketplace"
    for method in ("GET", "PATCH"):
        assert (await service.call(method, path, sub, {})).refusal[:2] == (403, "forbidden")
        assert (await service.call(method, path)).status == 401
    assert (await service.call("PATCH", path, superduper.user, {"action": "enable"})).status == 403


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_apps_store_marketplace_other_methods_are_405(service: Service, superduper: Account, method: str) -> None:
    assert (await service.call(method, f"{superduper.path}/marketplace", superduper, {})).status == 405


@pytest.mark.parametrize("data", [{}, {"action": None}])
async def test_apps_store_marketplace_patch_requires_an_action(
    service: Service, superduper: Account, data: Any
) -> None:
    answer = await service.call("PATCH", "apps_store/marketplace", superduper, data)
    message = "action is required but it is missing"
    assert answer.refusal == (400, "validation error", {"action": {"required": {"message": message}}})


@pytest.mark.parametrize("action", ["reboot", 5, [], {}])
async def test_apps_store_marketplace_patch_refuses_an_unknown_action(
    service: Service, superduper: Account, action: Any
) -> None:
    answer = await service.call("PATCH", "apps_store/marketplace", superduper, {"action": action})
    assert answer.refusal == (400, "bad_request", {"message": "invalid action"})
