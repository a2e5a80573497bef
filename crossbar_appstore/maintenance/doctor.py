"""The doctor: checks a system without writing, and mends what is safe to mend where it is asked to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.auth.bootstrap import ensure_system_auth
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, DatabaseMissing, DocumentMissing, ViewMissing
from crossbar_appstore.datastore.views import standing_alone
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.account_checks import CheckedAccount, account_findings
from crossbar_appstore.maintenance.account_rules import find_account
from crossbar_appstore.maintenance.app_checks import CheckedApp, catalogue_findings
from crossbar_appstore.maintenance.findings import Finding, Repair, Severity
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.reading import stored
from crossbar_appstore.maintenance.system import ACCOUNTS, SERVICES, master_account_id
from crossbar_appstore.maintenance.system_checks import system_findings

_AT_ONCE: Final = 8
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found, and the words of what was mended."""

    findings: tuple[Finding, ...]
    mended: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether nothing but information was found."""
        return all(finding.severity is Severity.INFO for finding in self.findings)

    def as_json(self) -> JsonObject:
        """For ``--json``."""
        return {
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "mended": list(self.mended),
        }


async def examine(couch: Couch, accounts: Sequence[str] = (), *, all_accounts: bool = False) -> Diagnosis:
    """Check a system; nothing is written.

    Args:
        couch: where it is.
        accounts: ids, names or realms of accounts to look at, beside the master account.
        all_accounts: look at every account.

    Raises:
        UnknownAccount: one of the accounts does not exist.
        DatastoreError: CouchDB is away.
    """
    findings = [finding async for finding in system_findings(couch)]
    if await master_account_id(couch) is None:
        return Diagnosis(tuple(findings))
    catalogue = await MasterCatalogue.of(couch)
    if not await couch.database_exists(catalogue.database):
        return Diagnosis(tuple(findings))
    apps = await _apps(catalogue)
    findings += catalogue_findings(apps)
    names = {app.id: string_at(app.document, "name") or app.id for app in apps}
    async for account in _accounts(couch, catalogue.account_id, accounts, names, all_accounts=all_accounts):
        findings += account_findings(account)
    return Diagnosis(tuple(findings))


async def mend(couch: Couch, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Apply every safe mend of a diagnosis, one save a document; the words of what was done.

    Raises:
        DatastoreError: CouchDB is away; what was mended until then is.
    """
    by_document: defaultdict[tuple[str, str], list[Repair]] = defaultdict(list)
    for finding in diagnosis.findings:
        if finding.repair is not None:
            by_document[finding.repair.database, finding.repair.doc_id].append(finding.repair)
    done = []
    for (database, doc_id), repairs in by_document.items():
        if await _apply(couch, database, doc_id, repairs):
            done += [f"{doc_id} in {database}: {repair.words}" for repair in repairs]
    if any(finding.check == "system_key" for finding in diagnosis.findings) and await standing_alone(couch):
        done.append(f"system_auth: the key that signs tokens is {await ensure_system_auth(couch)}")
    return tuple(done)


async def _apply(couch: Couch, database: str, doc_id: str, repairs: Sequence[Repair]) -> bool:
    """Change the newest revision of a document; False if there is nothing to change any more."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            newest = await couch.open_doc(database, doc_id)
        except DocumentMissing:
            return False
        changed = newest
        for repair in repairs:
            changed = repair.change(changed)
        if changed == newest:
            return False
        try:
            await couch.save_doc(database, changed)
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return True
    raise AssertionError("unreachable")


async def _apps(catalogue: MasterCatalogue) -> list[CheckedApp]:
    """The apps with the revisions that lost, of which only a read of each document tells."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def checked(document: JsonObject) -> CheckedApp:
        async with limit:
            lost = await _conflicts(catalogue.couch, catalogue.database, document["_id"])
        return CheckedApp(document, catalogue.account_id, lost)

    return await asyncio.gather(*(checked(document) for document in await catalogue.apps()))


async def _accounts(
    couch: Couch, master: str, wanted: Sequence[str], app_names: dict[str, str], *, all_accounts: bool
) -> AsyncIterator[CheckedAccount]:
    if all_accounts:
        rows = await couch.view(ACCOUNTS, "accounts/listing_by_simple_id")
        ids = [row.id for row in rows if row.id is not None]
    else:
        ids = [master, *[(await find_account(couch, one))["_id"] for one in wanted]]
    for account_id in dict.fromkeys(ids):
        yield await _account(couch, account_id, app_names)


async def _account(couch: Couch, account_id: str, app_names: dict[str, str]) -> CheckedAccount:
    database = account_db(account_id)
    account = await stored(couch, database, account_id) or {}
    apps_store = await stored(couch, database, DOCUMENT_ID)
    return CheckedAccount(
        account_id,
        string_at(account, "name") or "(no name)",
        apps_store,
        await stored(couch, SERVICES, account_id),
        await _service_plans(couch, database),
        app_names,
        await _user_ids(couch, database),
        await _conflicts(couch, database, DOCUMENT_ID) if apps_store is not None else (),
    )


async def _service_plans(couch: Couch, database: str) -> tuple[JsonObject, ...]:
    try:
        rows = await couch.view(database, "services/plans", include_docs=True)
    except (ViewMissing, DatabaseMissing):
        return ()
    return tuple(row.doc for row in rows if row.doc is not None)


async def _user_ids(couch: Couch, database: str) -> tuple[str, ...]:
    try:
        rows = await couch.view(database, "users/crossbar_listing")
    except (ViewMissing, DatabaseMissing):
        return ()
    return tuple(row.id for row in rows if row.id is not None)


async def _conflicts(couch: Couch, database: str, doc_id: str) -> tuple[str, ...]:
    try:
        document = await couch.open_doc(database, doc_id, conflicts=True)
    except DocumentMissing:
        return ()
    lost = document.get("_conflicts")
    return tuple(lost) if isinstance(lost, list) else ()
