"""Our design documents (``couchdb_views/``): which databases they belong to, and how they get there.

Each is known by the name of its file: the name of the design document, or where two kinds of databases have one of the
same name, ``<kind>_<name>`` for one of them. They have the ids of KAZOO's and emit what KAZOO's emit, in our own code,
for systems without KAZOO. What exists in a database is queried as it is: nothing here ever overwrites it.

A design document names the release whose code it has, so that an older one, which may run at the same time or be
installed again, leaves it as it is.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from crossbar_appstore import __version__
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.package_data import couchdb_view_names, load_couchdb_view

from .couch import Couch
from .errors import Conflict

RELEASE: Final = "crossbar_appstore_version"
"""The member of a design document that names the release."""
_CLUSTER_DATABASE = "system_data"


class DatabaseClass(StrEnum):
    """Kinds of databases that have design documents of ours."""

    ACCOUNT = "account"
    """Every account's own database."""
    ACCOUNTS = "accounts"
    """The one database with a copy of every account document."""
    MONTHLY = "monthly"
    """An account's database of one month."""


def design_document(name: str) -> JsonObject:
    """A design document ready to be saved: ``_id``, ``language``, ``views``, each function one string, and the release.

    Raises:
        package_data.UnknownFile: we have none of this name.
    """
    source = load_couchdb_view(name)
    views = {view: {part: _joined(code) for part, code in parts.items()} for view, parts in source["views"].items()}
    return {"_id": source["_id"], "language": source["language"], "views": views, RELEASE: __version__}


def is_newer(design: JsonObject | None) -> bool:
    """Whether a stored design document is that of a newer release; one that names none is older."""
    return _numbers((design or {}).get(RELEASE)) > _numbers(__version__)


def names_for(databases: DatabaseClass) -> tuple[str, ...]:
    """The names of the design documents that databases of this class need; no two of them have the same id."""
    return tuple(name for name in couchdb_view_names() if load_couchdb_view(name)["databases"] == databases)


async def ensure(couch: Couch, database: str, names: Iterable[str]) -> list[str]:
    """Install the design documents that the database does not have; the names of those that were installed.

    Safe to repeat and to run twice at the same time.

    Raises:
        DatabaseMissing: no such database.
        DatastoreError: CouchDB would not have them.
    """
    wanted = {load_couchdb_view(name)["_id"]: name for name in names}
    there = {row.id for row in await couch.all_docs(database, startkey="_design/", endkey="_design0")}
    installed = []
    for doc_id, name in wanted.items():
        if doc_id in there:
            continue
        try:
            await couch.save_doc(database, design_document(name))
        except Conflict:
            continue  # another process was faster
        installed.append(name)
    return installed


async def standing_alone(couch: Couch) -> bool:
    """Whether no KAZOO cluster uses this CouchDB: every one keeps its views in ``system_data``."""
    return not await couch.database_exists(_CLUSTER_DATABASE)


def _numbers(version: Json) -> tuple[int, ...]:
    """The numbers of a version, so that 1.10 is above 1.9; none if it is malformed."""
    found = re.match(r"\d{1,9}(\.\d{1,9})*", version) if isinstance(version, str) else None
    return () if found is None else tuple(map(int, found[0].split(".")))


def _joined(code: Json) -> Json:
    return "\n".join(code) if isinstance(code, list) else code
