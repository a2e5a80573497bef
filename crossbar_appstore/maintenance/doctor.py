"""Checks a whole system without writing, and on request makes the repairs that are safe."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.auth.bootstrap import ensure_system_auth
from crossbar_appstore.auth.keys import ATTACHMENT
from crossbar_appstore.auth.tokens import AUTH_CATEGORY, SYSTEM_KEY
from crossbar_appstore.datastore.catalogue import VIEW
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import (
    AccessDenied,
    Conflict,
    DocumentMissing,
    DocumentRefused,
    Unreachable,
    ViewMissing,
)
from crossbar_appstore.datastore.nodes import MAINTENANCE
from crossbar_appstore.datastore.replies import NodeState, ViewRow
from crossbar_appstore.datastore.snapshot import is_app
from crossbar_appstore.datastore.views import DatabaseClass, design_document, is_newer, names_for, standing_alone
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG, MASTER_ACCOUNT_ID
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get, is_true, object_at, string_at
from crossbar_appstore.maintenance import lookup
from crossbar_appstore.maintenance.broker_check import broker_findings
from crossbar_appstore.maintenance.checks import CheckedAccount, CheckedApp, account_findings, catalogue_findings
from crossbar_appstore.maintenance.conflicts import conflict_findings
from crossbar_appstore.maintenance.orphans import orphan_findings, remove_orphan
from crossbar_appstore.maintenance.reports import Finding, Repair, Severity
from crossbar_appstore.maintenance.system import view_code
from crossbar_appstore.request_scope import record_change

_CONCURRENT_READS: Final = 8
_OLDEST: Final = 2
"""The oldest supported major version of CouchDB."""
_LISTED: Final = ("name", "phase", "i18n", "tags", "api_url", "source_url", "published")
"""The fields that the view of apps emits, besides the id."""
_FIX: Final = "crossbar-appstore doctor --fix"
_CREATE_ACCOUNT: Final = "crossbar-appstore create-account NAME REALM USERNAME PASSWORD"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings, and the repairs that were made, and those that were refused, in words."""

    findings: tuple[Finding, ...]
    repaired: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there are no errors and no warnings."""
        return all(finding.severity is Severity.INFO for finding in self.findings)

    def as_json(self) -> JsonObject:
        """The output of ``--json``."""
        return {
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "repaired": list(self.repaired),
            "refused": list(self.refused),
        }


async def examine(
    couch: Couch, accounts: Sequence[str] = (), *, all_accounts: bool = False, amqp_url: str | None = None
) -> Diagnosis:
    """Check a system and its master account; nothing is written.

    ``accounts`` are the ids, names or realms of others to check as well, ``amqp_url`` is the message broker. Raises
    UnknownAccount if an account does not exist.
    """
    nodes = await _nodes(couch)
    alone = await standing_alone(couch)
    master = await lookup.master_account_id(couch)
    findings = [
        *await _server(couch, alone=alone),
        *nodes,
        *await broker_findings(amqp_url, alone=alone),
        *await _master(couch, master, alone=alone),
        *await _keys(couch, alone=alone),
        *await _design_documents(couch, "accounts", DatabaseClass.ACCOUNTS, alone=alone),
        *await orphan_findings(couch, master, alone=alone),
    ]
    # Without the master account's database, which was reported, there is nothing more to check.
    if master is None or not await couch.database_exists(account_db(master)):
        return Diagnosis(tuple(findings))
    catalogue = lookup.MasterCatalogue(couch, master, account_db(master))
    findings += await _design_documents(couch, catalogue.database, DatabaseClass.ACCOUNT, alone=alone)
    findings += await _listing(couch, catalogue.database)
    apps = await _apps(catalogue)
    findings += catalogue_findings(apps)
    for app in apps:
        findings += await conflict_findings(couch, app.subject, catalogue.database, app.document, _FIX)
    if all_accounts:
        rows = await couch.view("accounts", "accounts/listing_by_simple_id")
        ids = [row.id for row in rows if row.id is not None]
    else:
        ids = [master, *[(await lookup.find_account(couch, one))["_id"] for one in accounts]]
    names = {app.id: string_at(app.document, "name") or app.id for app in apps}
    # The same account may be named twice, by its name and by its realm.
    for account_id in dict.fromkeys(ids):
        account = await _account(couch, account_id, names)
        findings += account_findings(account)
        findings += await _account_conflicts(couch, account, is_master=account_id == master)
    return Diagnosis(tuple(findings))


class RepairsRefused(Exception):
    """CouchDB did not take some documents; all others were repaired. Both in words."""

    def __init__(self, repaired: Sequence[str], refused: Sequence[str]) -> None:
        super().__init__("; ".join(refused))
        self.repaired = tuple(repaired)
        self.refused = tuple(refused)


async def repair(couch: Couch, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Make every safe repair of a diagnosis, with one save per document; those that were made, in words.

    Raises RepairsRefused, after all others, if documents could not be saved.
    """
    by_document: defaultdict[tuple[str, str], list[Repair]] = defaultdict(list)
    for finding in diagnosis.findings:
        if finding.repair is not None:
            # Several findings may repair one document, which is saved once.
            by_document[finding.repair.database, finding.repair.doc_id].append(finding.repair)
    done: list[str] = []
    refused: list[str] = []
    for (database, doc_id), repairs in by_document.items():
        try:
            made = await lookup.retry_conflicts(partial(_apply, couch, database, doc_id, repairs))
        except (AccessDenied, Conflict, DocumentRefused) as refusal:
            refused.append(f"{doc_id} in {database}: {refusal}")
        else:
            done += [f"{doc_id} in {database}: {one.words}" for one in made]
    for finding in diagnosis.findings:
        if finding.removal is not None and await remove_orphan(couch, finding.removal.account_id):
            done.append(f"{finding.subject}: {finding.removal.words}")
    # The key is no change to a document of a finding: it is created with its attachment.
    if any(finding.check == "system_key" for finding in diagnosis.findings) and await standing_alone(couch):
        done.append(f"system_auth: the key that signs tokens is {await ensure_system_auth(couch)}")
    if refused:
        raise RepairsRefused(done, refused)
    return tuple(done)


async def _apply(couch: Couch, database: str, doc_id: str, repairs: Sequence[Repair]) -> list[Repair]:
    """Apply repairs to the newest revision of a document; those that change anything."""
    newest = await lookup.stored(couch, database, doc_id)
    if newest is None:
        return []
    changed, made = newest, []
    for one in repairs:
        before, changed = changed, one.change(changed)
        if changed != before or one.removes:
            made.append(one)
    if changed != newest:
        changed = await couch.save_doc(database, changed)
        record_change(database, doc_id, newest, changed)
    # Branches last: what they hold is in the document now.
    for revision in (revision for one in made for revision in one.removes):
        with suppress(Conflict, DocumentMissing):  # removed by another writer
            await couch.delete_doc(database, doc_id, revision, after=changed)
    return made


async def _server(couch: Couch, *, alone: bool) -> list[Finding]:
    server = await couch.server()
    # CouchDB's own vendor is a foundation, BigCouch's a company.
    subject = f"{'PouchDB Server' if server.vendor == 'pouchdb' else 'CouchDB'} {server.version}"
    where = "without KAZOO" if alone else "with a KAZOO cluster's databases"
    findings = [Finding(Severity.INFO, "server", subject, f"answers at {couch.address}, {where}")]
    major = server.version.partition(".")[0]
    if server.vendor != "pouchdb" and major.isdigit() and int(major) < _OLDEST:
        findings.append(Finding(Severity.WARNING, "server", subject, "is older than the supported versions"))
    return findings


async def _nodes(couch: Couch) -> list[Finding]:
    """The state of each node, where several are named. Raises Unreachable with the states if none answers."""
    states = await couch.cluster.states()
    if states and all(state.trouble not in (None, MAINTENANCE) for state in states):
        raise Unreachable("; ".join(f"{state.address}: {state.trouble}" for state in states))
    members = next((state.members for state in states if state.is_current), frozenset())
    return [_node(state, members) for state in states]


def _node(state: NodeState, members: frozenset[str]) -> Finding:
    """``members`` are those of the current node's cluster; a node that tells no name may be one of them or not."""
    severity, message = Severity.INFO, f"CouchDB {state.version} answers{', it is used' * state.is_current}"
    if state.trouble == MAINTENANCE:
        severity, message = Severity.WARNING, f"CouchDB {state.version} is in maintenance"
    elif state.trouble is not None:
        severity, message = Severity.ERROR, f"is unreachable: {state.trouble}"
    elif state.name and members and state.name not in members:
        severity, message = Severity.ERROR, f"{state.name} does not belong to the cluster of the node that is used"
    elif state.name and members:
        message += f", member {state.name} of the cluster"
    return Finding(severity, "node", state.address, message)


async def _master(couch: Couch, master: str | None, *, alone: bool) -> list[Finding]:
    if master is None:
        return [Finding(Severity.ERROR, "master_account", "system", "there is no account", _CREATE_ACCOUNT)]
    findings = []
    config = await lookup.stored(couch, "system_config", ACCOUNTS_CONFIG)
    configured = get(config, "default", MASTER_ACCOUNT_ID)
    if not is_account_id(configured):
        message = f"system_config/accounts does not name the master account; the oldest account is used, {master}"
        findings.append(Finding(Severity.WARNING, "master_account", "system", message, None, None, configured or None))
    document = await lookup.stored(couch, account_db(master), master)
    subject = f"master account ({master})"
    if document is None:
        message = "the account named in system_config/accounts has no database or no account document"
        findings.append(Finding(Severity.ERROR, "master_account", subject, message, _CREATE_ACCOUNT if alone else None))
    elif not is_true(document.get("pvt_superduper_admin")):
        message = "is not pvt_superduper_admin, so its tokens give no access to other accounts"
        findings.append(Finding(Severity.WARNING, "master_account", subject, message))
    return findings


async def _keys(couch: Couch, *, alone: bool) -> list[Finding]:
    config = await lookup.stored(couch, "system_config", AUTH_CATEGORY)
    key_id = get(config, "default", SYSTEM_KEY)
    if not isinstance(key_id, str) or not key_id:
        message = f"system_config/{AUTH_CATEGORY} names no key, so nobody can log in"
    elif ATTACHMENT not in object_at(await lookup.stored(couch, "system_auth", key_id), "_attachments"):
        message = f"system_auth/{key_id} has no {ATTACHMENT}, so nobody can log in"
    else:
        return []
    command = _FIX if alone else None
    return [Finding(Severity.ERROR, "system_key", "system", message, command)]


async def _design_documents(couch: Couch, database: str, kind: DatabaseClass, *, alone: bool) -> list[Finding]:
    findings = []
    for ours in map(design_document, names_for(kind)):
        there = await lookup.stored(couch, database, ours["_id"])
        missing = sorted(set(ours["views"]) - set(object_at(there, "views")))
        # Beside KAZOO, a view that its release does not have is expected.
        severity = Severity.ERROR if alone or there is None else Severity.INFO
        if there is None:
            message = "the design document is missing"
        elif missing:
            message = f"lacks views: {', '.join(missing)}"
        elif alone and is_newer(there):
            continue  # it has all views that this release needs
        elif alone and view_code(there) != view_code(ours):
            severity, message = Severity.WARNING, "its code is not that of this release"
        else:
            continue
        # KAZOO deploys its design documents itself.
        command = "crossbar-appstore views deploy" if alone else None
        findings.append(Finding(severity, "design_document", f"{database}/{ours['_id']}", message, command))
    return findings


async def _listing(couch: Couch, database: str) -> list[Finding]:
    """Compares the rows of the view of apps, ours or KAZOO's, with the app documents."""
    try:
        rows = {row.id: row for row in await couch.view(database, VIEW) if row.id is not None}
    except ViewMissing:
        return []
    apps = {doc["_id"]: doc for doc in await couch.find(database, {"pvt_type": "app"}) if is_app(doc)}
    differences = {
        "does not emit": apps.keys() - rows.keys(),
        "emits what is not an app:": rows.keys() - apps.keys(),
        "emits other values:": {each for each in apps.keys() & rows.keys() if _differs(rows[each], apps[each])},
    }
    subject = f"{database}/_design/{VIEW.partition('/')[0]}"
    return [
        Finding(Severity.ERROR, "design_document", subject, f"{what} {', '.join(sorted(ids))}", value=sorted(ids))
        for what, ids in differences.items()
        if ids
    ]


def _differs(row: ViewRow, document: JsonObject) -> bool:
    shown = {key: document[key] for key in _LISTED if document.get(key) is not None}
    emitted = {key: value for key, value in object_at(row.value).items() if value is not None and key != "id"}
    return row.key != document.get("name") or emitted != shown


async def _apps(catalogue: lookup.MasterCatalogue) -> list[CheckedApp]:
    """The apps with their losing revisions, which only a read of each document shows."""
    limit = asyncio.Semaphore(_CONCURRENT_READS)

    async def read(app: JsonObject) -> JsonObject | None:
        async with limit:
            return await lookup.stored(catalogue.couch, catalogue.database, app["_id"], conflicts=True)

    documents = await asyncio.gather(*map(read, await catalogue.apps()))
    return [CheckedApp(document, catalogue.account_id) for document in documents if document is not None]


async def _account_conflicts(couch: Couch, account: CheckedAccount, *, is_master: bool) -> list[Finding]:
    """The losing revisions of an account's ``apps_store``, and of its document in both its databases."""
    database = account_db(account.account_id)
    command = _FIX if is_master else f"crossbar-appstore doctor --account {account.account_id} --fix"
    found = await conflict_findings(couch, account.subject, database, account.apps_store, command)
    for each in (database, "accounts"):
        document = await lookup.stored(couch, each, account.account_id, conflicts=True)
        found += await conflict_findings(couch, account.subject, each, document, command)
    return found


async def _account(couch: Couch, account_id: str, app_names: dict[str, str]) -> CheckedAccount:
    database = account_db(account_id)
    plans = await lookup.view_rows(couch, database, "services/plans", include_docs=True)
    users = await lookup.view_rows(couch, database, "users/crossbar_listing")
    return CheckedAccount(
        account_id,
        string_at(await lookup.stored(couch, database, account_id), "name") or "(no name)",
        await lookup.stored(couch, database, DOCUMENT_ID, conflicts=True),
        app_names,
        [row.id for row in users if row.id is not None],
        await lookup.stored(couch, "services", account_id),
        tuple(row.doc for row in plans if row.doc is not None),
    )
