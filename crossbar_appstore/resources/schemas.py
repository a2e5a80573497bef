"""Endpoints about the service itself: ``schemas`` (`cb_schemas`) and ``about`` (`cb_about`)."""

import platform
import resource
import sys
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


class Schemas(Resource):
    """The JSON Schemas by which documents are checked: KAZOO's from CouchDB if there are any, else this package's.

    They are public, unless the path has an account.
    """

    noun: ClassVar[str] = "schemas"
    greedy: ClassVar[bool] = True

    def __init__(self, store: Datastore) -> None:
        self._store = store

    def allowed_methods(self, *params: str) -> Methods | None:
        """The names of all schemas, and one schema, are read."""
        return ("GET",) if len(params) < 2 else None

    async def authenticate(self, context: Context) -> bool:
        """Public, unless the path has an account."""
        return len(context.nouns) == 1

    async def authorize(self, context: Context) -> bool:
        """Public, unless the path has an account."""
        return len(context.nouns) == 1

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
        stored = {row.id for row in rows if row.id is not None and not row.id.startswith("_design/")}
        return sorted(name for name in stored | set(schema_names()) if internal or not name.startswith("kapi."))

    async def _read(self, context: Context, name: str) -> None:
        cached = await self._store.open(_DATABASE, name)
        document = live(cached.document)
        if document is not None:
            show(context, document, stale=cached.stale)
        elif name in schema_names():
            show(context, {**load_schema(name), "_id": name})
        else:
            raise BadIdentifier(cause=name)


class About(Resource):
    """Facts about the process that answers."""

    noun: ClassVar[str] = "about"

    def __init__(self, version: str) -> None:
        self._version = version

    def allowed_methods(self, *params: str) -> Methods | None:
        """It is read."""
        return None if params else ("GET",)

    async def validate(self, context: Context, *params: str) -> None:
        """Answer; ``used_memory`` in bytes is the peak of the process."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        context.reply.data = {
            "version": self._version,
            "used_memory": peak if sys.platform == "darwin" else peak * 1024,
            "python_version": platform.python_version(),
        }
