"""The master account's database, where the apps are, as commands see it: read anew each time, never cached."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from crossbar_appstore.datastore.catalogue import VIEW
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DocumentMissing, ViewMissing
from crossbar_appstore.datastore.master_account import Configuration, MasterAccount
from crossbar_appstore.datastore.snapshot import in_view_order, is_app
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance.reading import stored

APP_TYPE: Final = "app"


class UnknownApp(LookupError):
    """The catalogue has no app of that name or id."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"the catalogue has no app {wanted!r}")
        self.wanted = wanted


class AmbiguousName(LookupError):
    """Several apps of the catalogue have that name."""

    def __init__(self, name: str, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} apps are called {name!r}: {', '.join(ids)}; name one by its id")
        self.name = name
        self.ids = tuple(ids)


@dataclass(frozen=True, slots=True)
class MasterCatalogue:
    """The apps of the master account."""

    couch: Couch
    account_id: str
    database: str

    @classmethod
    async def of(cls, couch: Couch) -> Self:
        """The catalogue of the system that a CouchDB holds.

        Raises:
            NoMasterAccount: it has no account.
            DatastoreError: CouchDB does not say.
        """
        account_id = await MasterAccount(couch, configuration(couch)).id()
        return cls(couch, account_id, account_db(account_id))

    async def apps(self) -> list[JsonObject]:
        """Every app document, in the view's order: by name."""
        try:
            rows = await self.couch.view(self.database, VIEW, include_docs=True)
        except ViewMissing:
            return await self._scanned()
        return [row.doc for row in rows if row.doc is not None]

    async def named(self, names: Iterable[str]) -> dict[str, list[JsonObject]]:
        """The app documents of some names; a name may have several, and those without any have no entry."""
        found: defaultdict[str, list[JsonObject]] = defaultdict(list)
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        try:
            rows = await self.couch.view(self.database, VIEW, keys=wanted, include_docs=True)
            documents = [row.doc for row in rows if row.doc is not None]
        except ViewMissing:
            documents = [doc for doc in await self._scanned() if doc.get("name") in wanted]
        for document in documents:
            found[document["name"]].append(document)
        return dict(found)

    async def open(self, name_or_id: str) -> JsonObject:
        """An app by its id or its name (``crossbar_maintenance:app/1``).

        Raises:
            UnknownApp: there is none.
            AmbiguousName: there are several of that name.
        """
        document = await self.by_id(name_or_id)
        if document is not None:
            return document
        found = (await self.named([name_or_id])).get(name_or_id, [])
        if len(found) > 1:
            raise AmbiguousName(name_or_id, [document["_id"] for document in found])
        if not found:
            raise UnknownApp(name_or_id)
        return found[0]

    async def by_id(self, app_id: str) -> JsonObject | None:
        """The app of that id; ``None`` if the document is missing, soft-deleted or no app."""
        document = await self.document(app_id)
        return document if document is not None and is_app(document) else None

    async def document(self, doc_id: str) -> JsonObject | None:
        """Any document of the master account; ``None`` if there is none."""
        try:
            return await self.couch.open_doc(self.database, doc_id)
        except DocumentMissing:
            return None

    async def _scanned(self) -> list[JsonObject]:
        return in_view_order(doc for doc in await self.couch.find(self.database, {"pvt_type": APP_TYPE}) if is_app(doc))


def configuration(couch: Couch) -> Configuration:
    """``system_config``, read from CouchDB each time."""
    return Configuration(partial(stored, couch))
