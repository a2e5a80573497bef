"""``whitelabel/{domain}/apps_store/{id}`` of KAZOO 5: an app as the account sees it whose domain the path names.

A reseller's customers see so how their reseller has branded the app.
"""

from crossbar_appstore.appstore.listing import app_body_for_others
from crossbar_appstore.auth.hierarchy import is_in_account_hierarchy, may_address
from crossbar_appstore.auth.identity import Identity
from crossbar_appstore.crossbar.context import Context
from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.resources import prefixes
from crossbar_appstore.resources.account_apps import AccountApps, Serialized
from crossbar_appstore.resources.domains import branding_account


async def viewed_account(store: Datastore, context: Context) -> str | None:
    """The account whose apps the path is about: the domain's if there is one, else the one that it names.

    Raises:
        DatastoreError: the domain cannot be looked up.
    """
    domain = prefixes.domain(context)
    found = None if domain is None else await branding_account(store, domain)
    return found or context.account_id


async def may_look(store: Datastore, context: Context) -> bool:
    """Whether the caller is a customer of the domain's account, or may address it."""
    identity = context.identity
    account_id = await viewed_account(store, context)
    if account_id is None or not isinstance(identity, Identity):
        return False
    own = await _account(store, identity.account_id)
    return is_in_account_hierarchy(account_id, own) or await _may_address(store, identity, account_id)


async def body(
    store: Datastore, identity: Identity, found: AccountApps, account_id: str, app_id: str
) -> Serialized | None:
    """The data of an app of another account than the path names; None if there is none that could be shown.

    Whoever may not address that account does not learn who uses the app there.
    """
    if await _may_address(store, identity, account_id):
        return found.body(app_id)
    app = found.find(app_id)
    shown = None if app is None else app_body_for_others(app)
    return None if shown is None else Serialized.of(shown)


async def _may_address(store: Datastore, identity: Identity, account_id: str) -> bool:
    return may_address(identity, account_id, await _account(store, account_id))


async def _account(store: Datastore, account_id: str) -> JsonObject | None:
    return (await store.open(account_db(account_id), account_id)).document
