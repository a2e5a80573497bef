"""Reads documents for commands, from CouchDB each time: the catalogue, accounts, users, configuration."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeVar

from crossbar_appstore.datastore.catalogue import VIEW
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DatabaseMissing, DocumentMissing, NoMasterAccount, ViewMissing
from crossbar_appstore.datastore.master_account import Configuration, MasterAccount
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.snapshot import in_view_order, is_app
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import alphanumeric_name, live
from crossbar_appstore.kazoo.ids import account_db, is_account_id

T = TypeVar("T")


class Unknown(LookupError):
    """A name or id on the command line that does not stand for exactly one thing."""


class UnknownApp(Unknown):
    """The catalogue has no app of that name or id."""


class AmbiguousName(Unknown):
    """Several apps of the catalogue, or several accounts, have that name."""


class UnknownAccount(Unknown):
    """No account has that id, name or realm."""


class UnknownUser(Unknown):
    """No user of the account has that id or name."""


@dataclass(frozen=True, slots=True)
class MasterCatalogue:
    """The apps of the master account."""

    couch: Couch
    account_id: str
    database: str

    @classmethod
    async def of(cls, couch: Couch) -> Self:
        """The catalogue of the system on a CouchDB. Raises NoMasterAccount if the system has no account."""
        account_id = await MasterAccount(couch, configuration(couch)).id()
        return cls(couch, account_id, account_db(account_id))

    async def apps(self) -> list[JsonObject]:
        """Every app document, in the order of the view: by name."""
        try:
            rows = await self.couch.view(self.database, VIEW, include_docs=True)
        except ViewMissing:
            found = await self.couch.find(self.database, {"pvt_type": "app"})
            return in_view_order(document for document in found if is_app(document))
        return [row.doc for row in rows if row.doc is not None]

    async def named(self, names: Iterable[str]) -> dict[str, list[JsonObject]]:
        """The app documents by name; several apps may have one name, a name without an app has no entry."""
        found: dict[str, list[JsonObject]] = {}
        # With keys, a view returns the rows of a repeated key twice.
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return found
        try:
            rows = await self.couch.view(self.database, VIEW, keys=wanted, include_docs=True)
            documents = [row.doc for row in rows if row.doc is not None]
        except ViewMissing:
            documents = [doc for doc in await self.apps() if doc.get("name") in wanted]
        for document in documents:
            found.setdefault(document["name"], []).append(document)
        return found

    async def open(self, name_or_id: str) -> JsonObject:
        """An app by its id or its name (``crossbar_maintenance:app/1``). Raises UnknownApp or AmbiguousName."""
        # An id wins over a name, so that an app with an ambiguous name can be chosen.
        document = await self.by_id(name_or_id)
        if document is not None:
            return document
        found = (await self.named([name_or_id])).get(name_or_id, [])
        if len(found) > 1:
            ids = ", ".join(document["_id"] for document in found)
            raise AmbiguousName(f"{len(found)} apps are called {name_or_id!r}: {ids}; name one by its id")
        if not found:
            raise UnknownApp(f"the catalogue has no app {name_or_id!r}")
        return found[0]

    async def by_id(self, app_id: str) -> JsonObject | None:
        """The app of that id; ``None`` if the document is missing, soft-deleted or not an app."""
        document = await stored(self.couch, self.database, app_id)
        return document if document is not None and is_app(document) else None


async def stored(couch: Couch, database: str, doc_id: str, **query: Json) -> JsonObject | None:
    """A document as stored, soft-deleted or not; ``None`` if it or its database does not exist; as ``open_doc``."""
    try:
        return await couch.open_doc(database, doc_id, **query)
    except (DocumentMissing, DatabaseMissing):
        return None


async def view_rows(couch: Couch, database: str, view: str, *, include_docs: bool = False) -> list[ViewRow]:
    """The rows of a view; none if it or its database does not exist."""
    try:
        return await couch.view(database, view, include_docs=include_docs)
    except (ViewMissing, DatabaseMissing):
        return []


def configuration(couch: Couch) -> Configuration:
    """``system_config``, read from CouchDB each time."""
    return Configuration(partial(stored, couch))


async def master_account_id(couch: Couch) -> str | None:
    """The master account's id, ``None`` if there is no account."""
    try:
        return await MasterAccount(couch, configuration(couch)).id()
    except NoMasterAccount:
        return None


async def find_account(couch: Couch, wanted: str) -> JsonObject:
    """An account by its id, name or realm. Raises UnknownAccount or AmbiguousName."""
    if is_account_id(wanted):
        document = await stored(couch, account_db(wanted), wanted)
        if document is not None:
            return document
    keys = (("listing_by_name", alphanumeric_name(wanted)), ("listing_by_realm", wanted.lower()))
    for view, key in keys:
        rows = await couch.view("accounts", f"accounts/{view}", key=key, include_docs=True) if key else []
        found = [row.doc for row in rows if row.doc is not None]
        if len(found) > 1:
            ids = ", ".join(document["_id"] for document in found)
            raise AmbiguousName(f"{len(found)} accounts are called {wanted!r}: {ids}; name one by its id")
        if found:
            return found[0]
    raise UnknownAccount(f"there is no account {wanted!r}")


async def find_user(couch: Couch, account_id: str, wanted: str) -> JsonObject:
    """A user of an account by its id or its user name. Raises UnknownUser."""
    database = account_db(account_id)
    document = live(await stored(couch, database, wanted))
    if document is not None and document.get("pvt_type") == "user":
        return document
    for user in await couch.find(database, {"pvt_type": "user", "username": wanted.lower()}):
        if live(user) is not None:
            return user
    raise UnknownUser(f"the account has no user {wanted!r}")


async def retry_conflicts(attempt: Callable[[], Awaitable[T]]) -> T:
    """Call a function that reads, changes and saves a document; five times at most if others save in between."""
    for _ in range(4):
        try:
            return await attempt()
        except (Conflict, DocumentMissing):
            continue  # DocumentMissing: another writer deleted it in between
    return await attempt()
