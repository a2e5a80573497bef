"""Accounts that exist as soon as they are asked for: the databases that CouchDB would have for them, read only."""

from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import Place, account_document, new_apps_store, services_document
from crossbar_appstore.kazoo.ids import is_account_id

PREFIX: Final = "be9c4000"
_INSTALLED: Final = 5
_SHARED: Final = ("accounts", "services")


PATTERN: Final = f"{PREFIX}%024x"
"""Of their ids."""


def made_up_id(number: int) -> str:
    """The id of an account."""
    return PATTERN % number


@dataclass(frozen=True, slots=True)
class Database:
    """The documents of one database by id, and what of it is asked: an id, ``_all_docs``, or a view's path."""

    documents: dict[str, JsonObject]
    asked: str

    def all_docs(self, query: JsonObject) -> JsonObject:
        """The answer of ``_all_docs`` to ``keys``, or to ``startkey`` and ``endkey``."""
        rows: list[JsonObject]
        if "keys" in query:
            rows = [self._row(key, query) for key in query["keys"]]
        else:
            first, last = query.get("startkey", ""), query.get("endkey", "\uffff")
            rows = [self._row(doc_id, query) for doc_id in sorted(self.documents) if first <= doc_id <= last]
        return {"total_rows": len(self.documents), "offset": 0, "rows": rows}

    def _row(self, key: Json, query: JsonObject) -> JsonObject:
        document = self.documents.get(key)
        if document is None:
            return {"key": key, "error": "not_found"}
        row: JsonObject = {"id": key, "key": key, "value": {"rev": document["_rev"]}}
        return {**row, "doc": document} if query.get("include_docs") else row


class MadeUpAccounts:
    """Children of the master account with a few of its apps installed."""

    def __init__(self, master_id: str, app_ids: tuple[str, ...]) -> None:
        self._place = Place((master_id,), master_id)
        self._app_ids = app_ids[:_INSTALLED]

    def database(self, path: str) -> Database | None:
        """What a path (percent-decoded, without the first slash) asks for; None where that is not made up."""
        database, _, what = path.partition("/")
        if database == "account":
            first, second, rest, asked = (what.split("/", 3) + [""] * 4)[:4]
            account_id = first + second + rest
            return Database(self._own(account_id), asked) if _is_made_up(account_id) else None
        return Database(self._shared(what, database), what) if database in _SHARED and _is_made_up(what) else None

    def _own(self, account_id: str) -> dict[str, JsonObject]:
        permissions = {app_id: {"allowed_users": "all", "users": []} for app_id in self._app_ids}
        apps_store = {**new_apps_store(account_id), "apps": permissions}
        return {document["_id"]: _saved(document) for document in (self._account(account_id), apps_store)}

    def _shared(self, account_id: str, database: str) -> dict[str, JsonObject]:
        is_services = database == "services"
        document = services_document(account_id, self._place, now=0) if is_services else self._account(account_id)
        return {account_id: _saved(document)}

    def _account(self, account_id: str) -> JsonObject:
        fields = {"name": f"Account {account_id[-8:]}", "realm": f"{account_id[-8:]}.bench.example.com"}
        return account_document(account_id, fields, self._place, now=0)


def _is_made_up(account_id: str) -> bool:
    return account_id.startswith(PREFIX) and is_account_id(account_id)


def _saved(document: JsonObject) -> JsonObject:
    return {**document, "_rev": f"1-{PREFIX}"}
