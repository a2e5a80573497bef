"""Authorization of ``apps_store``: every route for every kind of caller, relative to the account in the path."""

import base64
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.kit.accounts import Account, User
from tests.kit.apps import permission
from tests.kit.fixtures import NewService
from tests.kit.service import Answer, Service
from tests.kit.system import System

OK: Final = 200
CREATED: Final = 201
NO: Final = 403
WHO: Final = 401


@dataclass
class Family:
    """``sub`` is the account in the path; the others are named by their relation to it."""

    reseller: Account
    sub: Account
    child: Account
    sibling: Account
    stranger: Account


@pytest.fixture
async def family(system: System) -> Family:
    reseller = await system.account("Reseller", below=system.master, reseller=True)
    sub = await system.account("Sub", below=reseller)
    return Family(
        reseller,
        sub,
        child=await system.account("Child", below=sub),
        sibling=await system.account("Sibling", below=reseller),
        stranger=await system.account("Stranger", below=system.master),
    )


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    data: Any = None


ROUTES: Final = {
    "list": Route("GET", ""),
    "app": Route("GET", "/{voip}"),
    "icon": Route("GET", "/{voip}/icon"),
    "screenshot": Route("GET", "/{voip}/screenshot/0"),
    "get blacklist": Route("GET", "/blacklist"),
    "set blacklist": Route("POST", "/blacklist", {"blacklist": []}),
    "install": Route("PUT", "/{numbers}", {"allowed_users": "all"}),
    "update": Route("POST", "/{port}", {"allowed_users": "all"}),
    "uninstall": Route("DELETE", "/{port}"),
}
"""Port is installed, the others are not."""

READ: Final = ("list", "app", "icon", "screenshot")
WRITE: Final = ("install", "update", "uninstall")
BLACKLIST: Final = ("get blacklist", "set blacklist")


def _answers(read: int, look: int, hide: int, write: int) -> dict[str, int]:
    """The expected statuses of reading, of reading and setting the blacklist, and of changing permissions."""
    expected = dict.fromkeys(READ, read) | {"get blacklist": look, "set blacklist": hide} | dict.fromkeys(WRITE, write)
    return expected | ({"install": CREATED} if write == OK else {})


TABLE: Final = {
    "master admin": _answers(read=OK, look=OK, hide=OK, write=OK),
    "master user": _answers(read=OK, look=OK, hide=NO, write=NO),
    "parent admin": _answers(read=OK, look=OK, hide=OK, write=OK),
    "parent user": _answers(read=OK, look=OK, hide=NO, write=NO),
    "parent alone": _answers(read=OK, look=OK, hide=OK, write=OK),
    "own admin": _answers(read=OK, look=NO, hide=NO, write=OK),
    "own user": _answers(read=OK, look=NO, hide=NO, write=NO),
    "own alone": _answers(read=OK, look=NO, hide=NO, write=OK),
    "own nobody": _answers(read=OK, look=NO, hide=NO, write=NO),
    "child admin": _answers(read=NO, look=NO, hide=NO, write=NO),
    "child alone": _answers(read=NO, look=NO, hide=NO, write=NO),
    "sibling admin": _answers(read=NO, look=NO, hide=NO, write=NO),
    "stranger admin": _answers(read=NO, look=NO, hide=NO, write=NO),
    "anonymous": _answers(read=WHO, look=WHO, hide=WHO, write=WHO),
}
"""``alone`` is an account's own token, as api_auth gives it; ``nobody`` is the token of a deleted user."""


def _token(system: System, family: Family, caller: str) -> str | None:
    if caller == "anonymous":
        return None
    relation, level = caller.split()
    accounts = {"master": system.master, "parent": family.reseller, "own": family.sub}
    account = accounts.get(relation) or getattr(family, relation)
    whose: dict[str, Account | User] = {"admin": account.admin, "user": account.user, "alone": account}
    return (
        system.token(account.admin, owner_id="0" * 32, identity_sig=None)
        if level == "nobody"
        else system.token(whose[level])
    )


@pytest.mark.parametrize("caller", TABLE)
async def test_apps_store_each_route_answers_each_caller_as_in_the_table(
    system: System, service: Service, family: Family, caller: str
) -> None:
    token = _token(system, family, caller)
    found = {}
    for name, route in ROUTES.items():
        before = await system.store(family.sub, apps={system.apps["port"]: permission("admins")}, blacklist=["kept"])
        answer = await _call(service, system, family.sub.path, route, token)
        found[name] = answer.status
        if answer.status in (NO, WHO):
            assert answer.data == {"message": "forbidden" if answer.status == NO else "invalid credentials"}
            assert (await system.stored(family.sub))["_rev"] == before["_rev"]
    assert found == TABLE[caller]


@pytest.mark.parametrize("caller", ["own user", "parent user", "own nobody"])
async def test_apps_store_writes_follow_reads_where_they_need_no_administrator(
    system: System, new_service: NewService, family: Family, caller: str
) -> None:
    service = new_service(CROSSBAR_WRITES_NEED_ADMIN="false")
    token = _token(system, family, caller)
    for name in WRITE:
        await system.store(family.sub, apps={system.apps["port"]: permission("admins")})
        answer = await _call(service, system, family.sub.path, ROUTES[name], token)
        assert answer.status == (CREATED if name == "install" else OK), name
    look = await _call(service, system, family.sub.path, ROUTES["set blacklist"], token)
    assert look.status == (OK if caller == "parent user" else NO)


@pytest.mark.parametrize("caller", ["own user", "own nobody"])
async def test_apps_store_tunnelled_verb_needs_an_administrator(
    system: System, service: Service, family: Family, caller: str
) -> None:
    await system.store(family.sub, apps={system.apps["port"]: permission("admins")})
    path, token = f"{family.sub.path}/{system.apps['port']}", _token(system, family, caller)
    for verb in ("delete", "put", "post"):
        assert (await service.post(f"{path}?verb={verb}", None, {}, token=token)).status == NO


async def test_apps_store_writes_refuse_a_demoted_administrator(
    system: System, service: Service, family: Family
) -> None:
    await system.change_user(family.sub.admin, priv_level="user")
    assert (await service.put(f"{family.sub.path}/{system.apps['voip']}", family.sub, {})).status == NO


async def test_apps_store_writes_require_both_accounts_administered_when_masquerading(
    system: System, service: Service, family: Family
) -> None:
    path = f"{family.sub.path}/{system.apps['voip']}"
    mask = {"account_id": family.sub.id, "owner_id": family.sub.admin.id}
    plain = system.token(family.reseller.user, **{"as": mask})
    assert (await service.put(path, None, {}, token=plain)).status == NO
    admin = system.token(family.reseller.admin, **{"as": mask})
    assert (await service.put(path, None, {}, token=admin)).status == CREATED


async def test_apps_store_blacklist_get_refuses_an_ancestor_masquerading_as_the_account(
    system: System, service: Service, family: Family
) -> None:
    token = system.token(
        family.reseller.admin, **{"as": {"account_id": family.sub.id, "owner_id": family.sub.admin.id}}
    )
    assert (await service.get(f"{family.sub.path}/blacklist", token=token)).status == NO


@pytest.mark.parametrize("name", [*READ, *WRITE, *BLACKLIST])
async def test_apps_store_restricted_tokens_follow_their_rules(
    system: System, service: Service, family: Family, name: str
) -> None:
    rules = {"/": ["GET"], "*": ["GET"], "*/icon": ["_"]}
    restrictions = {"_": {"_": {"apps_store": [{"allowed_accounts": ["{AUTH_ACCOUNT_ID}"], "rules": rules}]}}}
    await system.put(family.sub.database, {"_id": "token_restrictions", "restrictions": restrictions})
    answer = await _call(service, system, family.sub.path, ROUTES[name], system.token(family.sub.admin))
    if name in ("list", "app", "icon"):
        assert answer.status == OK
    else:
        assert answer.refusal[:2] == (403, "forbidden")


async def test_apps_store_tokens_of_a_disabled_account_keep_working(
    system: System, service: Service, family: Family
) -> None:
    await system.change(family.sub, pvt_enabled=False)
    assert (await service.get(family.sub.path, family.sub)).status == OK


async def test_apps_store_unknown_account_is_404_before_authentication(system: System, service: Service) -> None:
    unknown = "0" * 32
    for path, data in (
        (unknown, {"cause": unknown, "message": "bad identifier"}),
        ("abc", {"message": "invalid account_id 'abc'"}),
    ):
        answer = await service.get(f"accounts/{path}/apps_store")
        assert (answer.status, answer.data) == (404, data)


@pytest.mark.parametrize("path", ["apps_store", "apps_store/{voip}", "apps_store/blacklist"])
async def test_apps_store_get_without_account_is_refused_except_for_pictures(
    system: System, service: Service, family: Family, path: str
) -> None:
    path = path.format(**system.apps)
    assert (await service.get(path)).status == WHO
    assert (await service.get(path, family.sub)).status == NO
    master = await service.get(path, system.master)
    if path.endswith("blacklist"):
        assert master.refusal == (403, "forbidden", {"message": "forbidden"})
    else:
        problem = {"message": "Field is required but missing", "value": "account_id"}
        assert master.refusal == (400, "validation error", {"account_id": {"required": problem}})


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_apps_store_writes_without_account_are_refused(
    system: System, service: Service, family: Family, method: str
) -> None:
    path = f"apps_store/{system.apps['voip']}"
    assert (await service.call(method, path, None, {})).status == WHO
    assert (await service.call(method, path, family.sub, {})).status == NO
    assert (await service.call(method, path, system.master, {})).status == 400


@pytest.mark.parametrize("picture", ["icon", "screenshot/1"])
async def test_apps_store_pictures_get_without_account_are_public(
    system: System, service: Service, family: Family, picture: str
) -> None:
    path = f"apps_store/{system.apps['voip']}/{picture}"
    tokens = [None, "undefined", "garbage", system.token(family.sub.admin, exp=1000), system.token(family.sub.user)]
    for token in tokens:
        assert (await service.get(path, token=token)).status == OK, token
    basic = base64.b64encode(b"nobody:nothing").decode()
    assert (await service.get(path, headers={"Authorization": f"Basic {basic}"})).status == OK


async def test_apps_store_pictures_get_below_a_user_need_a_token(
    system: System, service: Service, family: Family
) -> None:
    picture = f"apps_store/{system.apps['voip']}/icon"
    assert (await service.get(f"users/{family.sub.user.id}/{picture}")).status == WHO
    assert (await service.get(f"accounts/{family.sub.id}/users/{family.sub.user.id}/{picture}")).status == WHO
    assert (await service.get(f"{family.sub.path}/{system.apps['voip']}/icon?auth_token=garbage")).status == WHO


async def test_apps_store_pictures_get_accepts_the_token_in_the_query(
    system: System, service: Service, family: Family
) -> None:
    """As the web client sends it; also an ancestor's token with a descendant's path."""
    for caller in (family.sub.user, family.reseller.user, system.master.admin):
        path = f"{family.sub.path}/{system.apps['voip']}/icon?auth_token={system.token(caller)}"
        assert (await service.get(path)).status == OK


async def _call(service: Service, system: System, store: str, route: Route, token: str | None) -> Answer:
    path = store + route.path.format(**system.apps)
    more: dict[str, Any] = {} if route.data is None else {"data": route.data}
    return await service.call(route.method, path, token=token, **more)
