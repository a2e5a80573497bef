"""Several service plans of one bookkeeper in one: ``kz_services_plans:merge/1``, as far as apps depend on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.merging import merge_recursive
from crossbar_appstore.kazoo.values import as_integer, get, nonempty_text_at, object_at

STRATEGIES: Final = ("simple", "recursive", "cumulative")


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan with overrides and defaults applied."""

    applications: Json
    bookkeeper: JsonObject
    strategy: str
    priority: int | None

    @classmethod
    def of(cls, plan: JsonObject) -> "PreparedPlan":
        """From the members ``applications``, ``bookkeeper`` and ``merge`` of a plan document."""
        strategy = nonempty_text_at(plan, "merge", "strategy")
        return cls(
            applications=plan.get("applications", {}),
            bookkeeper=object_at(plan, "bookkeeper"),
            strategy=strategy if strategy in STRATEGIES else STRATEGIES[0],
            priority=as_integer(get(plan, "merge", "priority")),
        )


def merged_applications(plans: Sequence[PreparedPlan], weights: Mapping[str, int]) -> JsonObject:
    """App id → entry of all the plans.

    Strategies are merged by weight, the plans of one strategy by priority, the later over the earlier. A plan without
    a priority beats every number, and of equal plans the first named wins. The strategies themselves differ only in
    what they do to ``plan``, which holds no apps.
    """
    by_strategy: dict[str, list[PreparedPlan]] = {}
    for plan in plans:
        by_strategy.setdefault(plan.strategy, []).append(plan)
    merged: JsonObject = {}
    for strategy in sorted(by_strategy, key=lambda name: weights.get(name, 0)):
        merged = merge_recursive(merged, _merged(by_strategy[strategy]))
    return object_at(merged, "applications")


def _merged(plans: Sequence[PreparedPlan]) -> JsonObject:
    merged: JsonObject = {}
    # Erlang's sort with a strict comparison turns equal elements around.
    turned = list(reversed(plans))
    for plan in sorted(turned, key=_rank):
        merged = merge_recursive(merged, {"applications": plan.applications})
    return merged


def _rank(plan: PreparedPlan) -> tuple[bool, int]:
    # An absent priority is an atom, and atoms sort after numbers.
    return plan.priority is None, plan.priority or 0
