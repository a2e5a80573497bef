"""What can be wrong with a system as a whole: master account, design documents, keys."""

from collections.abc import AsyncIterator
from typing import Final

from crossbar_appstore.auth.keys import ATTACHMENT
from crossbar_appstore.auth.tokens import AUTH_CATEGORY, SYSTEM_KEY
from crossbar_appstore.datastore.catalogue import VIEW
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import ViewMissing
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.snapshot import is_app
from crossbar_appstore.datastore.views import DatabaseClass, design_document, names_for, standing_alone
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get, is_true, object_at
from crossbar_appstore.maintenance.findings import Finding, Severity
from crossbar_appstore.maintenance.reading import stored
from crossbar_appstore.maintenance.system import ACCOUNTS, master_account_id

_LISTED: Final = ("name", "phase", "i18n", "tags", "api_url", "source_url", "published")
"""What the view of apps shows of each, beside its id."""
_OLDEST: Final = 2
"""The first major version of CouchDB whose replies we know."""


async def system_findings(couch: Couch) -> AsyncIterator[Finding]:
    """Everything about the system; apps and accounts are looked at elsewhere.

    Raises:
        DatastoreError: CouchDB is away.
    """
    alone = await standing_alone(couch)
    async for finding in _server(couch, alone=alone):
        yield finding
    async for finding in _master(couch, alone=alone):
        yield finding
    async for finding in _keys(couch, alone=alone):
        yield finding
    async for finding in _design_documents(couch, ACCOUNTS, DatabaseClass.ACCOUNTS, alone=alone):
        yield finding
    master = await master_account_id(couch)
    if master is None or not await couch.database_exists(account_db(master)):
        return
    async for finding in _design_documents(couch, account_db(master), DatabaseClass.ACCOUNT, alone=alone):
        yield finding
    async for finding in _listing(couch, account_db(master)):
        yield finding


async def _server(couch: Couch, *, alone: bool) -> AsyncIterator[Finding]:
    server = await couch.server()
    subject = f"{server.vendor} {server.version}"
    where = "without KAZOO" if alone else "with a KAZOO cluster's databases"
    yield Finding(Severity.INFO, "server", subject, f"answers at {couch.address}, {where}")
    major = server.version.partition(".")[0]
    if server.vendor != "pouchdb" and major.isdigit() and int(major) < _OLDEST:
        yield Finding(Severity.WARNING, "server", subject, "is older than the versions that we know")


async def _master(couch: Couch, *, alone: bool) -> AsyncIterator[Finding]:
    config = await stored(couch, "system_config", ACCOUNTS_CONFIG)
    configured = get(config, "default", MASTER_ACCOUNT_ID)
    master = await master_account_id(couch)
    create = "crossbar-appstore create-account NAME REALM USERNAME PASSWORD"
    if master is None:
        yield Finding(Severity.ERROR, "master_account", "system", "there is no account", create)
        return
    if not is_account_id(configured):
        message = f"system_config/accounts does not name the master account; the oldest one counts, {master}"
        yield Finding(Severity.WARNING, "master_account", "system", message, None, None, configured or None)
    document = await stored(couch, account_db(master), master)
    subject = f"master account ({master})"
    if document is None:
        message = "the account named in system_config/accounts has no database or no account document"
        yield Finding(Severity.ERROR, "master_account", subject, message, create if alone else None)
    elif not is_true(document.get("pvt_superduper_admin")):
        message = "is not pvt_superduper_admin, so that its tokens open no other account"
        yield Finding(Severity.WARNING, "master_account", subject, message)


async def _keys(couch: Couch, *, alone: bool) -> AsyncIterator[Finding]:
    config = await stored(couch, "system_config", AUTH_CATEGORY)
    key_id = get(config, "default", SYSTEM_KEY)
    command = "crossbar-appstore doctor --fix" if alone else None
    if not isinstance(key_id, str) or not key_id:
        message = f"system_config/{AUTH_CATEGORY} names no key, so that nobody can log in"
        yield Finding(Severity.ERROR, "system_key", "system", message, command)
        return
    key = await stored(couch, "system_auth", key_id)
    if key is None or ATTACHMENT not in object_at(key, "_attachments"):
        message = f"system_auth/{key_id} has no {ATTACHMENT}, so that nobody can log in"
        yield Finding(Severity.ERROR, "system_key", "system", message, command)


async def _design_documents(couch: Couch, database: str, kind: DatabaseClass, *, alone: bool) -> AsyncIterator[Finding]:
    for name in names_for(kind):
        ours = design_document(name)
        subject = f"{database}/{ours['_id']}"
        there = await stored(couch, database, ours["_id"])
        if there is None:
            message = "the design document is missing"
            command = "crossbar-appstore views deploy" if alone else None
            yield Finding(Severity.ERROR, "design_document", subject, message, command)
            continue
        missing = sorted(set(ours["views"]) - set(object_at(there, "views")))
        if missing:
            message = f"lacks views: {', '.join(missing)}"
            command = "crossbar-appstore views deploy" if alone else None
            yield Finding(Severity.ERROR if alone else Severity.INFO, "design_document", subject, message, command)
        elif alone and not same_code(there, ours):
            message = "its code is not that of this release"
            yield Finding(Severity.WARNING, "design_document", subject, message, "crossbar-appstore views deploy")


def same_code(one: JsonObject, other: JsonObject) -> bool:
    """Whether two design documents have the same views, but for white space."""
    return bool(_code(one) == _code(other))


def _code(design: JsonObject) -> Json:
    return {
        view: {part: "".join(str(code).split()) for part, code in object_at(parts).items()}
        for view, parts in object_at(design, "views").items()
    }


async def _listing(couch: Couch, database: str) -> AsyncIterator[Finding]:
    """Whether the view of apps, whoever wrote it, emits what ours would."""
    try:
        rows = await couch.view(database, VIEW)
    except ViewMissing:
        return
    documents = [doc for doc in await couch.find(database, {"pvt_type": "app"}) if is_app(doc)]
    wanted = {doc["_id"]: doc for doc in documents}
    emitted = {row.id: row for row in rows}
    subject = f"{database}/_design/{VIEW.partition('/')[0]}"
    absent = sorted(app_id for app_id in wanted if app_id not in emitted)
    extra = sorted(str(app_id) for app_id in emitted if app_id not in wanted)
    different = sorted(app_id for app_id, doc in wanted.items() if app_id in emitted and _differs(emitted[app_id], doc))
    for what, ids in (("does not emit", absent), ("emits what is no app:", extra), ("emits otherwise:", different)):
        if ids:
            message = f"{what} {', '.join(ids)}"
            yield Finding(Severity.ERROR, "design_document", subject, message, None, None, ids)


def _differs(row: ViewRow, document: JsonObject) -> bool:
    shown = {key: document[key] for key in _LISTED if document.get(key) is not None}
    emitted = {key: value for key, value in object_at(row.value).items() if value is not None and key != "id"}
    return row.key != document.get("name") or emitted != shown
