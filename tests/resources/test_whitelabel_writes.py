"""The endpoint ``whitelabel``: creating, replacing and removing the document, and whose a domain is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from crossbar_appstore.json_codec import JsonObject
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.outside import write_at_once
from tests.kit.service import Answer, Service
from tests.kit.system import System
from tests.resources.family import Family
from tests.samples.make_pictures import png

LOGO = png(6, 4, lambda x, y: (x + y) % 7)
DEFAULTS = {"hide_credits": False, "hide_powered": False, "hide_registration": False}


def path_of(account: Account) -> str:
    return f"accounts/{account.id}/whitelabel"


@pytest.fixture
def domain(family: Family) -> str:
    return f"ui.{family.tag}.test"


async def put(service: Service, account: Account, domain: str | None, **fields: Any) -> Answer:
    data = fields if domain is None else {"domain": domain, **fields}
    return await service.put(path_of(account), account, data)


async def held(system: System, account: Account) -> list[Any]:
    """The account's domain in its own document and in the copy."""
    found = [await system.couch.open_doc(database, account.id) for database in (account.database, "accounts")]
    return [document.get("pvt_whitelabel_domain") for document in found]


def write_once(
    proxy: FaultProxy, watched: str, database: str, doc_id: str, change: Callable[[JsonObject], JsonObject]
) -> list[str]:
    """Change a document just before the first save of another one; returns a list with the path of that save."""
    done: list[str] = []

    def before(method: str, path: str) -> None:
        if method == "PUT" and watched in path and not done:
            done.append(path)
            write_at_once(proxy.target, database, doc_id, change)

    proxy.before = before
    return done


def taken(domain: str) -> tuple[int, str, Any]:
    unique = {"message": "White label domain is already in use", "cause": domain}
    return 400, "validation error", {"domain": {"unique": unique}}


async def test_whitelabel_whole_life_is_followed_by_its_domain_at_once(
    system: System, service: Service, family: Family, domain: str
) -> None:
    sub, public = family.sub, f"whitelabel/{domain}"
    assert (await service.get(public)).status == 404
    created = await put(service, sub, domain.upper(), company_name="Acme", ui_metadata={"ui": "monster-ui"})
    assert created.status == 201, created.raw
    fields = {"domain": domain, "company_name": "Acme", "ui_metadata": {"ui": "monster-ui"}, **DEFAULTS}
    assert created.data == {"id": "whitelabel", **fields}
    assert (await service.get(public)).data == created.data
    stored = await system.couch.open_doc(sub.database, "whitelabel")
    assert (stored["pvt_type"], stored["pvt_account_id"]) == ("whitelabel", sub.id)
    assert await held(system, sub) == [domain, domain]

    logo = {"Content-Type": "image/png", "X-File-Name": "ours.png"}
    assert (await service.post(f"{path_of(sub)}/logo", sub, body=LOGO, headers=logo)).status == 200
    assert (await service.get(f"{public}/logo")).raw == LOGO

    replaced = await service.post(path_of(sub), sub, {"domain": f"new.{domain}", "hide_credits": True})
    assert (replaced.status, replaced.data["hide_credits"]) == (200, True)
    assert "company_name" not in replaced.data
    assert (await service.get(public)).status == 404
    assert (await service.get(f"whitelabel/new.{domain}")).data == replaced.data
    assert (await service.get(f"whitelabel/new.{domain}/logo")).raw == LOGO
    assert await held(system, sub) == [f"new.{domain}"] * 2
    assert (await system.couch.open_doc("accounts", sub.id))["name"] == sub.document["name"]

    deleted = await service.delete(path_of(sub), sub)
    assert (deleted.status, deleted.data["_read_only"]) == (200, {"deleted": True})
    for more in ("", "/logo"):
        assert (await service.get(f"whitelabel/new.{domain}{more}")).status == 404
    assert (await service.get(path_of(sub), sub)).status == 404
    assert await held(system, sub) == [None, None]
    again = await put(service, family.other, f"new.{domain}")
    assert (again.status, (await service.get(f"whitelabel/new.{domain}")).data) == (201, again.data)
    recreated = await put(service, sub, domain)
    assert recreated.status == 201
    assert (await service.get(f"{public}/logo")).status == 404


async def test_whitelabel_put_where_there_is_one_is_409(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await put(service, family.sub, domain)
    answer = await put(service, family.sub, f"other.{domain}")
    assert answer.refusal == (409, "datastore_conflict", {"message": "conflicting documents"})
    assert await held(system, family.sub) == [domain, domain]


async def test_whitelabel_put_over_a_deleted_document_keeps_nothing_of_it(
    system: System, service: Service, family: Family, domain: str
) -> None:
    stub = {"content_type": "image/png", "data": "aGVsbG8="}
    old = {"_id": "whitelabel", "pvt_type": "whitelabel", "company_name": "Old", "pvt_deleted": True}
    await system.put(family.sub.database, {**old, "_attachments": {"logo-x.png": stub}})
    assert (await put(service, family.sub, domain)).data == {"id": "whitelabel", "domain": domain, **DEFAULTS}
    assert (await service.get(f"whitelabel/{domain}/logo")).status == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_whitelabel_change_without_a_document_is_404(service: Service, family: Family, method: str) -> None:
    answer = await service.call(method, path_of(family.sub), family.sub, {})
    assert answer.refusal == (404, "bad_identifier", {"cause": "whitelabel", "message": "bad identifier"})


async def test_whitelabel_post_without_a_domain_gives_it_up(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await put(service, family.sub, domain)
    answer = await service.post(path_of(family.sub), family.sub, {"domain": "", "company_name": "Acme"})
    assert answer.data == {"id": "whitelabel", "company_name": "Acme", **DEFAULTS}
    assert await held(system, family.sub) == [None, None]
    assert (await put(service, family.other, domain)).status == 201


async def test_whitelabel_post_keeps_private_fields_and_pictures(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await put(service, family.sub, domain)
    await service.post(f"{path_of(family.sub)}/logo", family.sub, body=LOGO, headers={"Content-Type": "image/png"})
    stored = await system.couch.open_doc(family.sub.database, "whitelabel")
    await system.couch.save_doc(family.sub.database, stored | {"pvt_x": 1})
    await service.post(path_of(family.sub), family.sub, {"domain": domain, "pvt_x": 2, "_id": "y", "id": "z"})
    stored = await system.couch.open_doc(family.sub.database, "whitelabel")
    assert (stored["pvt_x"], "id" in stored, len(stored["_attachments"])) == (1, False, 1)


@pytest.mark.parametrize(
    ("data", "place", "rule"),
    [
        ({"domain": 5}, "domain", "type"),
        ({"domain": "x" * 254}, "domain", "maxLength"),
        ({"hide_powered": "maybe"}, "hide_powered", "type"),
        ({"port": {"support_email": "nobody"}}, "port.support_email", "wrong_format"),
    ],
)
async def test_whitelabel_put_names_what_is_invalid(
    system: System, service: Service, family: Family, data: Any, place: str, rule: str
) -> None:
    answer = await service.put(path_of(family.sub), family.sub, data)
    assert answer.refusal[:2] == (400, "validation error")
    assert list(answer.data[place]) == [rule]
    assert await held(system, family.sub) == [None, None]


async def test_whitelabel_put_converts_types_as_crossbar_does(service: Service, family: Family) -> None:
    assert (await put(service, family.sub, None, hide_powered="true")).data["hide_powered"] is True


async def test_whitelabel_domain_of_another_account_is_400(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await put(service, family.other, domain)
    assert (await put(service, family.sub, domain.upper())).refusal == taken(domain)
    await put(service, family.sub, f"sub.{domain}")
    assert (await service.post(path_of(family.sub), family.sub, {"domain": domain})).refusal == taken(domain)
    assert await held(system, family.sub) == [f"sub.{domain}"] * 2
    both = await service.post(path_of(family.sub), family.sub, {"domain": domain, "hide_powered": "maybe"})
    assert set(both.data) == {"domain", "hide_powered"}
    assert (await service.get(f"whitelabel/{domain}")).data["domain"] == domain


async def test_whitelabel_domain_wanted_by_two_accounts_at_once_is_given_to_one_at_most(
    system: System, service: Service, family: Family, domain: str
) -> None:
    accounts = (family.sub, family.other)
    for attempt in range(4):
        wanted = f"{attempt}.{domain}"
        answers = await asyncio.gather(*(put(service, account, wanted) for account in accounts))
        holders = [account for account in accounts if wanted in await held(system, account)]
        assert [answer.status for answer in answers].count(201) == len(holders) <= 1
        for account, answer in zip(accounts, answers, strict=True):
            assert answer.status == 201 or answer.refusal == taken(wanted)
            assert (await service.get(path_of(account), account)).status == (200 if answer.status == 201 else 404)
            await service.delete(path_of(account), account)


async def test_whitelabel_domain_taken_meanwhile_is_given_back(
    system: System, new_service: NewService, proxy: FaultProxy, family: Family, domain: str
) -> None:
    behind, sub, other = new_service(proxy.url), family.sub, family.other
    await put(behind, sub, f"old.{domain}")
    # Another node gives the domain to another account, after it was looked up.
    done = write_once(proxy, sub.id, "accounts", other.id, lambda each: each | {"pvt_whitelabel_domain": domain})
    answer = await behind.post(path_of(sub), sub, {"domain": domain, "company_name": "New"})
    assert (done != [], answer.refusal) == (True, taken(domain))
    assert await held(system, sub) == [f"old.{domain}"] * 2
    assert "company_name" not in (await behind.get(path_of(sub), sub)).data


async def test_whitelabel_put_without_the_view_is_refused(
    system: System, service: Service, family: Family, domain: str
) -> None:
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        assert (await put(service, family.sub, domain)).refusal == taken(domain)
    finally:
        await system.couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_whitelabel_put_that_failed_halfway_can_be_repeated(
    system: System, new_service: NewService, proxy: FaultProxy, family: Family, domain: str
) -> None:
    behind, sub = new_service(proxy.url), family.sub
    proxy.fail(Fault.RESET_FIRST, method="PUT", path="/whitelabel")
    assert (await put(behind, sub, domain)).status == 503
    proxy.heal()
    assert (await behind.get(f"whitelabel/{domain}")).status == 404
    assert (await put(behind, sub, domain)).status == 201
    assert (await behind.get(f"whitelabel/{domain}")).status == 200


@pytest.mark.parametrize("place", ["accounts/", "account%2F"])
async def test_whitelabel_put_that_failed_at_a_copy_of_the_account_can_be_repeated(
    system: System, new_service: NewService, proxy: FaultProxy, family: Family, domain: str, place: str
) -> None:
    behind, sub = new_service(proxy.url), family.sub
    proxy.fail(Fault.RESET_FIRST, method="PUT", path=place)
    assert (await put(behind, sub, domain)).status == 503
    assert (await behind.get(path_of(sub), sub)).status == 404
    proxy.heal()
    assert (await put(behind, sub, domain)).status == 201
    assert await held(system, sub) == [domain, domain]
    proxy.fail(Fault.RESET_FIRST, method="DELETE", path="/whitelabel")
    assert (await behind.delete(path_of(sub), sub)).status == 503
    proxy.heal()
    assert (await behind.get(f"whitelabel/{domain}")).status == 404
    assert (await behind.delete(path_of(sub), sub)).status == 200
    assert await held(system, sub) == [None, None]


async def test_whitelabel_post_repeated_repairs_the_copy(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await put(service, family.sub, domain)
    stored = await system.couch.open_doc("accounts", family.sub.id)
    await system.couch.save_doc("accounts", stored | {"pvt_whitelabel_domain": "x.test"})
    assert (await service.post(path_of(family.sub), family.sub, {"domain": domain})).status == 200
    assert await held(system, family.sub) == [domain, domain]
    assert (await service.get(f"whitelabel/{domain}")).status == 200


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_whitelabel_change_with_if_match_needs_the_newest_revision(
    system: System, new_service: NewService, proxy: FaultProxy, family: Family, domain: str, method: str
) -> None:
    behind, sub = new_service(proxy.url), family.sub
    old = (await put(behind, sub, domain)).envelope["revision"]
    new = (await behind.post(path_of(sub), sub, {"domain": domain})).envelope["revision"]
    data = {"domain": f"new.{domain}"}

    async def change(revision: str) -> Answer:
        return await behind.call(method, path_of(sub), sub, data, headers={"If-Match": f'"{revision}"'})

    assert (await change(old)).status == 412
    # Another node writes the document while the account is changed.
    done = write_once(proxy, sub.id, sub.database, "whitelabel", lambda each: each | {"pvt_outside": 1})
    assert ((await change(new)).status, done != []) == (412, True)
    assert await held(system, sub) == [domain, domain]
    stored = await system.couch.open_doc(sub.database, "whitelabel")
    assert (stored["domain"], stored["pvt_outside"]) == (domain, 1)
    assert (await change(stored["_rev"])).status == 200


async def test_whitelabel_writes_need_an_administrator_of_the_account_or_above(
    system: System, service: Service, family: Family, domain: str
) -> None:
    sub = family.sub
    plain = await system.user(sub, priv_level="user")
    logo = {"Content-Type": "image/png"}
    for caller in (plain, family.other):
        assert (await service.put(path_of(sub), caller, {"domain": domain})).status == 403
        assert (await service.post(f"{path_of(sub)}/logo", caller, body=LOGO, headers=logo)).status == 403
    assert (await service.put(path_of(sub), family.reseller, {"domain": domain})).status == 201
    assert (await service.post(path_of(sub), family.reseller, {"domain": domain})).status == 200
    assert (await service.post(f"{path_of(sub)}/logo", family.reseller, body=LOGO, headers=logo)).status == 200
    for caller in (plain, family.other):
        assert (await service.post(path_of(sub), caller, {"domain": domain})).status == 403
        assert (await service.delete(path_of(sub), caller)).status == 403
    assert (await service.get(path_of(sub), plain)).status == 200
    assert (await service.delete(path_of(sub), family.master)).status == 200


async def test_whitelabel_put_without_an_account_is_400(service: Service, family: Family) -> None:
    answer = await service.put("whitelabel", family.master, {"domain": "x.test"})
    assert (answer.status, list(answer.data)) == (400, ["account_id"])
    assert (await service.post(f"whitelabel/{family.tag}.test", family.master, {})).status == 405


async def test_whitelabel_domains_get_fills_in_the_domain(
    system: System, service: Service, family: Family, domain: str
) -> None:
    path = f"{path_of(family.sub)}/domains"
    missing = await service.get(path, family.sub)
    assert (missing.status, list(missing.data["domain"])) == (400, ["required"])
    await put(service, family.sub, domain)
    empty: dict[str, Any] = {record: {} for record in ("A", "CNAME", "MX", "NAPTR", "SRV", "TXT")}
    assert (await service.get(path, family.sub)).data == empty
    host = {"name": "Web page", "mapping": ["ui.example.org", "{{domain}}.example.org"], "zone": "east"}
    await system.config("whitelabel", domains={"CNAME": {"portal.{{domain}}": host}, "MX": None, "X": {}})
    filled = {**host, "mapping": ["ui.example.org", f"{domain}.example.org"]}
    wanted = {**empty, "CNAME": {f"portal.{domain}": filled}}
    for asked in (path, f"whitelabel/domains?domain={domain}"):
        async with asyncio.timeout(5):
            while (answer := await service.get(asked, family.sub)).data == empty:
                await asyncio.sleep(0.1)
        assert answer.data == wanted
    assert (await service.get(f"{path}?domain=x.test", family.sub)).data["CNAME"].keys() == {"portal.x.test"}
    assert (await service.post(path, family.sub, {})).status == 405
