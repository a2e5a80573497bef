"""The apps that service plans name: ``kz_services_applications:fetch/1`` over documents that the caller has fetched.

Three steps, because the plans are found only through the services document::

    references = plan_references(services, object_plans)           # which plan documents are needed
    plans = {ref.key: <document or None> for ref in references}    # the caller fetches them, all at once
    apps = applications(references, plans, merge_weights(config))  # {app id: {"enabled": …, "vendor_id": …}}

and, if ``fallback_account`` names one, the same again for the reseller. Where KAZOO crashes on a malformed part, that
part counts as missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.plan_merging import PreparedPlan, merged_applications
from crossbar_appstore.appstore.resellers import is_reseller, reseller_id
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live, revision
from crossbar_appstore.kazoo.ids import format_account_id
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import (
    MISSING,
    as_integer,
    get,
    is_empty,
    nonempty_text_at,
    object_at,
    text_at,
)

DEFAULT_WEIGHTS: Final[Mapping[str, int]] = {"simple": 10, "recursive": 25, "cumulative": 50}
"""Strategies of lower weight are merged first, so that the higher win (``merge_strategy_priority``)."""

PlanKey = tuple[str, str]
"""Raw vendor account id and plan id."""


@dataclass(frozen=True, slots=True)
class PlanReference:
    """A plan that an account has: where its document is, and what the account lays over it."""

    vendor_id: str
    plan_id: str
    overrides: JsonObject
    default_bookkeeper: JsonObject
    source: str
    """The document that names the plan: ``services``, or the id of a document in the account's database."""

    @property
    def key(self) -> PlanKey:
        """Where the plan document is: the vendor's account id and the document's id."""
        return self.vendor_id, self.plan_id


@dataclass(frozen=True, slots=True)
class PlanMention:
    """What one plan, with its overrides, says about an app."""

    vendor_id: str
    plan_id: str
    revision: str | None
    source: str
    entry: Json


def plan_references(
    services: JsonObject | None, object_plans: Iterable[tuple[str, Json]] = ()
) -> tuple[PlanReference, ...]:
    """The plans of an account, in KAZOO's order (``kz_services_plans:fetch/1``).

    Args:
        services: the account's services document, stored or invented.
        object_plans: document id and value of each row of the view ``services/object_plans``; the value is an object
            of plan id → ``{"vendor_id", "overrides"}``. Nothing where the view is missing.
    """
    found = live(services) or {}
    default_vendor = nonempty_text_at(found, "bookkeeper", "vendor_id") or reseller_id(found)
    bookkeeper = _default_bookkeeper(found, default_vendor)
    references = []
    for source, plan_id, entry, overrides in (*_assigned(found), *_attached(object_plans)):
        vendor_id = _account_id(nonempty_text_at(entry, "vendor_id") or default_vendor)
        if vendor_id is not None:
            references.append(PlanReference(vendor_id, plan_id, overrides, bookkeeper, source))
    return tuple(references)


def merge_weights(config: JsonObject | None) -> Mapping[str, int]:
    """The weights of the merge strategies by the document ``services`` of ``system_config``.

    A configured object replaces the defaults whole: what it does not name weighs 0.
    """
    configured = get(live(config), "default", "merge_strategy_priority")
    if not isinstance(configured, dict):
        return DEFAULT_WEIGHTS
    return {strategy: as_integer(weight) or 0 for strategy, weight in configured.items()}


def applications(
    references: Sequence[PlanReference],
    plans: Mapping[PlanKey, JsonObject | None],
    weights: Mapping[str, int] = DEFAULT_WEIGHTS,
) -> JsonObject:
    """App id → plan entry of everything that the plans say, ``{}`` if they say nothing.

    Plans of one bookkeeper are merged; between bookkeepers, entries replace each other whole. KAZOO takes the
    bookkeepers in the order of a hash, we in the order in which the plans name them.

    Args:
        references: from ``plan_references``.
        plans: the plan documents by ``PlanReference.key``; missing ones are skipped.
        weights: from ``merge_weights``.
    """
    groups: dict[tuple[str, ...], list[PreparedPlan]] = {}
    for reference in references:
        document = live(plans.get(reference.key))
        if document is not None:
            prepared = _prepared(reference, document)
            groups.setdefault(_bookkeeper_key(prepared, reference), []).append(prepared)
    apps: JsonObject = {}
    for group in groups.values():
        apps |= merged_applications(group, weights)
    return apps


def fallback_account(apps: JsonObject, services: JsonObject | None) -> str | None:
    """The account whose plans count instead, ``None`` if the account's own do (``cb_apps_util:get_services_apps/1``).

    A reseller, and an account whose plans name any app, have their own; others have their reseller's, one level up.

    Args:
        apps: from ``applications`` for the account itself.
        services: the account's services document, stored or invented.
    """
    if apps or is_reseller(services):
        return None
    return _account_id(reseller_id(services))


def mentions(
    app_id: str, references: Sequence[PlanReference], plans: Mapping[PlanKey, JsonObject | None]
) -> tuple[PlanMention, ...]:
    """What each plan says about an app, for people who ask why; in the order of the references."""
    found = []
    for reference in references:
        document = live(plans.get(reference.key))
        entry = MISSING if document is None else get(_prepared(reference, document).applications, app_id)
        if document is not None and entry is not MISSING:
            found.append(PlanMention(*reference.key, revision(document), reference.source, entry))
    return tuple(found)


def _assigned(services: JsonObject) -> Iterable[tuple[str, str, Json, JsonObject]]:
    """Source, plan id, entry and overrides of the plans that the services document names."""
    shared = object_at(services, "overrides")
    for plan_id, entry in object_at(services, "plans").items():
        if isinstance(entry, dict | list):
            yield "services", plan_id, entry, merge_recursive(shared, object_at(entry, "overrides"))


def _attached(object_plans: Iterable[tuple[str, Json]]) -> Iterable[tuple[str, str, Json, JsonObject]]:
    """Source, plan id, entry and overrides of the plans that other documents name, without the shared overrides."""
    for doc_id, named in object_plans:
        for plan_id, entry in object_at(named).items():
            if isinstance(entry, dict | list):
                yield doc_id, plan_id, entry, object_at(entry, "overrides")


def _default_bookkeeper(services: JsonObject, vendor_id: str | None) -> JsonObject:
    named = object_at(services, "bookkeeper")
    bookkeeper = {key: named[key] for key in ("id", "type") if named.get(key) is not None}
    return bookkeeper if vendor_id is None else {**bookkeeper, "vendor_id": vendor_id}


def _prepared(reference: PlanReference, document: JsonObject) -> PreparedPlan:
    """The plan with the account's overrides over it and the account's bookkeeper under it."""
    plan: JsonObject = {key: document[key] for key in ("applications", "bookkeeper", "merge") if key in document}
    bookkeeper = plan.get("bookkeeper")
    if isinstance(bookkeeper, dict) and bookkeeper and is_empty(get(bookkeeper, "vendor_id")):
        plan["bookkeeper"] = {**bookkeeper, "vendor_id": reference.vendor_id}
    overridden = merge_recursive(plan, reference.overrides)
    return PreparedPlan.of(merge_recursive({"bookkeeper": reference.default_bookkeeper}, overridden))


def _bookkeeper_key(plan: PreparedPlan, reference: PlanReference) -> tuple[str, ...]:
    """Equal for plans that are merged with each other (``kz_services_plan:bookkeeper_hash/1``)."""
    named = plan.bookkeeper
    return (
        text_at(named, "id") or "",
        text_at(named, "type") or "",
        nonempty_text_at(named, "vendor_id") or reference.vendor_id,
    )


def _account_id(value: str | None) -> str | None:
    try:
        return format_account_id(value)
    except ValueError:
        return None
