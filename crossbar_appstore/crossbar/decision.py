"""The decision order: what is asked when, so that each refusal wins over the ones below it.

The numbers are those of the recorded precedence: 1 version, 2 body, 3 method known, 4 early authentication, 5 method
allowed, 6 account, 7 authentication, 8 authorization, 9 Accept, 10 Accept-Language, 11 validate, 12 preconditions,
13 Content-Type, 14 execute, 15 reply (`api_resource`, `cowboy_rest`). Before all of them, every preflight is answered.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from multidict import CIMultiDict

from crossbar_appstore.crossbar import negotiation, preconditions
from crossbar_appstore.crossbar.access_log import without_tokens
from crossbar_appstore.crossbar.body import parse_body
from crossbar_appstore.crossbar.context import Context, Noun, bucket_of
from crossbar_appstore.crossbar.cors import ALL_METHODS, cors_headers, is_preflight
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
from crossbar_appstore.crossbar.json_style import style_of
from crossbar_appstore.crossbar.media_types import JSON
from crossbar_appstore.crossbar.outcome import Outcome
from crossbar_appstore.crossbar.paths import ApiPath
from crossbar_appstore.crossbar.rendering import Renderer
from crossbar_appstore.crossbar.resource import Resource
from crossbar_appstore.crossbar.throttling import Rates, Throttle
from crossbar_appstore.crossbar.token_location import find_token

KNOWN_METHODS: Final = frozenset(ALL_METHODS)
_WITH_BODY: Final = frozenset({"PUT", "POST", "PATCH"})
_ACCOUNT_ID_BYTES: Final = 32

log = logging.getLogger(__name__)


_NO_RESOURCE: Final = Resource()
"""What answers where the path names no endpoint; whoever is authenticated is told so."""


class DecisionOrder:
    """Decides requests against the registered resources.

    Args:
        resources: noun → resource.
        gatekeeper: who is calling, and what they may touch.
        throttle: token buckets of callers without a valid JWT.
        renderer: makes the replies.
        translate: turns an exception of another room into a refusal; None leaves it unexpected.
        rates: how large the buckets are, and what requests cost; without them the throttle's and the endpoint's count.
    """

    def __init__(
        self,
        resources: Mapping[str, Resource],
        gatekeeper: Gatekeeper,
        throttle: Throttle,
        renderer: Renderer,
        translate: Callable[[Exception], CrossbarError | None],
        rates: Rates | None = None,
    ) -> None:
        self._resources = resources
        self._gatekeeper = gatekeeper
        self._throttle = throttle
        self._renderer = renderer
        self._translate = translate
        self._rates = rates

    async def decide(self, context: Context, path: ApiPath, receive: Callable[[], Awaitable[bytes]]) -> Outcome:
        """Decide one request, whatever happens.

        Args:
            context: the request line and headers.
            path: where the request goes.
            receive: reads the query string into the context and returns the body; raises ``CrossbarError``.
        """
        try:
            return await self._decide(context, path, receive)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an envelope
            return self.refuse(context, error)

    def charge(self, outcome: Outcome, client_ip: str) -> bool:
        """Whether somebody else may have what was decided already: who has no valid JWT pays for it again."""
        if outcome.charge is None:
            return True
        return self._throttle.consume(bucket_of(client_ip, outcome.account_id), outcome.charge) is None

    def refuse(self, context: Context, error: Exception) -> Outcome:
        """The outcome of an exception: a refusal as it is, another room's by its translation, else a logged 500."""
        try:
            refusal = error if isinstance(error, CrossbarError) else self._translated(context, error)
            return self._renderer.refusal(context, refusal)
        except Exception as fault:  # noqa: BLE001 - the data of a refusal may be no JSON
            return self._renderer.refusal(context, _unexpected(context, fault))

    async def _decide(self, context: Context, path: ApiPath, receive: Callable[[], Awaitable[bytes]]) -> Outcome:
        endpoint = self._resources[path.nouns[-1].name] if path.nouns else _NO_RESOURCE
        context.steady = endpoint.steady and context.method == "GET"
        resource = endpoint.part(*path.nouns[-1].params) if path.nouns else endpoint
        if is_preflight(context.method, context.headers):
            return _preflight(context, resource, path)
        if path.version == "v1":  # 1
            raise Gone
        _read(context, await receive())  # 2
        if context.method not in KNOWN_METHODS:  # 3
            raise Refusal(501, "not implemented")
        await self._admit(context, path, resource)  # 4 to 8
        return await self._answer(context, resource)  # 9 to 15

    async def _admit(self, context: Context, path: ApiPath, resource: Resource) -> None:
        """Stages 4 to 8: whether the request may go on."""
        context.nouns, context.verb = path.nouns, context.method
        context.auth_token, context.auth_scheme = find_token(context)
        await self._ask(self._gatekeeper.early, context, resource)
        if path.alias:
            context.nouns = _own_account(context)
        if path.nouns:
            _check_method(context, resource)
        await self._load_account(context)
        if not context.authenticated:
            await self._identify(context, resource)
        permitted = await self._gatekeeper.authorize(context)
        if not path.nouns:
            raise NotFound
        if not (await resource.authorize(context) or permitted):
            raise Forbidden

    async def _ask(self, who: Callable[[Context], Awaitable[None]], context: Context, resource: Resource) -> None:
        """Ask who is calling; where a picture is public, a token that cannot be used counts as none (deviation D17)."""
        try:
            await who(context)
        except Exception:
            if context.method != "GET" or not await resource.authenticate(context):
                raise

    async def _load_account(self, context: Context) -> None:
        """Stage 6: the account named in the path, the last one where several are."""
        noun = _account_noun(context.nouns)
        if noun is None:
            return
        account_id = noun.params[0]
        if len(account_id.encode()) != _ACCOUNT_ID_BYTES:
            text = f"invalid account_id '{account_id}'" if account_id else "missing account_id"
            raise CrossbarError(404, "bad identifier", {"message": text})
        if len(noun.params) > 2 and noun is not context.nouns[-1]:
            raise NotFound
        context.account_id = account_id
        await self._gatekeeper.account(context)

    async def _identify(self, context: Context, resource: Resource) -> None:
        """Stage 7: callers without a valid JWT pay from their bucket, then show what else they have."""
        context.consumed = resource.rate_cost(context)
        if self._rates is not None:
            self._throttle.limits = await self._rates.limits()
            context.consumed = await self._rates.cost(context, context.consumed)
        wait = self._throttle.consume(context.bucket, context.consumed)
        if wait is not None:
            raise TooManyRequests(wait)
        context.charged = True
        await self._ask(self._gatekeeper.authenticate, context, resource)
        if not (context.authenticated or await resource.authenticate(context)):
            raise AuthenticationRequired

    async def _answer(self, context: Context, resource: Resource) -> Outcome:
        """Stages 9 to 15."""
        headers, verb, params = context.headers, context.verb, context.resource.params
        offered = await resource.content_types_provided(context, *params)
        media_type = negotiation.choose_media_type(headers.get("Accept"), tuple(offered))
        language = negotiation.choose_language(headers.get("Accept-Language"))
        for noun in context.nouns[:-1]:
            await self._resources[noun.name].resource_exists(context, *noun.params)
        await resource.validate(context, *params)
        try:
            preconditions.check(context, exists=verb != "PUT")
        except preconditions.NotModified:
            return self._renderer.not_modified(context, language)
        if context.method in _WITH_BODY and "Content-Type" in headers:
            accepted = await resource.content_types_accepted(context, *params)
            if context.content_type not in accepted:
                raise Refusal(415, "unsupported media type")
        if verb != "GET":
            await getattr(resource, verb.lower())(context, *params)
        return await self._renderer.success(context, media_type, language)

    def _translated(self, context: Context, error: Exception) -> CrossbarError:
        context.steady = False
        known = self._translate(error)
        if known is None:
            return _unexpected(context, error)
        reason = f"{type(error).__name__}: {error}"
        log.warning("refused", extra={"request_id": context.request_id, "code": known.code, "reason": reason})
        return known


def _preflight(context: Context, resource: Resource, path: ApiPath) -> Outcome:
    """200 for every path, known or not (deviation D19)."""
    methods = tuple(resource.allowed_methods(*path.nouns[-1].params) or ()) if path.nouns else None
    headers = CIMultiDict({"Content-Type": JSON})
    headers.update(cors_headers(context.headers, methods))
    return Outcome.of(context, 200, headers)


def _read(context: Context, body: bytes) -> None:
    """Stage 2: the body into the context."""
    content_type = context.headers.get("Content-Type")
    if body or content_type is not None:
        file_name = context.query.get("filename") or context.headers.get("X-File-Name")
        parsed = parse_body(content_type, body, file_name)
        context.content_type, context.envelope = parsed.content_type, parsed.envelope
        context.data, context.files = parsed.data, parsed.files
    context.style = style_of(context)


def _account_noun(nouns: Sequence[Noun]) -> Noun | None:
    for noun in reversed(nouns):
        if noun.name == "accounts":
            return noun if noun.params else None
    return None


def _own_account(context: Context) -> tuple[Noun, ...]:
    """``/v2/account/…`` is the account of a caller with a JWT."""
    account_id = getattr(context.identity, "account_id", None)
    if not isinstance(account_id, str):
        raise ExpiredToken
    first, *rest = context.nouns
    return (Noun(first.name, (account_id, *first.params[1:])), *rest)


def _check_method(context: Context, resource: Resource) -> None:
    """Stage 5: arity, then the effective verb, then the method that carries it."""
    allowed = resource.allowed_methods(*context.resource.params)
    context.allowed_methods = methods = tuple(allowed or ())
    if not methods:
        raise NotFound
    method, verb = context.method, context.req_value("verb")
    if verb is not None:
        context.verb = verb.upper() if isinstance(verb, str) else ""
        if method == "POST" and context.verb != "POST":
            others = tuple(each for each in methods if each != "POST")
            context.allowed_methods = methods = ("POST", *methods) if context.verb in methods else others
        elif context.verb not in (method, "GET"):
            # Only POST tunnels (deviation D3), so that GET stays safe.
            raise MethodNotAllowed
    if context.verb not in methods or method not in methods or context.verb == "OPTIONS":
        raise MethodNotAllowed


def _unexpected(context: Context, error: Exception) -> CrossbarError:
    path = without_tokens(context.path)
    log.error("unhandled exception", exc_info=error, extra={"request_id": context.request_id, "path": path})
    return UnspecifiedFault()
