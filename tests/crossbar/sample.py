"""A small API on the framework: notes in memory, accounts, users, logins, and a gatekeeper.

TOKENS     valid tokens and their callers
OWN, …     accounts; AWAY is one whose storage does not answer
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from crossbar_appstore.crossbar.context import BASIC, BEARER, X_AUTH_TOKEN, Binary, Context, SerializedJson
from crossbar_appstore.crossbar.errors import (
    BadIdentifier,
    CrossbarError,
    DatastoreUnreachable,
    ExpiredToken,
    Forbidden,
    ValidationError,
)
from crossbar_appstore.crossbar.negotiation import OFFERED
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.json_codec import JsonObject, dumps

OWN = "a" * 32
OTHER = "b" * 32
AWAY = "d" * 32
NO_ACCOUNT = "f" * 32

PICTURE = bytes(range(256)) * 4
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass(frozen=True, slots=True)
class Caller:
    account_id: str
    superduper: bool = False
    restricted: bool = False


TOKENS: Mapping[str, Caller] = {
    "own": Caller(OWN),
    "other": Caller(OTHER),
    "super": Caller("c" * 32, superduper=True),
    "restricted": Caller(OWN, restricted=True),
}


class StorageAway(Exception):
    """What another package raises when its storage does not answer."""


def map_error(error: Exception) -> CrossbarError | None:
    return DatastoreUnreachable() if isinstance(error, StorageAway) else None


class SampleGatekeeper:
    """Accepts the tokens in TOKENS; ``expired``, ``trialover``, ``locked`` and ``uncheckable`` are tokens, too."""

    async def early(self, context: Context) -> None:
        if context.auth_scheme != X_AUTH_TOKEN:
            return
        match context.auth_token:
            case "expired":
                raise ExpiredToken
            case "trialover":
                raise ValidationError({"account": {"expired": {"message": "account expired", "cause": 1}}})
            case "uncheckable":
                raise StorageAway
            case token:
                context.identity = TOKENS.get(token or "")

    async def account(self, context: Context) -> None:
        if context.account_id == AWAY:
            raise StorageAway
        if context.account_id not in (OWN, OTHER):
            raise BadIdentifier(cause=context.account_id)
        context.account = {"id": context.account_id}

    async def authenticate(self, context: Context) -> None:
        if context.auth_scheme == BASIC and context.auth_token == "secret":
            context.identity = TOKENS["own"]
        if context.auth_scheme == BEARER and context.auth_token == "expired":
            raise ExpiredToken

    async def authorize(self, context: Context) -> bool:
        caller: Caller | None = context.identity
        if caller is None:
            return False
        if caller.restricted:
            raise Forbidden(cause="access denied by token restrictions")
        return caller.superduper or context.account_id == caller.account_id


class Accounts(Resource):
    noun: ClassVar[str] = "accounts"

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",) if len(params) == 1 else None

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = context.account


class Users(Resource):
    noun: ClassVar[str] = "users"

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",) if len(params) == 1 else None

    async def resource_exists(self, context: Context, *params: str) -> None:
        if params != ("ann",):
            raise BadIdentifier(cause=params[0])


class Everything(Resource):
    """A greedy resource: it takes all tokens that follow as its own params."""

    noun: ClassVar[str] = "everything"
    greedy: ClassVar[bool] = True

    def allowed_methods(self, *params: str) -> Methods | None:
        return ("GET",)

    async def authenticate(self, context: Context) -> bool:
        return True

    async def authorize(self, context: Context) -> bool:
        return True

    async def validate(self, context: Context, *params: str) -> None:
        context.reply.data = {
            "params": list(params),
            "client_ip": context.client_ip,
            "query": dict(context.query),
            "data": context.data,
            "nouns": [noun.name for noun in context.nouns],
        }
        context.reply.page_size = 1


class Logins(Resource):
    """PUT needs no token, costs two rate tokens, and sets a location."""

    noun: ClassVar[str] = "logins"

    def allowed_methods(self, *params: str) -> Methods | None:
        return None if params else ("PUT",)

    def rate_cost(self, context: Context) -> int:
        return 2

    async def authenticate(self, context: Context) -> bool:
        return True

    async def authorize(self, context: Context) -> bool:
        return True

    async def put(self, context: Context, *params: str) -> None:
        context.reply.data = {}
        context.reply.location = "/v2/logins/1"
        context.reply.auth_token = "new"


class Notes(Resource):
    """GET, PUT, POST and DELETE of notes; their pictures are public if the path holds no account.

    Some notes are there from the beginning: ``first``, ``formula`` and the troublesome ``boom``, ``unspeakable``,
    ``conflict`` and ``away``.
    """

    noun: ClassVar[str] = "notes"
    uploads: ClassVar[frozenset[str]] = frozenset({"POST"})

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {
            "first": {"id": "first", "text": "one", "tags": ["a", "b"]},
            "formula": {"id": "formula", "text": "=1+1"},
        }
        self.executed: list[str] = []
        self.pictures_loaded = 0

    def allowed_methods(self, *params: str) -> Methods | None:
        match params:
            case ():
                return ("GET",)
            case (_,):
                return ("POST", "PUT", "GET", "DELETE")
            case (_, "picture"):
                return ("GET",)
        return None

    async def authenticate(self, context: Context) -> bool:
        return self._is_public(context)

    async def authorize(self, context: Context) -> bool:
        return self._is_public(context)

    def _is_public(self, context: Context) -> bool:
        return context.verb == "GET" and [len(noun.params) for noun in context.nouns] == [2]

    async def content_types_provided(self, context: Context, *params: str) -> Sequence[str]:
        if len(params) < 2 or params[0] not in self.notes:
            return OFFERED
        name = "bild ä.png" if params[0] == "formula" else "picture.png"
        kind = "image/png\r\nX: y" if params[0] == "formula" else "image/png"
        context.reply.binary = Binary(self._load, kind, name, "pic1", "public, max-age=86400")
        context.reply.etag = "pic1"
        return ("image/png",)

    async def _load(self) -> bytes:
        self.pictures_loaded += 1
        return PICTURE

    async def validate(self, context: Context, *params: str) -> None:
        reply = context.reply
        if not params:
            notes = list(self.notes.values())
            reply.data, reply.etag = SerializedJson(dumps(notes)), "list"
            return
        note = self.notes.get(params[0])
        match params[0], context.verb:
            case "boom", "GET":
                raise RuntimeError("a secret that only the log may know")
            case "unspeakable", "GET":
                raise CrossbarError(400, "unspeakable", {"value": object()})
            case "away", "GET":
                raise StorageAway
            case _, "PUT" if note is not None:
                raise CrossbarError(400, "Note already there", {})
            case _, "GET" | "POST" | "DELETE" if note is None:
                raise BadIdentifier(details=params[0])
        if note is not None and reply.binary is None:
            reply.etag, reply.matches = etag(note), ("other-tag",)
            reply.revision = f"1-{etag(note)}"
            reply.data = note

    async def put(self, context: Context, *params: str) -> None:
        self.executed.append("put")
        if params[0] == "conflict":
            raise CrossbarError(409, "datastore_conflict", {"message": "conflicting documents"})
        self._store(context, params[0])

    async def post(self, context: Context, *params: str) -> None:
        self.executed.append("post")
        self._store(context, params[0])

    async def delete(self, context: Context, *params: str) -> None:
        self.executed.append("delete")
        del self.notes[params[0]]
        context.reply.data = {}

    def _store(self, context: Context, note_id: str) -> None:
        note: JsonObject = {**context.data, "id": note_id} if isinstance(context.data, dict) else {"id": note_id}
        self.notes[note_id] = context.reply.data = note


def etag(note: JsonObject) -> str:
    return hashlib.sha256(dumps(note)).hexdigest()[:16]


LIST = f"/v2/accounts/{OWN}/notes"
FIRST = f"{LIST}/first"
NEW = f"{LIST}/new"
PUBLIC_PICTURE = "/v2/notes/first/picture"
MINE: Mapping[str, str] = {"X-Auth-Token": "own"}
EMPTY: Mapping[str, Any] = {"data": {}}
FULL_METHODS = {"OPTIONS", "GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"}
