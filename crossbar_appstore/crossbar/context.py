"""The context: what is known of a request, and what its reply shall be (`cb_context`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from multidict import CIMultiDict

from crossbar_appstore.json_codec import Json, JsonObject, loads

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


def bucket_of(client_ip: str, account_id: str | None) -> str:
    """The name of the token bucket of an address and the account that it asks about."""
    return f"{client_ip}/{account_id or 'no_account'}"


_NO_NOUN: Final = Noun("404", ())


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded body: raw bytes with their declared type and, where one was given, their name."""

    body: bytes
    content_type: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Binary:
    """A reply that is no JSON: a picture. Its bytes are loaded after the preconditions, so a 304 asks nobody."""

    load: Callable[[], Awaitable[bytes]]
    content_type: str
    file_name: str
    etag: str
    cache_control: str


@dataclass(slots=True)
class Reply:
    """What the resource answers: set by its callbacks, rendered by the framework.

    ``data`` is any JSON, ``ABSENT`` for none, or ``PreparedJson``; ``etag`` without quotes; ``matches`` further values
    that If-Match accepts.
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
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)


@dataclass(frozen=True, slots=True)
class PreparedJson:
    """``data`` of a reply that was serialised before."""

    raw: bytes
    compressed: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    """What ``compression`` made of the bytes, by content coding."""

    @property
    def value(self) -> Json:
        """The data again, for those few who want another form of it."""
        return loads(self.raw)


@dataclass(frozen=True, slots=True)
class Style:
    """How JSON replies of one request are dressed: indented, or wrapped into a JSONP callback."""

    pretty: bool = False
    callback: str | None = None


PLAIN: Final = Style()


@dataclass(slots=True)
class Context:
    """One request on its way through the decision order.

    ``verb`` is the effective method after tunnelling, in capitals. ``nouns`` run from left to right; the last one is
    the resource. ``data`` is the request's ``data`` member, ``envelope`` its whole body with normalised keys.
    ``path`` is the raw path of the request, ASCII. ``headers`` are those that a decision may depend on
    (``request_headers``). ``identity`` belongs to the gatekeeper; anything but None means authenticated. ``consumed``
    are the rate tokens that the request costs, ``charged`` says whether they were taken. ``steady``: the reply may be
    remembered.
    """

    request_id: str
    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    client_ip: str
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
    consumed: int = 1
    charged: bool = False
    steady: bool = False
    style: Style = PLAIN
    stored: dict[str, Any] = field(default_factory=dict)
    reply: Reply = field(default_factory=Reply)

    @property
    def resource(self) -> Noun:
        """The last noun of the path: the endpoint that answers; ``404`` where the path names none, as in KAZOO."""
        return self.nouns[-1] if self.nouns else _NO_NOUN

    @property
    def authenticated(self) -> bool:
        """Whether somebody is known to be calling."""
        return self.identity is not None

    @property
    def bucket(self) -> str:
        """The name of the token bucket that the caller draws from: its address and the account in the path."""
        return bucket_of(self.client_ip, self.account_id)

    def req_value(self, key: str) -> Any:
        """``key`` from data, else query string, else envelope (`cb_context:req_value/2`); None if nowhere.

        In a query string a name without a value has the value ``""``.
        """
        data = self.data
        if data and isinstance(data, dict) and data.get(key) is not None:
            return data[key]
        if self.query and key in self.query:
            return self.query[key]
        return self.envelope.get(key) if self.envelope else None
