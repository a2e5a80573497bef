"""Whose look the web client has at a host name: the accounts by the domain of their whitelabel documents."""

from typing import Final

from crossbar_appstore.datastore.store import Datastore
from crossbar_appstore.kazoo.documents import live
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import get

WHITELABEL: Final = "whitelabel"

_BY_DOMAIN: Final = "accounts/list_by_whitelabel_domain"


async def account_of_domain(store: Datastore, domain: str) -> str | None:
    """The account with that domain; None if there is none, or more than one (`cb_whitelabel:find_whitelabel/2`)."""
    rows = (await store.rows("accounts", _BY_DOMAIN, key=domain.lower())).rows or ()
    if len(rows) != 1:
        return None
    account_id = get(rows[0].value, "account_id")
    return account_id if is_account_id(account_id) else None


async def branding_account(store: Datastore, domain: str) -> str | None:
    """The same, if the account still has its whitelabel document."""
    account_id = await account_of_domain(store, domain)
    if account_id is None:
        return None
    document = live((await store.open(account_db(account_id), WHITELABEL)).document)
    return account_id if get(document, "pvt_type") == WHITELABEL else None
