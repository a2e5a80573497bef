"""The login endpoints behind the real framework, with stand-ins for the endpoints of other rooms."""

from ipaddress import ip_network
from typing import Any, ClassVar

from aiohttp.test_utils import TestClient, TestServer

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.decision import DecisionOrder
from crossbar_appstore.crossbar.envelope import Envelope
from crossbar_appstore.crossbar.paths import PathParser
from crossbar_appstore.crossbar.rendering import Renderer
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.crossbar.server import Handler, create_web_application
from crossbar_appstore.crossbar.throttling import Throttle
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.resources.error_mapping import translate
from crossbar_appstore.resources.sessions import ApiAuth, Auth, TokenAuth
from crossbar_appstore.resources.user_auth import UserAuth
from tests.auth.world import Rooms


class Neighbour(Resource):
    """An endpoint that can be named in a path, and answers with the caller's ids."""

    noun: ClassVar[str] = "accounts"

    def __init__(self, noun: str) -> None:
        self.noun = noun  # type: ignore[misc] # one class stands for several endpoints

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET", "PUT")

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = {"account_id": context.identity.account_id, "owner_id": context.identity.owner_id}


class Service:
    """An HTTP client of the endpoints."""

    def __init__(self, rooms: Rooms) -> None:
        resources: list[Resource] = [
            UserAuth(rooms.login, rooms.reply, rooms.gatekeeper, rooms.documents),
            ApiAuth(rooms.login),
            TokenAuth(rooms.reply),
            Auth(rooms.tokens, rooms.reply, rooms.documents),
            *(Neighbour(noun) for noun in ("accounts", "users", "apps_store")),
        ]
        by_noun = {resource.noun: resource for resource in resources}
        self.throttle = Throttle(clock=lambda: 0.0)
        renderer = Renderer(Envelope("node@test", "5.0"), self.throttle)
        order = DecisionOrder(by_noun, rooms.gatekeeper, self.throttle, renderer, translate)
        parser = PathParser({noun: resource.swallows for noun, resource in by_noun.items()})
        moments = rooms.documents.store.moments
        handler = Handler(order, renderer, parser, (ip_network("127.0.0.1/32"),), "banner", moments)
        self.client: TestClient[Any, Any] = TestClient(TestServer(create_web_application(handler)))

    async def ask(
        self, method: str, path: str, body: JsonObject | None = None, *, token: str | None = None, status: int
    ) -> "Answer":
        headers = {} if token is None else {"X-Auth-Token": token}
        async with self.client.request(method, f"/v2/{path}", json=body, headers=headers) as reply:
            answer = Answer(await reply.json(), reply.headers.get("Location"))
            assert reply.status == status, answer.body
            return answer


class Answer:
    """An envelope and where it points."""

    def __init__(self, body: JsonObject, location: str | None) -> None:
        self.body = body
        self.location = location

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def error(self) -> tuple[Any, ...]:
        return self.body["message"], self.body.get("data"), self.body.get("page_size")
