"""Callflows (`cb_callflows`): documents of an account, stored and shown. Nothing here interprets one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from crossbar_appstore.crossbar.errors import ValidationError
from crossbar_appstore.datastore.errors import ViewMissing
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import is_soft_deleted, live
from crossbar_appstore.kazoo.ids import new_id
from crossbar_appstore.kazoo.merging import merge
from crossbar_appstore.kazoo.values import list_at, object_at
from crossbar_appstore.resources import documents
from crossbar_appstore.resources.companion_calls import Call, Work, changes, checked
from crossbar_appstore.resources.listings import Listing
from crossbar_appstore.validation.errors import SchemaErrors, wrong_type

CALLFLOW: Final = "callflow"
MAX_NAMED: Final = 200
"""Documents that are looked up for the ``metadata`` of one callflow."""
_UNIQUE: Final = {"numbers": "callflows/listing_by_number", "patterns": "callflows/listing_by_pattern"}


async def list_callflows(call: Call) -> Listing:
    """The callflows of the account."""

    async def search() -> Sequence[ViewRow]:
        found = await _every_callflow(call)
        return [ViewRow(each["_id"], each["_id"], listing_entry(each), each) for each in found]

    return Listing(call.database, "callflows/crossbar_listing", search)


async def _every_callflow(call: Call) -> list[JsonObject]:
    found = await call.store.couch.find(call.database, {"pvt_type": CALLFLOW})
    return [each for each in found if not is_soft_deleted(each)]


async def one_callflow(call: Call) -> None:
    """Show a callflow, with ``metadata`` of the documents that it names."""
    doc_id = call.params[0]
    document, stale = await documents.load(call.store, call.database, doc_id, CALLFLOW)
    data = documents.show(call.context, document, stale=stale)
    wanted = named_ids(document)
    named = zip(wanted, await call.store.open_many((call.database, each) for each in wanted), strict=True)
    found = {name: live(cached.document) for name, cached in named}
    data["metadata"] = {name: named_entry(each) for name, each in found.items() if each is not None}


async def create_callflow(call: Call) -> Work:
    """Check a new callflow; returns what saves it."""
    callflow = checked_callflow(None, documents.request_data(call.context))
    documents.raise_errors(await _taken(call, None, callflow))

    async def create() -> None:
        context, doc_id = call.context, new_id()
        new = documents.stamped(context, {**callflow, "_id": doc_id}, call.account_id)
        documents.show(context, await call.store.create(call.database, new))
        context.reply.location = f"{context.path.rstrip('/')}/{doc_id}"

    return create


async def change_callflow(call: Call) -> Work:
    """Check a callflow that replaces the public fields, or with PATCH some of them."""
    doc_id, data = call.params[0], documents.request_data(call.context)
    patch = call.context.verb == "PATCH"

    def edit(document: JsonObject | None) -> JsonObject:
        current = documents.of_type(document, doc_id, CALLFLOW)
        return checked_callflow(current, data, patch=patch)

    work = await changes(call, doc_id, edit)
    documents.raise_errors(await _taken(call, doc_id, edit(await call.read(call.database, doc_id))))
    return work


async def delete_callflow(call: Call) -> Work:
    """Check a deletion; the document stays in CouchDB."""
    doc_id = call.params[0]
    return await changes(
        call, doc_id, lambda found: {**documents.of_type(found, doc_id, CALLFLOW), "pvt_deleted": True}, deleted=True
    )


async def _taken(call: Call, doc_id: str | None, callflow: JsonObject) -> SchemaErrors:
    """The errors of a callflow whose number or pattern another one of the account has, read from CouchDB."""
    errors: SchemaErrors = {}
    for field, view in _UNIQUE.items():
        wanted = list_at(callflow, field)
        holders = await _holders(call, field, view, wanted) if wanted else ()
        taken = next((value for holder, value in holders if holder != doc_id and value in wanted), None)
        if taken is not None:
            message = f"{taken} is in another callflow of the account"
            errors[field] = {"unique": {"message": message, "cause": taken}}
    return errors


async def _holders(call: Call, field: str, view: str, wanted: Sequence[Json]) -> Iterable[tuple[str | None, Json]]:
    try:
        return [(row.id, row.key) for row in await call.store.couch.view(call.database, view, keys=wanted)]
    except ViewMissing:
        return [(each["_id"], value) for each in await _every_callflow(call) for value in list_at(each, field)]


# What is stored, and what is shown


def checked_callflow(current: JsonObject | None, data: JsonObject, *, patch: bool = False) -> JsonObject:
    """A callflow with a client's data in place of the public fields, or merged into them; raises ValidationError."""
    fields = merge(documents.own_fields(current or {}), data) if patch else data
    numbers = fields.get("numbers", [])
    if not isinstance(numbers, list):
        rule, details = wrong_type("array", numbers)
        raise ValidationError({"numbers": {rule: details}})
    if not numbers and not fields.get("patterns"):
        raise ValidationError({"numbers": {"required": {"message": "Callflows must be assigned at least one number"}}})
    return checked("callflows", current, fields) | {"pvt_type": CALLFLOW}


def listing_entry(callflow: JsonObject) -> JsonObject:
    """A callflow as the view ``callflows/crossbar_listing`` emits it, for databases without that view."""
    modules = [
        step["module"]
        for step in _steps(callflow.get("flow"))
        if step.get("module") and isinstance(step.get("data"), dict) and step["data"].get("skip_module") is not True
    ]
    shown = ("name", "type", "numbers", "patterns", "owner_id", "group_id")
    return {
        "id": callflow["_id"],
        "featurecode": callflow.get("featurecode") or False,
        "modules": list(dict.fromkeys(modules)),
        **{field: callflow[field] for field in shown if field in callflow},
        "flags": callflow.get("flags") or [],
    }


def named_ids(callflow: JsonObject) -> list[str]:
    """The ids of other documents in a callflow: ``id`` and ``…_id`` of the steps' data, and names of branches."""
    found: dict[str, None] = {}
    for step in _steps(callflow.get("flow")):
        data = object_at(step, "data")
        values = [value for key, value in data.items() if key == "id" or key.endswith("_id")]
        found |= dict.fromkeys(value for value in (*values, *object_at(step, "children")) if isinstance(value, str))
    return list(found)[:MAX_NAMED]


def named_entry(document: JsonObject) -> JsonObject:
    """What the ``metadata`` of a callflow shows of a document that it names."""
    entry: JsonObject = {field: document[field] for field in ("name", "pvt_type") if field in document}
    numbers = list_at(document, "numbers")
    return entry | {"numbers": numbers} if numbers else entry


def _steps(flow: Json) -> Iterator[JsonObject]:
    """The steps of a flow, each before those that follow it."""
    waiting = [flow]
    while waiting:
        step = waiting.pop()
        if isinstance(step, dict):
            yield step
            waiting += reversed(object_at(step, "children").values())
