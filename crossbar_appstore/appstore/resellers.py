"""Resellers, and the default services document of an account that has none."""

from collections.abc import Mapping

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import account_fields, live
from crossbar_appstore.kazoo.ids import is_account_id
from crossbar_appstore.kazoo.values import is_true, list_at, nonempty_text_at


def is_reseller(services: JsonObject | None) -> bool:
    """Whether the account of this services document is a reseller (``kz_services_reseller:is_reseller/1``)."""
    found = live(services)
    return found is not None and is_true(found.get("pvt_reseller"))


def reseller_id(services: JsonObject | None) -> str | None:
    """Returns the reseller in a services document, ``None`` if there is none (``kz_services_reseller:get_id/1``)."""
    return nonempty_text_at(live(services), "pvt_reseller_id")


def ancestors(account: JsonObject | None) -> tuple[str, ...]:
    """Returns the ids of an account's ancestors, the nearest first (``pvt_tree`` has the root first)."""
    return tuple(found for found in reversed(list_at(account, "pvt_tree")) if is_account_id(found))


def invented_services(
    account: JsonObject, ancestor_services: Mapping[str, JsonObject | None], master_account_id: str
) -> JsonObject:
    """Returns the services document for an account that has none (``kz_services:fetch/2`` after ``not_found``).

    Args:
        account: the account document.
        ancestor_services: services documents by account id, for the ids from ``ancestors``; any may be missing.
        master_account_id: the reseller if no ancestor is one (``kz_services_reseller:find_id/1``).
    """
    lineage = ancestors(account)
    nearest = (found for found in lineage if is_reseller(ancestor_services.get(found)))
    services: JsonObject = {
        "pvt_type": "service",
        "pvt_reseller_id": next(nearest, master_account_id),
        "pvt_tree": list(reversed(lineage)),
    }
    account_id = nonempty_text_at(account, "_id")
    return {**services, "_id": account_id, **account_fields(account_id)} if is_account_id(account_id) else services
