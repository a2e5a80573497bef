"""Requests as clients make them, and their answers."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from tests.resources.companion.world import Account, World


@dataclass
class Answer:
    """Status, headers and envelope; ``body`` is empty where the answer is no JSON."""

    status: int
    headers: CIMultiDictProxy[str]
    body: JsonObject
    raw: bytes

    @property
    def data(self) -> Any:
        return self.body["data"]


@dataclass
class Api:
    """Calls the service as one account's administrator, unless told otherwise.

    ``who`` in the methods is an account, a pair of account and level (``admin``, ``user``, None for the account alone),
    or None for nobody.
    """

    client: Any
    world: World
    made: list[str] = field(default_factory=list)

    def __init__(self, client: TestClient[Any, Any], world: World) -> None:
        self.client = client
        self.world = world
        self.made = []

    async def call(
        self,
        method: str,
        path: str,
        who: Account | tuple[Account, str | None] | None = None,
        data: Any = None,
        *,
        headers: dict[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if who is not None:
            account, level = who if isinstance(who, tuple) else (who, "admin")
            token = self.world.token(account, level)
        if token is not None:
            sent["X-Auth-Token"] = token
        body = None if data is None else {"data": data}
        reply: ClientResponse = await self.client.request(method, f"/v2/{path}", headers=sent, json=body)
        raw = await reply.read()
        is_json = reply.headers.get("Content-Type") == "application/json"
        return Answer(reply.status, reply.headers, await reply.json() if is_json else {}, raw)

    async def get(self, path: str, who: Any = None, **more: Any) -> Answer:
        return await self.call("GET", path, who, **more)

    async def put(self, path: str, who: Any, data: Any, **more: Any) -> Answer:
        return await self.call("PUT", path, who, data, **more)

    async def post(self, path: str, who: Any, data: Any, **more: Any) -> Answer:
        return await self.call("POST", path, who, data, **more)

    async def patch(self, path: str, who: Any, data: Any, **more: Any) -> Answer:
        return await self.call("PATCH", path, who, data, **more)

    async def delete(self, path: str, who: Any, **more: Any) -> Answer:
        return await self.call("DELETE", path, who, **more)

    async def create_account(self, who: Any, name: str, *, below: str | None = None, **fields: Any) -> Answer:
        """A sub-account that is taken away when the test ends."""
        path = "accounts" if below is None else f"accounts/{below}"
        answer = await self.put(path, who, {"name": name, **fields})
        if answer.status == 201:
            self.made.append(answer.data["id"])
        return answer

    async def settle(self) -> None:
        """Wait until the service has to know of what others wrote."""
        await asyncio.sleep(2)

    async def clean_up(self) -> None:
        for account_id in self.made:
            for database in ("accounts", "services"):
                await self.world.remove(database, account_id)
            await self.world.drop(account_db(account_id))
