"""Loading app folders into the catalogue: ``init_app(s)`` and ``refresh_app(s)`` of ``crossbar_maintenance``.

Folders are read in threads, a few at a time, and saved in bulk within a limit of bytes; each app is one document with
its pictures in it, so that none is ever half-written. What is unchanged is not written.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from crossbar_appstore.datastore.errors import AttachmentMissing
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.maintenance.app_plan import AppPlan, LoadOptions, plan_app
from crossbar_appstore.maintenance.app_source import AppSource, read_app
from crossbar_appstore.maintenance.attached_pictures import doubtful
from crossbar_appstore.maintenance.bulk_saving import save_plans
from crossbar_appstore.maintenance.master_catalogue import MasterCatalogue
from crossbar_appstore.maintenance.picture_files import PictureRules, digest_of
from crossbar_appstore.maintenance.remarks import Remark, Weight
from crossbar_appstore.maintenance.reports import AppOutcome, LoadReport

_FOLDERS: Final = 64
_THREADS: Final = 4

Progress = Callable[[AppOutcome], None]


@dataclass(frozen=True, slots=True)
class LoadRules:
    """Everything that decides about a load."""

    options: LoadOptions = field(default_factory=LoadOptions)
    pictures: PictureRules = field(default_factory=PictureRules)
    lenient: bool = False
    dry_run: bool = False


async def load_apps(
    catalogue: MasterCatalogue,
    folders: Sequence[Path],
    rules: LoadRules,
    *,
    progress: Progress | None = None,
    remarks: tuple[Remark, ...] = (),
) -> LoadReport:
    """Load app folders, in their order.

    Args:
        catalogue: where to.
        folders: those that hold ``metadata/app.json``.
        rules: how.
        progress: called with each outcome as soon as it is certain.
        remarks: for the report.

    Raises:
        DatastoreError: CouchDB is away; apps of which progress was told are safe, others may be saved or not.
    """
    outcomes: list[AppOutcome] = []
    async for outcome in _loaded(_Load(catalogue, rules), folders):
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)
    return LoadReport(tuple(outcomes), remarks, rules.dry_run)


async def _loaded(load: "_Load", folders: Sequence[Path]) -> AsyncIterator[AppOutcome]:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="app-folder") as threads:
        for start in range(0, len(folders), _FOLDERS):
            sources = await load.read(threads, folders[start : start + _FOLDERS])
            plans = await load.plans(sources)
            if load.rules.dry_run:
                outcomes = [AppOutcome.of(plan) for plan in plans]
            else:
                outcomes = await save_plans(load.catalogue, plans, load.plan)
            for outcome in outcomes:
                yield outcome


@dataclass(slots=True)
class _Load:
    """One load under way."""

    catalogue: MasterCatalogue
    rules: LoadRules
    loaded: dict[str, Path] = field(default_factory=dict)
    """The folder that brought each name."""

    async def read(self, threads: ThreadPoolExecutor, folders: Iterable[Path]) -> list[AppSource]:
        loop = asyncio.get_running_loop()
        reads = [loop.run_in_executor(threads, self._read_one, folder) for folder in folders]
        return [self._first_of_its_name(source) for source in await asyncio.gather(*reads)]

    def _read_one(self, folder: Path) -> AppSource:
        return read_app(folder, self.rules.pictures, lenient=self.rules.lenient)

    def _first_of_its_name(self, source: AppSource) -> AppSource:
        """Two folders of one name would undo each other's work at every load, so the later one is refused."""
        if source.refused or source.name is None:
            return source
        first = self.loaded.setdefault(source.name, source.folder)
        if first == source.folder:
            return source
        message = f"another folder of this load has the same name: {first}"
        refusal = Remark(Weight.REFUSED, str(source.file), "name", "unique", message, source.name)
        return replace(source, remarks=(*source.remarks, refusal))

    async def plans(self, sources: Sequence[AppSource]) -> list[AppPlan]:
        names = [source.name for source in sources if source.name is not None and not source.refused]
        by_name = await self.catalogue.named(names)
        return [await self._plan(source, by_name.get(source.name or "", [])) for source in sources]

    async def plan(self, source: AppSource) -> AppPlan:
        """What to do with one folder, by what the catalogue holds now."""
        return (await self.plans([source]))[0]

    async def _plan(self, source: AppSource, named: Sequence[JsonObject]) -> AppPlan:
        stored = () if source.refused else await self._meant(source.metadata.get("_id"), named)
        same = await self._stored_alike(source, stored[0]) if len(stored) == 1 else ()
        return plan_app(source, stored, self.catalogue.account_id, self.rules.options, same=same)

    async def _meant(self, exported_id: Json, named: Sequence[JsonObject]) -> Sequence[JsonObject]:
        """The apps that a folder may mean: those of its name, and the one of the id with which it was exported."""
        if not isinstance(exported_id, str):
            return named
        same_id = next((document for document in named if document["_id"] == exported_id), None)
        if same_id is not None:
            return [same_id]
        renamed = await self.catalogue.by_id(exported_id)
        return [*named, renamed] if renamed is not None else named

    async def _stored_alike(self, source: AppSource, stored: JsonObject) -> list[str]:
        return [
            picture.name
            for picture in doubtful(source.pictures, stored)
            if await self._digest(stored["_id"], picture.name) == picture.digest
        ]

    async def _digest(self, app_id: str, name: str) -> str | None:
        try:
            stored = await self.catalogue.couch.open_attachment(self.catalogue.database, app_id, name)
        except AttachmentMissing:
            return None
        return digest_of(stored.body)
