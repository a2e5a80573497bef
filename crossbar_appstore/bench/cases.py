"""The requests whose cost has a target: how many times a bare handler's processor time each may take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from crossbar_appstore.bench.exchange import expect
from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.system import System
from crossbar_appstore.bench.wire import Request
from crossbar_appstore.json_codec import JsonObject, dumps

ADDRESSES: Final = 5_000
"""Of clients without a valid token; the service remembers the buckets of 10,000."""
VARIANTS: Final = 20_000
"""Of a request, so that none comes twice in the moment for which an answer is remembered."""
UNKNOWN_APP: Final = "f" * 32
NAMES: Final = (
    "list",
    "list-each",
    "list-gzip",
    "one",
    "list-304",
    "icon-304",
    "icon",
    "public-icon",
    "post",
    "401",
    "404",
)
"""Of the cases, in their order."""
LOGGED: Final = "logged"
"""The list of a service that writes a line for each request."""

_ROUTE: Final = "/v2/accounts/{account_id}/apps_store"
_PUBLIC_ROUTE: Final = "/v2/apps_store/{app_id}/icon"


@dataclass(frozen=True, slots=True)
class Case:
    """One request.

    ``route`` is the bare handler's, with one variable; ``status`` what every reply must have; ``target`` the ratio,
    None where nothing was promised.
    """

    name: str
    title: str
    target: float | None
    status: int
    route: str
    request: Request


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with a token, at the app store of an account, and one of its apps."""

    token: str
    account_id: str
    app_id: str

    @property
    def apps_store(self) -> str:
        """The path of the account's app store."""
        return f"/v2/accounts/{self.account_id}/apps_store"

    @property
    def app(self) -> str:
        """The path of the app."""
        return f"{self.apps_store}/{self.app_id}"

    def get(self, path: str, **headers: str) -> Request:
        """A GET with the token; ``If_None_Match`` is ``If-None-Match``."""
        return Request("GET", path, {"X-Auth-Token": self.token, **_spelled(headers)})

    def write(self, method: str, path: str, data: JsonObject) -> Request:
        """A PUT or POST with the token."""
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        return Request(method, path, headers, dumps({"data": data}).decode())

    def permission(self) -> Request:
        """A POST that changes who may use the app."""
        users = [{"id": self.account_id}]
        return self.write("POST", self.app, {"allowed_users": "specific", "users": users})


async def log_in(server: Server, system: System, name: str, account_id: str) -> Client:
    """Log an account's administrator in; the app is the first one.

    Raises:
        CannotMeasure: the service would not have it.
    """
    headers = {"Content-Type": "application/json"}
    login = Request("PUT", "/v2/user_auth", headers, dumps({"data": system.credentials(name)}).decode())
    reply = await expect(server, login, 201)
    return Client(reply.json["auth_token"], account_id, system.app_ids[0])


async def request_cases(server: Server, client: Client) -> list[Case]:
    """Every case; entity tags are asked for.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    store = client.apps_store
    icon = Request("GET", f"/v2/apps_store/{client.app_id}/icon", {}, addresses=ADDRESSES)
    nobody = Request("GET", store, {}, addresses=ADDRESSES)
    unknown = client.get(f"{store}/{UNKNOWN_APP}")
    return [
        list_case(client),
        Case(
            "list-each",
            "GET list, no two requests alike",
            None,
            200,
            _ROUTE,
            replace(client.get(f"{store}?variant=%d"), variants=VARIANTS),
        ),
        Case("list-gzip", "GET list, gzip", None, 200, _ROUTE, client.get(store, Accept_Encoding="gzip")),
        *await constant_cases(server, client),
        Case("public-icon", "GET icon without a token", 1.6, 200, _PUBLIC_ROUTE, icon),
        Case("post", "POST permission", 8.0, 200, f"{_ROUTE}/{client.app_id}", client.permission()),
        Case("401", "401, no token", 2.0, 401, _ROUTE, nobody),
        Case("404", "404, unknown app", 2.0, 404, f"{_ROUTE}/{UNKNOWN_APP}", unknown),
    ]


def list_case(client: Client) -> Case:
    """The list."""
    return Case("list", "GET list", 1.6, 200, _ROUTE, client.get(client.apps_store))


def logged_case(client: Client) -> Case:
    """The list, of a service that writes a line for each request."""
    return replace(list_case(client), name=LOGGED, title="GET list, each logged", target=None)


def list_in_turn_case(client: Client, pattern: str, accounts: int) -> Case:
    """The lists of so many accounts, one after the other; ``pattern`` has a place for the number of an account."""
    request = replace(client.get(f"/v2/accounts/{pattern}/apps_store"), variants=accounts)
    return Case("list-in-turn", f"GET list, {accounts:,} accounts in turn", None, 200, _ROUTE, request)


async def constant_cases(server: Server, client: Client) -> list[Case]:
    """Those whose cost must not depend on how much there is.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    store, app, route = client.apps_store, client.app, f"{_ROUTE}/{client.app_id}"
    known = client.get(store, If_None_Match=await _etag(server, client.get(store)))
    known_icon = client.get(f"{app}/icon", If_None_Match=await _etag(server, client.get(f"{app}/icon")))
    return [
        Case("one", "GET one app", 1.8, 200, route, client.get(app)),
        Case("list-304", "GET list, answered 304", 1.8, 304, _ROUTE, known),
        Case("icon-304", "GET icon, answered 304", 1.8, 304, f"{route}/icon", known_icon),
        Case("icon", "GET icon", 1.6, 200, f"{route}/icon", client.get(f"{app}/icon")),
    ]


async def _etag(server: Server, request: Request) -> str:
    tag = (await expect(server, request, 200)).header("ETag")
    if tag is None:
        raise CannotMeasure(f"{server.name}: {request.path} has no ETag")
    return tag


def _spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
