"""The endpoint ``accounts``: an account, its sub-accounts, and the accounts around it."""

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
from tests.kit.accounts import PASSWORD, Account
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family

DERIVED = {
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


async def both(system: System, account_id: str) -> tuple[JsonObject, JsonObject]:
    """The account's document and its copy, without their revisions."""
    found = [await system.couch.open_doc(database, account_id) for database in (account_db(account_id), "accounts")]
    for document in found:
        del document["_rev"]
    return found[0], found[1]


async def test_accounts_get_shows_derived_fields_and_metadata(service: Service, family: Family) -> None:
    answer = await service.get(path_of(family.sub), family.sub)
    assert answer.status == 200
    assert answer.data["name"] == family.sub.document["name"]
    assert answer.data["id"] == family.sub.id
    assert set(answer.envelope["metadata"]) == DERIVED
    assert {name: answer.data[name] for name in DERIVED} == answer.envelope["metadata"]
    assert answer.envelope["metadata"]["reseller_id"] == family.reseller.id
    assert answer.envelope["metadata"]["enabled"] is True
    assert not [key for key in answer.data if key.startswith(("pvt_", "_"))]
    assert answer.headers["ETag"] == f'"{answer.envelope["revision"]}"'


async def test_accounts_get_billing_mode_depends_on_the_caller(service: Service, family: Family) -> None:
    seen = {}
    for name, account, who in (
        ("own", family.sub, family.sub),
        ("as reseller", family.sub, family.reseller),
        ("of the master", family.other, family.other),
        ("reseller", family.reseller, family.reseller),
        ("master", family.master, family.master),
    ):
        data = (await service.get(path_of(account), who)).envelope["metadata"]
        seen[name] = (data["billing_mode"], data["is_reseller"], data["superduper_admin"])
    assert seen == {
        "own": ("manual", False, False),
        "as reseller": ("limits_only", False, False),
        "of the master": ("normal", False, False),
        "reseller": ("normal", True, False),
        "master": ("limits_only", True, True),
    }


async def test_accounts_get_shows_trial_and_notification_preference(
    service: Service, system: System, family: Family
) -> None:
    ends = gregorian_seconds() + 1000
    await system.change(family.sub, pvt_trial_expires=ends, pvt_notification_preference="teletype")
    data = (await service.get(path_of(family.sub), family.sub)).data
    assert 900 < data["trial_time_left"] <= 1000
    assert data["notification_preference"] == "teletype"


async def test_accounts_get_shows_the_api_key_to_administrators_on_request(service: Service, family: Family) -> None:
    key = family.sub.document["pvt_api_key"]
    assert key not in (await service.get(path_of(family.sub), family.sub)).raw.decode()
    asked = f"{path_of(family.sub)}?include_api_key=true"
    assert (await service.get(asked, family.sub)).data["api_key"] == key
    assert key not in (await service.get(asked, family.sub.user)).raw.decode()


async def test_accounts_get_adds_ui_restrictions_for_users_who_may_not_write(
    service: Service, system: System, family: Family
) -> None:
    assert "ui_restrictions" not in (await service.get(path_of(family.sub), family.sub)).data
    assert (await service.get(path_of(family.sub), family.sub.user)).data["ui_restrictions"] == {}
    assert "ui_restrictions" not in (await both(system, family.sub.id))[0]
    kept = {"myaccount": {"user": {"show_tab": True}}}
    assert (await service.patch(path_of(family.sub), family.sub, {"ui_restrictions": kept})).status == 200
    assert (await service.get(path_of(family.sub), family.sub.user)).data["ui_restrictions"] == kept


async def test_accounts_get_allows_only_the_account_and_its_ancestors(service: Service, family: Family) -> None:
    for who in (family.master, family.reseller, family.sub, family.sub.user):
        assert (await service.get(path_of(family.sub), who)).status == 200
    assert (await service.get(path_of(family.sub), family.other)).status == 403
    assert (await service.get(path_of(family.sub), family.other.alone)).status == 403
    assert (await service.get(path_of(family.sub))).status == 401


async def test_accounts_get_accepts_the_token_in_the_query(service: Service, system: System, family: Family) -> None:
    token = system.token(family.reseller)
    assert (await service.get(f"{path_of(family.sub)}?auth_token={token}&_=1")).status == 200


async def test_account_get_singular_is_the_callers_account(service: Service, family: Family) -> None:
    assert (await service.get("account", family.sub)).data["id"] == family.sub.id


async def test_accounts_get_unknown_account_is_404_before_authentication(service: Service) -> None:
    answer = await service.get(f"accounts/{'9' * 32}")
    assert answer.status == 404
    assert answer.data == {"cause": "9" * 32, "message": "bad identifier"}


@pytest.mark.parametrize("more", ["/api_keys", "/move", "/children/x"])
async def test_accounts_get_unsupported_path_is_404(service: Service, family: Family, more: str) -> None:
    answer = await service.get(path_of(family.sub, more), family.sub)
    assert (answer.status, answer.envelope["message"]) == (404, "not_found")


async def test_accounts_get_list_of_all_accounts_is_405(service: Service, family: Family) -> None:
    assert (await service.get("accounts", family.master)).status == 405


async def test_accounts_children_get_lists_accounts_below(service: Service, family: Family) -> None:
    answer = await service.get(f"{path_of(family.master)}/children?ascending=true", family.master)
    assert [each["id"] for each in answer.data] == [family.other.id, family.reseller.id]
    assert set(answer.data[0]) == {"id", "name", "realm", "descendants_count", "flags"}
    assert answer.envelope["page_size"] == 2
    assert answer.envelope["start_key"]


async def test_accounts_children_get_is_descending_by_default(service: Service, family: Family) -> None:
    for query in ("", "?ascending=false", "?descending=true"):
        answer = await service.get(f"{path_of(family.master)}/children{query}", family.master)
        assert [each["id"] for each in answer.data] == [family.reseller.id, family.other.id], query


async def test_accounts_descendants_get_lists_all_accounts_below(service: Service, family: Family) -> None:
    answer = await service.get(f"{path_of(family.master)}/descendants?ascending=true", family.master)
    assert [each["id"] for each in answer.data] == [family.other.id, family.reseller.id, family.sub.id]
    assert answer.data[2]["tree"] == [family.master.id, family.reseller.id]
    own = await service.get(f"{path_of(family.reseller)}/descendants", family.reseller)
    assert [each["id"] for each in own.data] == [family.sub.id]


async def test_accounts_descendants_get_returns_pages(service: Service, family: Family) -> None:
    seen, start = [], ""
    for _ in range(3):
        path = f"{path_of(family.master)}/descendants?ascending=true&page_size=1{start}"
        answer = await service.get(path, family.master)
        seen += [each["id"] for each in answer.data]
        start = f"&start_key={answer.envelope.get('next_start_key')}"
    assert seen == [family.other.id, family.reseller.id, family.sub.id]
    assert start == "&start_key=None"


async def test_accounts_children_get_page_cannot_begin_outside_of_its_list(service: Service, family: Family) -> None:
    """Otherwise a reseller could page through the accounts of others."""
    foreign = await service.get(f"{path_of(family.master)}/children?ascending=true&page_size=1", family.master)
    for start in (foreign.envelope["start_key"], foreign.envelope["next_start_key"], "", "a", "g2o"):
        for order in ("ascending=true", "descending=true"):
            path = f"{path_of(family.reseller)}/children?{order}&start_key={start}"
            answer = await service.get(path, family.reseller)
            assert [each["id"] for each in answer.data] == [family.sub.id], start


async def test_accounts_lists_get_same_result_without_views(
    service: Service, new_service: NewService, family: Family, system: System
) -> None:
    paths = [
        f"{path_of(family.master)}/{which}?{query}"
        for which in ("children", "descendants")
        for query in ("ascending=true", "descending=true", "filter_realm=x", "page_size=1")
    ]
    with_views = [(await service.get(path, family.master)).data for path in paths]
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        other = new_service()
        assert [(await other.get(path, family.master)).data for path in paths] == with_views
    finally:
        await system.couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_accounts_siblings_get_lists_children_of_the_parent(service: Service, family: Family) -> None:
    answer = await service.get(f"{path_of(family.reseller)}/siblings?ascending=true", family.master)
    assert [each["id"] for each in answer.data] == [family.other.id, family.reseller.id]
    from_above = await service.get(f"{path_of(family.sub)}/siblings", family.reseller)
    assert [each["id"] for each in from_above.data] == [family.sub.id]


async def test_accounts_siblings_get_of_the_own_account_is_403(service: Service, family: Family) -> None:
    assert (await service.get(f"{path_of(family.sub)}/siblings", family.sub)).status == 403
    assert (await service.get(f"{path_of(family.master)}/siblings", family.master)).status == 404


async def test_accounts_siblings_get_can_be_disabled(service: Service, system: System, family: Family) -> None:
    await system.config("crossbar.accounts", allow_sibling_listing=False)
    assert (await service.get(f"{path_of(family.sub)}/siblings", family.reseller)).status == 403
    assert (await service.get(f"{path_of(family.sub)}/siblings", family.master)).status == 200


async def test_accounts_tree_get_ends_at_the_callers_account(service: Service, family: Family) -> None:
    tree = {}
    for who in (family.master, family.reseller, family.sub):
        answer = await service.get(f"{path_of(family.sub)}/tree", who)
        tree[who.id] = [each["id"] for each in answer.data]
    assert tree == {
        family.master.id: [family.master.id, family.reseller.id],
        family.reseller.id: [family.reseller.id],
        family.sub.id: [],
    }
    named = await service.get(f"{path_of(family.sub)}/tree", family.reseller)
    assert named.data == [{"id": family.reseller.id, "name": family.reseller.document["name"]}]


async def test_accounts_parents_get_lists_all_ancestors_for_the_account_itself(
    service: Service, family: Family
) -> None:
    answer = await service.get(f"{path_of(family.sub)}/parents", family.sub)
    assert [each["id"] for each in answer.data] == [family.master.id, family.reseller.id]
    assert answer.envelope["page_size"] == 2
    from_above = await service.get(f"{path_of(family.sub)}/parents", family.reseller)
    assert [each["id"] for each in from_above.data] == [family.reseller.id]
    assert (await service.get(f"{path_of(family.master)}/parents", family.master)).data == []


async def test_accounts_put_creates_databases_and_documents(system: System, family: Family) -> None:
    name = f"New {family.tag}"
    answer = await family.create_account(family.reseller, name, realm=f"new.{family.tag}.test", language="de-DE")
    assert answer.status == 201
    account_id = answer.data["id"]
    assert answer.headers["Location"] == f"/v2/accounts/{account_id}"
    assert answer.data["name"] == name
    assert answer.envelope["metadata"]["reseller_id"] == family.reseller.id
    assert answer.envelope["metadata"]["billing_mode"] == "limits_only"
    document, copy = await both(system, account_id)
    assert document == copy
    assert document["pvt_type"] == "account"
    assert document["pvt_tree"] == [family.master.id, family.reseller.id]
    assert document["pvt_account_id"] == account_id
    assert document["pvt_account_db"] == encoded_account_db(account_id)
    assert document["pvt_enabled"] is True
    assert document["pvt_superduper_admin"] is False
    assert document["pvt_auth_account_id"] == family.reseller.id
    assert len(document["pvt_api_key"]) == 64
    assert document["pvt_signature_secret"]
    assert document["pvt_alphanum_name"] == f"new{family.tag}"
    assert document["language"] == "de-DE"
    assert document["music_on_hold"] == {}
    services = await system.couch.open_doc("services", account_id)
    assert services["pvt_reseller_id"] == family.reseller.id
    assert services["pvt_tree"] == document["pvt_tree"]
    apps_store = await system.couch.open_doc(account_db(account_id), "apps_store")
    assert "pvt_type" not in apps_store
    assert await system.couch.view(account_db(account_id), "users/crossbar_listing") == []


async def test_accounts_put_new_account_works_at_once(service: Service, family: Family) -> None:
    answer = await family.create_account(family.reseller, f"New {family.tag}", realm=f"new.{family.tag}.test")
    path = f"accounts/{answer.data['id']}"
    person = {"first_name": "A", "last_name": "B", "username": "boss", "password": "x", "priv_level": "admin"}
    assert (await service.put(f"{path}/users", family.reseller, person)).status == 201
    md5, _ = password_hashes("boss", "x")
    session = await service.put("user_auth", None, {"credentials": md5, "account_name": f"NEW {family.tag}!"})
    assert session.status == 201
    token = session.envelope["auth_token"]
    assert (await service.get(f"{path}/users", token=token)).status == 200
    assert (await service.get(f"{path}/apps_store", token=token)).status == 200
    children = await service.get(f"{path_of(family.reseller)}/children?ascending=true", family.reseller)
    assert [each["id"] for each in children.data] == [answer.data["id"], family.sub.id]


async def test_accounts_put_parent_is_in_the_path(system: System, family: Family) -> None:
    answer = await family.create_account(family.master, f"Deep {family.tag}", below=family.sub.id)
    document, _ = await both(system, answer.data["id"])
    assert document["pvt_tree"] == [family.master.id, family.reseller.id, family.sub.id]
    assert answer.data["reseller_id"] == family.reseller.id


async def test_accounts_put_generates_a_realm(family: Family) -> None:
    answer = await family.create_account(family.reseller, f"New {family.tag}")
    assert answer.data["realm"].endswith(".sip.2600hz.com")
    assert len(answer.data["realm"].split(".")[0]) == 6


async def test_accounts_put_uses_configured_realm_and_timezone(system: System, family: Family) -> None:
    await system.config("crossbar.accounts", account_realm_suffix="pbx.test", random_realm_strength=8)
    await system.config("accounts", master_account_id=family.master.id, default_timezone="Europe/Berlin")
    other = await family.create_account(family.reseller, f"Newer {family.tag}")
    assert other.data["realm"].endswith(".pbx.test")
    assert len(other.data["realm"].split(".")[0]) == 16
    assert other.data["timezone"] == "Europe/Berlin"


async def test_accounts_put_removes_spaces_from_the_realm(family: Family) -> None:
    answer = await family.create_account(family.reseller, f"New {family.tag}", realm=f"a b.{family.tag} .test")
    assert answer.data["realm"] == f"ab.{family.tag}.test"


async def test_accounts_put_refuses_taken_name_and_realm(family: Family) -> None:
    name, realm = family.sub.name.upper().replace(" ", "-"), family.sub.document["realm"].upper()
    answer = await family.create_account(family.master, name, realm=realm)
    assert answer.status == 400
    assert answer.envelope["message"] == "validation error"
    assert answer.data == {
        "name": {"unique": {"message": "Account name already in use", "cause": name}},
        "realm": {"unique": {"message": "Account realm already in use", "cause": realm}},
    }


async def test_accounts_put_allows_taken_name_where_configured(system: System, family: Family) -> None:
    await system.config("crossbar.accounts", ensure_unique_name=False)
    assert (await family.create_account(family.master, family.sub.name.lower())).status == 201


async def test_accounts_put_reports_every_error(service: Service, family: Family) -> None:
    answer = await service.put("accounts", family.master, {"realm": family.sub.document["realm"], "language": 5})
    assert answer.status == 400
    assert {path: list(rules) for path, rules in answer.data.items()} == {
        "name": ["required"],
        "language": ["type"],
        "realm": ["unique"],
    }


async def test_accounts_put_drops_private_and_derived_fields(system: System, family: Family) -> None:
    sent: JsonObject = {
        "id": family.sub.id,
        "_id": family.sub.id,
        "pvt_superduper_admin": True,
        "pvt_tree": [],
        "pvt_reseller": True,
        "superduper_admin": True,
        "is_reseller": True,
        "api_key": "x",
    }
    answer = await family.create_account(family.reseller, f"New {family.tag}", **sent)
    assert answer.status == 201
    document, _ = await both(system, answer.data["id"])
    assert answer.data["id"] != family.sub.id
    assert document["pvt_superduper_admin"] is False
    assert document["pvt_reseller"] is False
    assert document["pvt_tree"] == [family.master.id, family.reseller.id]
    assert not {"superduper_admin", "is_reseller", "api_key", "enabled"} & set(document)


async def test_accounts_put_trial_ends_after_a_fortnight(system: System, family: Family) -> None:
    answer = await family.create_account(family.reseller, f"New {family.tag}", is_trial_account=True)
    document, _ = await both(system, answer.data["id"])
    left = document["pvt_trial_expires"] - gregorian_seconds()
    assert 14 * 86400 - 60 < left <= 14 * 86400
    assert "is_trial_account" not in document
    assert answer.data["trial_time_left"] > 0


async def test_accounts_put_may_create_a_disabled_account(system: System, family: Family) -> None:
    answer = await family.create_account(family.reseller, f"New {family.tag}", enabled=False)
    document, _ = await both(system, answer.data["id"])
    assert document["pvt_enabled"] is False
    assert answer.data["enabled"] is False


async def test_accounts_put_below_a_disabled_parent_is_disabled(system: System, family: Family) -> None:
    await system.change(family.sub, pvt_enabled=False)
    answer = await family.create_account(family.master, f"New {family.tag}", below=family.sub.id, enabled=True)
    assert answer.data["enabled"] is False


async def test_accounts_put_inherits_the_resellers_notification_preference(system: System, family: Family) -> None:
    await system.change(family.reseller, notifications={"fax_to_email": {"x": 1}})
    answer = await family.create_account(family.reseller, f"New {family.tag}")
    document, _ = await both(system, answer.data["id"])
    assert document["pvt_notification_preference"] == "notify"


async def test_accounts_put_and_delete_update_descendants_count(
    system: System, service: Service, family: Family
) -> None:
    first = await family.create_account(family.master, f"New {family.tag}", below=family.sub.id)
    document, copy = await both(system, family.sub.id)
    assert document["descendants_count"] == copy["descendants_count"] == 1
    await service.delete(f"accounts/{first.data['id']}", family.master)
    document, copy = await both(system, family.sub.id)
    assert document["descendants_count"] == copy["descendants_count"] == 0


async def test_accounts_put_refuses_direct_accounts_where_configured(system: System, family: Family) -> None:
    config = {"master_account_id": family.master.id, "allow_subaccounts_for_direct": False}
    await system.config("accounts", **config)
    refused = await family.create_account(family.other, f"New {family.tag}")
    assert refused.data["account"]["forbidden"]["cause"] == family.other.id
    for number, who in enumerate((family.reseller, family.sub)):
        assert (await family.create_account(who, f"New {number} {family.tag}")).status == 201


async def test_accounts_put_requires_an_administrator(family: Family) -> None:
    assert (await family.create_account(family.sub.user, f"New {family.tag}")).status == 403
    assert (await family.create_account(family.sub.alone, f"New {family.tag}")).status == 201


async def test_accounts_put_below_another_account_is_403(family: Family) -> None:
    for parent in (family.master, family.other):
        assert (await family.create_account(family.sub, f"New {family.tag}", below=parent.id)).status == 403


async def test_accounts_put_concurrent_requests_get_unique_names(system: System, family: Family) -> None:
    answers = await asyncio.gather(*(family.create_account(family.reseller, f"New {family.tag}") for _ in range(3)))
    assert {answer.status for answer in answers} <= {201, 400}
    rows = await system.couch.view("accounts", "accounts/listing_by_name", key=f"new{family.tag}")
    assert [row.id for row in rows] == [answer.data["id"] for answer in answers if answer.status == 201]
    assert len(rows) <= 1


@pytest.mark.parametrize("failing", ["account", "_design/users", "apps_store", "services", "accounts"])
async def test_accounts_put_undoes_everything_after_a_failure(
    system: System, family: Family, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    before = await account_ids(system)
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
    answer = await family.create_account(family.reseller, f"New {family.tag}")
    monkeypatch.undo()
    assert answer.status == 500
    assert await account_ids(system) == before
    assert len(made) == 1
    assert not await system.couch.database_exists(account_db(made[0]))
    with pytest.raises(DocumentMissing):
        await system.couch.open_doc("services", made[0])
    assert (await family.create_account(family.reseller, f"New {family.tag}")).status == 201


async def test_accounts_put_leaves_nothing_findable_where_undoing_fails(
    system: System, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await account_ids(system)
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
    answer = await family.create_account(family.reseller, f"New {family.tag}")
    monkeypatch.undo()
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert await account_ids(system) == before


async def test_accounts_put_does_not_overwrite_an_existing_id(
    service: Service, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbar_appstore.resources.account_creation.new_id", lambda: family.sub.id)
    answer = await service.put("accounts", family.reseller, {"name": f"New {family.tag}"})
    assert answer.status == 409
    assert (await service.get(path_of(family.sub), family.sub)).status == 200


async def test_accounts_put_succeeds_where_counting_descendants_fails(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*args: Any, **more: Any) -> None:
        raise Unreachable("gone")

    monkeypatch.setattr("crossbar_appstore.resources.account_storage.descendants", never)
    assert (await family.create_account(family.reseller, f"New {family.tag}")).status == 201


async def account_ids(system: System) -> set[str | None]:
    return {row.id for row in await system.couch.all_docs("accounts")}


async def test_accounts_post_replaces_public_fields_in_both_databases(
    service: Service, system: System, family: Family
) -> None:
    await system.change(family.sub, old="gone", pvt_note="kept")
    shown = (await service.get(path_of(family.sub), family.sub)).data
    sent = {**shown, "ui_restrictions": {"myaccount": {"user": {"show_tab": True}}}}
    del sent["old"]
    answer = await service.post(path_of(family.sub), family.sub, sent)
    assert answer.status == 200
    document, copy = await both(system, family.sub.id)
    assert document == copy
    assert document["ui_restrictions"] == sent["ui_restrictions"]
    assert document["pvt_note"] == "kept"
    assert "old" not in document
    assert not (DERIVED - {"enabled"}) & set(document)
    kept = ("pvt_tree", "pvt_api_key", "pvt_signature_secret", "pvt_enabled", "pvt_created")
    assert {key: document[key] for key in kept} == {key: family.sub.document[key] for key in kept}
    assert answer.envelope["metadata"]["reseller_id"] == family.reseller.id
    assert {name: answer.data[name] for name in DERIVED} == answer.envelope["metadata"]


async def test_accounts_patch_merges_fields(service: Service, family: Family) -> None:
    await service.patch(path_of(family.sub), family.sub, {"zones": {"home": "a", "other": "b"}})
    answer = await service.patch(path_of(family.sub), family.sub, {"zones": {"other": None}, "org": "Org"})
    assert answer.data["zones"] == {"home": "a"}
    assert answer.data["org"] == "Org"
    assert answer.data["realm"] == family.sub.document["realm"]


async def test_accounts_post_keeps_realm_and_timezone(service: Service, family: Family) -> None:
    answer = await service.post(path_of(family.sub), family.sub, {"name": f"Another {family.tag}"})
    assert answer.status == 200
    assert answer.data["realm"] == family.sub.document["realm"]
    assert answer.data["timezone"] == family.sub.document["timezone"]


async def test_accounts_patch_new_name_is_accepted_at_login(service: Service, family: Family) -> None:
    await service.patch(path_of(family.sub), family.sub, {"name": f"Renamed {family.tag}"})
    md5, _ = password_hashes(family.sub.admin.name, PASSWORD)
    answer = await service.put("user_auth", None, {"credentials": md5, "account_name": f"renamed{family.tag}"})
    assert answer.status == 201


async def test_accounts_patch_refuses_taken_names_but_not_its_own(service: Service, family: Family) -> None:
    own = {"name": family.sub.document["name"], "realm": family.sub.document["realm"]}
    assert (await service.patch(path_of(family.sub), family.sub, own)).status == 200
    case = {"name": family.sub.document["name"].upper(), "realm": family.sub.document["realm"].upper()}
    assert (await service.patch(path_of(family.sub), family.sub, case)).status == 200
    others = {"name": family.other.document["name"], "realm": family.other.document["realm"]}
    answer = await service.patch(path_of(family.sub), family.sub, others)
    assert {path: list(rules) for path, rules in answer.data.items()} == {"name": ["unique"], "realm": ["unique"]}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_accounts_post_and_patch_drop_private_fields(
    system: System, service: Service, family: Family, method: str
) -> None:
    sent = {
        "name": f"N {family.tag}",
        "pvt_superduper_admin": True,
        "pvt_tree": [],
        "pvt_reseller": True,
        "_rev": "x",
    }
    assert (await service.call(method, path_of(family.sub), family.sub, sent)).status == 200
    document, _ = await both(system, family.sub.id)
    assert document["pvt_superduper_admin"] is False
    assert document["pvt_tree"] == [family.master.id, family.reseller.id]


async def test_accounts_patch_ancestor_enables_and_disables(system: System, service: Service, family: Family) -> None:
    answer = await service.patch(path_of(family.sub), family.reseller, {"enabled": False})
    assert answer.data["enabled"] is False
    document, copy = await both(system, family.sub.id)
    assert document["pvt_enabled"] is copy["pvt_enabled"] is False
    assert "enabled" not in document


async def test_accounts_post_and_patch_cannot_enable_the_own_account(service: Service, family: Family) -> None:
    await service.patch(path_of(family.sub), family.reseller, {"enabled": False})
    for method in ("PATCH", "POST"):
        sent = {"name": f"N {family.tag}", "enabled": True}
        assert (await service.call(method, path_of(family.sub), family.sub, sent)).data["enabled"] is False


async def test_accounts_post_and_patch_keep_enabled_if_not_given(service: Service, family: Family) -> None:
    await service.patch(path_of(family.sub), family.reseller, {"enabled": False})
    for method in ("PATCH", "POST"):
        answer = await service.call(method, path_of(family.sub), family.reseller, {"name": f"N {family.tag}"})
        assert answer.data["enabled"] is False


async def test_accounts_patch_concurrent_changes_are_all_stored(
    system: System, service: Service, family: Family
) -> None:
    answers = await asyncio.gather(
        *(service.patch(path_of(family.sub), family.sub, {f"note{number}": number}) for number in range(3))
    )
    assert {answer.status for answer in answers} == {200}
    document, copy = await both(system, family.sub.id)
    assert {f"note{number}" for number in range(3)} <= set(document)
    assert document == copy


async def test_accounts_patch_checks_if_match(service: Service, family: Family) -> None:
    revision = (await service.get(path_of(family.sub), family.sub)).envelope["revision"]
    current, old = {"If-Match": f'"{revision}"'}, {"If-Match": '"1-old"'}
    assert (await service.patch(path_of(family.sub), family.sub, {"org": "x"}, headers=old)).status == 412
    assert (await service.patch(path_of(family.sub), family.sub, {"org": "x"}, headers=current)).status == 200


async def test_accounts_patch_reports_validation_errors(service: Service, family: Family) -> None:
    answer = await service.patch(path_of(family.sub), family.sub, {"realm": "no spaces/please", "name": None})
    assert {path: list(rules) for path, rules in answer.data.items()} == {
        "realm": ["pattern"],
        "name": ["required"],
    }


async def test_accounts_post_patch_and_delete_require_an_administrator(service: Service, family: Family) -> None:
    for method in ("POST", "PATCH", "DELETE"):
        answer = await service.call(method, path_of(family.sub), family.sub.user, {"name": "x"})
        assert answer.status == 403


async def test_accounts_patch_keeps_attachments_and_does_not_copy_them(
    service: Service, system: System, family: Family
) -> None:
    stub = {"logo": {"content_type": "text/plain", "data": "eA=="}}
    await system.put(family.sub.database, family.sub.document | {"_attachments": stub})
    assert (await service.patch(path_of(family.sub), family.sub, {"org": "x"})).status == 200
    document, copy = await both(system, family.sub.id)
    assert "logo" in document["_attachments"]
    assert "_attachments" not in copy


@pytest.mark.parametrize("others", [1, 9])
async def test_account_storage_change_copies_the_newest_of_concurrent_changes(
    system: System, service: Service, family: Family, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    """Concurrent changes may be copied in another order than they were saved in."""
    copy = AccountStorage._copy
    changes, changing = 0, False

    async def slow(storage: AccountStorage, account_id: str, account: JsonObject) -> None:
        nonlocal changes, changing
        if not changing and changes < others:
            changing, changes = True, changes + 1
            await service.patch(path_of(family.sub), family.sub, {"other": changes})
            changing = False
        await copy(storage, account_id, account)

    monkeypatch.setattr(AccountStorage, "_copy", slow)
    assert (await service.patch(path_of(family.sub), family.sub, {"first": 1})).status == 200
    document, copied = await both(system, family.sub.id)
    assert copied["first"] == 1
    assert document["other"] == changes
    assert copied["other"] >= changes - 1


async def test_accounts_delete_marks_documents_and_hides_the_account(
    service: Service, system: System, family: Family
) -> None:
    answer = await service.delete(path_of(family.sub), family.reseller)
    assert answer.status == 200
    assert answer.data["_read_only"] == {"deleted": True}
    assert answer.data["id"] == family.sub.id
    for database in ("accounts", "services", family.sub.database):
        assert (await system.couch.open_doc(database, family.sub.id))["pvt_deleted"] is True
    assert (await service.get(path_of(family.sub), family.reseller)).status == 404
    assert (await service.get(f"{path_of(family.sub)}/users", family.reseller)).status == 404
    assert (await service.get(f"{path_of(family.sub)}/apps_store", family.reseller)).status == 404
    # Tokens that were issued before end with the account.
    assert (await service.get(f"{path_of(family.sub)}/apps_store", family.sub)).status == 401
    assert (await family.create_account(family.sub, f"New {family.tag}")).status == 401
    assert (await service.delete(path_of(family.sub), family.reseller)).status == 404
    assert (await service.get(f"{path_of(family.reseller)}/children", family.reseller)).data == []
    md5, _ = password_hashes(family.sub.admin.name, PASSWORD)
    credentials = {"credentials": md5, "account_realm": family.sub.document["realm"]}
    assert (await service.put("user_auth", None, credentials)).status == 401


async def test_accounts_delete_frees_name_and_realm(service: Service, family: Family) -> None:
    await service.delete(path_of(family.sub), family.reseller)
    fields = {"realm": family.sub.document["realm"]}
    assert (await family.create_account(family.reseller, family.sub.document["name"], **fields)).status == 201


async def test_accounts_delete_works_without_services_document(
    service: Service, system: System, family: Family
) -> None:
    await system.remove("services", family.sub.id)
    assert (await service.delete(path_of(family.sub), family.reseller)).status == 200


async def test_accounts_delete_refuses_account_with_descendants(service: Service, family: Family) -> None:
    answer = await service.delete(path_of(family.reseller), family.master)
    assert (answer.status, answer.envelope["message"]) == (500, "account_has_descendants")
    assert answer.data == {"message": "account has descendants"}


async def test_accounts_delete_refuses_account_with_descendants_without_a_view(
    service: Service, family: Family, system: System
) -> None:
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        assert (await service.delete(path_of(family.reseller), family.master)).status == 500
        assert (await service.delete(path_of(family.sub), family.master)).status == 200
    finally:
        await system.couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_accounts_delete_of_the_master_account_is_405(service: Service, family: Family) -> None:
    answer = await service.delete(path_of(family.master), family.master)
    assert answer.status == 405
    assert "DELETE" not in answer.headers["Access-Control-Allow-Methods"]


async def test_accounts_delete_of_the_own_account_is_403(service: Service, family: Family) -> None:
    answer = await service.delete(path_of(family.sub), family.sub)
    assert answer.status == 403
    assert answer.data["cause"] == family.sub.id


async def test_accounts_delete_can_be_repeated_after_a_failure(
    service: Service, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_doc = Couch.save_doc

    async def save(couch: Couch, database: str, doc: JsonObject) -> JsonObject:
        if database == "services":
            raise Unreachable("gone")
        return await save_doc(couch, database, doc)

    monkeypatch.setattr(Couch, "save_doc", save)
    assert (await service.delete(path_of(family.sub), family.reseller)).status == 503
    monkeypatch.undo()
    assert (await service.delete(path_of(family.sub), family.reseller)).status == 200


async def test_accounts_reseller_put_and_delete_set_the_reseller_of_descendants(
    service: Service, system: System, family: Family
) -> None:
    below = (await family.create_account(family.master, f"New {family.tag}", below=family.other.id)).data["id"]
    answer = await service.put(path_of(family.other, "/reseller"), family.master, {})
    assert answer.status == 201
    assert answer.data["is_reseller"] is True
    assert answer.data["reseller_id"] == family.master.id
    document, copy = await both(system, family.other.id)
    assert document["pvt_reseller"] is copy["pvt_reseller"] is True
    assert (await system.couch.open_doc("services", below))["pvt_reseller_id"] == family.other.id
    assert (await service.get(f"accounts/{below}", family.other)).data["billing_mode"] == "limits_only"
    again = await service.delete(path_of(family.other, "/reseller"), family.master)
    assert again.data["is_reseller"] is False
    assert (await system.couch.open_doc("services", below))["pvt_reseller_id"] == family.master.id
    document, copy = await both(system, below)
    assert document["pvt_reseller_id"] == copy["pvt_reseller_id"] == family.master.id


async def test_accounts_reseller_put_creates_missing_services_document(
    service: Service, system: System, family: Family
) -> None:
    await system.remove("services", family.other.id)
    assert (await service.put(path_of(family.other, "/reseller"), family.master, {})).data["is_reseller"] is True


async def test_accounts_reseller_delete_refuses_account_with_resellers_below(
    service: Service, family: Family, system: System
) -> None:
    assert (await service.put(path_of(family.sub, "/reseller"), family.master, {})).status == 201
    answer = await service.delete(path_of(family.reseller, "/reseller"), family.master)
    assert (answer.status, answer.envelope["message"]) == (500, "account_has_descendants")
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        assert (await service.delete(path_of(family.reseller, "/reseller"), family.master)).status == 500
    finally:
        await system.couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_accounts_reseller_put_and_delete_require_a_superduper_admin(service: Service, family: Family) -> None:
    assert (await service.put(path_of(family.sub, "/reseller"), family.reseller, {})).status == 403
    assert (await service.put(path_of(family.sub, "/reseller"), family.master.user, {})).status == 403
    assert (await service.delete(path_of(family.master, "/reseller"), family.master)).status == 403


async def test_accounts_get_paths_of_other_endpoints_are_404(service: Service, family: Family) -> None:
    """The web client requests these, and continues after a 404."""
    for path in ("external_numbers", "braintree/customer", "service_plans"):
        answer = await service.get(f"{path_of(family.sub)}/{path}", family.sub)
        assert answer.status == 404, path
        assert answer.headers["Content-Type"] == "application/json"
