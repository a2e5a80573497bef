"""The pipeline: the checks that a request passes, in the order in which Crossbar makes them.

Checks run in this order; the first failure decides the response (`api_resource`, `cowboy_rest`):

 1. version of the API        6. account in the path          11. ``validate`` of the resource
 2. query string and body     7. authentication, rate limit   12. preconditions
 3. known method              8. authorization                13. Content-Type
 4. JSON Web Token            9. Accept                       14. ``put``, ``post``, ``patch`` or ``delete``
 5. path and allowed method  10. Accept-Language              15. the reply

Preflights are answered before all of them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from aiohttp import hdrs, web

from crossbar_appstore.crossbar import negotiation, preconditions
from crossbar_appstore.crossbar.body import (
    ANONYMOUS_BODY,
    FREE_BODY,
    MAX_JSON,
    MAX_UPLOAD,
    parse_body,
    receive_body,
)
from crossbar_appstore.crossbar.context import BASIC, BEARER, CONTEXT, Context, Noun
from crossbar_appstore.crossbar.cors import ALL_METHODS, is_preflight
from crossbar_appstore.crossbar.errors import (
    AuthenticationRequired,
    CrossbarError,
    ExpiredToken,
    Forbidden,
    Gone,
    MethodNotAllowed,
    NotFound,
    Refusal,
    TooManyRequests,
    shown,
)
from crossbar_appstore.crossbar.headers import (
    FORM,
    JSON_TYPES,
    MalformedQuery,
    find_token,
    parse_content_type,
    parse_query,
)
from crossbar_appstore.crossbar.paths import ApiPath, PathParser
from crossbar_appstore.crossbar.rate_limits import RateLimiter, Rates
from crossbar_appstore.crossbar.rendering import Renderer, read_style
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.trusted_proxies import TrustedProxies
from crossbar_appstore.request_scope import RequestScope

_METHODS_WITH_BODY: Final = frozenset({"PUT", "POST", "PATCH"})
_CHANGING: Final = _METHODS_WITH_BODY | {"DELETE"}
"""Methods that no outdated data may answer: what it says may have been changed already."""
_BANNER_METHODS: Final = ("GET", "HEAD")
_ACCOUNT_ID_BYTES: Final = 32
_NO_RESOURCE: Final = Resource()
"""Stands for the resource if the path names no endpoint: only authenticated callers are told 404."""


Root = Callable[[web.Request, web.Response], Awaitable[web.Response]]
"""Makes the answer to ``GET /`` of a request and the banner."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How many seconds a client may take for its request, and the service for the answer.

    Attributes:
        head: how long a connection is kept open without a complete request: from its beginning, and after each
            response.
        body: for receiving a body (cowboy's idle_timeout).
        pause: between two pieces of a body.
        answer: for the answer, from when the request is there; what takes longer is 503.
    """

    head: float = 30.0
    body: float = 120.0
    pause: float = 30.0
    answer: float = 10.0


class Gatekeeper(Protocol):
    """Authentication, accounts and authorization; each method is called at its place in the pipeline."""

    async def early(self, context: Context) -> None:
        """Set ``context.identity`` if ``context.auth_token`` is a valid JWT.

        Raises:
            ExpiredToken: correctly signed, but expired.
            ValidationError: the trial of the token's account has ended.
        """

    async def account(self, context: Context) -> None:
        """Load the account ``context.account_id`` into ``context.account``; raises ``BadIdentifier`` if none has it."""

    async def authenticate(self, context: Context) -> None:
        """Try the other schemes (Basic, Bearer); sets and raises the same as ``early``."""

    async def authorize(self, context: Context) -> bool:
        """Whether the account hierarchy and the token restrictions let the caller address the account in the path.

        ``context.nouns`` is empty if the path names no endpoint.

        Raises:
            Forbidden: the account's token restrictions deny it.
        """


class Pipeline:
    """Answers requests to ``resources``, which are noun → resource.

    Args:
        rates: configured bucket sizes and costs; without them those of the limiter and of the resources apply.
        proxies: whose X-Forwarded-For is believed.
        times: the time limits of a body and of the answer.
        root: answers ``GET /``.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        gatekeeper: Gatekeeper,
        limiter: RateLimiter,
        renderer: Renderer,
        *,
        rates: Rates | None,
        proxies: TrustedProxies,
        times: TimeLimits,
        root: Root,
    ) -> None:
        self._resources = resources
        self._paths = PathParser({noun: resource.greedy for noun, resource in resources.items()})
        self._gatekeeper = gatekeeper
        self._limiter = limiter
        self._renderer = renderer
        self._rates = rates
        self._proxies = proxies
        self._receive = partial(receive_body, seconds=times.body, pause=times.pause)
        self._answer_seconds = times.answer
        self._root = root

    async def run(self, request: web.Request) -> web.Response:
        """Answer a request; raises a ``CrossbarError`` if it is refused, and what resources and gatekeeper raise."""
        context = request[CONTEXT]
        path = self._parse_path(context)
        if path is None:
            # A health check that does not exist must not be told that all is well (deviation D30).
            if context.path != "/" or context.method not in _BANNER_METHODS:
                raise NotFound
            return await self._root(request, self._renderer.banner())
        context.nouns = path.nouns
        # A sub-resource is looked up once, so that every callback of the request is called on the same object.
        resource = _NO_RESOURCE
        if path.nouns:
            noun = path.nouns[-1]
            resource = self._resources[noun.name].part(*noun.params)
        if is_preflight(context.method, context.headers):
            if path.nouns:
                context.allowed_methods = tuple(resource.allowed_methods(*path.nouns[-1].params) or ())
            return self._renderer.preflight(context)
        if path.version == "v1":  # 1
            raise Gone
        await self._read(request, context, resource)  # 2
        if context.method not in ALL_METHODS:  # 3
            raise Refusal(501, "not implemented")
        # A slow client has limits of its own: the time for the answer begins when the request is there.
        with self._scope(context):
            await self._locate(context)
            await self._admit(context, path, resource)  # 4 to 8
            return await self._answer(context, resource)  # 9 to 15

    def _parse_path(self, context: Context) -> ApiPath | None:
        try:
            return self._paths.parse(context.path)
        except MalformedQuery as error:
            # Browsers report a refused preflight without its reason, so the request itself is refused.
            if is_preflight(context.method, context.headers):
                return ApiPath("v2", ())
            raise Refusal(400, "malformed request target") from error

    async def _read(self, request: web.Request, context: Context, resource: Resource) -> None:
        """Step 2: the query string and the body into the context."""
        query = request.rel_url.raw_query_string
        if query:
            try:
                context.query = parse_query(query)
            except MalformedQuery as error:
                raise Refusal(400, "malformed query string") from error
        body = (
            await self._receive(request, partial(self._admit_body, context, resource)) if request.body_exists else b""
        )
        content_type = context.headers.get(hdrs.CONTENT_TYPE)
        if body or content_type is not None:
            file_name = context.query.get("filename") or context.headers.get("X-File-Name")
            parsed = parse_body(content_type, body, file_name)
            context.content_type, context.envelope = parsed.content_type, parsed.envelope
            context.data, context.files = parsed.data, parsed.files
        read_style(context)

    async def _admit_body(self, context: Context, resource: Resource, size: int) -> int:
        """Charge a caller without a valid token for a body of this size; the bytes that it may have (deviation D29).

        The token is taken from the headers or the query string. Whether it is refused is decided at its step.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with self._scope(context):
            await self._locate(context)
            may_have_more = await self._has_token(context, size)
        context.waited += loop.time() - begun
        if not may_have_more:
            return ANONYMOUS_BODY
        content_type = context.headers.get(hdrs.CONTENT_TYPE)
        is_file = content_type is not None and parse_content_type(content_type)[0] not in (*JSON_TYPES, FORM)
        return MAX_UPLOAD if is_file and context.method in resource.uploads else MAX_JSON

    def _scope(self, context: Context) -> RequestScope:
        accepts_stale = context.method not in _CHANGING
        return RequestScope(
            self._answer_seconds - context.waited, accepts_stale=accepts_stale, record=context.changes.append
        )

    async def _locate(self, context: Context) -> None:
        """Find the client's address again, with the proxies that the configuration names now."""
        if context.forwarded:
            await self._proxies.refresh()
            context.client_ip = self._proxies.client(context.peer, context.forwarded)

    async def _has_token(self, context: Context, size: int) -> bool:
        """Whether a body comes with a valid token; if not, take what it costs from the bucket of the address."""
        context.auth_token, context.auth_scheme = find_token(context)
        await _try(self._gatekeeper.early, context)
        if not context.authenticated:
            is_other_scheme = context.auth_scheme in (BASIC, BEARER)
            if size > ANONYMOUS_BODY and not is_other_scheme:
                return False
            # Not from the account's bucket: whether there is an account of the id in the path is not known yet.
            cost = min(size, ANONYMOUS_BODY) // FREE_BODY
            await self._consume(context, cost)
            context.body_cost = cost
            if is_other_scheme:
                await _try(self._gatekeeper.authenticate, context)
        is_known, context.identity = context.authenticated, None
        return is_known

    async def _admit(self, context: Context, path: ApiPath, resource: Resource) -> None:
        """Steps 4 to 8: whether the caller may make this request."""
        context.verb = context.method
        context.auth_token, context.auth_scheme = find_token(context)
        await self._identify(self._gatekeeper.early, context, resource)
        if path.alias:
            context.nouns = _own_account(context)
        if path.nouns:
            _check_method(context, resource)
        await self._load_account(context)
        if not context.authenticated:
            await self._authenticate(context, resource)
        # Token restrictions are checked before a path that names no endpoint is refused.
        permitted = await self._gatekeeper.authorize(context)
        if not path.nouns:
            raise NotFound
        if not (await resource.authorize(context) or permitted):
            raise Forbidden

    async def _identify(
        self, check: Callable[[Context], Awaitable[None]], context: Context, resource: Resource
    ) -> None:
        """Check the caller's token; on a public picture an unusable token counts as none (deviation D17)."""
        try:
            await check(context)
        except Exception:
            if context.method != "GET" or not await resource.authenticate(context):
                raise

    async def _load_account(self, context: Context) -> None:
        """Step 6: the account in the path, the last one if there are several."""
        accounts = [noun for noun in context.nouns if noun.name == "accounts"]
        if not accounts or not accounts[-1].params:
            return
        noun = accounts[-1]
        account_id = noun.params[0]
        if len(account_id.encode()) != _ACCOUNT_ID_BYTES:
            text = f"invalid account_id '{shown(account_id)}'" if account_id else "missing account_id"
            raise CrossbarError(404, "bad identifier", {"message": text})
        # One unknown token after the account id is ignored, as in Crossbar.
        if len(noun.params) > 2 and noun is not context.nouns[-1]:
            raise NotFound
        context.account_id = account_id
        await self._gatekeeper.account(context)

    async def _authenticate(self, context: Context, resource: Resource) -> None:
        """Step 7: callers without a valid JWT pay from their bucket, then other schemes are tried."""
        cost = resource.rate_cost(context)
        if self._rates is not None:
            cost = await self._rates.cost(context, cost)
        await self._consume(context, cost)
        await self._identify(self._gatekeeper.authenticate, context, resource)
        if not (context.authenticated or await resource.authenticate(context)):
            raise AuthenticationRequired

    async def _consume(self, context: Context, cost: int) -> None:
        # Operators may change the rates at any time; they are read from a cached document.
        if self._rates is not None:
            self._limiter.limits = await self._rates.limits()
        context.consumed = context.body_cost + cost
        wait = self._limiter.consume(context.bucket, cost)
        if wait is not None:
            raise TooManyRequests(wait)

    async def _answer(self, context: Context, resource: Resource) -> web.Response:
        """Steps 9 to 15."""
        headers, verb, params = context.headers, context.verb, context.nouns[-1].params
        # Negotiation comes first, so that a request whose answer the client cannot read changes nothing.
        offered = await resource.content_types_provided(context, *params)
        media_type = negotiation.choose_media_type(headers.get(hdrs.ACCEPT), tuple(offered))
        language = negotiation.choose_language(headers.get(hdrs.ACCEPT_LANGUAGE))
        for noun in context.nouns[:-1]:
            await self._resources[noun.name].resource_exists(context, *noun.params)
        await resource.validate(context, *params)
        # Preconditions compare with the entity tag that ``validate`` has set.
        if preconditions.check(context, exists=verb != "PUT"):
            return self._renderer.not_modified(context, language)
        if context.method in _METHODS_WITH_BODY and hdrs.CONTENT_TYPE in headers:
            accepted = await resource.content_types_accepted(context, *params)
            if context.content_type not in accepted:
                raise Refusal(415, "unsupported media type")
        # ``validate`` has answered a GET.
        if verb != "GET":
            await getattr(resource, verb.lower())(context, *params)
        return await self._renderer.success(context, media_type, language)


async def _try(check: Callable[[Context], Awaitable[None]], context: Context) -> None:
    """Check the caller's token; a refused one counts as none."""
    with contextlib.suppress(CrossbarError):
        await check(context)


def _own_account(context: Context) -> tuple[Noun, ...]:
    """The nouns of ``/v2/account/…`` with the id of the caller's account, which needs a JWT."""
    account_id = getattr(context.identity, "account_id", None)
    if not isinstance(account_id, str):
        raise ExpiredToken
    first, *rest = context.nouns
    return (Noun(first.name, (account_id, *first.params[1:])), *rest)


def _check_method(context: Context, resource: Resource) -> None:
    """Step 5: whether the path exists, then the effective verb, then the method that carries it."""
    allowed = resource.allowed_methods(*context.resource.params)
    context.allowed_methods = methods = tuple(allowed or ())
    if not methods:
        raise NotFound
    method, verb = context.method, context.req_value("verb")
    if verb is not None:
        context.verb = verb.upper() if isinstance(verb, str) else ""
        if method == "POST" and context.verb != "POST":
            # Only the tunnelled verb must be allowed; the POST that carries it is allowed with it.
            others = tuple(each for each in methods if each != "POST")
            context.allowed_methods = methods = ("POST", *methods) if context.verb in methods else others
        elif context.verb not in (method, "GET"):
            # Only POST tunnels (deviation D3), so that GET stays safe.
            raise MethodNotAllowed
    if context.verb not in methods or method not in methods or context.verb == "OPTIONS":
        raise MethodNotAllowed
