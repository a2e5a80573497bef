"""Token restrictions: which requests a token may make (``cb_token_restrictions``).

They are stored in the caller's account, else in ``system_config``, as nested objects: login method → privilege level →
endpoint → list of entries, each with ``allowed_accounts`` and ``rules`` (pattern over the endpoint's parameters → list
of verbs). ``_`` matches any method, level, endpoint, account or verb.
"""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import Forbidden
from crossbar_appstore.datastore.master_account import Configuration, Reader
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import Missing, get, list_at, object_at

from . import hierarchy
from .documents import SYSTEM_CONFIG, TOKEN_RESTRICTIONS
from .hierarchy import Identity

_CATEGORY: Final = "crossbar.token_restrictions"
_CATCH_ALL: Final = "_"


async def restrictions_of(identity: Identity, read: Reader) -> JsonObject | None:
    """The restrictions of a caller's token by endpoint; None if there are none (``cb_token_restrictions``)."""
    if identity.is_superduper:
        return None
    stored = live(await read(account_db(identity.account_id), TOKEN_RESTRICTIONS))
    by_level = of_method(get(stored, "restrictions"), identity.method)
    if by_level is None:
        # The system's hold for every account that has none for this login method.
        by_level = of_method(get(await read(SYSTEM_CONFIG, _CATEGORY), "default"), identity.method)
    return None if by_level is None else of_priv_level(by_level, await _priv_level(identity, read))


async def _priv_level(identity: Identity, read: Reader) -> str:
    """The user's privilege level; the default one for the account itself and for a user who no longer exists."""
    if identity.owner_id is not None:
        user = live(await read(account_db(identity.account_id), identity.owner_id))
        if user is not None:
            return hierarchy.priv_level(user)
    return await Configuration(read).text(_CATEGORY, "default_priv_level") or hierarchy.ADMIN


def check_restrictions(identity: Identity, context: Context) -> None:
    """Raise ``Forbidden`` if the restrictions do not allow the request (``cb_token_restrictions:authorize/1``)."""
    if identity.restrictions is None:
        return
    is_descendant = hierarchy.is_in_account_hierarchy(identity.account_id, context.account)
    accounts = account_names(identity.account_id, context.account_id, is_descendant=is_descendant)
    noun = context.resource
    if not permits(identity.restrictions, noun.name, noun.params, context.verb, accounts):
        raise Forbidden(cause="access denied by token restrictions")


def of_method(by_method: Json | Missing, method: str | None) -> JsonObject | None:
    """The restrictions for a login method; None if there are none."""
    for key in (method, _CATCH_ALL):
        found = get(by_method, key) if key is not None else None
        if isinstance(found, dict):
            return found
    return None


def of_priv_level(by_level: JsonObject, level: str) -> JsonObject | None:
    """The restrictions for a privilege level; None if there are none."""
    found = by_level[level] if level in by_level else by_level.get(_CATCH_ALL)
    return found if isinstance(found, dict) else None


def account_names(auth_account_id: str, account_id: str | None, *, is_descendant: bool) -> frozenset[str]:
    """The names under which ``allowed_accounts`` may list the account in the path; None is a path without account."""
    if account_id is None:
        return frozenset({_CATCH_ALL})
    if account_id == auth_account_id:
        return frozenset({_CATCH_ALL, account_id, "{AUTH_ACCOUNT_ID}"})
    return frozenset({_CATCH_ALL, account_id} | ({"{DESCENDANT_ACCOUNT_ID}"} if is_descendant else set()))


def permits(by_endpoint: JsonObject, endpoint: str, params: Sequence[str], verb: str, accounts: frozenset[str]) -> bool:
    """Whether the restrictions allow a request; without a matching entry, rule and verb they do not."""
    entries = by_endpoint.get(endpoint)
    if not isinstance(entries, list):
        entries = list_at(by_endpoint, _CATCH_ALL)
    # Only the first entry that lists the account counts, and in it the first pattern that matches.
    entry = next((each for each in entries if isinstance(each, dict) and _is_for(each, accounts)), {})
    for pattern, verbs in object_at(entry, "rules").items():
        # Erlang's split with trim: empty parts at the end do not count, so "/" is the pattern of no params.
        trimmed = pattern.rstrip("/")
        if matches(trimmed.split("/") if trimmed else [], params):
            return isinstance(verbs, list) and (verb in verbs or _CATCH_ALL in verbs)
    return False


def matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words match a pattern as AMQP topics do: ``*`` is one word, ``#`` any number of them."""
    # reachable[i]: the pattern so far matches the first i words.
    reachable = [True] + [False] * len(words)
    for part in pattern:
        if part == "#":
            first = reachable.index(True) if True in reachable else len(reachable)
            reachable = [index >= first for index in range(len(reachable))]
        else:
            fits = [part in ("*", word) for word in words]
            reachable = [False, *(before and fit for before, fit in zip(reachable, fits, strict=False))]
    return reachable[-1]


def _is_for(entry: JsonObject, accounts: frozenset[str]) -> bool:
    # An entry without a list of accounts is for every account.
    allowed = entry.get("allowed_accounts")
    return not isinstance(allowed, list) or any(isinstance(each, str) and each in accounts for each in allowed)
