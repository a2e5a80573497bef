"""Reads what the rules of ``appstore`` ask for: together what is known to be needed, the rest as it turns out."""

from collections.abc import Mapping, Sequence
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.allowed_apps import AccountState, VendorKey, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.appstore.resellers import ancestors, invented_services, is_reseller
from crossbar_appstore.appstore.service_plans import (
    PlanKey,
    applications,
    fallback_account,
    merge_weights,
    plan_references,
)
from crossbar_appstore.auth.documents import SERVICES, WHITELABEL
from crossbar_appstore.datastore.documents import Reading
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id

_OBJECT_PLANS: Final = "services/object_plans"
_PLANS_CONFIG: Final = ("system_config", "services")


async def account_state(reading: Reading, account_id: str) -> tuple[Snapshot, AccountState]:
    """The catalogue, and everything that the rules need to know of an account; errors as those of the reading."""
    snapshot = await reading.catalogue()
    master = snapshot.master_account_id
    database = account_db(account_id)
    plan_views = await _plan_views(reading, account_id, master)
    await reading.prefetch(
        documents=[(database, DOCUMENT_ID), (database, WHITELABEL), *_of_services(account_id)],
        views=plan_views,
        prefixes=[(database, app_overrides.OVERRIDE_PREFIX)],
    )
    services = await _services(reading, account_id, master)
    plan_apps = await _plan_apps(reading, services, plan_views)
    fallback = fallback_account(plan_apps, services)
    if fallback is not None and fallback != account_id:
        plan_apps = await _reseller_apps(reading, fallback, master)
    state = AccountState(
        account_id=account_id,
        master_account_id=master,
        plan_apps=plan_apps,
        vendor_apps=await _vendor_apps(reading, needed_vendor_apps(plan_apps, master)),
        apps_store=await reading.document(database, DOCUMENT_ID),
        account=await reading.document(database, account_id),
        whitelabel=await reading.document(database, WHITELABEL),
        is_reseller=is_reseller(services),
        overrides=app_overrides.by_app(await reading.by_prefix(database, app_overrides.OVERRIDE_PREFIX)),
    )
    return snapshot, state


async def _reseller_apps(reading: Reading, reseller_id: str, master: str) -> JsonObject:
    plan_views = await _plan_views(reading, reseller_id, master)
    await reading.prefetch(documents=_of_services(reseller_id), views=plan_views)
    return await _plan_apps(reading, await _services(reading, reseller_id, master), plan_views)


def _of_services(account_id: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Where the two documents are that ``_services`` begins with."""
    return (SERVICES, account_id), (account_db(account_id), account_id)


async def _services(reading: Reading, account_id: str, master: str) -> JsonObject | None:
    """The services document, or the one that KAZOO makes up where there is none."""
    services, account = [await reading.document(*key) for key in _of_services(account_id)]
    if live(services) is not None or account is None:
        return services
    lineage = ancestors(account)
    documents = await reading.documents([(SERVICES, ancestor) for ancestor in lineage])
    return invented_services(account, dict(zip(lineage, documents, strict=True)), master)


async def _plan_views(reading: Reading, account_id: str, master: str) -> list[tuple[str, str]]:
    """Where the account's ``object_plans`` are, if anywhere."""
    # KAZOO registers the view for every account or for none, so the master account's tells whether to ask.
    known = await reading.rows(account_db(master), _OBJECT_PLANS)
    return [] if known is None else [(account_db(account_id), _OBJECT_PLANS)]


async def _plan_apps(
    reading: Reading, services: JsonObject | None, plan_views: Sequence[tuple[str, str]]
) -> JsonObject:
    attached: list[tuple[str, Json]] = []
    for view in plan_views:
        attached += [(row.id, row.value) for row in await reading.rows(*view) or () if row.id is not None]
    references = plan_references(services, attached)
    if not references:
        return {}
    keys: list[PlanKey] = list(dict.fromkeys(reference.key for reference in references))
    config, *plans = await reading.documents([_PLANS_CONFIG, *_in_accounts(keys)])
    return applications(references, dict(zip(keys, plans, strict=True)), merge_weights(config))


async def _vendor_apps(reading: Reading, keys: Sequence[VendorKey]) -> Mapping[VendorKey, JsonObject | None]:
    usable = [key for key in dict.fromkeys(keys) if is_account_id(key[0])]
    return dict(zip(usable, await reading.documents(_in_accounts(usable)), strict=True))


def _in_accounts(keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(account_db(account_id), doc_id) for account_id, doc_id in keys]
