"""Documents as Crossbar's modules load, check, save and show them (`crossbar_doc`), and the preconditions of changes.

A change with ``If-Match`` is checked twice: with the document by which the request is validated, the newest one, since
the client may have a revision that the cache has not; and with the one that is written over. ``If-Match: *`` names no
revision: it needs a document that exists, and the change is re-applied after a conflict.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from crossbar_appstore.auth.gatekeeper import AuthGatekeeper
from crossbar_appstore.auth.hierarchy import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Forbidden, Refusal, ValidationError
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, live, public_fields, revision, stamp_crossbar
from crossbar_appstore.kazoo.merging import without_nulls
from crossbar_appstore.validation.errors import SchemaErrors, missing, wrong_type

AUTOMATIC: Final = "automatic"
"""The revision in Crossbar's replies that show rows of a view."""

LONGEST_UNIQUE: Final = 512
"""Characters of a text that others may have already: the schemas refuse longer ones, and CouchDB a URL with them."""

_REVISION: Final = "revision"


def account_of(context: Context) -> str:
    """The id of the account that the path names; raises ValidationError where it names none (deviation D4)."""
    if context.account_id is None:
        rule, details = missing("account_id")
        raise ValidationError({"account_id": {rule: details}})
    return context.account_id


def caller_of(context: Context) -> Identity:
    """The caller's identity, on a route that is not public."""
    identity: Identity = context.identity
    return identity


async def require_write_permission(gatekeeper: AuthGatekeeper, context: Context) -> None:
    """Raises Forbidden where the request writes and its caller does not administer an account (deviation D25)."""
    identity = context.identity
    if context.verb != "GET" and isinstance(identity, Identity) and not await gatekeeper.may_write(identity):
        raise Forbidden


def given_data(context: Context) -> Any:
    """The request's data without null members, which count as not given; a PATCH removes fields by them."""
    return context.data if context.verb == "PATCH" else without_nulls(context.data)


def request_data(context: Context) -> JsonObject:
    """The same without the id and private fields, which only the server sets; refuses a list."""
    data: Any = given_data(context)
    if not isinstance(data, dict):
        rule, details = wrong_type("object", data)
        raise ValidationError({"data": {rule: details}})
    return {key: value for key, value in data.items() if key != "id" and not is_private_key(key)}


def raise_errors(*found: SchemaErrors) -> None:
    """Raises ValidationError with the rules of all, path by path; nothing if there are none."""
    merged: SchemaErrors = {}
    for errors in found:
        for path, rules in errors.items():
            merged.setdefault(path, {}).update(rules)
    if merged:
        raise ValidationError(merged)


async def load(store: Datastore, database: str, doc_id: str, doc_type: str) -> tuple[JsonObject, bool]:
    """A document of a type, and whether it is stale because CouchDB is away; raises as ``of_type``."""
    cached = await store.open(database, doc_id)
    return of_type(cached.document, doc_id, doc_type), cached.stale


def of_type(document: JsonObject | None, doc_id: str, doc_type: str) -> JsonObject:
    """The document, if it is there, not deleted and of the type; else raises BadIdentifier (`crossbar_doc:load/3`)."""
    found = live(document)
    # Crossbar accepts a document without a type as one of any type: an account's ``apps_store``, or a design document,
    # could be read and changed as if it were a user.
    if found is None or found.get("pvt_type") != doc_type:
        raise BadIdentifier(cause=doc_id)
    return found


async def open_for_change(context: Context, store: Datastore, database: str, doc_id: str) -> JsonObject | None:
    """The document to validate a change with: the newest where ``If-Match`` names revisions, else the cached one."""
    read = store.open_newest if _names_revisions(context) else store.open
    return (await read(database, doc_id)).document


async def load_for_change(context: Context, store: Datastore, database: str, doc_id: str, doc_type: str) -> JsonObject:
    """The document that a request is to change, whose revision ``If-Match`` may name; raises as ``load``."""
    document = of_type(await open_for_change(context, store, database, doc_id), doc_id, doc_type)
    expect(context, document)
    return document


def expect(context: Context, document: JsonObject | None, *entity_tags: str) -> None:
    """Accept the document's revision, and further entity tags, in ``If-Match``; ``check_expected`` compares with it."""
    current = revision_of(document)
    context.reply.matches = entity_tags if current is None else (current, *entity_tags)
    context.stored[_REVISION] = current


def revision_of(document: JsonObject | None) -> str | None:
    """The document's revision; None where there is no document, or it was never saved."""
    return None if document is None else revision(document)


def check_expected(context: Context, document: JsonObject | None) -> None:
    """Check ``If-Match`` again, with the document that a change is about to be applied to.

    Raises:
        Refusal: 412, another writer changed the document after the request was validated.
    """
    if _names_revisions(context) and revision_of(document) != context.stored[_REVISION]:
        raise Refusal(412, "precondition failed")


def checked_change(
    context: Context, account_id: str, doc_id: str, doc_type: str, edit: Callable[[JsonObject], JsonObject]
) -> Callable[[JsonObject | None], JsonObject]:
    """The change for ``Datastore.update`` that applies an edit; raises as ``check_expected``, ``of_type``, ``edit``."""

    def change(document: JsonObject | None) -> JsonObject:
        check_expected(context, document)
        return stamped(context, edit(of_type(document, doc_id, doc_type)), account_id)

    return change


def _names_revisions(context: Context) -> bool:
    return context.headers.get("If-Match", "*").strip() != "*"


def own_fields(document: Mapping[str, Json]) -> JsonObject:
    """The public fields as they are stored, without the ``id`` that replies add."""
    return {key: value for key, value in document.items() if not is_private_key(key)}


def stamped(context: Context, document: JsonObject, account_id: str) -> JsonObject:
    """The document with the private fields that Crossbar sets when it saves."""
    auth = caller_of(context).authenticated
    return stamp_crossbar(document, account_id=account_id, request_id=context.request_id, auth=auth)


def show(context: Context, document: JsonObject, *, deleted: bool = False, stale: bool = False) -> JsonObject:
    """Reply with a document; returns the reply's data, which may be changed (`crossbar_doc:handle_json_success/3`)."""
    data = public_fields(document)
    if deleted:
        data["_read_only"] = {"deleted": True}
    reply = context.reply
    reply.data, reply.stale = data, stale
    reply.revision = reply.etag = revision(document)
    return data
