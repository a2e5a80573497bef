"""Fixture documents in KAZOO's shape, and tokens signed without the code under test."""

import asyncio
import base64
import copy
import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from multidict import CIMultiDict, CIMultiDictProxy

from crossbar_appstore.auth import rsa_keys
from crossbar_appstore.auth.basic import BasicScheme
from crossbar_appstore.auth.credentials import Directory
from crossbar_appstore.auth.documents import Documents
from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.keys import KeyRing
from crossbar_appstore.auth.login import Login
from crossbar_appstore.auth.login_policy import LoginPolicies
from crossbar_appstore.auth.login_reply import LoginReply
from crossbar_appstore.auth.restriction_check import RestrictionCheck
from crossbar_appstore.auth.settings import Settings
from crossbar_appstore.auth.tokens import Tokens
from crossbar_appstore.crossbar.context import Context, Noun
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import (
    Place,
    account_document,
    services_document,
    user_document,
)
from crossbar_appstore.kazoo.ids import account_db

PASSWORD = "secret"
SYSTEM_DATABASES = ("accounts", "services", "system_config", "system_auth")
CONFIG_CATEGORIES = (
    "accounts",
    "auth",
    "callflow",
    "cluster",
    "crossbar",
    "crossbar.auth",
    "crossbar.token_restrictions",
    "provisioner",
)


def open_couch(url: str) -> Couch:
    """A client for a URL that may hold user and password."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Couch(bare, user=parts.username, password=parts.password)


@dataclass
class Account:
    """An account as it was created, with its users by name."""

    document: JsonObject
    place: Place
    users: dict[str, JsonObject] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.document["_id"])

    @property
    def database(self) -> str:
        return account_db(self.id)


class World:
    """``master`` above ``reseller`` above ``sub``; ``other`` below the master alone. Each has an ``admin`` and a
    plain user, named ``<account>-admin`` and ``<account>-user``, with the password ``secret``.
    """

    def __init__(self, key: RSAPrivateKey) -> None:
        self.key = self._first_key = key
        self.key_id = uuid.uuid4().hex
        self.server_secret = uuid.uuid4().hex
        self.tag = uuid.uuid4().hex[:8]
        self.master = self._account("master", Place())
        self.reseller = self._account("reseller", Place((self.master.id,), self.master.id))
        self.reseller.document["pvt_reseller"] = True
        self.sub = self._account("sub", Place((self.master.id, self.reseller.id), self.reseller.id))
        self.other = self._account("other", Place((self.master.id,), self.master.id))
        self.accounts = (self.master, self.reseller, self.sub, self.other)
        self._first = copy.deepcopy(self._documents())
        self._touched: set[tuple[str, str]] = set()
        self._couch: Couch | None = None

    @property
    def couch(self) -> Couch:
        """The client of the test that runs."""
        assert self._couch is not None
        return self._couch

    def _account(self, name: str, place: Place) -> Account:
        account_id = uuid.uuid4().hex
        fields = {"name": f"{name.title()} {self.tag}", "realm": f"{name}.{self.tag}.test"}
        account = Account(account_document(account_id, fields, place), place)
        for level in ("admin", "user"):
            user_id = uuid.uuid4().hex
            account.users[level] = user_document(
                user_id,
                account_id,
                {"first_name": name, "priv_level": level},
                username=f"{name}-{level}",
                password=PASSWORD,
            )
        return account

    def _documents(self) -> dict[tuple[str, str], JsonObject]:
        """Everything that is there when a test begins, by database and id."""
        documents = [
            ("system_config", _config("accounts", master_account_id=self.master.id)),
            ("system_config", _config("auth", system_key=self.key_id, secret_for_user_signature=self.server_secret)),
            ("system_config", _config("cluster", cluster_id="c" * 32)),
            ("system_auth", self.key_document()),
        ]
        for account in self.accounts:
            services = services_document(account.id, account.place)
            services["pvt_reseller"] = account in (self.master, self.reseller)
            documents += [("accounts", account.document), ("services", services)]
            documents += [(account.database, doc) for doc in (account.document, *account.users.values())]
        return {(database, doc["_id"]): doc for database, doc in documents}

    def key_document(self) -> JsonObject:
        pem = base64.b64encode(rsa_keys.to_pem(self.key)).decode()
        return {
            "_id": self.key_id,
            "pvt_type": "system_key",
            "_attachments": {"private_key.pem": {"content_type": "application/x-pem-file", "data": pem}},
        }

    async def create(self, couch: Couch) -> None:
        self.begin(couch)
        databases = (*SYSTEM_DATABASES, *(account.database for account in self.accounts))
        await asyncio.gather(*(couch.create_database(database) for database in databases))
        self._touched = {("system_config", category) for category in CONFIG_CATEGORIES} | self._first.keys()
        await self.restore()

    def begin(self, couch: Couch) -> None:
        """Lend the world to a test."""
        self._couch = couch

    async def restore(self) -> None:
        """Undo what the test changed."""
        self.key = self._first_key
        await asyncio.gather(*(self._restore(database, doc_id) for database, doc_id in list(self._touched)))
        self._touched.clear()
        for account in self.accounts:
            for document in (account.document, *account.users.values()):
                first = self._first[account.database, document["_id"]]
                document.clear()
                document.update(copy.deepcopy(first))

    async def _restore(self, database: str, doc_id: str) -> None:
        first = self._first.get((database, doc_id))
        if first is None:
            await self.remove(database, doc_id)
        else:
            await self.put(database, first)

    async def destroy(self, couch: Couch) -> None:
        self.begin(couch)
        for account in self.accounts:
            await couch.delete_database(account.database)
        for database, doc_id in list(self._first):
            if database in SYSTEM_DATABASES:
                await self.remove(database, doc_id)

    async def config(self, category: str, **values: Any) -> None:
        await self.put("system_config", _config(category, **values))

    async def put(self, database: str, document: JsonObject) -> JsonObject:
        """Save over whatever is there."""
        self._touched.add((database, document["_id"]))
        try:
            stored = await self.couch.open_doc(database, document["_id"])
        except DocumentMissing:
            return await self.couch.save_doc(database, document)
        return await self.couch.save_doc(database, {**document, "_rev": stored["_rev"]})

    async def change(self, account: Account, document: JsonObject, **fields: Any) -> None:
        """Change fields of the account's own document or of one of its users."""
        document.update(fields)
        await self.put(account.database, document)

    async def remove(self, database: str, doc_id: str) -> None:
        self._touched.add((database, doc_id))
        try:
            stored = await self.couch.open_doc(database, doc_id)
        except (DocumentMissing, DatabaseMissing):
            return
        await self.couch.delete_doc(database, doc_id, stored["_rev"])

    def claims(self, account: Account, level: str | None = "admin", **extra: Any) -> JsonObject:
        """Claims as KAZOO issues them to a user of the account, or to the account alone."""
        identity = account.document if level is None else account.users[level]
        key = (identity["pvt_signature_secret"] + self.server_secret).encode()
        signature = hmac.new(key, identity["_id"].encode(), hashlib.sha256).digest()
        claims: JsonObject = {
            "iss": "kazoo",
            "identity_sig": base64.urlsafe_b64encode(signature).rstrip(b"=").decode(),
            "account_id": account.id,
            "owner_id": identity["_id"],
            "method": "cb_user_auth",
            "exp": int(time.time()) + 3600,
        }
        if level is None:
            claims |= {"method": "cb_api_auth"}
            del claims["owner_id"]
        claims |= extra
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, claims: JsonObject, algorithm: str = "RS256", **header: Any) -> str:
        return jwt.encode(claims, self.key, algorithm=algorithm, headers={"kid": self.key_id, **header})

    def token(self, account: Account, level: str | None = "admin", **extra: Any) -> str:
        return self.sign(self.claims(account, level, **extra))


def _config(category: str, **values: Any) -> JsonObject:
    return {"_id": category, "pvt_type": "config", "default": values}


class Rooms:
    """The auth room wired as the application does it, over a store without feeds."""

    def __init__(self, world: World, *, couch: Couch | None = None, writes_need_admin: bool = True) -> None:
        self.store = Datastore(couch or world.couch, feeds=False)
        self.documents = Documents(self.store)
        self.settings = Settings(self.documents, self.store.config)
        self.keys = KeyRing(self.documents)
        self.now = time.time()
        self.tokens = Tokens(self.documents, self.settings, self.keys, clock=lambda: self.now, remembered=4)
        self.directory = Directory(self.store.couch)
        self.basic = BasicScheme(self.documents, self.settings, self.directory)
        self.gatekeeper = AuthGatekeeper(
            self.documents,
            self.tokens,
            self.basic,
            RestrictionCheck(self.documents, self.settings),
            writes_need_admin=writes_need_admin,
        )
        self.policies = LoginPolicies(self.documents, self.settings)
        self.reply = LoginReply(self.documents, self.settings, self.apps)
        self.login = Login(
            self.documents, self.directory, self.policies, self.tokens, self.reply, clock=lambda: self.now
        )
        self.asked: list[tuple[str, str | None]] = []

    async def apps(self, account_id: str, user_id: str | None) -> list[JsonObject]:
        self.asked.append((account_id, user_id))
        return [{"id": "a" * 32, "name": "voip", "label": "Voip"}]


def context(
    path: str = "",
    *,
    token: str | None = None,
    scheme: str = "x-auth-token",
    verb: str = "GET",
    headers: dict[str, str] | None = None,
) -> Context:
    """A context as the framework hands it over; ``path`` like ``accounts:ID apps_store``, noun by noun."""
    nouns = [Noun(name, tuple(params)) for name, *params in (part.split(":") for part in path.split())]
    account_id = next((noun.params[0] for noun in reversed(nouns) if noun.name == "accounts" and noun.params), None)
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
        auth_token=token,
        auth_scheme=scheme if token is not None else None,
    )
