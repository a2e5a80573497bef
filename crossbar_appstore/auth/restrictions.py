"""Token restrictions: which requests a token may make, as pure rules (``cb_token_restrictions``).

Restrictions are objects in objects: login method → privilege level → endpoint → list of entries, each with
``allowed_accounts`` and ``rules`` (pattern over the endpoint's params → list of verbs). ``_`` stands for any.
"""

from collections.abc import Sequence
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.values import get

CATCH_ALL: Final = "_"
OWN_ACCOUNT: Final = "{AUTH_ACCOUNT_ID}"
DESCENDANT_ACCOUNT: Final = "{DESCENDANT_ACCOUNT_ID}"

_ONE_WORD: Final = "*"
_ANY_WORDS: Final = "#"


def of_method(by_method: Json, method: str | None) -> JsonObject | None:
    """What holds for a login method; None if nothing does."""
    for key in (method, CATCH_ALL):
        found = get(by_method, key) if key is not None else None
        if isinstance(found, dict):
            return found
    return None


def of_priv_level(by_level: JsonObject, level: str) -> JsonObject | None:
    """What holds for a privilege level; None: no restriction."""
    found = by_level[level] if level in by_level else by_level.get(CATCH_ALL)
    return found if isinstance(found, dict) else None


def account_names(auth_account_id: str, account_id: str | None, *, is_descendant: bool) -> frozenset[str]:
    """The names under which ``allowed_accounts`` may list the account that a request addresses, None for no account."""
    if account_id is None:
        return frozenset({CATCH_ALL})
    if account_id == auth_account_id:
        return frozenset({CATCH_ALL, account_id, OWN_ACCOUNT})
    names = {CATCH_ALL, account_id}
    return frozenset(names | {DESCENDANT_ACCOUNT} if is_descendant else names)


def permits(by_endpoint: JsonObject, endpoint: str, params: Sequence[str], verb: str, accounts: frozenset[str]) -> bool:
    """Whether a request passes; what no entry, account, rule or verb speaks for does not."""
    rules = _rules(by_endpoint, endpoint, accounts)
    for pattern, verbs in rules.items():
        if matches(_words(pattern), params):
            return isinstance(verbs, list) and (verb in verbs or CATCH_ALL in verbs)
    return False


def matches(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """Whether the words fit a pattern as AMQP topics do: ``*`` is one word, ``#`` any number of them."""
    # reachable[i]: the pattern so far fits the first i words.
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
    entries = by_endpoint.get(endpoint)
    if not isinstance(entries, list):
        entries = by_endpoint.get(CATCH_ALL)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and _speaks_for(entry, accounts):
            rules = entry.get("rules")
            return rules if isinstance(rules, dict) else {}
    return {}


def _speaks_for(entry: JsonObject, accounts: frozenset[str]) -> bool:
    allowed = entry.get("allowed_accounts")
    return not isinstance(allowed, list) or any(isinstance(each, str) and each in accounts for each in allowed)


def _words(pattern: str) -> list[str]:
    # Erlang's split with trim: empty parts at the end do not count, so "/" is the pattern of no params.
    words = pattern.split("/")
    while words and not words[-1]:
        words.pop()
    return words
