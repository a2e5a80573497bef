"""The parts of the package ``auth``, connected as the application does it, for tests that call them directly."""

import time
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from crossbar_appstore.auth.callers import Callers
from crossbar_appstore.auth.credentials import BasicScheme, Directory
from crossbar_appstore.auth.documents import AuthDocuments, AuthSettings
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.keys import KeyRing
from crossbar_appstore.auth.login import Login
from crossbar_appstore.auth.tokens import Tokens
from crossbar_appstore.crossbar.context import X_AUTH_TOKEN, Context, Noun
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject


class AuthParts:
    """``couch`` is usually the system's, so that the cache sees at once what a test changes.

    ``now`` is the clock of tokens, ``cached_callers`` the size of the cache of callers.
    """

    def __init__(self, couch: Couch, *, writes_need_admin: bool = True, cached_callers: int = 4) -> None:
        self.now = time.time()
        self.store = Datastore(couch, feeds=False)
        self.documents = AuthDocuments(self.store)
        self.settings = AuthSettings(self.documents)
        self.keys = KeyRing(couch)
        self.tokens = Tokens(self.store, self.keys, clock=lambda: self.now)
        self.callers = Callers(self.store, self.tokens, clock=lambda: self.now, cached=cached_callers)
        self.directory = Directory(couch)
        self.gatekeeper = AuthGatekeeper(
            self.documents,
            self.callers,
            BasicScheme(self.documents, self.settings, self.directory),
            writes_need_admin=writes_need_admin,
        )
        self.login = Login(self.documents, self.directory, self.settings, self.tokens, _no_apps)


async def _no_apps(account_id: str, user_id: str | None) -> list[JsonObject]:
    return []


def context(
    path: str = "",
    *,
    token: str | None = None,
    scheme: str = X_AUTH_TOKEN,
    verb: str = "GET",
    headers: dict[str, str] | None = None,
) -> Context:
    """A context as the framework passes it; ``path`` like ``accounts:ID apps_store``, noun by noun."""
    nouns = [Noun(name, tuple(params)) for name, *params in (part.split(":") for part in path.split())]
    account_id = next((noun.params[0] for noun in reversed(nouns) if noun.name == "accounts" and noun.params), None)
    more: dict[str, Any] = {"auth_token": token, "auth_scheme": scheme} if token is not None else {}
    return Context(
        request_id="r",
        method=verb,
        path="/v2",
        headers=CIMultiDictProxy(CIMultiDict(headers or {})),
        query={},
        client_ip="127.0.0.1",
        verb=verb,
        nouns=nouns,
        account_id=account_id,
        **more,
    )
