"""Audit events of requests: who changed what, and who logged in, one event each at the end of the request.

An event has ``time`` (UTC), ``action``, ``outcome``, ``status``, ``who``, ``client``, ``request_id``, the ids that it
is about, and ``before`` and ``after`` where documents were changed (``audit_events``). A refused change has the action
that it would have been.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.crossbar.application import Observer
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.json_codec import Json, JsonObject

from .audit_events import ACCOUNT_NAMES, APPS_STORE, clean, events_of

Write = Callable[[JsonObject], None]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_VERBS: Final = {"PUT": "create", "POST": "update", "PATCH": "update", "DELETE": "delete"}
_INSTALLS: Final = {"PUT": "install", "POST": "update", "DELETE": "uninstall"}
_LOGINS: Final = frozenset({"user_auth", "api_auth"})
_CHANGE_NOTHING: Final = frozenset({"auth", "search"})
"""Endpoints whose POST only reads."""
_IDS: Final = {"accounts": "account_id", "users": "user_id"}
"""Endpoint → the member that its first param becomes."""
_HASH: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,}")
"""What is left out of them: a hash or a key that stands in the wrong field."""


def audit(write: Write) -> Observer:
    """An observer that calls ``write`` with each event."""

    def observe(context: Context, response: web.StreamResponse | None, _: float) -> None:
        if context.method not in _SAFE:
            # Also where the request was cancelled: what it has saved stays saved.
            for event in request_events(context, None if response is None else response.status):
                write(event)

    return observe


def request_events(context: Context, status: int | None) -> list[JsonObject]:
    """The events of a request; ``status`` is None if it was cancelled."""
    if not context.nouns or (context.verb in _SAFE and not context.changes):
        return []
    common: JsonObject = {
        "time": now(),
        "outcome": _outcome(status),
        "status": status,
        "who": who(context.identity),
        "client": context.client_ip,
        "request_id": clean(context.request_id),
    }
    found = [event for change in context.changes for event in events_of(change)]
    requested = _requested(context)
    # A login is told of even if it saved something, such as a new password.
    if requested is not None and (not found or "login" in requested["action"]):
        found.append(requested)
    return [common | event for event in found]


def now() -> str:
    """The time in UTC as ISO 8601, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def who(identity: Any) -> JsonObject | None:
    """The caller: the account and user whose token it is, and as whom they act if that is another; None for nobody."""
    if not isinstance(identity, Identity):
        return None
    acting: dict[str, Json] = {"account_id": identity.account_id, "user_id": identity.owner_id}
    own = acting
    if identity.behind is not None:
        own = {"account_id": identity.behind.account_id, "user_id": identity.behind.owner_id}
    elif identity.original_account_id is not None:
        own = {"account_id": identity.original_account_id, "user_id": identity.original_owner_id}
    masquerading = {} if own is acting else {"acting_as": acting}
    return {**own, "method": clean(identity.method), **masquerading}


def _outcome(status: int | None) -> str:
    if status is None:
        return "unknown"
    return "done" if status < 400 else "refused" if status < 500 else "failed"


def _requested(context: Context) -> JsonObject | None:
    """The action and the ids in the path; None if the endpoint changes nothing."""
    noun = context.nouns[-1]
    # A request whose body cannot be read is refused before its effective verb is known.
    name, params, verb = noun.name, noun.params, context.verb or context.method
    if name in _CHANGE_NOTHING or verb not in _VERBS:
        return None
    # No such path, or nothing that could be changed there in this way.
    if context.allowed_methods is not None and verb not in context.allowed_methods:
        return None
    event: JsonObject = {"account_id": None}
    for each in context.nouns:
        if each.name in _IDS and each.params:
            event[_IDS[each.name]] = clean(each.params[0]) or None
    if name in _LOGINS:
        return event | _login(context, name, params, verb)
    if name == APPS_STORE and params and params[0] != "blacklist":
        event["app_id"] = clean(params[0])
    return event | {"action": _action(name, params, verb)}


def _login(context: Context, name: str, params: Sequence[str], verb: str) -> JsonObject:
    """A login; who is meant is told only by names, since credentials are hashes of passwords."""
    data: Mapping[str, Json] = context.data if isinstance(context.data, dict) else {}
    given = {key: data[key] for key in ACCOUNT_NAMES if isinstance(data.get(key), str)}
    named = {key: clean(text) for key, text in given.items() if not _HASH.fullmatch(text.strip())}
    about: JsonObject = {"named": named} if named else {}
    if params:
        return {"action": "login.recovery" if verb == "POST" else "recovery.request", **about}
    action = "login.impersonation" if len(context.nouns) > 1 else "login"
    identity = context.identity
    found: JsonObject = {"action": action, "endpoint": name, **about}
    if isinstance(identity, Identity) and action == "login":
        found |= {"account_id": identity.account_id, "user_id": identity.owner_id}
    return found


def _action(name: str, params: Sequence[str], verb: str) -> str:
    if name == APPS_STORE:
        if params[:1] == ("blacklist",):
            return f"{name}.blacklist"
        if params[1:2] == ("override",):
            return f"override.{_VERBS[verb]}"
        if verb in _INSTALLS:
            return f"{name}.{_INSTALLS[verb]}"
    singular = {"accounts": "account", "users": "user"}.get(name, name)
    return f"{singular}.{_VERBS[verb]}"
