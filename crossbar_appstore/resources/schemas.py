"""The endpoint ``schemas`` (`cb_schemas`): the JSON Schemas by which documents are checked; public."""

from typing import ClassVar, Final

from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.crossbar.errors import BadIdentifier
from crossbar_appstore.crossbar.resource import Methods, Resource
from crossbar_appstore.datastore.errors import DatabaseMissing
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.values import is_true
from crossbar_appstore.package_data import load_schema, schema_names
from crossbar_appstore.resources.documents import show

_DATABASE: Final = "system_schemas"
_DESIGN: Final = "_design/"
_INTERNAL: Final = "kapi."


class Schemas(Resource):
    """KAZOO's schemas where there are such, and the ones that this service checks by.

    Args:
        store: documents.
    """

    noun: ClassVar[str] = "schemas"
    greedy: ClassVar[bool] = True

    def __init__(self, store: Datastore) -> None:
        self._store = store

    def allowed_methods(self, *params: str) -> Methods | None:
        """All names, or one schema."""
        return ("GET",) if len(params) < 2 else None

    async def authenticate(self, context: Context) -> bool:
        """Public, unless an account stands before it."""
        return _is_public(context)

    async def authorize(self, context: Context) -> bool:
        """Public, unless an account stands before it."""
        return _is_public(context)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer."""
        if params:
            await self._read(context, params[0])
        else:
            context.reply.data = await self._names(internal=is_true(context.req_value("internals")))

    async def _names(self, *, internal: bool) -> list[str]:
        try:
            rows = await self._store.couch.all_docs(_DATABASE)
        except DatabaseMissing:
            rows = []
        stored = {row.id for row in rows if row.id is not None and not row.id.startswith(_DESIGN)}
        names = stored | set(schema_names())
        return sorted(name for name in names if internal or not name.startswith(_INTERNAL))

    async def _read(self, context: Context, name: str) -> None:
        known = await self._store.open(_DATABASE, name)
        document = live(known.document)
        if document is not None:
            show(context, document, stale=known.stale)
        elif name in schema_names():
            show(context, {**load_schema(name), "_id": name})
        else:
            raise BadIdentifier(cause=name)


def _is_public(context: Context) -> bool:
    return len(context.nouns) == 1
