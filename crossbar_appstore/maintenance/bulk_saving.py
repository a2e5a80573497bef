"""Saving planned apps in bulk: each document whole, with its pictures, and no more bytes at once than a limit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crossbar_appstore.datastore.replies import SaveResult
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.app_files import FileMissing, FileRefused
from crossbar_appstore.maintenance.app_plan import AppPlan
from crossbar_appstore.maintenance.app_source import AppSource
from crossbar_appstore.maintenance.attached_pictures import with_pictures
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.reports import AppOutcome

BULK_BYTES: Final = 6_000_000
"""How many bytes of pictures one save holds at most, unless a single app has more."""
BULK_APPS: Final = 100
_ATTEMPTS: Final = 5

Replan = Callable[[AppSource], Awaitable[AppPlan]]


@dataclass(frozen=True, slots=True)
class _Item:
    """A plan to be saved, and its place among all plans."""

    place: int
    plan: AppPlan


async def save_plans(catalogue: MasterCatalogue, plans: Sequence[AppPlan], replan: Replan) -> list[AppOutcome]:
    """Save what is to be saved.

    Args:
        catalogue: where to.
        plans: those without a document have nothing to save.
        replan: what to do with a folder now, asked after another writer was faster.

    Returns:
        An outcome for each plan, in their order.
    """
    outcomes = [AppOutcome.of(plan) for plan in plans]
    waiting = [_Item(place, plan) for place, plan in enumerate(plans) if plan.document is not None]
    for attempt in range(_ATTEMPTS):
        again: list[_Item] = []
        for batch in _batches(waiting):
            for item, outcome in await _save(catalogue, batch):
                if outcome is None:
                    again.append(item)
                else:
                    outcomes[item.place] = outcome
        if not again:
            return outcomes
        waiting = []
        for item in again:
            plan = await replan(item.plan.source)
            message = "others keep changing the app, or its id belongs to a document that is no app"
            conflict = AppOutcome.failed(plan, "conflict", message)
            outcomes[item.place] = conflict if plan.document is not None else AppOutcome.of(plan)
            if plan.document is not None and attempt < _ATTEMPTS - 1:
                waiting.append(_Item(item.place, plan))
    return outcomes


def _batches(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    size = 0
    for item in items:
        length = sum(picture.length for picture in item.plan.inline)
        if batch and (size + length > BULK_BYTES or len(batch) == BULK_APPS):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


async def _save(catalogue: MasterCatalogue, batch: Sequence[_Item]) -> list[tuple[_Item, AppOutcome | None]]:
    """The outcome of each, ``None`` for a conflict."""
    ready, done = await asyncio.to_thread(_documents, batch)
    results = await catalogue.couch.save_docs(catalogue.database, [document for _, document in ready])
    saved = zip(ready, results, strict=True)
    return [*done, *((item, _outcome(item.plan, result)) for (item, _), result in saved)]


def _documents(
    batch: Sequence[_Item],
) -> tuple[list[tuple[_Item, JsonObject]], list[tuple[_Item, AppOutcome | None]]]:
    """The documents with their pictures in them; and the outcome of those whose pictures cannot be read any more."""
    ready: list[tuple[_Item, JsonObject]] = []
    failed: list[tuple[_Item, AppOutcome | None]] = []
    for item in batch:
        try:
            ready.append((item, with_pictures(item.plan.document or {}, item.plan.inline)))
        except FileMissing as missing:
            failed.append((item, AppOutcome.failed(item.plan, "exists", f"{missing} vanished while it was loaded")))
        except FileRefused as refused:
            failed.append((item, AppOutcome.failed(item.plan, refused.rule, f"a picture {refused.message}")))
    return ready, failed


def _outcome(plan: AppPlan, result: SaveResult) -> AppOutcome | None:
    if result.error == "conflict":
        return None
    if result.error is not None:
        return AppOutcome.failed(plan, result.error, f"CouchDB would not save it: {result.reason or result.error}")
    return AppOutcome.of(plan, revision=result.rev)
