"""The endpoint ``search`` (`cb_search`): accounts, or documents of one, whose name or number begins with a text.

``search?t=account&q=name&v=Text`` is answered in pages, ``search/multi?t=account&by_name=Text&by_realm=Text`` with a
list for each field. Texts are compared by lower-case letters and digits. What is found are ranges of the keys of the
views ``search/search_by_{field}``.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from crossbar_appstore.auth.documents import AuthDocuments
from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import alphanumeric_name, is_soft_deleted
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import list_at, string_at
from crossbar_appstore.resources import listings
from crossbar_appstore.resources.account_apps import Serialized
from crossbar_appstore.resources.account_rules import ACCOUNT
from crossbar_appstore.resources.account_storage import accounts_below
from crossbar_appstore.resources.documents import AUTOMATIC, account_of, caller_of
from crossbar_appstore.resources.start_keys import decode_start_key

_TYPES: Final = (ACCOUNT, "user", "callflow", "device")
"""The types that errors name; other types of documents can be searched, too."""
_OF_ACCOUNTS: Final = ("id", "name", "realm")
_OF_DOCUMENTS: Final = ("name", "name_and_number", "number")
_FIELD: Final = "by_"
_LAST: Final = "\ufff0"
"""Sorts after all letters and digits."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is searched: a database, how the keys of its views begin, and the fields by which it can be searched.

    ``rows`` finds the rows of a field's view, in any order, where there is no such view.
    """

    database: str
    prefix: tuple[str, ...]
    fields: Sequence[str]
    rows: Callable[[str], Awaitable[Sequence[ViewRow]]]


class Search(Resource):
    """Accounts below the caller's own, whatever account the path names, and documents of the account in the path."""

    noun: ClassVar[str] = "search"

    def __init__(self, documents: AuthDocuments) -> None:
        self._store = documents.store
        self._documents = documents

    def allowed_methods(self, *params: str) -> Methods | None:
        """One field is searched, or several."""
        return ("GET",) if params in ((), ("multi",)) else None

    async def authorize(self, context: Context) -> bool:
        """Every caller may search below its own account; paths of an account follow the hierarchy."""
        return len(context.nouns) == 1

    async def validate(self, context: Context, *params: str) -> None:
        """Search."""
        kind = _asked(context, "t")
        if kind is None:
            raise _required("t", "a document type to search is required", target=list(_TYPES))
        scope = await self._scope(context, kind)
        if params:
            await self._search_fields(context, scope)
        else:
            await self._search_field(context, scope)

    async def _search_field(self, context: Context, scope: _Scope) -> None:
        field, text = _asked(context, "q"), _asked(context, "v")
        if field is None:
            raise _required("q", "a field to search is required", target=list(scope.fields))
        _check_field(scope, field)
        if text is None:
            raise _required("v", "a text to search for is required")
        begin = alphanumeric_name(text)
        # A page may also begin at a text; at a key, as the envelope of the page before has it, ``listings`` begins it.
        later = decode_start_key(context.query.get("start_key", ""))
        first = alphanumeric_name(later) if isinstance(later, str) else begin
        first = first if first.startswith(begin) else begin
        await listings.answer(context, self._store, _listing(scope, field, begin, first))

    async def _search_fields(self, context: Context, scope: _Scope) -> None:
        wanted = {
            name.removeprefix(_FIELD): alphanumeric_name(text)
            for name, text in context.query.items()
            if name.startswith(_FIELD)
        }
        for field in wanted:
            _check_field(scope, field)
        if not wanted:
            message = "a field to search is required"
            raise ValidationError({"multi": {"enum": {"message": message, "target": list(scope.fields)}}})
        found: dict[str, Json] = {}
        for field, begin in wanted.items():
            entries, stale = await listings.unpaged(context, self._store, _listing(scope, field, begin, begin))
            found[field] = list(entries)
            context.reply.stale |= stale
        serialized = Serialized.of(found)
        context.reply.data, context.reply.etag = serialized.data, serialized.etag
        context.reply.revision = AUTOMATIC

    async def _scope(self, context: Context, kind: str) -> _Scope:
        couch = self._store.couch
        if kind == ACCOUNT:
            top = await self._top(caller_of(context))

            async def accounts(field: str) -> Sequence[ViewRow]:
                return list(_account_rows(await accounts_below(couch, top), top, field))

            return _Scope(ACCOUNTS, (top, ACCOUNT), _OF_ACCOUNTS, accounts)
        database = account_db(account_of(context))

        async def documents(field: str) -> Sequence[ViewRow]:
            return list(_document_rows(await couch.find(database, {"pvt_type": kind}), field))

        return _Scope(database, (kind,), _OF_DOCUMENTS, documents)

    async def _top(self, identity: Identity) -> str:
        """The account below which to search: the caller's own, for superduper admins the one above all accounts."""
        master_id = await self._documents.master_account_id() if identity.is_superduper else None
        return master_id or identity.account_id


def _listing(scope: _Scope, field: str, begin: str, first: str) -> listings.Listing:
    """The documents whose field begins with ``begin``, from ``first`` on."""
    return listings.Listing(
        scope.database,
        f"search/search_by_{field}",
        lambda: scope.rows(field),
        start=[*scope.prefix, first],
        end=[*scope.prefix, begin + _LAST],
    )


def _asked(context: Context, name: str) -> str | None:
    value = context.req_value(name)
    return value if isinstance(value, str) else None


def _check_field(scope: _Scope, field: str) -> None:
    if field not in scope.fields:
        message = "value not found in enumerated list of values"
        raise ValidationError({"q": {"enum": {"message": message, "cause": field}}})


def _required(name: str, message: str, **details: Json) -> ValidationError:
    return ValidationError({name: {"required": {"message": message, **details}}})


# The rows of the views, for databases without them


def _account_rows(accounts: Sequence[JsonObject], top: str, field: str) -> Iterator[ViewRow]:
    for account in accounts:
        value = account["_id"] if field == "id" else account.get(field)
        if isinstance(value, str):
            entry = {"id": account["_id"], "descendants_count": account.get("descendants_count") or 0}
            entry |= {name: account[name] for name in ("name", "realm") if name in account}
            yield ViewRow(account["_id"], [top, ACCOUNT, alphanumeric_name(value)], entry, account)


def _document_rows(documents: Sequence[JsonObject], field: str) -> Iterator[ViewRow]:
    for document in documents:
        if is_soft_deleted(document):
            continue
        key, name, entry = _named(document)
        numbers = list_at(document, "numbers")
        named, kind = {"id": document["_id"], "numbers": numbers}, document["pvt_type"]
        if field != "number":
            with_numbers = field != "name" and numbers
            yield ViewRow(document["_id"], [kind, key], {**entry, **named} if with_numbers else entry, document)
        if field != "name":
            shown = document.get("name") if field == "number" else name
            for number in (each for each in numbers if isinstance(each, str)):
                numbered = {**named, "name": shown} if shown is not None else named
                yield ViewRow(document["_id"], [kind, alphanumeric_name(number)], numbered, document)


def _named(document: JsonObject) -> tuple[str, str, JsonObject]:
    """The key by which a document is found by its name, its name as people write it, and the entry."""
    entry: JsonObject = {"id": document["_id"]}
    key, name = "", ""
    if "first_name" in document or "last_name" in document:
        parts = [string_at(document, part) or "" for part in ("first_name", "last_name")]
        entry["first_name"], entry["last_name"] = map(alphanumeric_name, parts)
        key, name = alphanumeric_name("".join(parts)), " ".join(filter(None, parts))
    own = string_at(document, "name")
    if "pvt_alphanum_name" in document:
        key = string_at(document, "pvt_alphanum_name") or ""
    elif own is not None:
        key, name = alphanumeric_name(own), own
    elif not key:
        key = alphanumeric_name(document["_id"])
    entry["name"] = name or own or key
    return key, name, entry
