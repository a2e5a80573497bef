"""Documents as Crossbar's modules load, merge, save and show them (`crossbar_doc`)."""

from collections.abc import Mapping
from typing import Any, Final

from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier, Refusal, ValidationError
from crossbar_appstore.datastore.documents import CachedDocument
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_private_key, live, public_fields, revision, stamp_crossbar
from crossbar_appstore.validation.errors import SchemaErrors, missing, wrong_type

READ_ONLY: Final = "_read_only"
_REVISION: Final = "revision"


async def load(store: Datastore, database: str, doc_id: str, doc_type: str) -> CachedDocument:
    """A document of that type, as it is known; its ``document`` is never None.

    Raises:
        BadIdentifier: there is none, it is deleted, or it is something else (`crossbar_doc:load/3`).
        DatastoreError: CouchDB is away, and it was never read.
    """
    known = await store.open(database, doc_id)
    of_type(known.document, doc_id, doc_type)
    return known


def of_type(document: JsonObject | None, doc_id: str, doc_type: str) -> JsonObject:
    """The document, if it is there and of that type.

    Crossbar takes a document without a type for one of any: an account's ``apps_store``, or a design document, could
    be read and changed as if it were a user.

    Raises:
        BadIdentifier: it is not.
    """
    found = live(document)
    if found is None or found.get("pvt_type") != doc_type:
        raise BadIdentifier(cause=doc_id)
    return found


def account_of(context: Context) -> str:
    """The account that the path names.

    Raises:
        ValidationError: it names none (deviation D4).
    """
    if context.account_id is None:
        rule, details = missing("account_id")
        raise ValidationError({"account_id": {rule: details}})
    return context.account_id


def caller_of(context: Context) -> Identity:
    """Who is calling, on a route that is not public."""
    identity: Identity = context.identity
    return identity


def request_data(context: Context) -> JsonObject:
    """The request's data without what only the server may set: private fields and the id.

    Raises:
        ValidationError: it is a list.
    """
    data: Any = context.data
    if not isinstance(data, dict):
        rule, details = wrong_type("object", data)
        raise ValidationError({"data": {rule: details}})
    return {key: value for key, value in data.items() if key != "id" and not is_private_key(key)}


def raise_errors(*found: SchemaErrors) -> None:
    """Nothing if nothing is wrong.

    Raises:
        ValidationError: something is; the rules of all, path by path.
    """
    merged: SchemaErrors = {}
    for errors in found:
        for path, rules in errors.items():
            merged.setdefault(path, {}).update(rules)
    if merged:
        raise ValidationError(merged)


def own_fields(document: Mapping[str, Json]) -> JsonObject:
    """The public fields as they are stored, without the id that is shown with them."""
    return {key: value for key, value in document.items() if not is_private_key(key)}


def show(context: Context, document: JsonObject, *, deleted: bool = False, stale: bool = False) -> JsonObject:
    """Reply with a document; returns the reply's data, which may be changed (`crossbar_doc:handle_json_success/3`)."""
    data = public_fields(document)
    if deleted:
        data[READ_ONLY] = {"deleted": True}
    reply = context.reply
    reply.data, reply.stale = data, stale
    reply.revision = reply.etag = revision(document)
    return data


def expect(context: Context, document: JsonObject) -> None:
    """Let If-Match name the document's revision, and remember it for ``check_expected``."""
    current = revision(document)
    context.reply.etag = current
    context.stored[_REVISION] = current


def check_expected(context: Context, document: JsonObject | None) -> None:
    """If-Match was held against the document as it was known; it has to hold for the one that is written, too.

    Raises:
        Refusal: 412, another writer was faster.
    """
    if "If-Match" not in context.headers:
        return
    current = None if document is None else revision(document)
    if current != context.stored[_REVISION]:
        raise Refusal(412, "precondition failed")


def stamped(context: Context, document: JsonObject, account_id: str) -> JsonObject:
    """The document with the private fields that a save of Crossbar adds."""
    auth = caller_of(context).authenticated
    return stamp_crossbar(document, account_id=account_id, request_id=context.request_id, auth=auth)
