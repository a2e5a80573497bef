"""The endpoint ``search``: accounts below the caller's own, and documents of an account, by how their names begin."""

from typing import Any
from urllib.parse import urlencode

import pytest

from crossbar_appstore.datastore.documents import ACCOUNTS
from crossbar_appstore.kazoo.ids import account_db
from tests.kit.accounts import Account
from tests.kit.service import Answer, Caller, Service
from tests.kit.system import System
from tests.resources.family import Family


async def search(service: Service, caller: Caller, below: Account | None = None, **query: Any) -> Answer:
    path = "search" if below is None else f"accounts/{below.id}/search"
    return await service.get(f"{path}?{urlencode({'t': 'account', **query})}", caller)


async def found(service: Service, caller: Caller, below: Account | None = None, **query: Any) -> list[str]:
    """The names that were found."""
    answer = await search(service, caller, below, **query)
    assert answer.status == 200, answer.raw
    return [each["name"] for each in answer.data]


async def multi(service: Service, caller: Caller, query: str) -> Answer:
    return await service.get(f"search/multi?{query}", caller)


@pytest.fixture
async def nordic(family: Family) -> list[str]:
    """Accounts below the reseller, in the order of their names."""
    names = ["Nordic Alpha", "Nordic-Beta", "nordics", "NORDIC Zwei"]
    for name in names:
        answer = await family.create_account(family.reseller, name, realm=f"{name.replace(' ', '')}.example.org")
        assert answer.status == 201, answer.raw
    return names


# Accounts


async def test_search_shows_id_name_realm_and_descendants_count(service: Service, family: Family) -> None:
    await family.create_account(family.sub, "Below the sub")
    name, realm = (family.sub.document[field] for field in ("name", "realm"))
    answer = await search(service, family.reseller, q="name", v=name)
    assert answer.status == 200
    assert answer.data == [{"id": family.sub.id, "name": name, "realm": realm, "descendants_count": 1}]
    assert (answer.envelope["page_size"], "next_start_key" in answer.envelope) == (1, False)


@pytest.mark.parametrize("text", ["nordic", "NorDic", "N o-r.d_i'c", "ñnordic", "%no*rdic"])
async def test_search_compares_lower_case_letters_and_digits(
    service: Service, family: Family, nordic: list[str], text: str
) -> None:
    assert await found(service, family.reseller, q="name", v=text) == nordic


async def test_search_finds_only_names_that_begin_with_the_text(
    service: Service, family: Family, nordic: list[str]
) -> None:
    assert await found(service, family.reseller, q="name", v="Nordic A") == nordic[:1]
    assert await found(service, family.reseller, q="name", v="nordic z") == nordic[3:]
    assert await found(service, family.reseller, q="name", v="ordic") == []
    assert await found(service, family.reseller, q="name", v="nordicsnordics") == []


async def test_search_without_letters_in_the_text_finds_all(
    service: Service, family: Family, nordic: list[str]
) -> None:
    for text in ("", "…!"):
        names = await found(service, family.reseller, q="name", v=text)
        assert sorted(names) == sorted([*nordic, family.sub.document["name"]])


async def test_search_by_realm_and_by_id(service: Service, family: Family, nordic: list[str]) -> None:
    assert await found(service, family.reseller, q="realm", v="Nordic-Beta.Example") == ["Nordic-Beta"]
    by_id = await search(service, family.reseller, q="id", v=family.sub.id[:20])
    assert [each["id"] for each in by_id.data] == [family.sub.id]


async def test_search_finds_accounts_below_the_callers_own_only(
    service: Service, family: Family, nordic: list[str]
) -> None:
    own = family.reseller.document["name"]
    for caller in (family.other, family.sub):
        assert await found(service, caller, q="name", v="nordic") == []
        assert await found(service, caller, caller, q="name", v="") == []
    assert await found(service, family.reseller, q="name", v=own) == []
    assert await found(service, family.master, q="name", v=own) == [own]


async def test_search_with_a_plain_user_finds_what_an_administrator_finds(
    service: Service, family: Family, nordic: list[str]
) -> None:
    assert await found(service, family.reseller.user, q="name", v="nordic") == nordic
    assert (await multi(service, family.reseller.user, "t=account&by_name=nordic")).status == 200
    assert await found(service, family.sub.user, q="name", v="") == []


async def test_search_by_a_new_administrator_of_a_sub_account_finds_a_new_account_at_once(
    service: Service, family: Family
) -> None:
    assert await found(service, family.sub, q="name", v="grand") == []
    created = await family.create_account(family.sub, "Grandchild")
    assert await found(service, family.sub, q="name", v="grand") == ["Grandchild"]
    await service.delete(f"accounts/{created.data['id']}", family.sub)
    assert await found(service, family.sub, q="name", v="grand") == []
    assert (await multi(service, family.sub, "t=account&by_name=grand&by_realm=grand")).data == {
        "name": [],
        "realm": [],
    }


async def test_search_of_accounts_ignores_the_account_in_the_path(
    service: Service, family: Family, nordic: list[str]
) -> None:
    for below in (family.reseller, family.sub):
        assert await found(service, family.reseller, below, q="name", v="nordic") == nordic


async def test_search_is_forbidden_below_a_foreign_account(service: Service, family: Family) -> None:
    for kind in ("account", "user"):
        for caller in (family.other, family.sub):
            answer = await search(service, caller, family.reseller, t=kind, q="name", v="")
            assert answer.refusal[:2] == (403, "forbidden")
    assert (await search(service, None, q="name", v="x")).status == 401


async def test_search_by_a_superduper_admin_finds_all_accounts(
    system: System, service: Service, family: Family
) -> None:
    await system.change(family.other, pvt_superduper_admin=True)
    for caller in (family.master, family.other):
        answer = await search(service, caller, q="name", v="")
        ids = {each["id"] for each in answer.data}
        assert ids == {family.reseller.id, family.sub.id, family.other.id}


async def test_search_pages_by_start_key(service: Service, family: Family, nordic: list[str]) -> None:
    seen: list[str] = []
    key = ""
    for _ in nordic:
        answer = await search(service, family.reseller, q="name", v="nordic", page_size=1, start_key=key)
        seen += [each["name"] for each in answer.data]
        key = answer.envelope.get("next_start_key", "")
    assert (seen, key) == (nordic, "")


async def test_search_begins_at_a_start_key_that_is_a_text(service: Service, family: Family, nordic: list[str]) -> None:
    assert await found(service, family.reseller, q="name", v="nordic", start_key="Nordic B") == nordic[1:]
    for outside in ("a", "zzz", ""):
        assert await found(service, family.reseller, q="name", v="nordic", start_key=outside) == nordic


async def test_search_ignores_a_start_key_of_another_search(
    service: Service, family: Family, nordic: list[str]
) -> None:
    foreign = await search(service, family.master, q="name", v="", page_size=1)
    key = foreign.envelope["next_start_key"]
    assert await found(service, family.reseller, q="name", v="nordic", start_key=key) == nordic


async def test_search_without_the_view_reads_the_accounts(
    system: System, service: Service, family: Family, nordic: list[str]
) -> None:
    await system.remove(ACCOUNTS, "_design/search")
    assert await found(service, family.reseller, q="name", v="NORDIC") == nordic
    assert await found(service, family.reseller, q="realm", v="nordic-beta") == ["Nordic-Beta"]
    answer = await search(service, family.reseller, q="id", v=family.sub.id)
    fields = {field: family.sub.document[field] for field in ("name", "realm")}
    assert answer.data == [{"id": family.sub.id, "descendants_count": 0, **fields}]
    first = await search(service, family.reseller, q="name", v="nordic", page_size=3)
    key = first.envelope["next_start_key"]
    assert await found(service, family.reseller, q="name", v="nordic", start_key=key) == nordic[3:]


async def test_search_asks_couchdb_for_one_page(
    system: System, service: Service, family: Family, nordic: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 10,000 accounts, too: only the page and the row after it are read."""
    await found(service, family.reseller, q="name", v="x")
    asked: list[dict[str, Any]] = []
    couch = service.store.couch
    view = couch.view

    async def noted(database: str, name: str, **query: Any) -> Any:
        asked.append({"view": name, **query})
        return await view(database, name, **query)

    monkeypatch.setattr(couch, "view", noted)
    assert await found(service, family.reseller, q="name", v="nordic", page_size=2) == nordic[:2]
    start, end = ([family.reseller.id, "account", text] for text in ("nordic", "nordic\ufff0"))
    assert asked == [{"view": "search/search_by_name", "startkey": start, "endkey": end, "limit": 3}]


# Several fields


async def test_search_multi_lists_each_field_without_pages(service: Service, family: Family, nordic: list[str]) -> None:
    answer = await multi(service, family.reseller, "t=account&by_name=Nordic&by_realm=nordics&by_id=nordic&page_size=1")
    assert answer.status == 200
    assert list(answer.data) == ["name", "realm", "id"]
    assert [each["name"] for each in answer.data["name"]] == nordic
    assert [each["name"] for each in answer.data["realm"]] == nordic[2:3]
    assert answer.data["id"] == []
    assert set(answer.data["name"][0]) == {"id", "name", "realm", "descendants_count"}
    assert not {"page_size", "start_key", "next_start_key"} & set(answer.envelope)
    again = await service.get(
        "search/multi?t=account&by_name=Nordic&by_realm=nordics&by_id=nordic",
        family.reseller,
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert again.status == 304


async def test_search_multi_below_an_account_finds_its_documents(service: Service, family: Family) -> None:
    path = f"accounts/{family.sub.id}/search/multi?t=user&by_name=&by_number=1"
    answer = await service.get(path, family.sub)
    assert {each["id"] for each in answer.data["name"]} >= {family.sub.admin.id, family.sub.user.id}
    assert answer.data["number"] == []


# Documents of an account


async def test_search_finds_documents_of_the_account_by_type(system: System, service: Service, family: Family) -> None:
    """With the views in one account, without them in the other."""
    flow = {"pvt_type": "callflow", "numbers": ["+1555", "Sales"]}
    for account in (family.sub, family.reseller):
        await system.put(account.database, {"_id": "c1", "name": "Main Menu", **flow})
        await system.put(account.database, {"_id": "c2", **flow})
        await system.put(account.database, {"_id": "c3", "name": "Main Gone", "pvt_deleted": True, **flow})
        await system.put(account.database, {"_id": "d1", "pvt_type": "device", "name": "Main Desk"})
        await system.put(
            account.database, {"_id": "u1", "pvt_type": "user", "first_name": "Ådä", "last_name": "Love-Lace"}
        )
        seen: dict[str, list[Any]] = {}
        for t, q, v in (
            ("callflow", "name", "MAIN"),
            ("callflow", "name", "c2"),
            ("callflow", "number", "+1"),
            ("callflow", "name_and_number", ""),
            ("device", "name", "main"),
            ("device", "number", ""),
            ("user", "name", "dlove"),
            ("vmbox", "name", ""),
        ):
            answer = await search(service, account, account, t=t, q=q, v=v)
            assert answer.status == 200, answer.raw
            seen[f"{t} {q} {v}"] = answer.data
        numbers = {"numbers": ["+1555", "Sales"]}
        menu, bare = {"id": "c1", "name": "Main Menu", **numbers}, {"id": "c2", "name": "", **numbers}
        assert seen == {
            "callflow name MAIN": [{"id": "c1", "name": "Main Menu"}],
            "callflow name c2": [{"id": "c2", "name": "c2"}],
            "callflow number +1": [menu, {"id": "c2", **numbers}],
            "callflow name_and_number ": [menu, bare, {**bare, "name": "c2"}, menu, menu, bare],
            "device name main": [{"id": "d1", "name": "Main Desk"}],
            "device number ": [],
            "user name dlove": [{"id": "u1", "name": "Ådä Love-Lace", "first_name": "d", "last_name": "lovelace"}],
            "vmbox name ": [],
        }


async def test_search_of_documents_has_no_secrets(service: Service, family: Family) -> None:
    answer = await search(service, family.sub.user, family.sub, t="user", q="name", v="")
    assert answer.data
    assert {field for each in answer.data for field in each} <= {"id", "name", "first_name", "last_name"}


async def test_search_finds_documents_of_a_descendant(service: Service, family: Family) -> None:
    answer = await search(service, family.reseller, family.sub, t="user", q="name", v="")
    assert {family.sub.admin.id, family.sub.user.id} <= {each["id"] for each in answer.data}


async def test_search_of_a_new_account_uses_the_views(system: System, service: Service, family: Family) -> None:
    created = await family.create_account(family.reseller, "Fresh")
    design = await system.couch.open_doc(account_db(created.data["id"]), "_design/search")
    assert set(design["views"]) == {"search_by_name", "search_by_name_and_number", "search_by_number"}


# Refusals


TYPES = ["account", "user", "callflow", "device"]
FIELDS = ["id", "name", "realm"]


@pytest.mark.parametrize(
    ("query", "path", "rule", "details"),
    [
        ("search?q=name&v=x", "t", "required", {"target": TYPES}),
        ("search?t=account&v=x", "q", "required", {"target": FIELDS}),
        ("search?t=account&q=name", "v", "required", {}),
        ("search?t=account&q=number&v=x", "q", "enum", {"cause": "number"}),
        ("accounts/{S}/search?t=user&v=x", "q", "required", {"target": ["name", "name_and_number", "number"]}),
        ("accounts/{S}/search?t=user&q=realm&v=x", "q", "enum", {"cause": "realm"}),
        ("search/multi?by_name=x", "t", "required", {"target": TYPES}),
        ("search/multi?t=account&name=x", "multi", "enum", {"target": FIELDS}),
        ("search/multi?t=account&by_name=x&by_email=x", "q", "enum", {"cause": "email"}),
        ("search?t=user&q=name&v=x", "account_id", "required", {"value": "account_id"}),
    ],
)
async def test_search_refuses_missing_and_unknown_parameters(
    service: Service, family: Family, query: str, path: str, rule: str, details: dict[str, Any]
) -> None:
    code, message, data = (await service.get(query.format(S=family.sub.id), family.sub)).refusal
    assert (code, message, list(data), list(data[path])) == (400, "validation error", [path], [rule])
    said = data[path][rule]
    assert isinstance(said.pop("message"), str)
    assert said == details


async def test_search_refuses_other_methods_and_paths(service: Service, family: Family) -> None:
    assert (await service.put("search?t=account&q=name&v=x", family.sub, {})).status == 405
    assert (await service.post("search/multi?t=account&by_name=x", family.sub, {})).status == 405
    for path in ("search/single", "search/multi/more"):
        assert (await service.get(f"{path}?t=account&q=name&v=x", family.master)).status == 404
