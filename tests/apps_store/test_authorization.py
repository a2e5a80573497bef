"""Authorization of ``apps_store`` beyond the table of ``tests/security``: tunnelled verbs, demotion, restrictions."""

import pytest

from tests.kit.accounts import Account
from tests.kit.apps import permission
from tests.kit.service import Service
from tests.kit.system import System

ROUTES = {
    "list": ("GET", ""),
    "app": ("GET", "/{voip}"),
    "icon": ("GET", "/{voip}/icon"),
    "screenshot": ("GET", "/{voip}/screenshot/0"),
    "get blacklist": ("GET", "/blacklist"),
    "set blacklist": ("POST", "/blacklist"),
    "install": ("PUT", "/{numbers}"),
    "update": ("POST", "/{port}"),
    "uninstall": ("DELETE", "/{port}"),
}


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


async def test_apps_store_tunnelled_verb_needs_an_administrator(system: System, service: Service, sub: Account) -> None:
    await system.store(sub, apps={system.apps["port"]: permission("admins")})
    for verb in ("delete", "put", "post"):
        path = f"{sub.path}/{system.apps['port']}?verb={verb}"
        assert (await service.post(path, sub.user, {})).status == 403


async def test_apps_store_writes_refuse_a_demoted_administrator(system: System, service: Service, sub: Account) -> None:
    await system.change_user(sub.admin, priv_level="user")
    assert (await service.put(f"{sub.path}/{system.apps['voip']}", sub, {})).status == 403


@pytest.mark.parametrize("name", ROUTES)
async def test_apps_store_restricted_tokens_follow_their_rules(
    system: System, service: Service, sub: Account, name: str
) -> None:
    rules = {"/": ["GET"], "*": ["GET"], "*/icon": ["_"]}
    restrictions = {"_": {"_": {"apps_store": [{"allowed_accounts": ["{AUTH_ACCOUNT_ID}"], "rules": rules}]}}}
    await system.put(sub.database, {"_id": "token_restrictions", "restrictions": restrictions})
    method, path = ROUTES[name]
    answer = await service.call(method, sub.path + path.format(**system.apps), sub, {})
    if name in ("list", "app", "icon"):
        assert answer.status == 200
    else:
        assert answer.refusal[:2] == (403, "forbidden")


async def test_apps_store_refusals_say_why(system: System, service: Service, sub: Account) -> None:
    assert (await service.get(sub.path)).refusal == (401, "invalid_credentials", {"message": "invalid credentials"})
    write = await service.put(f"{sub.path}/{system.apps['voip']}", sub.user, {})
    assert write.refusal == (403, "forbidden", {"message": "forbidden"})


async def test_apps_store_unknown_account_is_404_before_authentication(system: System, service: Service) -> None:
    unknown = "0" * 32
    for path, data in (
        (unknown, {"cause": unknown, "message": "bad identifier"}),
        ("abc", {"message": "invalid account_id 'abc'"}),
    ):
        answer = await service.get(f"accounts/{path}/apps_store")
        assert (answer.status, answer.data) == (404, data)


@pytest.mark.parametrize("path", ["apps_store", "apps_store/{voip}"])
async def test_apps_store_get_without_account_names_the_missing_member(
    system: System, service: Service, path: str
) -> None:
    master = await service.get(path.format(**system.apps), system.master)
    problem = {"message": "Field is required but missing", "value": "account_id"}
    assert master.refusal == (400, "validation error", {"account_id": {"required": problem}})


async def test_apps_store_pictures_get_accepts_the_token_in_the_query(
    system: System, service: Service, sub: Account
) -> None:
    """As the web client sends it; also an ancestor's token with a descendant's path."""
    for caller in (sub.user, system.master.admin):
        path = f"{sub.path}/{system.apps['voip']}/icon?auth_token={system.token(caller)}"
        assert (await service.get(path)).status == 200
    assert (await service.get(f"{sub.path}/{system.apps['voip']}/icon?auth_token=garbage")).status == 401
