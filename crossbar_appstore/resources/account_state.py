"""Reads the input of the rules of ``appstore``: in one round what every account needs, then what that names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.allowed_apps import AccountState, VendorKey, needed_vendor_apps
from crossbar_appstore.appstore.apps_store_document import DOCUMENT_ID
from crossbar_appstore.appstore.resellers import ancestors, invented_services, is_reseller
from crossbar_appstore.appstore.service_plans import (
    PlanKey,
    PlanReference,
    applications,
    fallback_account,
    merge_weights,
    plan_references,
)
from crossbar_appstore.auth.documents import SERVICES, WHITELABEL
from crossbar_appstore.datastore.documents import Reading
from crossbar_appstore.datastore.snapshot import Snapshot
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id

_OBJECT_PLANS: Final = "services/object_plans"
_PLANS_CONFIG: Final = ("system_config", "services")


@dataclass(frozen=True, slots=True)
class AccountPlans:
    """The service plans of an account, the documents that name and define them, and the apps that they name."""

    account_id: str
    services: JsonObject | None
    references: tuple[PlanReference, ...] = ()
    documents: Mapping[PlanKey, JsonObject | None] = field(default_factory=dict)
    apps: JsonObject = field(default_factory=dict)


async def account_state(reading: Reading, account_id: str) -> tuple[Snapshot, AccountState, AccountPlans]:
    """Read the catalogue, everything else that the rules need to know of an account, and the plans that apply.

    The plans are those of its reseller where it has none of its own. Errors are those of the reading.
    """
    snapshot = await reading.catalogue()
    master = snapshot.master_account_id
    database = account_db(account_id)
    plans = own = await _account_plans(
        reading,
        account_id,
        master,
        documents=[(database, DOCUMENT_ID), (database, WHITELABEL)],
        prefixes=[(database, app_overrides.OVERRIDE_PREFIX)],
    )
    fallback = fallback_account(own.apps, own.services)
    if fallback is not None and fallback != account_id:
        plans = await _account_plans(reading, fallback, master)
    state = AccountState(
        account_id=account_id,
        master_account_id=master,
        plan_apps=plans.apps,
        vendor_apps=await _vendor_apps(reading, needed_vendor_apps(plans.apps, master)),
        apps_store=await reading.document(database, DOCUMENT_ID),
        account=await reading.document(database, account_id),
        whitelabel=await reading.document(database, WHITELABEL),
        # The reseller decides on plans, but whether the account is a reseller follows from its own services.
        is_reseller=is_reseller(own.services),
        overrides=app_overrides.by_app(await reading.by_prefix(database, app_overrides.OVERRIDE_PREFIX)),
    )
    return snapshot, state, plans


async def _account_plans(
    reading: Reading,
    account_id: str,
    master: str,
    documents: Iterable[tuple[str, str]] = (),
    prefixes: Iterable[tuple[str, str]] = (),
) -> AccountPlans:
    """The plans of one account; ``documents`` and ``prefixes`` are read in the same requests for later."""
    database = account_db(account_id)
    # KAZOO registers the view for every account or for none, so the master account's tells whether to ask.
    registered = await reading.rows(account_db(master), _OBJECT_PLANS) is not None
    await reading.prefetch(
        documents=[*documents, (SERVICES, account_id), (database, account_id)],
        views=[(database, _OBJECT_PLANS)] if registered else (),
        prefixes=prefixes,
    )
    services = await _services(reading, account_id, master)
    rows = await reading.rows(database, _OBJECT_PLANS) if registered else None
    references = plan_references(services, [(row.id, row.value) for row in rows or () if row.id is not None])
    if not references:
        return AccountPlans(account_id, services)
    keys: list[PlanKey] = list(dict.fromkeys(reference.key for reference in references))
    config, *found = await reading.documents([_PLANS_CONFIG, *_in_accounts(keys)])
    plans = dict(zip(keys, found, strict=True))
    return AccountPlans(account_id, services, references, plans, applications(references, plans, merge_weights(config)))


async def _services(reading: Reading, account_id: str, master: str) -> JsonObject | None:
    """The services document, or the one that KAZOO derives from those of the accounts above."""
    services = await reading.document(SERVICES, account_id)
    account = await reading.document(account_db(account_id), account_id)
    if live(services) is not None or account is None:
        return services
    lineage = ancestors(account)
    documents = await reading.documents([(SERVICES, ancestor) for ancestor in lineage])
    return invented_services(account, dict(zip(lineage, documents, strict=True)), master)


async def _vendor_apps(reading: Reading, keys: Sequence[VendorKey]) -> Mapping[VendorKey, JsonObject | None]:
    usable = [key for key in dict.fromkeys(keys) if is_account_id(key[0])]
    return dict(zip(usable, await reading.documents(_in_accounts(usable)), strict=True))


def _in_accounts(keys: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(account_db(account_id), doc_id) for account_id, doc_id in keys]
