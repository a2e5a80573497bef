"""The context of a request: what the framework and the endpoint know about it, and the reply (`cb_context`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from crossbar_appstore.json_codec import Json, JsonObject, loads
from crossbar_appstore.request_scope import DocumentChange

X_AUTH_TOKEN: Final = "x-auth-token"
BASIC: Final = "basic"
BEARER: Final = "bearer"
UNKNOWN: Final = "unknown"

Params = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noun:
    """An endpoint named in the path, with the tokens that follow it."""

    name: str
    params: Params


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded body: raw bytes with their declared type and, if one was given, their name."""

    body: bytes
    content_type: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """A reply that is not JSON: a picture. ``load`` runs after the preconditions, so a 304 reads no bytes."""

    load: Callable[[], Awaitable[bytes]]
    content_type: str
    file_name: str
    etag: str
    cache_control: str


@dataclass(slots=True)
class Reply:
    """What the resource answers: set by its callbacks, rendered by the framework.

    ``data`` is any JSON value, ``ABSENT`` for none, or ``SerializedJson``. ``etag`` has no quotes; ``matches`` are
    further values that If-Match accepts. ``stale`` adds a Warning header.
    """

    data: Any = None
    status: int = 200
    revision: str | None = None
    etag: str | None = None
    matches: tuple[str, ...] = ()
    location: str | None = None
    binary: Binary | None = None
    page_size: int | None = None
    start_key: Json = None
    next_start_key: Json = None
    metadata: JsonObject | None = None
    auth_token: str | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class SerializedJson:
    """``data`` of a reply that is already serialized."""

    raw: bytes

    @property
    def value(self) -> Json:
        """The data parsed again, for renderings other than plain JSON."""
        return loads(self.raw)


@dataclass(slots=True)
class Context:
    """One request on its way through the pipeline.

    Attributes:
        path: the raw path of the request, ASCII, without its query string.
        client_ip: the client's address, behind trusted proxies.
        peer: the address of the other end of the connection.
        forwarded: the X-Forwarded-For headers.
        verb: the effective method after tunnelling, in capitals.
        nouns: the endpoints in the path from left to right; the last one is the resource.
        envelope: the request's whole JSON body with normalised keys.
        data: its member ``data``.
        allowed_methods: of the resource; None before they are known.
        identity: set by the gatekeeper; anything but None means authenticated.
        body_cost: the rate tokens that were taken for the request's body.
        waited: the seconds for which the request waited before its body was there, apart from the body.
        consumed: the rate tokens that the request costs, with those.
        pretty: whether JSON is indented.
        callback: the function that JSON is wrapped into (JSONP).
        stored: what one callback of the resource keeps for the next.
        changes: the documents that the request has changed.
    """

    request_id: str
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    client_ip: str
    peer: str = ""
    forwarded: Sequence[str] = ()
    verb: str = ""
    nouns: Sequence[Noun] = ()
    envelope: JsonObject = field(default_factory=dict)
    data: Any = field(default_factory=dict)
    files: tuple[File, ...] = ()
    content_type: str = "application/json"
    allowed_methods: Sequence[str] | None = None
    account_id: str | None = None
    account: JsonObject | None = None
    auth_token: str | None = None
    auth_scheme: str | None = None
    identity: Any = None
    body_cost: int = 0
    waited: float = 0.0
    consumed: int = 1
    pretty: bool = False
    callback: str | None = None
    stored: dict[str, Any] = field(default_factory=dict)
    reply: Reply = field(default_factory=Reply)
    changes: list[DocumentChange] = field(default_factory=list)

    @property
    def resource(self) -> Noun:
        """The last noun of the path: the endpoint that answers; ``404`` if the path names none, as in KAZOO."""
        return self.nouns[-1] if self.nouns else Noun("404", ())

    @property
    def authenticated(self) -> bool:
        """Whether the caller is known."""
        return self.identity is not None

    @property
    def bucket(self) -> str:
        """The name of the caller's token bucket: its address and the account in the path."""
        return f"{self.client_ip}/{self.account_id or 'no_account'}"

    def req_value(self, key: str) -> Any:
        """``key`` from data, else query string, else envelope (`cb_context:req_value/2`); None if in none of them.

        In a query string a name without a value has the value ``""``.
        """
        data = self.data
        if data and isinstance(data, dict) and data.get(key) is not None:
            return data[key]
        if self.query and key in self.query:
            return self.query[key]
        return self.envelope.get(key) if self.envelope else None


CONTEXT: Final = web.RequestKey("context", Context)
"""Where a request holds its context."""
