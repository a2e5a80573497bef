"""The requests whose cost has a target, each with how many times a bare handler's processor time it may take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.bench.processes import CannotMeasure, Server
from crossbar_appstore.bench.recording import Reply, Request, ask
from crossbar_appstore.bench.system import System
from crossbar_appstore.json_codec import JsonObject, dumps, loads

ADDRESSES: Final = 5_000
"""Of clients without a valid token; the service remembers the buckets of 10,000."""
UNKNOWN_APP: Final = "00000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table.

    ``route`` is the bare handler's, with one variable; ``status`` what every reply must have; ``target`` the ratio.
    """

    name: str
    title: str
    target: float
    status: int
    route: str
    request: Request


@dataclass(frozen=True, slots=True)
class Client:
    """The customer's administrator, logged in. ``app_id`` is an app that the account has installed."""

    system: System
    token: str
    app_id: str

    @property
    def apps_store(self) -> str:
        """The path of the account's app store."""
        return f"/v2/accounts/{self.system.customer_id}/apps_store"

    def get(self, path: str, **headers: str) -> Request:
        """A GET with the token; ``If_None_Match`` is ``If-None-Match``."""
        return Request("GET", path, {"X-Auth-Token": self.token, **_spelled(headers)})

    def post(self, path: str, data: JsonObject) -> Request:
        """A POST with the token."""
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        return Request("POST", path, headers, dumps({"data": data}))


async def log_in(server: Server, system: System) -> Client:
    """Log the customer's administrator in, and install an app.

    Raises:
        CannotMeasure: the service would not have it.
    """
    headers = {"Content-Type": "application/json"}
    login = Request("PUT", "/v2/user_auth", headers, dumps({"data": system.credentials}))
    reply = await expect(server, login, 201)
    client = Client(system, loads(reply.body)["auth_token"], system.app_ids[0])
    install = client.post(f"{client.apps_store}/{client.app_id}", {"allowed_users": "all", "users": []})
    await expect(server, Request("PUT", install.path, install.headers, install.body), 201)
    return client


async def cases(server: Server, client: Client) -> list[Case]:
    """Every case; entity tags are asked for.

    Raises:
        CannotMeasure: the service answers otherwise than it should.
    """
    store, app = client.apps_store, client.app_id
    base = "/v2/accounts/{account_id}/apps_store"
    everything, icon = client.get(store), client.get(f"{store}/{app}/icon")
    known = client.get(store, If_None_Match=await _etag(server, everything))
    known_icon = client.get(icon.path, If_None_Match=await _etag(server, icon))
    permission = {"allowed_users": "specific", "users": [{"id": client.system.customer_id}]}
    public = Request("GET", f"/v2/apps_store/{app}/icon", {}, addresses=ADDRESSES)
    return [
        Case("list", "GET list", 1.6, 200, base, everything),
        Case("one", "GET one app", 1.8, 200, f"{base}/{app}", client.get(f"{store}/{app}")),
        Case("list-304", "GET list, answered 304", 1.8, 304, base, known),
        Case("icon-304", "GET icon, answered 304", 1.8, 304, f"{base}/{app}/icon", known_icon),
        Case("icon", "GET icon", 1.6, 200, f"{base}/{app}/icon", icon),
        Case("public-icon", "GET icon without a token", 1.6, 200, "/v2/apps_store/{app_id}/icon", public),
        Case("post", "POST permission", 8.0, 200, f"{base}/{app}", client.post(f"{store}/{app}", permission)),
        Case("401", "401, no token", 2.0, 401, base, Request("GET", store, {}, addresses=ADDRESSES)),
        Case("404", "404, unknown app", 2.0, 404, f"{base}/{UNKNOWN_APP}", client.get(f"{store}/{UNKNOWN_APP}")),
    ]


async def expect(server: Server, request: Request, status: int) -> Reply:
    """The reply, if it has that status; CannotMeasure else."""
    reply = await ask(server, request)
    if reply.status != status:
        shown = reply.body[:300].decode(errors="replace")
        raise CannotMeasure(f"{server.name}: {request.method} {request.path}: {reply.status}, not {status}: {shown}")
    return reply


async def _etag(server: Server, request: Request) -> str:
    tag = (await expect(server, request, 200)).header("ETag")
    if tag is None:
        raise CannotMeasure(f"{server.name}: {request.path} has no ETag")
    return tag


def _spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
