"""The apps in an account's service plans: ``kz_services_applications:fetch/1`` over documents fetched by the caller.

There are three steps, because the services document names the plans::

    references = plan_references(services, object_plans)           # the plan documents that are needed
    plans = {ref.key: <document or None> for ref in references}    # the caller fetches them, all at once
    apps = applications(references, plans, merge_weights(config))  # {app id: {"enabled": …, "vendor_id": …}}

If ``fallback_account`` returns an account, its reseller's plans apply and the steps are repeated for that account.
Where KAZOO crashes on a malformed part, the part counts as missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.appstore.resellers import is_reseller, reseller_id
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import live, revision
from crossbar_appstore.kazoo.ids import parse_account_id
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import MISSING, as_integer, get, is_empty, nonempty_text_at, object_at

DEFAULT_WEIGHTS: Final[Mapping[str, int]] = {"simple": 10, "recursive": 25, "cumulative": 50}
"""Weights of the merge strategies; plans of a higher weight win (``merge_strategy_priority``)."""
STRATEGIES: Final = tuple(DEFAULT_WEIGHTS)

PlanKey = tuple[str, str]
"""Raw vendor account id and plan id."""


@dataclass(frozen=True, slots=True)
class PlanReference:
    """A plan of an account: the address of its document, and what the account changes in it."""

    vendor_id: str
    plan_id: str
    overrides: JsonObject
    default_bookkeeper: JsonObject
    source: str
    """The document that names the plan: ``services``, or the id of a document in the account's database."""

    @property
    def key(self) -> PlanKey:
        """The address of the plan document."""
        return self.vendor_id, self.plan_id


@dataclass(frozen=True, slots=True)
class PlanMention:
    """The entry of an app in one plan with its overrides."""

    vendor_id: str
    plan_id: str
    revision: str | None
    source: str
    entry: Json


@dataclass(frozen=True, slots=True)
class EffectivePlan:
    """A plan with the account's overrides and defaults applied."""

    applications: Json
    bookkeeper: tuple[str, str, str]
    """Id, type and vendor; plans of one bookkeeper are merged (``kz_services_plan:bookkeeper_hash/1``)."""
    strategy: str
    priority: int | None

    @classmethod
    def of(cls, reference: PlanReference, document: JsonObject) -> "EffectivePlan":
        """Merges the account's overrides over the plan document, and the account's bookkeeper under it."""
        plan: JsonObject = {key: document[key] for key in ("applications", "bookkeeper", "merge") if key in document}
        bookkeeper = plan.get("bookkeeper")
        if isinstance(bookkeeper, dict) and bookkeeper and is_empty(get(bookkeeper, "vendor_id")):
            plan["bookkeeper"] = {**bookkeeper, "vendor_id": reference.vendor_id}
        overridden = merge_recursive(plan, reference.overrides)
        # The account's bookkeeper fills gaps only, so it lies below the plan, and the overrides above.
        merged = merge_recursive({"bookkeeper": reference.default_bookkeeper}, overridden)
        strategy = nonempty_text_at(merged, "merge", "strategy")
        return cls(
            applications=merged.get("applications", {}),
            bookkeeper=(
                nonempty_text_at(merged, "bookkeeper", "id") or "",
                nonempty_text_at(merged, "bookkeeper", "type") or "",
                nonempty_text_at(merged, "bookkeeper", "vendor_id") or reference.vendor_id,
            ),
            strategy=strategy if strategy in STRATEGIES else STRATEGIES[0],
            priority=as_integer(get(merged, "merge", "priority")),
        )


def plan_references(
    services: JsonObject | None, object_plans: Iterable[tuple[str, Json]] = ()
) -> tuple[PlanReference, ...]:
    """Returns the plans of an account, in KAZOO's order (``kz_services_plans:fetch/1``).

    Args:
        services: the account's services document, stored or from ``invented_services``.
        object_plans: document id and value of each row of the view ``services/object_plans``; the value is an object
            of plan id → ``{"vendor_id", "overrides"}``. Empty where the view is missing.
    """
    found = live(services) or {}
    default_vendor = nonempty_text_at(found, "bookkeeper", "vendor_id") or reseller_id(found)
    named = object_at(found, "bookkeeper")
    bookkeeper = {key: named[key] for key in ("id", "type") if named.get(key) is not None}
    if default_vendor is not None:
        bookkeeper["vendor_id"] = default_vendor
    references = []
    for source, plan_id, entry, overrides in (*_assigned(found), *_attached(object_plans)):
        vendor_id = parse_account_id(nonempty_text_at(entry, "vendor_id") or default_vendor)
        if vendor_id is not None:
            references.append(PlanReference(vendor_id, plan_id, overrides, bookkeeper, source))
    return tuple(references)


def merge_weights(config: JsonObject | None) -> Mapping[str, int]:
    """Returns the weights of the merge strategies from the document ``services`` of ``system_config``.

    A configured object replaces all defaults; a strategy that it does not name has the weight 0.
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
    """Returns app id → plan entry of all the plans.

    Plans of one bookkeeper are merged; between bookkeepers, an entry replaces another as a whole. KAZOO takes the
    bookkeepers in the order of a hash, this function in the order in which the plans name them.

    Args:
        references: from ``plan_references``.
        plans: the plan documents by ``PlanReference.key``; missing ones are skipped.
        weights: from ``merge_weights``.
    """
    groups: dict[tuple[str, ...], list[EffectivePlan]] = {}
    for _, _, plan in _effective(references, plans):
        groups.setdefault(plan.bookkeeper, []).append(plan)
    apps: JsonObject = {}
    for group in groups.values():
        apps |= _merged(group, weights)
    return apps


def fallback_account(apps: JsonObject, services: JsonObject | None) -> str | None:
    """Returns the account whose plans apply instead, if any (``cb_apps_util:get_services_apps/1``).

    The account's own plans apply if it is a reseller or if they name any app; else its reseller's do, one level up.

    Args:
        apps: from ``applications`` for the account itself.
        services: the account's services document, stored or from ``invented_services``.
    """
    if apps or is_reseller(services):
        return None
    return parse_account_id(reseller_id(services))


def mentions(
    app_id: str, references: Sequence[PlanReference], plans: Mapping[PlanKey, JsonObject | None]
) -> tuple[PlanMention, ...]:
    """Returns the entry of an app in each plan that has one, in the order of the references."""
    return tuple(
        PlanMention(*reference.key, revision(document), reference.source, entry)
        for reference, document, plan in _effective(references, plans)
        if (entry := get(plan.applications, app_id)) is not MISSING
    )


def _effective(
    references: Iterable[PlanReference], plans: Mapping[PlanKey, JsonObject | None]
) -> Iterator[tuple[PlanReference, JsonObject, EffectivePlan]]:
    """Yields the references whose plan document exists, with that document and the effective plan."""
    for reference in references:
        document = live(plans.get(reference.key))
        if document is not None:
            yield reference, document, EffectivePlan.of(reference, document)


def _assigned(services: JsonObject) -> Iterable[tuple[str, str, Json, JsonObject]]:
    """Yields source, plan id, entry and overrides of the plans in the services document."""
    shared = object_at(services, "overrides")
    for plan_id, entry in object_at(services, "plans").items():
        if isinstance(entry, dict | list):
            yield "services", plan_id, entry, merge_recursive(shared, object_at(entry, "overrides"))


def _attached(object_plans: Iterable[tuple[str, Json]]) -> Iterable[tuple[str, str, Json, JsonObject]]:
    """Yields the same of the plans in other documents, to which the shared overrides do not apply."""
    for doc_id, named in object_plans:
        for plan_id, entry in object_at(named).items():
            if isinstance(entry, dict | list):
                yield doc_id, plan_id, entry, object_at(entry, "overrides")


def _merged(plans: Sequence[EffectivePlan], weights: Mapping[str, int]) -> JsonObject:
    """Merges the plans of one bookkeeper (``kz_services_plans:merge/1``), as far as apps depend on it.

    Strategies are merged by weight, the plans of one strategy by priority, the later over the earlier. No priority
    is higher than every number, and of equal plans the first named wins. The strategies differ only in the member
    ``plan``, which holds no apps.
    """
    by_strategy: dict[str, list[EffectivePlan]] = {}
    for plan in plans:
        by_strategy.setdefault(plan.strategy, []).append(plan)
    merged: JsonObject = {}
    for strategy in sorted(by_strategy, key=lambda name: weights.get(name, 0)):
        of_strategy: JsonObject = {}
        # Erlang's sort with a strict comparison reverses equal elements. An absent priority is an atom, which Erlang
        # sorts after numbers.
        last_first = by_strategy[strategy][::-1]
        for plan in sorted(last_first, key=lambda each: (each.priority is None, each.priority or 0)):
            of_strategy = merge_recursive(of_strategy, {"applications": plan.applications})
        merged = merge_recursive(merged, of_strategy)
    return object_at(merged, "applications")
