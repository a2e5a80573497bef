"""A small KAZOO system: four accounts, an administrator and a plain user in each, and tokens for them."""

import base64
import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import Place, account_document, services_document, user_document
from crossbar_appstore.kazoo.ids import account_db

PASSWORD: Final = "secret"
_SYSTEM_DATABASES: Final = ("accounts", "services", "system_config", "system_auth")


def open_couch(url: str) -> Couch:
    """A client for a URL that may hold user and password."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Couch(bare, user=parts.username, password=parts.password)


@dataclass
class Account:
    """An account with its users by level."""

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
    """``master`` above ``reseller`` above ``sub``; ``other`` below the master alone.

    Users are named ``<account>-admin`` and ``<account>-user``; their password is ``secret``.
    """

    def __init__(self, couch: Couch, key: RSAPrivateKey) -> None:
        self.couch = couch
        self.tag = uuid.uuid4().hex[:8]
        self._key = key
        self._key_id = uuid.uuid4().hex
        self._secret = uuid.uuid4().hex
        self._put: list[tuple[str, str]] = []
        self.master = self._account("master", Place())
        self.reseller = self._account("reseller", Place((self.master.id,), self.master.id))
        self.sub = self._account("sub", Place((self.master.id, self.reseller.id), self.reseller.id))
        self.other = self._account("other", Place((self.master.id,), self.master.id))
        self.accounts = (self.master, self.reseller, self.sub, self.other)

    async def create(self) -> None:
        for database in _SYSTEM_DATABASES:
            await self.couch.create_database(database)
        await ensure(self.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
        for account in self.accounts:
            await self.couch.create_database(account.database)
            await self.couch.save_docs(account.database, [account.document, *account.users.values()])
            await self.put("accounts", account.document)
            services = services_document(account.id, account.place)
            await self.put("services", services | {"pvt_reseller": account in (self.master, self.reseller)})
        await ensure(self.couch, self.sub.database, names_for(DatabaseClass.ACCOUNT))
        await self.config("accounts", master_account_id=self.master.id)
        await self.config("auth", system_key=self._key_id, secret_for_user_signature=self._secret)
        await self.put("system_auth", self._key_document())

    async def destroy(self) -> None:
        for database, doc_id in self._put:
            await self.remove(database, doc_id)
        for account in self.accounts:
            await self.drop(account.database)

    async def config(self, category: str, **values: Any) -> None:
        await self.put("system_config", {"_id": category, "pvt_type": "config", "default": values})

    async def put(self, database: str, document: JsonObject) -> JsonObject:
        """Save over whatever is there; what is put is taken away in the end."""
        doc_id = document["_id"]
        self._put.append((database, doc_id))
        try:
            document = {**document, "_rev": (await self.couch.open_doc(database, doc_id))["_rev"]}
        except DocumentMissing:
            document = {key: value for key, value in document.items() if key != "_rev"}
        return await self.couch.save_doc(database, document)

    async def change(self, account: Account, document: JsonObject, **fields: Any) -> None:
        """Change fields of the account's own document or of one of its users."""
        document.update(fields)
        await self.put(account.database, document)

    async def remove(self, database: str, doc_id: str) -> None:
        try:
            stored = await self.couch.open_doc(database, doc_id)
        except (DocumentMissing, DatabaseMissing):
            return
        await self.couch.delete_doc(database, doc_id, stored["_rev"])

    async def drop(self, database: str) -> None:
        try:
            await self.couch.delete_database(database)
        except DatabaseMissing:
            return

    def token(self, account: Account, level: str | None = "admin", **extra: Any) -> str:
        """A token as KAZOO issues it to a user of the account, or to the account alone (level None)."""
        identity = account.document if level is None else account.users[level]
        key = (identity["pvt_signature_secret"] + self._secret).encode()
        signature = hmac.new(key, identity["_id"].encode(), hashlib.sha256).digest()
        claims: JsonObject = {
            "iss": "kazoo",
            "identity_sig": base64.urlsafe_b64encode(signature).rstrip(b"=").decode(),
            "account_id": account.id,
            "method": "cb_user_auth" if level else "cb_api_auth",
            "exp": int(time.time()) + 3600,
        }
        if level:
            claims["owner_id"] = identity["_id"]
        return jwt.encode({**claims, **extra}, self._key, algorithm="RS256", headers={"kid": self._key_id})

    def _account(self, name: str, place: Place) -> Account:
        fields = {"name": f"{name.title()} {self.tag}", "realm": f"{name}.{self.tag}.test"}
        account = Account(account_document(uuid.uuid4().hex, fields, place), place)
        for level in ("admin", "user"):
            person = {"first_name": name, "last_name": level, "priv_level": level}
            account.users[level] = user_document(
                uuid.uuid4().hex, account.id, person, username=f"{name}-{level}", password=PASSWORD
            )
        return account

    def _key_document(self) -> JsonObject:
        pem = base64.b64encode(keys.to_pem(self._key)).decode()
        return {
            "_id": self._key_id,
            "pvt_type": "system_key",
            "_attachments": {"private_key.pem": {"content_type": "application/x-pem-file", "data": pem}},
        }
