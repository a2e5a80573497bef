"""The decision order: what is asked when, so that each refusal wins over the ones below it.

The numbers are those of the recorded precedence: 1 version, 2 body, 3 method known, 4 early authentication, 5 method
allowed, 6 account, 7 authentication, 8 authorization, 9 Accept, 10 Accept-Language, 11 validate, 12 preconditions,
13 Content-Type, 14 execute (`api_resource`, `cowboy_rest`).
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from crossbar_appstore.crossbar import negotiation, preconditions, rendering
from crossbar_appstore.crossbar.body import parse_body
from crossbar_appstore.crossbar.context import Context, Noun
from crossbar_appstore.crossbar.cors import ALL_METHODS, cors_headers, is_cors
from crossbar_appstore.crossbar.envelope import Envelope
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
    UnspecifiedFault,
)
from crossbar_appstore.crossbar.gatekeeper import Gatekeeper
from crossbar_appstore.crossbar.paths import ApiPath
from crossbar_appstore.crossbar.rendering import HttpReply, Style
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.crossbar.throttling import Throttle
from crossbar_appstore.crossbar.token_location import find_token

KNOWN_METHODS: Final = frozenset(ALL_METHODS)
_WITH_BODY: Final = frozenset({"PUT", "POST", "PATCH"})
_ACCOUNT_ID_LENGTH: Final = 32

log = logging.getLogger(__name__)


class UnknownEndpoint(Resource):
    """What answers where the path names no endpoint: whoever is authenticated is told so (`api_resource:forbidden/2`)."""

    def allowed_methods(self, *params: str) -> Methods | None:
        return ALL_METHODS

    async def authorize(self, context: Context) -> bool:
        raise NotFound


_UNKNOWN: Final = UnknownEndpoint()


class DecisionOrder:
    """Decides requests against the registered resources.

    Args:
        resources: noun → resource.
        gatekeeper: who is calling, and what they may touch.
        throttle: token buckets of callers without a valid JWT.
        envelope: renders the JSON of this node.
        translate: turns an exception of another room into a refusal; None leaves it unexpected.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        gatekeeper: Gatekeeper,
        throttle: Throttle,
        envelope: Envelope,
        translate: Callable[[Exception], CrossbarError | None],
    ) -> None:
        self._resources = resources
        self._gatekeeper = gatekeeper
        self._throttle = throttle
        self._envelope = envelope
        self._translate = translate

    async def reply(self, context: Context, path: ApiPath, body: bytes | CrossbarError) -> HttpReply:
        """Answer one request; ``body`` is its raw bytes, or the refusal of a body that could not be read."""
        style = rendering.PLAIN
        consumed = 1
        try:
            if context.method == "OPTIONS" and is_cors(context.headers):
                return self._preflight(context, path)
            if path.version == "v1":
                raise Gone
            self._read(context, body)
            style = rendering.style_of(context)
            if context.method not in KNOWN_METHODS:
                raise Refusal(501, "not implemented")
            resource, params, consumed = await self._admit(context, path)
            return await self._answer(context, resource, params, style, consumed)
        except preconditions.NotModified:
            return self._not_modified(context)
        except CrossbarError as error:
            return self._refuse(context, error, style, consumed)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an envelope
            return self._refuse(context, self._unexpected(context, error), style, consumed)

    def _preflight(self, context: Context, path: ApiPath) -> HttpReply:
        methods: tuple[str, ...] | None = None
        if path.nouns:
            noun = path.nouns[-1]
            methods = tuple(self._resources[noun.name].allowed_methods(*noun.params) or ())
        headers = {"X-Request-ID": context.request_id, "Content-Type": negotiation.JSON}
        return HttpReply(200, rendering.merge(headers, cors_headers(context.headers, methods)))

    def _read(self, context: Context, body: bytes | CrossbarError) -> None:
        """Stage 2: the body into the context."""
        if isinstance(body, CrossbarError):
            raise body
        content_type = context.headers.get("Content-Type")
        if not body and content_type is None:
            return
        file_name = context.query.get("filename") or context.headers.get("X-File-Name")
        parsed = parse_body(content_type, body, file_name)
        context.content_type, context.envelope = parsed.content_type, parsed.envelope
        context.data, context.files = parsed.data, parsed.files

    async def _admit(self, context: Context, path: ApiPath) -> tuple[Resource, tuple[str, ...], int]:
        """Stages 4 to 8: who may go on; returns the resource, its params and the rate tokens taken."""
        token = find_token(context)
        if token is not None:
            context.auth_token, context.auth_scheme = token
        resource = self._resources[path.nouns[-1].name] if path.nouns else _UNKNOWN
        context.nouns = path.nouns
        await self._early(context, resource, public=len(path.nouns) == 1 and context.method == "GET")
        if path.alias:
            context.nouns = self._own_account(context, path)
        context.verb = self._tunnelled_verb(context)
        params = context.nouns[-1].params if context.nouns else ()
        self._check_method(context, resource, params)
        await self._account(context)
        consumed = await self._authenticated(context, resource)
        permitted = await self._gatekeeper.authorize(context)
        if not (await resource.authorize(context) or permitted):
            raise Forbidden
        return resource, params, consumed

    async def _early(self, context: Context, resource: Resource, *, public: bool) -> None:
        """Stage 4; on a public route an unusable token counts as none (deviation D17)."""
        try:
            await self._gatekeeper.early(context)
        except CrossbarError:
            context.verb = context.method
            if not (public and await resource.authenticate(context)):
                raise

    def _own_account(self, context: Context, path: ApiPath) -> tuple[Noun, ...]:
        account_id = getattr(context.identity, "account_id", None)
        if not isinstance(account_id, str):
            raise ExpiredToken
        first, *rest = path.nouns
        return (Noun(first.name, (account_id, *first.params[1:])), *rest)

    def _tunnelled_verb(self, context: Context) -> str:
        verb = context.req_value("verb")
        if verb is None:
            return context.method
        return verb.upper() if isinstance(verb, str) else ""

    def _check_method(self, context: Context, resource: Resource, params: tuple[str, ...]) -> None:
        """Stage 5: arity, then the method, tunnelled or not."""
        allowed = resource.allowed_methods(*params)
        if allowed is None:
            context.allowed_methods = ()
            raise NotFound
        methods = tuple(allowed)
        verb, method = context.verb, context.method
        context.allowed_methods = methods
        if method == "POST" and verb != method:
            methods = ("POST", *methods) if verb in methods else tuple(each for each in methods if each != "POST")
            context.allowed_methods = methods
        elif verb not in (method, "GET"):
            # Only POST tunnels (deviation D3), so that GET stays safe.
            raise MethodNotAllowed
        if verb not in methods or verb == "OPTIONS":
            raise MethodNotAllowed

    async def _account(self, context: Context) -> None:
        """Stage 6: the account named in the path, the last one where several are."""
        for noun in reversed(context.nouns):
            if noun.name == "accounts":
                break
        else:
            return
        is_last = noun is context.nouns[-1]
        if not noun.params:
            return
        account_id = noun.params[0]
        if len(account_id) != _ACCOUNT_ID_LENGTH:
            text = f"invalid account_id '{account_id}'" if account_id else "missing account_id"
            raise CrossbarError(404, "bad identifier", {"message": text})
        if len(noun.params) > 2 and not is_last:
            raise NotFound
        context.account_id = account_id
        await self._gatekeeper.account(context)

    async def _authenticated(self, context: Context, resource: Resource) -> int:
        """Stage 7; returns the rate tokens taken."""
        if context.authenticated:
            return 1
        return await self._identify(context, resource)

    async def _identify(self, context: Context, resource: Resource) -> int:
        """Callers without a valid JWT pay from their bucket, then show what else they have."""
        cost = resource.rate_cost(context)
        wait = self._throttle.consume(self._bucket(context), cost)
        if wait is not None:
            raise TooManyRequests(wait)
        await self._gatekeeper.authenticate(context)
        if not (context.authenticated or await resource.authenticate(context)):
            raise AuthenticationRequired
        return cost

    async def _answer(
        self, context: Context, resource: Resource, params: tuple[str, ...], style: Style, consumed: int
    ) -> HttpReply:
        """Stages 9 to 15."""
        headers, verb = context.headers, context.verb
        offered = await resource.content_types_provided(context, *params)
        media_type = negotiation.choose_media_type(headers.get("Accept"), tuple(offered))
        language = negotiation.choose_language(headers.get("Accept-Language"))
        for noun in context.nouns[:-1]:
            await self._resources[noun.name].resource_exists(context, *noun.params)
        await resource.validate(context, *params)
        if_match, if_none_match = headers.get("If-Match"), headers.get("If-None-Match")
        if if_match is not None or if_none_match is not None:
            preconditions.check(context.method, verb != "PUT", context.reply, if_match, if_none_match)
        if context.method in _WITH_BODY:
            await self._check_content_type(context, resource, params)
        if verb != "GET":
            await getattr(resource, verb.lower())(context, *params)
        return await self._succeed(context, media_type, language, style, consumed)

    async def _check_content_type(self, context: Context, resource: Resource, params: tuple[str, ...]) -> None:
        """Stage 13."""
        if "Content-Type" in context.headers:
            accepted = await resource.content_types_accepted(context, *params)
            if context.content_type not in accepted and "*/*" not in accepted:
                raise Refusal(415, "unsupported media type")

    async def _succeed(self, context: Context, media_type: str, language: str, style: Style, consumed: int) -> HttpReply:
        reply, reads = context.reply, context.verb == "GET"
        status = reply.status
        if context.verb == "PUT" and status == 200:
            status = 201
        if status == 201 and reply.location is None:
            reply.location = context.path
        if not reads:
            reply.etag = None
        binary = reply.binary
        headers = rendering.success_headers(
            context, language, negotiated=binary is None, cacheable=context.method == "GET"
        )
        if is_cors(context.headers):
            headers.update(cors_headers(context.headers, context.allowed_methods))
        if binary is not None:
            return await rendering.binary_reply(binary, headers, context.headers.get("Range"))
        if reads and self._wants_csv(context, media_type):
            return rendering.csv_reply(context, status, headers)
        body = self._envelope.success(context, consumed, self._throttle.level(self._bucket(context)))
        encoding = context.headers.get("Accept-Encoding")
        return rendering.json_reply(status, body, style, headers, accept_encoding=encoding)

    def _wants_csv(self, context: Context, media_type: str) -> bool:
        override = context.req_value("accept") if context.method == "GET" else None
        if override is not None:
            return override in ("csv", "text/csv")
        return media_type in negotiation.CSV_TYPES

    def _not_modified(self, context: Context) -> HttpReply:
        binary = context.reply.binary
        language = negotiation.choose_language(context.headers.get("Accept-Language"))
        headers = rendering.success_headers(context, language, negotiated=binary is None, cacheable=True)
        headers["Cache-Control"] = binary.cache_control if binary is not None else "private, no-cache"
        if is_cors(context.headers):
            headers.update(cors_headers(context.headers, context.allowed_methods))
        return HttpReply(304, headers)

    def _refuse(self, context: Context, error: CrossbarError, style: Style, consumed: int) -> HttpReply:
        body = self._envelope.error(context, error, consumed, self._throttle.level(self._bucket(context)))
        headers = {"X-Request-ID": context.request_id}
        rendering.merge(headers, cors_headers(context.headers, context.allowed_methods))
        rendering.merge(headers, error.headers)
        encoding = context.headers.get("Accept-Encoding")
        return rendering.json_reply(error.code, body, style, headers, accept_encoding=encoding)

    def _unexpected(self, context: Context, error: Exception) -> CrossbarError:
        known = self._translate(error)
        if known is not None:
            log.warning(
                "refused",
                extra={
                    "request_id": context.request_id,
                    "code": known.code,
                    "reason": f"{type(error).__name__}: {error}",
                },
            )
            return known
        log.error("unhandled exception", exc_info=error, extra={"request_id": context.request_id, "path": context.path})
        return UnspecifiedFault()

    def _bucket(self, context: Context) -> str:
        return f"{context.client_ip}/{context.account_id or 'no_account'}"
