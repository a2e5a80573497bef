"""Loads app folders into the catalogue: ``init_app(s)`` and ``refresh_app(s)`` of ``crossbar_maintenance``.

Folders are read in threads and saved in bulk, within a limit of bytes. Each app is one document with its pictures in
it, so a load that is interrupted leaves only complete apps. Apps that do not change are not written.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from crossbar_appstore.datastore.errors import TOO_LARGE, AttachmentMissing, Fault, ServerFault
from crossbar_appstore.datastore.replies import SaveResult
from crossbar_appstore.json_codec import Json, JsonObject, dumps
from crossbar_appstore.kazoo.values import object_at
from crossbar_appstore.maintenance.app_files import FileMissing, FileRefused, digest_of, with_pictures
from crossbar_appstore.maintenance.app_plan import Action, AppPlan, LoadOptions, plan_app
from crossbar_appstore.maintenance.app_source import AppSource, read_app
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.reports import Remark, Report, Weight
from crossbar_appstore.request_scope import record_change

BULK_BYTES: Final = 6_000_000
"""Limit of the bytes of pictures in one bulk save; a single app may have more."""
_ATTEMPTS: Final = 5
FOLDERS: Final = 64
"""How many folders are read, planned and saved at a time."""
_THREADS: Final = 4
_TOO_LARGE_RULE: Final = "too_large"


@dataclass(frozen=True)
class LoadReport(Report):
    """The result of a load. ``remarks`` are those of the search for folders."""

    apps: tuple[AppPlan, ...]
    remarks: tuple[Remark, ...] = ()
    dry_run: bool = False

    @property
    def has_refusals(self) -> bool:
        """Whether an app or a picture was refused."""
        return any(app.has_refusals for app in self.apps)

    @property
    def counts(self) -> dict[Action, int]:
        """The number of apps per action; actions without apps are left out."""
        found = Counter(app.action for app in self.apps)
        return {action: found[action] for action in Action if found[action]}

    def as_json(self) -> JsonObject:
        """The output of ``--json``."""
        return super().as_json() | {"counts": {str(action): count for action, count in self.counts.items()}}


async def load_apps(
    catalogue: MasterCatalogue,
    folders: Sequence[Path],
    options: LoadOptions,
    *,
    progress: Callable[[AppPlan], None] | None = None,
    remarks: tuple[Remark, ...] = (),
) -> LoadReport:
    """Load app folders, which contain ``metadata/app.json``, in the given order.

    ``progress`` is called with each app as soon as it is saved, or found to need no save; if CouchDB fails, these apps
    are saved, and others may be. ``remarks`` are those of the search for folders, for the report.
    """
    load = _Load(catalogue, options)
    apps: list[AppPlan] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="app-folder") as threads:
        for start in range(0, len(folders), FOLDERS):
            plans = await load.plans(await load.read(threads, folders[start : start + FOLDERS]))
            # Each group is saved before the next is read, which bounds memory and makes progress visible.
            done = plans if options.dry_run else await save_plans(load, plans)
            for app in done:
                apps.append(app)
                if progress is not None:
                    progress(app)
    return LoadReport(tuple(apps), remarks, options.dry_run)


async def save_plans(load: "_Load", plans: Sequence[AppPlan]) -> list[AppPlan]:
    """Save the documents of plans in bulk; what became of each plan, in the same order."""
    done = list(plans)
    # Plans stay at their index, since the report has the order of the folders.
    waiting = [index for index, plan in enumerate(done) if plan.document is not None]
    for _ in range(_ATTEMPTS):
        conflicts: list[int] = []
        for batch in _batches(waiting, done):
            for index, saved in zip(batch, await load.save([done[index] for index in batch]), strict=True):
                if saved is None:
                    conflicts.append(index)
                else:
                    done[index] = saved
        # The folder is applied to the revision of the other writer; that may leave nothing to save.
        for index in conflicts:
            (done[index],) = await load.plans([done[index].source])
        waiting = [index for index in conflicts if done[index].document is not None]
    message = "other writers keep changing the app, or its id belongs to a document that is not an app"
    for index in waiting:
        done[index] = done[index].failed("conflict", message)
    return done


@dataclass(slots=True)
class _Load:
    """A load in progress."""

    catalogue: MasterCatalogue
    options: LoadOptions
    loaded: dict[str, Path] = field(default_factory=dict)
    """The first folder of each app name."""

    async def read(self, threads: ThreadPoolExecutor, folders: Iterable[Path]) -> list[AppSource]:
        read_one = partial(read_app, rules=self.options, lenient=self.options.lenient)
        reads = [asyncio.get_running_loop().run_in_executor(threads, read_one, folder) for folder in folders]
        return [self._refuse_duplicate(source) for source in await asyncio.gather(*reads)]

    def _refuse_duplicate(self, source: AppSource) -> AppSource:
        """Refuse the second folder of a name: both would overwrite each other in every load."""
        if source.refused or source.name is None:
            return source
        first = self.loaded.setdefault(source.name, source.folder)
        if first == source.folder:
            return source
        message = f"another folder of this load has the same name: {first}"
        refusal = Remark(Weight.REFUSED, str(source.file), "name", "unique", message, source.name)
        return replace(source, remarks=(*source.remarks, refusal))

    async def plans(self, sources: Sequence[AppSource]) -> list[AppPlan]:
        """The plans of folders, by the newest revisions in the catalogue."""
        names = [source.name for source in sources if source.name is not None and not source.refused]
        # One query for all names of the group.
        by_name = await self.catalogue.named(names)
        plans = []
        for source in sources:
            named = by_name.get(source.name or "", [])
            stored = [] if source.refused else await self._candidates(source.metadata.get("_id"), named)
            same = await self._same_bytes(source, stored[0]) if len(stored) == 1 else ()
            plans.append(plan_app(source, stored, self.catalogue.account_id, self.options, same=same))
        return plans

    async def _candidates(self, exported_id: Json, named: Sequence[JsonObject]) -> Sequence[JsonObject]:
        """The apps that a folder may stand for: those of its name, and the one with the id of an exported folder."""
        if not isinstance(exported_id, str):
            return named
        # An exported folder means the app of its id, even if other apps have its name.
        same_id = [document for document in named if document["_id"] == exported_id]
        if same_id:
            return same_id
        renamed = await self.catalogue.by_id(exported_id)
        return [*named, renamed] if renamed is not None else named

    async def _same_bytes(self, source: AppSource, stored: JsonObject) -> list[str]:
        """The names of pictures that are stored with the same bytes although their digest differs."""
        same = []
        for picture in source.pictures:
            stub = object_at(stored, "_attachments", picture.name)
            # With the stored length but another digest, CouchDB may have compressed the same bytes.
            if stub.get("length") != picture.length or stub.get("digest") == picture.digest:
                continue
            with suppress(AttachmentMissing):
                attachment = await self.catalogue.couch.open_attachment(
                    self.catalogue.database, stored["_id"], picture.name
                )
                if digest_of(attachment.body) == picture.digest:
                    same.append(picture.name)
        return same

    async def save(self, batch: Sequence[AppPlan]) -> list[AppPlan | None]:
        """Save plans in one bulk request; what became of each, ``None`` after a conflict."""
        # The files are read only now, so that only one batch of pictures is in memory.
        ready = await asyncio.to_thread(lambda: [_with_pictures(plan) for plan in batch])
        documents = [plan.document for plan in ready if plan.document is not None]
        results = iter(await self._save_all(documents))
        return [plan if plan.document is None else self._result(plan, next(results)) for plan in ready]

    def _result(self, plan: AppPlan, result: SaveResult) -> AppPlan | None:
        if result.error is None:
            record_change(self.catalogue.database, result.id, plan.stored, plan.document)
        return _result(plan, result)

    async def _save_all(self, documents: Sequence[JsonObject]) -> list[SaveResult]:
        """Save documents; a request that is refused as a whole is halved until the document is found that is meant."""
        try:
            return await self.catalogue.couch.save_docs(self.catalogue.database, documents)
        except ServerFault:
            raise
        except Fault as error:
            if len(documents) == 1:
                rule = _TOO_LARGE_RULE if error.status == TOO_LARGE else "refused"
                return [SaveResult(documents[0]["_id"], None, rule, error.reason)]
        half = len(documents) // 2
        return [*await self._save_all(documents[:half]), *await self._save_all(documents[half:])]


def _batches(indexes: Iterable[int], plans: Sequence[AppPlan]) -> Iterator[list[int]]:
    """The indexes of plans in groups that one bulk save may hold."""
    batch: list[int] = []
    size = 0
    for index in indexes:
        length = sum(picture.length for picture in plans[index].inline)
        # An app whose pictures exceed the limit forms a batch of its own.
        if batch and size + length > BULK_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += length
    if batch:
        yield batch


def _with_pictures(plan: AppPlan) -> AppPlan:
    """The plan with the bytes of its pictures in the document, or failed if a file changed since it was planned."""
    try:
        return replace(plan, document=with_pictures(plan.document or {}, plan.inline))
    except FileMissing as missing:
        return plan.failed("exists", f"{missing} vanished while it was being loaded")
    except FileRefused as refused:
        return plan.failed(refused.rule, f"a picture {refused.message}")


def _result(plan: AppPlan, result: SaveResult) -> AppPlan | None:
    if result.error == "conflict":
        return None
    if result.error is not None:
        reason = f"CouchDB refused to save it: {result.reason or result.error}"
        size = f"the document has {len(dumps(plan.document)):,} bytes with its new pictures"
        if result.error == _TOO_LARGE_RULE:
            size += ", more than CouchDB's max_document_size or a proxy allows"
        return plan.failed(result.error, f"{reason}; {size}")
    # Without the document, which holds the bytes of the pictures.
    return replace(plan, id=result.id, revision=result.rev, document=None, inline=(), stored=None)
