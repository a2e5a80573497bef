import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import Conflict, TimedOut
from crossbar_appstore.datastore.replies import ViewRow
from crossbar_appstore.datastore.views import RELEASE, DatabaseClass, design_document, names_for
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.ids import account_db
from crossbar_appstore.maintenance import system as system_maintenance
from crossbar_appstore.maintenance.accounts import NewAccount, create_account
from crossbar_appstore.maintenance.doctor import examine
from crossbar_appstore.maintenance.lookup import MasterCatalogue
from crossbar_appstore.maintenance.system import (
    BesideKazoo,
    Deployment,
    databases_to_deploy,
    deploy_views,
    prepare_system,
)
from tests.maintenance.test_editing import save_app

DESIGN = "_design/apps_store"
OLD = "function (doc) { emit(doc.name, null); }"


async def make_old(catalogue: MasterCatalogue) -> JsonObject:
    """Store the design document of an older release, with a view added by others."""
    design = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    views = {"crossbar_listing": {"map": OLD}, "theirs": {"map": OLD}}
    return await catalogue.couch.save_doc(catalogue.database, {**design, "views": views, "filters": {"a": "b"}})


async def design_ids(catalogue: MasterCatalogue) -> list[str | None]:
    rows = await catalogue.couch.all_docs(catalogue.database, startkey="_design/", endkey="_design0")
    return [row.id for row in rows]


async def deploy(catalogue: MasterCatalogue, *, dry_run: bool = False) -> dict[str, Deployment]:
    done = await deploy_views(catalogue.couch, catalogue.database, DatabaseClass.ACCOUNT, dry_run=dry_run)
    return {one.design_document: one.deployment for one in done}


async def test_deploy_views_replaces_old_code_and_keeps_views_of_others(catalogue: MasterCatalogue) -> None:
    await save_app(catalogue)
    await make_old(catalogue)
    before = await design_ids(catalogue)
    assert (await deploy(catalogue))[DESIGN] is Deployment.UPGRADED
    design = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    ours = design_document("apps_store")["views"]["crossbar_listing"]
    assert design["views"] == {"crossbar_listing": ours, "theirs": {"map": OLD}}
    assert design["filters"] == {"a": "b"}
    assert await design_ids(catalogue) == before
    (row,) = await catalogue.couch.view(catalogue.database, "apps_store/crossbar_listing")
    assert row.value["name"] == "wallboard"


async def test_deploy_views_installs_missing_documents(catalogue: MasterCatalogue) -> None:
    design = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    await catalogue.couch.delete_doc(catalogue.database, DESIGN, design["_rev"])
    done = await deploy_views(catalogue.couch, catalogue.database, DatabaseClass.ACCOUNT)
    installed = [one for one in done if one.deployment is not Deployment.UNCHANGED]
    assert [(one.design_document, one.deployment, one.views) for one in installed] == [
        (DESIGN, Deployment.INSTALLED, ("crossbar_listing",))
    ]
    assert installed[0].as_json()["deployment"] == "installed"


async def test_deploy_views_again_writes_nothing(catalogue: MasterCatalogue) -> None:
    before = await catalogue.couch.update_seq(catalogue.database)
    assert set((await deploy(catalogue)).values()) == {Deployment.UNCHANGED}
    assert await catalogue.couch.update_seq(catalogue.database) == before


async def test_deploy_views_dry_run_writes_nothing(catalogue: MasterCatalogue) -> None:
    old = await make_old(catalogue)
    assert (await deploy(catalogue, dry_run=True))[DESIGN] is Deployment.UPGRADED
    assert (await catalogue.couch.open_doc(catalogue.database, DESIGN))["_rev"] == old["_rev"]


async def make_newer(catalogue: MasterCatalogue, **more: Json) -> JsonObject:
    """Store the design document of a newer release, with other code and one more view."""
    design = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    views = {"crossbar_listing": {"map": OLD}, "newer": {"map": OLD}}
    return await catalogue.couch.save_doc(catalogue.database, {**design, "views": views, RELEASE: "999.0", **more})


async def test_deploy_views_keeps_code_of_newer_release(catalogue: MasterCatalogue) -> None:
    await make_newer(catalogue)
    before = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    assert (await deploy(catalogue))[DESIGN] is Deployment.NEWER
    assert await catalogue.couch.open_doc(catalogue.database, DESIGN) == before
    findings = (await examine(catalogue.couch)).findings
    assert [one for one in findings if one.subject == f"{catalogue.database}/{DESIGN}"] == []


async def test_deploy_views_adds_to_newer_release_what_it_lacks(catalogue: MasterCatalogue) -> None:
    await make_newer(catalogue, views={"newer": {"map": OLD}})
    assert (await deploy(catalogue))[DESIGN] is Deployment.UPGRADED
    design = await catalogue.couch.open_doc(catalogue.database, DESIGN)
    assert set(design["views"]) == {"crossbar_listing", "newer"}
    assert design[RELEASE] == "999.0"


async def test_prepare_system_keeps_code_of_other_releases(catalogue: MasterCatalogue) -> None:
    for make in (make_newer, make_old):
        stored = await make(catalogue)
        assert (await prepare_system(catalogue.couch)).alone
        assert (await catalogue.couch.open_doc(catalogue.database, DESIGN))["_rev"] == stored["_rev"]


async def test_deploy_views_replaces_leftover_scratch_document(catalogue: MasterCatalogue) -> None:
    await make_old(catalogue)
    scratch = {"_id": f"{DESIGN}{system_maintenance.SCRATCH}", "views": {"crossbar_listing": {"map": "broken ("}}}
    await catalogue.couch.save_doc(catalogue.database, scratch)
    assert (await deploy(catalogue))[DESIGN] is Deployment.UPGRADED
    assert scratch["_id"] not in await design_ids(catalogue)


class Watching(Couch):
    """Records the views that were queried before the real document was saved; the first queries time out."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[str] = []
        self.asked_before: list[str] | None = None
        self.timeouts = 2

    async def view(self, database: str, view: str, **query: Json) -> list[ViewRow]:
        self.asked.append(view)
        if self.timeouts:
            self.timeouts -= 1
            raise TimedOut("still building")
        return await super().view(database, view, **query)

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        if doc["_id"] == DESIGN:
            self.asked_before = list(self.asked)
        return await super().save_doc(database, doc)


async def test_deploy_views_builds_index_before_replacing_code(
    catalogue: MasterCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_maintenance, "_PAUSE", 0.0)
    await make_old(catalogue)
    async with Watching(catalogue.couch.address) as couch:
        await deploy_views(couch, catalogue.database, DatabaseClass.ACCOUNT)
        # Queried until it answered, after two timeouts; then the view of others, which is in the same index.
        assert couch.asked_before == [
            *["apps_store_scratch/crossbar_listing"] * 3,
            "apps_store_scratch/theirs",
        ]


class Interrupting(Couch):
    """Another writer adds a view just before our first ``times`` saves."""

    def __init__(self, url: str, times: int) -> None:
        super().__init__(url)
        self.times = times

    async def save_doc(self, database: str, doc: JsonObject) -> JsonObject:
        if doc["_id"] == DESIGN and self.times:
            self.times -= 1
            newest = await self.open_doc(database, DESIGN)
            views = {**newest["views"], f"other_{self.times}": {"map": OLD}}
            await super().save_doc(database, {**newest, "views": views})
        return await super().save_doc(database, doc)


async def test_deploy_views_keeps_concurrent_changes_of_others(catalogue: MasterCatalogue) -> None:
    await make_old(catalogue)
    async with Interrupting(catalogue.couch.address, 2) as couch:
        await deploy_views(couch, catalogue.database, DatabaseClass.ACCOUNT)
    views = (await catalogue.couch.open_doc(catalogue.database, DESIGN))["views"]
    assert set(views) == {"crossbar_listing", "theirs", "other_0", "other_1"}
    assert views["crossbar_listing"] != {"map": OLD}


async def test_deploy_views_raises_conflict_after_last_attempt(catalogue: MasterCatalogue) -> None:
    await make_old(catalogue)
    async with Interrupting(catalogue.couch.address, 99) as couch:
        with pytest.raises(Conflict):
            await deploy_views(couch, catalogue.database, DatabaseClass.ACCOUNT)


async def test_databases_to_deploy_lists_own_databases(system: MasterCatalogue) -> None:
    sub = await create_account(system.couch, NewAccount("Sub Ltd", "sub.example.com", "admin", "sub-password"))
    master, below = (system.database, DatabaseClass.ACCOUNT), (account_db(sub.account_id), DatabaseClass.ACCOUNT)
    accounts = ("accounts", DatabaseClass.ACCOUNTS)
    assert await databases_to_deploy(system.couch) == [accounts, master]
    assert await databases_to_deploy(system.couch, ["Sub Ltd"]) == [accounts, master, below]
    everything = await databases_to_deploy(system.couch, all_accounts=True)
    assert set(everything) == {accounts, master, below}
    for database, kind in everything:
        done = await deploy_views(system.couch, database, kind)
        assert [one.design_document for one in done] == [design_document(name)["_id"] for name in names_for(kind)]
        assert {one.deployment for one in done} == {Deployment.UNCHANGED}


async def test_databases_to_deploy_refuses_beside_kazoo(empty_system: Couch) -> None:
    assert await databases_to_deploy(empty_system) == []
    await empty_system.create_database("system_data")
    with pytest.raises(BesideKazoo):
        await databases_to_deploy(empty_system)
