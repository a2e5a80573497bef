"""Token restrictions: which requests a token may make (``cb_token_restrictions``).

They are stored in the caller's account, else in ``system_config``, as nested objects: login method → privilege level →
endpoint → list of entries, each with ``allowed_accounts`` and ``rules`` (pattern over the endpoint's parameters → list
of verbs). ``_`` matches any method, level, endpoint, account or verb.
"""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import Forbidden
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import get, list_at, object_at

from . import hierarchy
from .documents import TOKEN_RESTRICTIONS, AuthDocuments
from .identity import Identity
from .settings import AuthSettings

_CATEGORY: Final = "crossbar.token_restrictions"
_DENIED: Final = "access denied by token restrictions"
_CATCH_ALL: Final = "_"
_OWN_ACCOUNT: Final = "{AUTH_ACCOUNT_ID}"
_DESCENDANT_ACCOUNT: Final = "{DESCENDANT_ACCOUNT_ID}"
_ONE_WORD: Final = "*"
_ANY_WORDS: Final = "#"


class RestrictionCheck:
    """Applies token restrictions to requests."""

    def __init__(self, documents: AuthDocuments, settings: AuthSettings) -> None:
        self._documents = documents
        self._settings = settings

    async def check(self, identity: Identity, context: Context) -> None:
        """Let the request pass, or raise (``cb_token_restrictions:authorize/1``); superduper admins always pass.

        Raises:
            Forbidden: the restrictions do not allow the request.
            DatastoreError: they cannot be read.
        """
        if identity.is_superduper:
            return
        by_level = await self._of_method(identity)
        by_endpoint = of_priv_level(by_level, await self._priv_level(identity)) if by_level is not None else None
        if by_endpoint is None:
            return
        accounts = account_names(
            identity.account_id,
            context.account_id,
            is_descendant=hierarchy.is_in_account_hierarchy(identity.account_id, context.account),
        )
        noun = context.resource
        if not permits(by_endpoint, noun.name, noun.params, context.verb, accounts):
            raise Forbidden(cause=_DENIED)

    async def _of_method(self, identity: Identity) -> JsonObject | None:
        """The restrictions for the caller's login method, by privilege level; None if there are none."""
        stored = await self._documents.in_account(identity.account_id, TOKEN_RESTRICTIONS)
        own = of_method(get(stored, "restrictions"), identity.method)
        return own if own is not None else of_method(await self._settings.section(_CATEGORY), identity.method)

    async def _priv_level(self, identity: Identity) -> str:
        """The user's privilege level; the default one for the account itself and for a user who no longer exists."""
        if identity.owner_id is not None:
            user = await self._documents.in_account(identity.account_id, identity.owner_id)
            if user is not None:
                return hierarchy.priv_level(user)
        return await self._settings.text(_CATEGORY, "default_priv_level") or hierarchy.ADMIN


def of_method(by_method: Json, method: str | None) -> JsonObject | None:
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
        return frozenset({_CATCH_ALL, account_id, _OWN_ACCOUNT})
    return frozenset({_CATCH_ALL, account_id, *([_DESCENDANT_ACCOUNT] if is_descendant else [])})


def permits(by_endpoint: JsonObject, endpoint: str, params: Sequence[str], verb: str, accounts: frozenset[str]) -> bool:
    """Whether the restrictions allow a request; without a matching entry, rule and verb they do not."""
    for pattern, verbs in _rules(by_endpoint, endpoint, accounts).items():
        if matches(_words(pattern), params):
            return isinstance(verbs, list) and (verb in verbs or _CATCH_ALL in verbs)
    return False


def matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Whether words match a pattern as AMQP topics do: ``*`` is one word, ``#`` any number of them."""
    # reachable[i]: the pattern so far matches the first i words.
    reachable = [True] + [False] * len(words)
    for part in pattern:
        if part == _ANY_WORDS:
            first = reachable.index(True) if True in reachable else len(reachable)
            reachable = [index >= first for index in range(len(reachable))]
        else:
            fits = [part in (_ONE_WORD, word) for word in words]
            reachable = [False, *(before and fit for before, fit in zip(reachable, fits, strict=False))]
    return reachable[-1]


def _rules(by_endpoint: JsonObject, endpoint: str, accounts: frozenset[str]) -> JsonObject:
    """The rules of the first entry that lists one of these accounts."""
    entries = by_endpoint.get(endpoint)
    for entry in entries if isinstance(entries, list) else list_at(by_endpoint, _CATCH_ALL):
        if isinstance(entry, dict) and _lists(entry.get("allowed_accounts"), accounts):
            return object_at(entry, "rules")
    return {}


def _lists(allowed: Json, accounts: frozenset[str]) -> bool:
    # An entry without a list of accounts is for every account.
    return not isinstance(allowed, list) or any(isinstance(each, str) and each in accounts for each in allowed)


def _words(pattern: str) -> list[str]:
    # Erlang's split with trim: empty parts at the end do not count, so "/" is the pattern of no params.
    words = pattern.split("/")
    while words and not words[-1]:
        words.pop()
    return words
