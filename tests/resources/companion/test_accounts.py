import asyncio
from typing import Any

import pytest

from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.datastore.errors import DocumentMissing, Fault, Unreachable
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import account_db, encoded_account_db
from crossbar_appstore.resources.account_storage import AccountStorage
from tests.resources.companion.api import Api
from tests.resources.companion.world import Account, World

BESIDE = {
    "wnm_allow_additions",
    "superduper_admin",
    "created",
    "enabled",
    "reseller_id",
    "is_reseller",
    "billing_mode",
}


def path_of(account: Account, more: str = "") -> str:
    return f"accounts/{account.id}{more}"


async def both(world: World, account_id: str) -> tuple[JsonObject, JsonObject]:
    """The account's document and its copy, without their revisions."""
    found = [await world.couch.open_doc(database, account_id) for database in (account_db(account_id), "accounts")]
    for document in found:
        del document["_rev"]
    return found[0], found[1]


class TestReading:
    async def test_an_account_comes_with_what_belongs_beside_it(self, api: Api, world: World) -> None:
        answer = await api.get(path_of(world.sub), world.sub)
        assert answer.status == 200
        assert answer.data["name"] == world.sub.document["name"]
        assert answer.data["id"] == world.sub.id
        assert set(answer.body["metadata"]) == BESIDE
        assert {name: answer.data[name] for name in BESIDE} == answer.body["metadata"]
        assert answer.body["metadata"]["reseller_id"] == world.reseller.id
        assert answer.body["metadata"]["enabled"] is True
        assert not [key for key in answer.data if key.startswith(("pvt_", "_"))]
        assert answer.headers["ETag"] == f'"{answer.body["revision"]}"'

    async def test_who_bills_depends_on_who_asks(self, api: Api, world: World) -> None:
        seen = {}
        for name, account, who in (
            ("own", world.sub, world.sub),
            ("as reseller", world.sub, world.reseller),
            ("of the master", world.other, world.other),
            ("reseller", world.reseller, world.reseller),
            ("master", world.master, world.master),
        ):
            data = (await api.get(path_of(account), who)).body["metadata"]
            seen[name] = (data["billing_mode"], data["is_reseller"], data["superduper_admin"])
        assert seen == {
            "own": ("manual", False, False),
            "as reseller": ("limits_only", False, False),
            "of the master": ("normal", False, False),
            "reseller": ("normal", True, False),
            "master": ("limits_only", True, True),
        }

    async def test_a_trial_and_a_preference_are_told(self, api: Api, world: World) -> None:
        ends = gregorian_seconds() + 1000
        await world.change(
            world.sub, world.sub.document, pvt_trial_expires=ends, pvt_notification_preference="teletype"
        )
        data = (await api.get(path_of(world.sub), world.sub)).data
        assert 900 < data["trial_time_left"] <= 1000
        assert data["notification_preference"] == "teletype"

    async def test_the_api_key_is_for_administrators_who_ask_for_it(self, api: Api, world: World) -> None:
        key = world.sub.document["pvt_api_key"]
        assert key not in (await api.get(path_of(world.sub), world.sub)).raw.decode()
        asked = f"{path_of(world.sub)}?include_api_key=true"
        assert (await api.get(asked, world.sub)).data["api_key"] == key
        assert key not in (await api.get(asked, (world.sub, "user"))).raw.decode()

    async def test_only_the_line_above_may_look(self, api: Api, world: World) -> None:
        for who in (world.master, world.reseller, world.sub, (world.sub, "user")):
            assert (await api.get(path_of(world.sub), who)).status == 200
        assert (await api.get(path_of(world.sub), world.other)).status == 403
        assert (await api.get(path_of(world.sub), (world.other, None))).status == 403
        assert (await api.get(path_of(world.sub))).status == 401

    async def test_the_token_may_stand_in_the_query(self, api: Api, world: World) -> None:
        token = world.token(world.reseller)
        assert (await api.get(f"{path_of(world.sub)}?auth_token={token}&_=1")).status == 200

    async def test_the_singular_stands_for_the_own_account(self, api: Api, world: World) -> None:
        assert (await api.get("account", world.sub)).data["id"] == world.sub.id

    async def test_an_unknown_account_is_unknown_before_anybody_is_asked_for(self, api: Api) -> None:
        answer = await api.get(f"accounts/{'9' * 32}")
        assert answer.status == 404
        assert answer.data == {"cause": "9" * 32, "message": "bad identifier"}

    @pytest.mark.parametrize("more", ["/api_key", "/move", "/children/x"])
    async def test_what_is_not_served_is_not_found(self, api: Api, world: World, more: str) -> None:
        answer = await api.get(path_of(world.sub, more), world.sub)
        assert (answer.status, answer.body["message"]) == (404, "not_found")

    async def test_the_list_of_all_accounts_is_not_read(self, api: Api, world: World) -> None:
        assert (await api.get("accounts", world.master)).status == 405


class TestLists:
    async def test_children_are_those_below(self, api: Api, world: World) -> None:
        answer = await api.get(f"{path_of(world.master)}/children?ascending=true", world.master)
        assert [each["id"] for each in answer.data] == [world.other.id, world.reseller.id]
        assert set(answer.data[0]) == {"id", "name", "realm", "descendants_count", "flags"}
        assert answer.body["page_size"] == 2
        assert answer.body["start_key"]

    async def test_children_come_last_first_unless_asked_for(self, api: Api, world: World) -> None:
        for query in ("", "?ascending=false", "?descending=true"):
            answer = await api.get(f"{path_of(world.master)}/children{query}", world.master)
            assert [each["id"] for each in answer.data] == [world.reseller.id, world.other.id], query

    async def test_descendants_are_all_below(self, api: Api, world: World) -> None:
        answer = await api.get(f"{path_of(world.master)}/descendants?ascending=true", world.master)
        assert [each["id"] for each in answer.data] == [world.other.id, world.reseller.id, world.sub.id]
        assert answer.data[2]["tree"] == [world.master.id, world.reseller.id]
        own = await api.get(f"{path_of(world.reseller)}/descendants", world.reseller)
        assert [each["id"] for each in own.data] == [world.sub.id]

    async def test_lists_come_in_pages(self, api: Api, world: World) -> None:
        seen, start = [], ""
        for _ in range(3):
            path = f"{path_of(world.master)}/descendants?ascending=true&page_size=1{start}"
            answer = await api.get(path, world.master)
            seen += [each["id"] for each in answer.data]
            start = f"&start_key={answer.body.get('next_start_key')}"
        assert seen == [world.other.id, world.reseller.id, world.sub.id]
        assert start == "&start_key=None"

    async def test_no_page_begins_outside_of_its_list(self, api: Api, world: World) -> None:
        """Else a reseller would read on through the accounts of others."""
        foreign = await api.get(f"{path_of(world.master)}/children?ascending=true&page_size=1", world.master)
        for start in (foreign.body["start_key"], foreign.body["next_start_key"], "", "a", "g2o"):
            for order in ("ascending=true", "descending=true"):
                path = f"{path_of(world.reseller)}/children?{order}&start_key={start}"
                answer = await api.get(path, world.reseller)
                assert [each["id"] for each in answer.data] == [world.sub.id], start

    async def test_lists_are_the_same_without_views(self, api: Api, world: World, couch: Couch) -> None:
        paths = [
            f"{path_of(world.master)}/{which}?{query}"
            for which in ("children", "descendants")
            for query in ("ascending=true", "descending=true", "filter_realm=x", "page_size=1")
        ]
        with_views = [(await api.get(path, world.master)).data for path in paths]
        design = await couch.open_doc("accounts", "_design/accounts")
        await couch.delete_doc("accounts", "_design/accounts", design["_rev"])
        try:
            await api.settle()
            assert [(await api.get(path, world.master)).data for path in paths] == with_views
        finally:
            await couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})

    async def test_siblings_are_the_children_of_the_parent(self, api: Api, world: World) -> None:
        answer = await api.get(f"{path_of(world.reseller)}/siblings?ascending=true", world.master)
        assert [each["id"] for each in answer.data] == [world.other.id, world.reseller.id]
        from_above = await api.get(f"{path_of(world.sub)}/siblings", world.reseller)
        assert [each["id"] for each in from_above.data] == [world.sub.id]

    async def test_siblings_of_the_own_account_are_nobodys_business(self, api: Api, world: World) -> None:
        assert (await api.get(f"{path_of(world.sub)}/siblings", world.sub)).status == 403
        assert (await api.get(f"{path_of(world.master)}/siblings", world.master)).status == 404

    async def test_siblings_can_be_switched_off(self, api: Api, world: World) -> None:
        await world.config("crossbar.accounts", allow_sibling_listing=False)
        assert (await api.get(f"{path_of(world.sub)}/siblings", world.reseller)).status == 403
        assert (await api.get(f"{path_of(world.sub)}/siblings", world.master)).status == 200

    async def test_the_tree_ends_at_the_caller(self, api: Api, world: World) -> None:
        tree = {}
        for who in (world.master, world.reseller, world.sub):
            answer = await api.get(f"{path_of(world.sub)}/tree", who)
            tree[who.id] = [each["id"] for each in answer.data]
        assert tree == {
            world.master.id: [world.master.id, world.reseller.id],
            world.reseller.id: [world.reseller.id],
            world.sub.id: [],
        }
        named = await api.get(f"{path_of(world.sub)}/tree", world.reseller)
        assert named.data == [{"id": world.reseller.id, "name": world.reseller.document["name"]}]

    async def test_parents_are_all_above_for_the_account_itself(self, api: Api, world: World) -> None:
        answer = await api.get(f"{path_of(world.sub)}/parents", world.sub)
        assert [each["id"] for each in answer.data] == [world.master.id, world.reseller.id]
        assert answer.body["page_size"] == 2
        from_above = await api.get(f"{path_of(world.sub)}/parents", world.reseller)
        assert [each["id"] for each in from_above.data] == [world.reseller.id]
        assert (await api.get(f"{path_of(world.master)}/parents", world.master)).data == []


class TestCreating:
    async def test_a_sub_account_is_whole(self, api: Api, world: World) -> None:
        name = f"New {world.tag}"
        answer = await api.create_account(world.reseller, name, realm=f"new.{world.tag}.test", language="de-DE")
        assert answer.status == 201
        account_id = answer.data["id"]
        assert answer.headers["Location"] == f"/v2/accounts/{account_id}"
        assert answer.data["name"] == name
        assert answer.body["metadata"]["reseller_id"] == world.reseller.id
        assert answer.body["metadata"]["billing_mode"] == "limits_only"
        document, copy = await both(world, account_id)
        assert document == copy
        assert document["pvt_type"] == "account"
        assert document["pvt_tree"] == [world.master.id, world.reseller.id]
        assert document["pvt_account_id"] == account_id
        assert document["pvt_account_db"] == encoded_account_db(account_id)
        assert document["pvt_enabled"] is True
        assert document["pvt_superduper_admin"] is False
        assert document["pvt_auth_account_id"] == world.reseller.id
        assert len(document["pvt_api_key"]) == 64
        assert document["pvt_signature_secret"]
        assert document["pvt_alphanum_name"] == f"new{world.tag}"
        assert document["language"] == "de-DE"
        assert document["music_on_hold"] == {}
        services = await world.couch.open_doc("services", account_id)
        assert services["pvt_reseller_id"] == world.reseller.id
        assert services["pvt_tree"] == document["pvt_tree"]
        apps_store = await world.couch.open_doc(account_db(account_id), "apps_store")
        assert "pvt_type" not in apps_store
        assert await world.couch.view(account_db(account_id), "users/crossbar_listing") == []

    async def test_a_sub_account_works_at_once(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.reseller, f"New {world.tag}", realm=f"new.{world.tag}.test")
        path = f"accounts/{answer.data['id']}"
        person = {"first_name": "A", "last_name": "B", "username": "boss", "password": "x", "priv_level": "admin"}
        assert (await api.put(f"{path}/users", world.reseller, person)).status == 201
        md5, _ = password_hashes("boss", "x")
        session = await api.put("user_auth", None, {"credentials": md5, "account_name": f"NEW {world.tag}!"})
        assert session.status == 201
        token = session.body["auth_token"]
        assert (await api.get(f"{path}/users", token=token)).status == 200
        assert (await api.get(f"{path}/apps_store", token=token)).status == 200
        children = await api.get(f"{path_of(world.reseller)}/children?ascending=true", world.reseller)
        assert [each["id"] for each in children.data] == [answer.data["id"], world.sub.id]

    async def test_the_path_may_name_the_parent(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.master, f"Deep {world.tag}", below=world.sub.id)
        document, _ = await both(world, answer.data["id"])
        assert document["pvt_tree"] == [world.master.id, world.reseller.id, world.sub.id]
        assert answer.data["reseller_id"] == world.reseller.id

    async def test_a_realm_is_made_up(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.reseller, f"New {world.tag}")
        assert answer.data["realm"].endswith(".sip.2600hz.com")
        assert len(answer.data["realm"].split(".")[0]) == 6

    async def test_what_is_made_up_is_configured(self, api: Api, world: World) -> None:
        await world.config("crossbar.accounts", account_realm_suffix="pbx.test", random_realm_strength=8)
        await world.config("accounts", master_account_id=world.master.id, default_timezone="Europe/Berlin")
        await api.settle()
        other = await api.create_account(world.reseller, f"Newer {world.tag}")
        assert other.data["realm"].endswith(".pbx.test")
        assert len(other.data["realm"].split(".")[0]) == 16
        assert other.data["timezone"] == "Europe/Berlin"

    async def test_spaces_in_a_realm_are_dropped(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.reseller, f"New {world.tag}", realm=f"a b.{world.tag} .test")
        assert answer.data["realm"] == f"ab.{world.tag}.test"

    async def test_name_and_realm_belong_to_one(self, api: Api, world: World) -> None:
        name, realm = f"SUB-{world.tag}", f"Sub.{world.tag}.TEST"
        answer = await api.create_account(world.master, name, realm=realm)
        assert answer.status == 400
        assert answer.body["message"] == "validation error"
        assert answer.data == {
            "name": {"unique": {"message": "Account name already in use", "cause": name}},
            "realm": {"unique": {"message": "Account realm already in use", "cause": realm}},
        }

    async def test_names_may_repeat_where_that_is_configured(self, api: Api, world: World) -> None:
        await world.config("crossbar.accounts", ensure_unique_name=False)
        assert (await api.create_account(world.master, f"sub {world.tag}")).status == 201

    async def test_every_problem_is_told(self, api: Api, world: World) -> None:
        answer = await api.put("accounts", world.master, {"realm": f"sub.{world.tag}.test", "language": 5})
        assert answer.status == 400
        assert {path: list(rules) for path, rules in answer.data.items()} == {
            "name": ["required"],
            "language": ["type"],
            "realm": ["unique"],
        }

    async def test_private_and_leaked_fields_of_a_client_are_dropped(self, api: Api, world: World) -> None:
        sent: JsonObject = {
            "id": world.sub.id,
            "_id": world.sub.id,
            "pvt_superduper_admin": True,
            "pvt_tree": [],
            "pvt_reseller": True,
            "superduper_admin": True,
            "is_reseller": True,
            "api_key": "x",
        }
        answer = await api.create_account(world.reseller, f"New {world.tag}", **sent)
        assert answer.status == 201
        document, _ = await both(world, answer.data["id"])
        assert answer.data["id"] != world.sub.id
        assert document["pvt_superduper_admin"] is False
        assert document["pvt_reseller"] is False
        assert document["pvt_tree"] == [world.master.id, world.reseller.id]
        assert not {"superduper_admin", "is_reseller", "api_key", "enabled"} & set(document)

    async def test_trials_end_after_a_fortnight(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.reseller, f"New {world.tag}", is_trial_account=True)
        document, _ = await both(world, answer.data["id"])
        left = document["pvt_trial_expires"] - gregorian_seconds()
        assert 14 * 86400 - 60 < left <= 14 * 86400
        assert "is_trial_account" not in document
        assert answer.data["trial_time_left"] > 0

    async def test_an_account_may_begin_disabled(self, api: Api, world: World) -> None:
        answer = await api.create_account(world.reseller, f"New {world.tag}", enabled=False)
        document, _ = await both(world, answer.data["id"])
        assert document["pvt_enabled"] is False
        assert answer.data["enabled"] is False

    async def test_a_disabled_parent_has_disabled_children(self, api: Api, world: World) -> None:
        await world.change(world.sub, world.sub.document, pvt_enabled=False)
        answer = await api.create_account(world.master, f"New {world.tag}", below=world.sub.id, enabled=True)
        assert answer.data["enabled"] is False

    async def test_the_preference_of_the_reseller_is_inherited(self, api: Api, world: World) -> None:
        await world.change(world.reseller, world.reseller.document, notifications={"fax_to_email": {"x": 1}})
        answer = await api.create_account(world.reseller, f"New {world.tag}")
        document, _ = await both(world, answer.data["id"])
        assert document["pvt_notification_preference"] == "notify"

    async def test_descendants_are_counted(self, api: Api, world: World) -> None:
        first = await api.create_account(world.master, f"New {world.tag}", below=world.sub.id)
        document, copy = await both(world, world.sub.id)
        assert document["descendants_count"] == copy["descendants_count"] == 1
        await api.delete(f"accounts/{first.data['id']}", world.master)
        document, copy = await both(world, world.sub.id)
        assert document["descendants_count"] == copy["descendants_count"] == 0

    async def test_customers_of_the_master_may_be_refused_sub_accounts(self, api: Api, world: World) -> None:
        config = {"master_account_id": world.master.id, "allow_subaccounts_for_direct": False}
        await world.config("accounts", **config)
        await api.settle()
        refused = await api.create_account(world.other, f"New {world.tag}")
        assert refused.data["account"]["forbidden"]["cause"] == world.other.id
        for number, who in enumerate((world.reseller, world.sub)):
            assert (await api.create_account(who, f"New {number} {world.tag}")).status == 201

    async def test_it_takes_an_administrator(self, api: Api, world: World) -> None:
        assert (await api.create_account((world.sub, "user"), f"New {world.tag}")).status == 403
        assert (await api.create_account((world.sub, None), f"New {world.tag}")).status == 201

    async def test_nobody_creates_accounts_below_others(self, api: Api, world: World) -> None:
        for parent in (world.master, world.other):
            assert (await api.create_account(world.sub, f"New {world.tag}", below=parent.id)).status == 403

    async def test_two_at_the_same_time_never_get_the_same_name(self, api: Api, world: World) -> None:
        answers = await asyncio.gather(*(api.create_account(world.reseller, f"New {world.tag}") for _ in range(3)))
        assert {answer.status for answer in answers} <= {201, 400}
        rows = await world.couch.view("accounts", "accounts/listing_by_name", key=f"new{world.tag}")
        assert [row.id for row in rows] == [answer.data["id"] for answer in answers if answer.status == 201]
        assert len(rows) <= 1


class TestHalfWay:
    """What is left when CouchDB fails while an account is created."""

    @pytest.mark.parametrize("failing", ["account", "_design/users", "apps_store", "services", "accounts"])
    async def test_nothing_is_left_of_a_creation_that_failed(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch, failing: str
    ) -> None:
        before = await self.account_ids(world)
        made: list[str] = []
        save_doc = Couch.save_doc

        async def save(couch: Couch, database: str, doc: JsonObject) -> JsonObject:
            if database.startswith("account/") and doc["_id"] not in made and doc.get("pvt_type") == "account":
                made.append(doc["_id"])
            step = "account" if doc["_id"] in made else doc["_id"]
            if failing == (step if database.startswith("account/") else database):
                raise Fault("broken")
            return await save_doc(couch, database, doc)

        monkeypatch.setattr(Couch, "save_doc", save)
        answer = await api.create_account(world.reseller, f"New {world.tag}")
        monkeypatch.undo()
        assert answer.status == 500
        assert await self.account_ids(world) == before
        assert len(made) == 1
        assert not await world.couch.database_exists(account_db(made[0]))
        with pytest.raises(DocumentMissing):
            await world.couch.open_doc("services", made[0])
        assert (await api.create_account(world.reseller, f"New {world.tag}")).status == 201

    async def test_what_cannot_be_taken_back_is_found_by_nobody(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await self.account_ids(world)
        save_doc = Couch.save_doc

        async def save(couch: Couch, database: str, doc: JsonObject) -> JsonObject:
            if database == "services":
                raise Unreachable("gone")
            return await save_doc(couch, database, doc)

        async def never(*args: Any) -> None:
            raise Unreachable("gone")

        monkeypatch.setattr(Couch, "save_doc", save)
        monkeypatch.setattr(Couch, "delete_doc", never)
        monkeypatch.setattr(Couch, "delete_database", never)
        answer = await api.create_account(world.reseller, f"New {world.tag}")
        monkeypatch.undo()
        assert answer.status == 503
        assert "Retry-After" in answer.headers
        assert await self.account_ids(world) == before

    async def test_a_taken_id_is_not_taken_over(self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("crossbar_appstore.resources.account_creation.new_id", lambda: world.sub.id)
        answer = await api.put("accounts", world.reseller, {"name": f"New {world.tag}"})
        assert answer.status == 409
        assert (await api.get(path_of(world.sub), world.sub)).status == 200

    async def test_counting_descendants_fails_in_silence(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never(*args: Any, **more: Any) -> None:
            raise Unreachable("gone")

        monkeypatch.setattr("crossbar_appstore.resources.account_storage.descendants", never)
        assert (await api.create_account(world.reseller, f"New {world.tag}")).status == 201

    async def account_ids(self, world: World) -> set[str | None]:
        return {row.id for row in await world.couch.all_docs("accounts")}


class TestChanging:
    async def test_a_post_replaces_the_public_fields_in_both_databases(self, api: Api, world: World) -> None:
        await world.change(world.sub, world.sub.document, old="gone", pvt_note="kept")
        shown = (await api.get(path_of(world.sub), world.sub)).data
        sent = {**shown, "ui_restrictions": {"myaccount": {"user": {"show_tab": True}}}}
        del sent["old"]
        answer = await api.post(path_of(world.sub), world.sub, sent)
        assert answer.status == 200
        document, copy = await both(world, world.sub.id)
        assert document == copy
        assert document["ui_restrictions"] == sent["ui_restrictions"]
        assert document["pvt_note"] == "kept"
        assert "old" not in document
        assert not (BESIDE - {"enabled"}) & set(document)
        kept = ("pvt_tree", "pvt_api_key", "pvt_signature_secret", "pvt_enabled", "pvt_created")
        assert {key: document[key] for key in kept} == {key: world.sub.document[key] for key in kept}
        assert answer.body["metadata"]["reseller_id"] == world.reseller.id
        assert {name: answer.data[name] for name in BESIDE} == answer.body["metadata"]

    async def test_a_patch_changes_what_it_names(self, api: Api, world: World) -> None:
        await api.patch(path_of(world.sub), world.sub, {"zones": {"home": "a", "other": "b"}})
        answer = await api.patch(path_of(world.sub), world.sub, {"zones": {"other": None}, "org": "Org"})
        assert answer.data["zones"] == {"home": "a"}
        assert answer.data["org"] == "Org"
        assert answer.data["realm"] == world.sub.document["realm"]

    async def test_realm_and_time_zone_stay_where_a_post_leaves_them_out(self, api: Api, world: World) -> None:
        answer = await api.post(path_of(world.sub), world.sub, {"name": f"Another {world.tag}"})
        assert answer.status == 200
        assert answer.data["realm"] == world.sub.document["realm"]
        assert answer.data["timezone"] == world.sub.document["timezone"]

    async def test_a_new_name_can_be_logged_in_to(self, api: Api, world: World) -> None:
        await api.patch(path_of(world.sub), world.sub, {"name": f"Renamed {world.tag}"})
        md5, _ = password_hashes("sub-admin", "secret")
        answer = await api.put("user_auth", None, {"credentials": md5, "account_name": f"renamed{world.tag}"})
        assert answer.status == 201

    async def test_names_of_others_are_refused_and_the_own_is_not(self, api: Api, world: World) -> None:
        own = {"name": world.sub.document["name"], "realm": world.sub.document["realm"]}
        assert (await api.patch(path_of(world.sub), world.sub, own)).status == 200
        case = {"name": world.sub.document["name"].upper(), "realm": world.sub.document["realm"].upper()}
        assert (await api.patch(path_of(world.sub), world.sub, case)).status == 200
        others = {"name": world.other.document["name"], "realm": world.other.document["realm"]}
        answer = await api.patch(path_of(world.sub), world.sub, others)
        assert {path: list(rules) for path, rules in answer.data.items()} == {"name": ["unique"], "realm": ["unique"]}

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    async def test_private_fields_of_a_client_are_dropped(self, api: Api, world: World, method: str) -> None:
        sent = {
            "name": f"N {world.tag}",
            "pvt_superduper_admin": True,
            "pvt_tree": [],
            "pvt_reseller": True,
            "_rev": "x",
        }
        assert (await api.call(method, path_of(world.sub), world.sub, sent)).status == 200
        document, _ = await both(world, world.sub.id)
        assert document["pvt_superduper_admin"] is False
        assert document["pvt_tree"] == [world.master.id, world.reseller.id]

    async def test_an_ancestor_enables_and_disables(self, api: Api, world: World) -> None:
        answer = await api.patch(path_of(world.sub), world.reseller, {"enabled": False})
        assert answer.data["enabled"] is False
        document, copy = await both(world, world.sub.id)
        assert document["pvt_enabled"] is copy["pvt_enabled"] is False
        assert "enabled" not in document

    async def test_an_account_does_not_enable_itself(self, api: Api, world: World) -> None:
        await api.patch(path_of(world.sub), world.reseller, {"enabled": False})
        for method in ("PATCH", "POST"):
            sent = {"name": f"N {world.tag}", "enabled": True}
            assert (await api.call(method, path_of(world.sub), world.sub, sent)).data["enabled"] is False

    async def test_a_change_of_something_else_enables_nothing(self, api: Api, world: World) -> None:
        await api.patch(path_of(world.sub), world.reseller, {"enabled": False})
        for method in ("PATCH", "POST"):
            answer = await api.call(method, path_of(world.sub), world.reseller, {"name": f"N {world.tag}"})
            assert answer.data["enabled"] is False

    async def test_nothing_of_another_writer_is_lost(self, api: Api, world: World) -> None:
        answers = await asyncio.gather(
            *(api.patch(path_of(world.sub), world.sub, {f"note{number}": number}) for number in range(3))
        )
        assert {answer.status for answer in answers} == {200}
        document, copy = await both(world, world.sub.id)
        assert {f"note{number}" for number in range(3)} <= set(document)
        assert document == copy

    async def test_a_change_holds_its_precondition(self, api: Api, world: World) -> None:
        revision = (await api.get(path_of(world.sub), world.sub)).body["revision"]
        current, old = {"If-Match": f'"{revision}"'}, {"If-Match": '"1-old"'}
        assert (await api.patch(path_of(world.sub), world.sub, {"org": "x"}, headers=old)).status == 412
        assert (await api.patch(path_of(world.sub), world.sub, {"org": "x"}, headers=current)).status == 200

    async def test_an_invalid_change_is_refused(self, api: Api, world: World) -> None:
        answer = await api.patch(path_of(world.sub), world.sub, {"realm": "no spaces/please", "name": None})
        assert {path: list(rules) for path, rules in answer.data.items()} == {
            "realm": ["pattern"],
            "name": ["required"],
        }

    async def test_it_takes_an_administrator(self, api: Api, world: World) -> None:
        for method in ("POST", "PATCH", "DELETE"):
            answer = await api.call(method, path_of(world.sub), (world.sub, "user"), {"name": "x"})
            assert answer.status == 403

    async def test_attachments_stay_and_are_not_copied(self, api: Api, world: World) -> None:
        stub = {"logo": {"content_type": "text/plain", "data": "eA=="}}
        await world.change(world.sub, world.sub.document, _attachments=stub)
        assert (await api.patch(path_of(world.sub), world.sub, {"org": "x"})).status == 200
        document, copy = await both(world, world.sub.id)
        assert "logo" in document["_attachments"]
        assert "_attachments" not in copy


class TestCopying:
    @pytest.mark.parametrize("others", [1, 9])
    async def test_the_copy_follows_writers_who_were_faster(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch, others: int
    ) -> None:
        """Two changes may be copied in the other order than they were made in."""
        copy = AccountStorage._copy
        changes, changing = 0, False

        async def slow(storage: AccountStorage, account_id: str, account: JsonObject) -> None:
            nonlocal changes, changing
            if not changing and changes < others:
                changing, changes = True, changes + 1
                await api.patch(path_of(world.sub), world.sub, {"other": changes})
                changing = False
            await copy(storage, account_id, account)

        monkeypatch.setattr(AccountStorage, "_copy", slow)
        assert (await api.patch(path_of(world.sub), world.sub, {"first": 1})).status == 200
        document, copied = await both(world, world.sub.id)
        assert copied["first"] == 1
        assert document["other"] == changes
        assert copied["other"] >= changes - 1


class TestDeleting:
    async def test_a_deleted_account_is_gone_but_for_the_documents(self, api: Api, world: World) -> None:
        answer = await api.delete(path_of(world.sub), world.reseller)
        assert answer.status == 200
        assert answer.data["_read_only"] == {"deleted": True}
        assert answer.data["id"] == world.sub.id
        for database in ("accounts", "services", world.sub.database):
            assert (await world.couch.open_doc(database, world.sub.id))["pvt_deleted"] is True
        assert (await api.get(path_of(world.sub), world.reseller)).status == 404
        assert (await api.get(f"{path_of(world.sub)}/users", world.reseller)).status == 404
        assert (await api.get(f"{path_of(world.sub)}/apps_store", world.sub)).status == 404
        assert (await api.delete(path_of(world.sub), world.reseller)).status == 404
        assert (await api.create_account(world.sub, f"New {world.tag}")).status == 404
        assert (await api.get(f"{path_of(world.reseller)}/children", world.reseller)).data == []
        md5, _ = password_hashes("sub-admin", "secret")
        credentials = {"credentials": md5, "account_realm": world.sub.document["realm"]}
        assert (await api.put("user_auth", None, credentials)).status == 401

    async def test_a_deleted_accounts_name_and_realm_are_free(self, api: Api, world: World) -> None:
        await api.delete(path_of(world.sub), world.reseller)
        fields = {"realm": world.sub.document["realm"]}
        assert (await api.create_account(world.reseller, world.sub.document["name"], **fields)).status == 201

    async def test_an_account_without_services_can_be_deleted(self, api: Api, world: World) -> None:
        await world.remove("services", world.sub.id)
        assert (await api.delete(path_of(world.sub), world.reseller)).status == 200

    async def test_an_account_with_descendants_stays(self, api: Api, world: World) -> None:
        answer = await api.delete(path_of(world.reseller), world.master)
        assert (answer.status, answer.body["message"]) == (500, "account_has_descendants")
        assert answer.data == {"message": "account has descendants"}

    async def test_an_account_with_descendants_stays_without_a_view(self, api: Api, world: World, couch: Couch) -> None:
        design = await couch.open_doc("accounts", "_design/accounts")
        await couch.delete_doc("accounts", "_design/accounts", design["_rev"])
        try:
            assert (await api.delete(path_of(world.reseller), world.master)).status == 500
            assert (await api.delete(path_of(world.sub), world.master)).status == 200
        finally:
            await couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})

    async def test_the_master_account_stays(self, api: Api, world: World) -> None:
        answer = await api.delete(path_of(world.master), world.master)
        assert answer.status == 405
        assert "DELETE" not in answer.headers["Access-Control-Allow-Methods"]

    async def test_nobody_deletes_the_own_account(self, api: Api, world: World) -> None:
        answer = await api.delete(path_of(world.sub), world.sub)
        assert answer.status == 403
        assert answer.data["cause"] == world.sub.id

    async def test_a_deletion_that_failed_can_be_repeated(
        self, api: Api, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace_doc = Couch.replace_doc

        async def save(couch: Couch, database: str, doc: JsonObject, replaced: JsonObject) -> JsonObject:
            if database == "services":
                raise Unreachable("gone")
            return await replace_doc(couch, database, doc, replaced)

        monkeypatch.setattr(Couch, "replace_doc", save)
        assert (await api.delete(path_of(world.sub), world.reseller)).status == 503
        monkeypatch.undo()
        assert (await api.delete(path_of(world.sub), world.reseller)).status == 200


class TestPromoting:
    async def test_a_reseller_has_the_accounts_below_as_customers(self, api: Api, world: World) -> None:
        below = (await api.create_account(world.master, f"New {world.tag}", below=world.other.id)).data["id"]
        answer = await api.put(path_of(world.other, "/reseller"), world.master, {})
        assert answer.status == 201
        assert answer.data["is_reseller"] is True
        assert answer.data["reseller_id"] == world.master.id
        document, copy = await both(world, world.other.id)
        assert document["pvt_reseller"] is copy["pvt_reseller"] is True
        assert (await world.couch.open_doc("services", below))["pvt_reseller_id"] == world.other.id
        assert (await api.get(f"accounts/{below}", world.other)).data["billing_mode"] == "limits_only"
        again = await api.delete(path_of(world.other, "/reseller"), world.master)
        assert again.data["is_reseller"] is False
        assert (await world.couch.open_doc("services", below))["pvt_reseller_id"] == world.master.id
        document, copy = await both(world, below)
        assert document["pvt_reseller_id"] == copy["pvt_reseller_id"] == world.master.id

    async def test_an_account_without_services_gets_them(self, api: Api, world: World) -> None:
        await world.remove("services", world.other.id)
        assert (await api.put(path_of(world.other, "/reseller"), world.master, {})).data["is_reseller"] is True

    async def test_a_reseller_below_stands_in_the_way(self, api: Api, world: World, couch: Couch) -> None:
        assert (await api.put(path_of(world.sub, "/reseller"), world.master, {})).status == 201
        answer = await api.delete(path_of(world.reseller, "/reseller"), world.master)
        assert (answer.status, answer.body["message"]) == (500, "account_has_descendants")
        design = await couch.open_doc("accounts", "_design/accounts")
        await couch.delete_doc("accounts", "_design/accounts", design["_rev"])
        try:
            assert (await api.delete(path_of(world.reseller, "/reseller"), world.master)).status == 500
        finally:
            await couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})

    async def test_only_the_system_decides_and_not_over_itself(self, api: Api, world: World) -> None:
        assert (await api.put(path_of(world.sub, "/reseller"), world.reseller, {})).status == 403
        assert (await api.put(path_of(world.sub, "/reseller"), (world.master, "user"), {})).status == 403
        assert (await api.delete(path_of(world.master, "/reseller"), world.master)).status == 403


async def test_what_another_endpoint_would_answer_is_answered_as_unknown(api: Api, world: World) -> None:
    """The web client probes these, and goes on."""
    for path in ("external_numbers", "braintree/customer", "alerts", "ledgers/total", "limits"):
        answer = await api.get(f"{path_of(world.sub)}/{path}", world.sub)
        assert answer.status == 404, path
        assert answer.headers["Content-Type"] == "application/json"
