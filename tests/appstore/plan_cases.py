"""Service plans of a corpus case, computed as a caller does: references, documents, applications."""

from itertools import permutations
from typing import Any

from crossbar_appstore.appstore.resellers import invented_services, is_reseller, reseller_id
from crossbar_appstore.appstore.service_plans import (
    STRATEGIES,
    EffectivePlan,
    PlanReference,
    applications,
    fallback_account,
    merge_weights,
    plan_references,
)
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.documents import live

Input = dict[str, Any]
Plans = dict[tuple[str, str], JsonObject | None]


def outcome(given: Input, account_key: str = "account_doc") -> dict[str, Any]:
    """Returns the recorded values of a case: applications, effective, is_reseller, reseller_id."""
    services = services_of(given, given["services_doc"], given[account_key])
    own = apps_of(given, services)
    fallback = fallback_account(own, services)
    return {
        "applications": own,
        "effective": own if fallback is None else apps_of(given, _fallback_services(given, fallback)),
        "is_reseller": is_reseller(given["services_doc"]),
        "reseller_id": reseller_id(services),
    }


def effective_references(given: Input, account_key: str = "account_doc") -> tuple[tuple[PlanReference, ...], Plans]:
    """Returns the plans that apply, the account's or its reseller's."""
    services = services_of(given, given["services_doc"], given[account_key])
    fallback = fallback_account(apps_of(given, services), services)
    return references_of(given, services if fallback is None else _fallback_services(given, fallback))


def possible_apps(given: Input, references: tuple[PlanReference, ...], plans: Plans) -> list[JsonObject]:
    """Returns every valid result where KAZOO's depends on the order of a hash."""
    groups: dict[tuple[str, ...], list[PlanReference]] = {}
    for reference in references:
        document = live(plans.get(reference.key))
        if document is not None:
            groups.setdefault(EffectivePlan.of(reference, document).bookkeeper, []).append(reference)
    stated = merge_weights(given["system_config_services"])
    found = []
    for order in permutations(groups.values()):
        for ranking in permutations(STRATEGIES):
            weights = {name: 10 * stated.get(name, 0) + rank for rank, name in enumerate(ranking)}
            found.append(applications([one for group in order for one in group], plans, weights))
    return found


def services_of(given: Input, services: JsonObject | None, account: JsonObject | None) -> JsonObject | None:
    stored = live(services)
    if stored is not None or account is None:
        return stored
    return invented_services(account, given["other_services_docs"], given["master_account_id"])


def references_of(given: Input, services: JsonObject | None) -> tuple[tuple[PlanReference, ...], Plans]:
    rows = [(row.get("id", ""), row.get("value")) for row in given["object_plans_rows"] or []]
    references = plan_references(services, rows)
    documents = given["plan_docs"]
    return references, {one.key: documents.get(one.vendor_id, {}).get(one.plan_id) for one in references}


def apps_of(given: Input, services: JsonObject | None) -> JsonObject:
    references, plans = references_of(given, services)
    return applications(references, plans, merge_weights(given["system_config_services"]))


def _fallback_services(given: Input, account_id: str) -> JsonObject | None:
    services = given["other_services_docs"].get(account_id)
    return services_of(given, services, given["other_account_docs"].get(account_id))
