"""One request for a row of ``companions``, and the kinds of rows: what is read, listed, configured, or changed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from crossbar_appstore.auth.documents import AuthDocuments, AuthSettings
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import Forbidden
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live, private_fields
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import get, is_empty
from crossbar_appstore.resources import documents, listings
from crossbar_appstore.validation.validator import schema, validate_coercing

Work = Callable[[], Awaitable[None]]
"""Makes a change that was checked."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a row of the table, and where its answer comes from."""

    context: Context
    account_id: str
    params: tuple[str, ...]
    documents: AuthDocuments
    settings: AuthSettings

    @property
    def store(self) -> Datastore:
        """The datastore."""
        return self.documents.store

    @property
    def database(self) -> str:
        """The account's database."""
        return account_db(self.account_id)

    async def read(self, database: str, doc_id: str) -> JsonObject | None:
        """A document that is not deleted; None if there is none."""
        cached = await self.store.open(database, doc_id)
        self.context.reply.stale |= cached.stale
        return live(cached.document)

    async def rows(self, database: str, view: str, **query: Json) -> Sequence[ViewRow]:
        """The rows of a view; none where there is no such view or database."""
        cached = await self.store.rows(database, view, **query)
        self.context.reply.stale |= cached.stale
        return cached.rows or ()


Handler = Callable[[Call], Awaitable[Work | None]]


def shows(read: Callable[[Call], Awaitable[Json]]) -> Handler:
    """A row whose data is what a function reads."""

    async def answer(call: Call) -> None:
        call.context.reply.data = await read(call)

    return answer


def lists(listing: Callable[[Call], Awaitable[listings.Listing]]) -> Handler:
    """A row that lists the rows of a view, in pages."""

    async def answer(call: Call) -> None:
        await listings.answer(call.context, call.store, await listing(call))

    return answer


def configured(category: str, key: str, default: Json) -> Handler:
    """A row whose data is a setting: the account's, its reseller's or the system's (`kapps_account_config`)."""

    async def read(call: Call) -> Json:
        for owner in (call.account_id, await call.documents.reseller_id(call.account_id)):
            found = get(owner and await call.documents.in_account(owner, f"configs_{category}"), key)
            if not is_empty(found):
                return found
        return await call.store.config.get(category, key, default)

    return shows(read)


async def changes(
    call: Call, doc_id: str, edit: Callable[[JsonObject | None], JsonObject], *, deleted: bool = False
) -> Work:
    """Checks an edit of a document of the account, None for a missing one; returns what saves it."""
    context, store = call.context, call.store
    current = live(await documents.open_for_change(context, store, call.database, doc_id))
    documents.expect(context, current)
    edit(current)

    def change(document: JsonObject | None) -> JsonObject:
        documents.check_expected(context, document)
        return documents.stamped(context, {**edit(live(document)), "_id": doc_id}, call.account_id)

    async def save() -> None:
        documents.show(context, await store.update(call.database, doc_id, change), deleted=deleted)

    return save


async def require_reseller(call: Call, *, or_direct: bool = False) -> None:
    """Raise Forbidden unless the caller is the account's reseller, or a superduper admin.

    ``or_direct``: anybody may where the reseller is the master account (`cb_limits:is_reseller_or_admin/1`).
    """
    identity, reseller = documents.caller_of(call.context), await call.documents.reseller_id(call.account_id)
    is_direct = or_direct and reseller == await call.documents.master_account_id()
    if not (identity.is_superduper or identity.account_id == reseller or is_direct):
        raise Forbidden


def checked(name: str, current: JsonObject | None, fields: JsonObject) -> JsonObject:
    """A document with these public fields, by the schema of that name, and the private fields of ``current``.

    Raises:
        ValidationError: they are not valid.
    """
    coerced, errors = validate_coercing(name, fields)
    documents.raise_errors(errors)
    return {**private_fields(current or {}), **schema(name).with_defaults(coerced)}
