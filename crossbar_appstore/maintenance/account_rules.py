"""Everything that decides about the apps of one account, read anew: what the service's rules are asked about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore import app_overrides
from crossbar_appstore.appstore.allowed_apps import AccountState, needed_vendor_apps
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
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DatabaseMissing, ViewMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.accounts import ACCOUNTS_CONFIG
from crossbar_appstore.kazoo.documents import alphanumeric_name, live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.maintenance.reading import stored
from crossbar_appstore.maintenance.system import ACCOUNTS, SERVICES

_OBJECT_PLANS: Final = "services/object_plans"


class UnknownAccount(LookupError):
    """No account has that id, name or realm."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"there is no account {wanted!r}")


class UnknownUser(LookupError):
    """No user of the account has that id or name."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"the account has no user {wanted!r}")


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans of one account, with their documents."""

    account_id: str
    services: JsonObject | None
    references: tuple[PlanReference, ...]
    documents: Mapping[PlanKey, JsonObject | None]
    apps: JsonObject


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the rules are asked about.

    ``plans`` are those that count: the account's own, or its reseller's. ``master_config`` names the master account.
    """

    state: AccountState
    plans: Plans
    master_config: JsonObject | None


async def find_account(couch: Couch, wanted: str) -> JsonObject:
    """An account by its id, name or realm.

    Raises:
        UnknownAccount: there is none.
    """
    if is_account_id(wanted):
        document = await stored(couch, account_db(wanted), wanted)
        if document is not None:
            return document
    keys = (("listing_by_name", alphanumeric_name(wanted)), ("listing_by_realm", wanted.lower()))
    for view, key in keys:
        rows = await couch.view(ACCOUNTS, f"accounts/{view}", key=key, include_docs=True, limit=1)
        if key and rows and rows[0].doc is not None:
            return rows[0].doc
    raise UnknownAccount(wanted)


async def find_user(couch: Couch, account_id: str, wanted: str) -> JsonObject:
    """A user of an account by its id or its user name.

    Raises:
        UnknownUser: there is none.
    """
    database = account_db(account_id)
    document = live(await stored(couch, database, wanted))
    if document is not None and document.get("pvt_type") == "user":
        return document
    named = await couch.find(database, {"pvt_type": "user", "username": wanted.lower()})
    found = next((user for user in named if live(user) is not None), None)
    if found is None:
        raise UnknownUser(wanted)
    return found


async def account_rules(couch: Couch, account_id: str, master_account_id: str) -> AccountRules:
    """Read what decides about the apps of an account.

    Raises:
        DatastoreError: CouchDB is away.
    """
    database = account_db(account_id)
    account = await stored(couch, database, account_id)
    plans = await _plans(couch, account_id, account, master_account_id)
    own_services = plans.services
    fallback = fallback_account(plans.apps, own_services)
    if fallback is not None and fallback != account_id:
        reseller = await stored(couch, account_db(fallback), fallback)
        plans = await _plans(couch, fallback, reseller, master_account_id)
    vendors = {
        (vendor_id, app_id): await stored(couch, account_db(vendor_id), app_id)
        for vendor_id, app_id in needed_vendor_apps(plans.apps, master_account_id)
    }
    state = AccountState(
        account_id=account_id,
        master_account_id=master_account_id,
        plan_apps=plans.apps,
        vendor_apps=vendors,
        apps_store=await stored(couch, database, DOCUMENT_ID),
        account=account,
        whitelabel=await stored(couch, database, "whitelabel"),
        is_reseller=is_reseller(own_services),
        overrides=await _overrides(couch, database),
    )
    return AccountRules(state, plans, await stored(couch, "system_config", ACCOUNTS_CONFIG))


async def _overrides(couch: Couch, database: str) -> Mapping[str, JsonObject]:
    try:
        rows = await couch.family(database, app_overrides.OVERRIDE_PREFIX)
    except DatabaseMissing:
        return {}
    return app_overrides.by_app(rows)


async def _plans(couch: Couch, account_id: str, account: JsonObject | None, master_account_id: str) -> Plans:
    services = await stored(couch, SERVICES, account_id)
    if live(services) is None and account is not None:
        lineage = {ancestor: await stored(couch, SERVICES, ancestor) for ancestor in ancestors(account)}
        services = invented_services(account, lineage, master_account_id)
    references = plan_references(services, await _object_plans(couch, account_id))
    documents = {
        reference.key: await stored(couch, account_db(reference.vendor_id), reference.plan_id)
        for reference in references
    }
    weights = merge_weights(await stored(couch, "system_config", "services"))
    return Plans(account_id, services, references, documents, applications(references, documents, weights))


async def _object_plans(couch: Couch, account_id: str) -> Sequence[tuple[str, Json]]:
    try:
        rows = await couch.view(account_db(account_id), _OBJECT_PLANS)
    except (ViewMissing, DatabaseMissing):
        return ()
    return [(row.id, row.value) for row in rows if row.id is not None]
