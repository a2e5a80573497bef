"""A KAZOO system for tests: a master account with a catalogue, and the accounts that a test adds.

    sub = await system.account("sub", below=system.master)
    await system.store(sub, apps={system.apps["voip"]: permission("all")})
    answer = await service.get(sub.path, sub)

It needs a CouchDB that no other system uses at the same time. The tests of a module share it: changes of the master
account and of the configuration are undone after each test; other accounts belong to one test. ``destroy`` deletes
everything that the system created.
"""

import asyncio
import base64
import copy
import hashlib
import hmac
import time
import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from crossbar_appstore.auth import keys
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, DocumentMissing
from crossbar_appstore.datastore.views import design_document
from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.accounts import new_apps_store
from crossbar_appstore.kazoo.ids import account_db, monthly_db
from tests.kit.accounts import Account, User
from tests.kit.apps import app_document, illustrated
from tests.kit.leaks import remember_secret

SYSTEM_DATABASES: Final = ("accounts", "services", "system_config", "system_auth")
_HASHES: Final = {"RS256": SHA256(), "RS384": SHA384(), "RS512": SHA512()}


class ForeignData(Exception):
    """The CouchDB holds accounts that were not created by tests."""


class System:
    """``apps`` has the ids of the master account's apps by name: voip (with screenshots), numbers, port, and hidden,
    which is not published.
    """

    def __init__(self, key: RSAPrivateKey) -> None:
        self.master = Account.new("Master", None)
        documents = [illustrated("voip"), *map(app_document, ("numbers", "port"))]
        documents.append(app_document("hidden", published=False))
        self.apps: dict[str, str] = {document["name"]: document["_id"] for document in documents}
        self._couch: Couch | None = None
        self.key = self._first_key = key
        self.key_id = uuid.uuid4().hex
        self.server_secret = uuid.uuid4().hex
        # Fixed, so that a token made later is the same one.
        self._expiry = int(time.time()) + 3600
        remember_secret(self.server_secret)
        self._accounts: list[Account] = []
        self._adopted: list[str] = []
        self._first = self._documents(documents)
        self._touched: set[tuple[str, str]] = set()
        self._sequence: Json = None
        self._before: dict[tuple[str, str], JsonObject] = {}

    @property
    def couch(self) -> Couch:
        """The client of the running test."""
        assert self._couch is not None
        return self._couch

    def _documents(self, apps: list[JsonObject]) -> dict[tuple[str, str], JsonObject]:
        """(Database, id) → document, as each test finds it."""
        auth = {"system_key": self.key_id, "secret_for_user_signature": self.server_secret}
        users = [user.document for user in self.master.users]
        found = [
            ("accounts", self.master.document),
            ("services", self.master.services),
            ("system_config", _config("accounts", master_account_id=self.master.id)),
            ("system_config", _config("auth", **auth)),
            ("system_auth", self.key_document()),
        ]
        own = (self.master.document, *users, design_document("apps_store"), *apps)
        found += [(self.master.database, document) for document in own]
        return {(database, document["_id"]): copy.deepcopy(document) for database, document in found}

    async def create(self, couch: Couch) -> None:
        """Create the databases and documents; raises ``ForeignData`` instead of changing a system in use."""
        self._couch = couch
        await asyncio.gather(*(couch.create_database(database) for database in SYSTEM_DATABASES))
        await asyncio.gather(*(self._look(database) for database in SYSTEM_DATABASES))
        await couch.create_database(self.master.database, q=1)
        for database in (*SYSTEM_DATABASES, self.master.database):
            await self._save(database, *(document for (where, _), document in self._first.items() if where == database))
        self._sequence = await couch.update_seq(self.master.database)

    def begin(self, couch: Couch) -> None:
        """Use the client of a new test."""
        self._couch = couch

    async def restore(self) -> None:
        """Undo the test's changes of shared documents, made directly or through a service."""
        changes, self._sequence = await self.couch.feeds.changes_since(self.master.database, self._sequence)
        touched = self._touched | {(self.master.database, doc_id) for doc_id in changes}
        if touched:
            await asyncio.gather(*(self._restore(*where) for where in touched))
            self._sequence = await self.couch.update_seq(self.master.database)
        self._touched.clear()
        self.key = self._first_key
        self.master.services = copy.deepcopy(self._first["services", self.master.id])
        for document in (self.master.document, *(user.document for user in self.master.users)):
            first = self._first[self.master.database, document["_id"]]
            document.clear()
            document.update(copy.deepcopy(first))

    async def destroy(self, couch: Couch) -> None:
        """Delete everything that the system created."""
        self._couch = couch
        await asyncio.gather(
            *(self._clear(database) for database in SYSTEM_DATABASES),
            *(self._drop(account.database) for account in (self.master, *self._accounts)),
            *(self._drop(account_db(account_id)) for account_id in self._adopted),
        )
        await self._drop_months()

    # Accounts

    async def account(self, name: str, below: Account, **fields: Any) -> Account:
        """A new account without an ``apps_store`` document; ``reseller=True`` makes a reseller, the rest are fields."""
        made = Account.new(name, below, **fields)
        self._accounts.append(made)
        await self.couch.create_database(made.database, q=1)
        await asyncio.gather(
            self._save(made.database, made.document, *(user.document for user in made.users)),
            self._save("accounts", made.document),
            self._save("services", made.services),
        )
        return made

    def adopt(self, account_id: str) -> None:
        """Let ``destroy`` delete an account that a service created."""
        self._adopted.append(account_id)

    def month(self, account: Account, year: int = 0, month: int = 0) -> str:
        """The name of the account's database of a month, by default this one."""
        now = datetime.now(UTC)
        return monthly_db(account.id, year or now.year, month or now.month)

    async def user(self, account: Account, **fields: Any) -> User:
        """Add a user to an account."""
        made = account.new_user(**fields)
        account.users.append(made)
        await self.put(account.database, made.document)
        return made

    async def store(self, account: Account, **fields: Any) -> JsonObject:
        """Save an ``apps_store`` document for an account, with ``apps``, ``blacklist`` or other members."""
        return await self.put(account.database, new_apps_store(account.id) | fields)

    async def stored(self, account: Account) -> JsonObject:
        """The account's ``apps_store`` document as CouchDB has it."""
        return await self.couch.open_doc(account.database, "apps_store")

    async def stored_attachment(self, account: Account, name: str) -> bytes:
        """The bytes of an attachment of the account's ``apps_store`` document."""
        return (await self.couch.open_attachment(account.database, "apps_store", name)).body

    async def change(self, account: Account, **fields: Any) -> None:
        """Change the account's document, in both its databases."""
        account.document |= fields
        await asyncio.gather(*(self.put(each, account.document) for each in (account.database, "accounts")))

    async def change_user(self, user: User, **fields: Any) -> None:
        user.document |= fields
        await self.put(user.account.database, user.document)

    async def plans(self, account: Account, *references: tuple[Account, str], **fields: Any) -> None:
        """Assign service plans (vendor, plan id), in this order; ``fields`` go into the services document."""
        assigned = {plan_id: {"vendor_id": vendor.id} for vendor, plan_id in references}
        account.services |= {"plans": assigned, **fields}
        await self.put("services", account.services)

    async def plan(self, vendor: Account, applications: JsonObject, **fields: Any) -> tuple[Account, str]:
        """A service plan of a vendor."""
        plan_id = f"plan_{uuid.uuid4().hex[:8]}"
        document = {"_id": plan_id, "pvt_type": "service_plan", "name": plan_id, "plan": {}}
        await self.put(vendor.database, document | {"applications": applications} | fields)
        return vendor, plan_id

    # Apps and documents

    async def app(self, name: str, owner: Account | None = None, **fields: Any) -> str:
        """Add an app to the master account or a vendor; returns its id."""
        document = app_document(name, **fields)
        await self.put((owner or self.master).database, document)
        return str(document["_id"])

    async def change_app(self, app_id: str, **fields: Any) -> None:
        stored = await self.couch.open_doc(self.master.database, app_id)
        await self.couch.save_doc(self.master.database, stored | fields)

    async def config(self, category: str, **values: Any) -> None:
        await self.put("system_config", _config(category, **values))

    async def put(self, database: str, document: JsonObject) -> JsonObject:
        """Save a document over any existing revision."""
        doc_id = document["_id"]
        self._touch(database, doc_id)
        new = {key: value for key, value in document.items() if key != "_rev"}
        try:
            stored = await self.couch.open_doc(database, doc_id)
        except DocumentMissing:
            return await self.couch.save_doc(database, new)
        return await self.couch.save_doc(database, new | {"_rev": stored["_rev"]})

    async def remove(self, database: str, doc_id: str) -> None:
        self._touch(database, doc_id)
        stored = await self.couch.open_doc(database, doc_id)
        await self.couch.delete_doc(database, doc_id, stored["_rev"])

    # Tokens as KAZOO makes them, signed here without the code under test

    def token(self, who: Account | User, **claims: Any) -> str:
        """A valid token with the given ``claims``."""
        return self.sign(self.claims(who, **claims))

    def claims(self, who: Account | User, **claims: Any) -> JsonObject:
        """Claims for a user, or for an account alone as ``api_auth`` issues them; a claim that is None is left out."""
        user, account = (who, who.account) if isinstance(who, User) else (None, who)
        identity = account.document if user is None else user.document
        made = {
            "iss": "kazoo",
            "identity_sig": self._signature(identity),
            "account_id": account.id,
            "owner_id": None if user is None else user.id,
            "method": "cb_api_auth" if user is None else "cb_user_auth",
            "exp": self._expiry,
            **claims,
        }
        return {claim: value for claim, value in made.items() if value is not None}

    def sign(self, claims: Json, algorithm: str = "RS256", key: RSAPrivateKey | None = None, **header: Any) -> str:
        """A token with any claims and header members, signed with the system's key unless another is given."""
        head = {"alg": algorithm, "typ": "JWT", "kid": self.key_id, **header}
        signed = ".".join(base64url(dumps(part)) for part in (head, claims))
        signature = (key or self.key).sign(signed.encode(), PKCS1v15(), _HASHES[algorithm])
        return f"{signed}.{base64url(signature)}"

    def _signature(self, identity: JsonObject) -> str:
        key = (identity["pvt_signature_secret"] + self.server_secret).encode()
        digest = hmac.new(key, identity["_id"].encode(), hashlib.sha256).digest()
        return base64url(digest)

    def key_document(self) -> JsonObject:
        pem = base64.b64encode(keys.to_pem(self.key)).decode()
        attachment = {"content_type": keys.PEM_TYPE, "data": pem}
        return {"_id": self.key_id, "pvt_type": "system_key", "_attachments": {"private_key.pem": attachment}}

    def _touch(self, database: str, doc_id: str) -> None:
        if database in ("system_config", "system_auth") or (database, doc_id) in self._first:
            self._touched.add((database, doc_id))

    async def _restore(self, database: str, doc_id: str) -> None:
        first = self._first.get((database, doc_id))
        try:
            stored = await self.couch.open_doc(database, doc_id)
        except DocumentMissing:
            stored = None
        if first is not None:
            await self.couch.save_doc(database, first if stored is None else first | {"_rev": stored["_rev"]})
        elif stored is not None:
            await self.couch.delete_doc(database, doc_id, stored["_rev"])

    async def _save(self, database: str, *documents: JsonObject) -> None:
        """Save documents that are new or replace those of another system."""
        before = [self._before.get((database, document["_id"]), {}) for document in documents]
        revised = [
            document | {key: each[key] for key in ("_rev",) if key in each}
            for document, each in zip(documents, before, strict=True)
        ]
        saved = await self.couch.save_docs(database, revised)
        assert all(result.error is None for result in saved), saved

    async def _look(self, database: str) -> None:
        """Keep the existing documents, which belong to systems of other tests and are restored by ``destroy``."""
        rows = await self.couch.all_docs(database, include_docs=True)
        there = [row.doc for row in rows if row.doc is not None]
        if database == "accounts" and not all(_is_of_a_test(document) for document in there):
            raise ForeignData("CouchDB holds accounts that were not created by tests; use a CouchDB for tests only")
        self._before |= {(database, document["_id"]): document for document in there}

    async def _clear(self, database: str) -> None:
        """Delete new documents and restore the previous ones."""
        rows = [row for row in await self.couch.all_docs(database) if not str(row.id).startswith("_design/")]
        left = []
        for row in rows:
            before = self._before.get((database, str(row.id)))
            if before is None:
                left.append({"_id": row.id, "_rev": row.value["rev"], "_deleted": True})
            elif before["_rev"] != row.value["rev"]:
                left.append(before | {"_rev": row.value["rev"]})
        await self.couch.save_docs(database, left)

    async def _drop_months(self) -> None:
        """Delete the accounts' databases of single months, which a test or a service created."""
        databases = [account.database for account in (self.master, *self._accounts)]
        databases += map(account_db, self._adopted)
        # The names come without slashes from PouchDB.
        by_name = {database.replace("/", ""): database for database in databases}
        for name in await self.couch.databases("account/"):
            bare, _, month = name.replace("/", "").rpartition("-")
            if bare in by_name:
                await self._drop(f"{by_name[bare]}-{month}")

    async def _drop(self, database: str) -> None:
        try:
            await self.couch.delete_database(database)
        except DatabaseMissing:
            return  # The test deleted it.


def _is_of_a_test(document: JsonObject) -> bool:
    realm = document.get("realm", "")
    return document["_id"].startswith("_design/") or str(realm).endswith((".test", ".example.org", ".example.com"))


def _config(category: str, **values: Any) -> JsonObject:
    return {"_id": category, "pvt_type": "config", "default": values}


def base64url(raw: bytes) -> str:
    """Base64 for URLs without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def open_couch(url: str) -> Couch:
    """A client for a URL that may hold user and password."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Couch(bare, user=parts.username, password=parts.password)
