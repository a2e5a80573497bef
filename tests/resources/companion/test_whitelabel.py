import base64
from typing import Any

import pytest

from crossbar_appstore.datastore.couch import Couch
from tests.resources.companion.api import Api
from tests.resources.companion.world import World

LOGO = b"\x89PNG logo"


@pytest.fixture
def domain(world: World) -> str:
    return f"ui.{world.tag}.test"


async def brand(world: World, domain: str, attachments: dict[str, bytes] | None = None, **fields: Any) -> None:
    """Give ``sub`` a whitelabel document, as KAZOO stores it."""
    stubs = {
        name: {"content_type": "image/png" if "." in name else "text/html", "data": base64.b64encode(body).decode()}
        for name, body in (attachments or {}).items()
    }
    document = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": domain, "company_name": "Acme", **fields}
    await world.put(world.sub.database, {**document, "_attachments": stubs} if stubs else document)
    await world.put("accounts", {**world.sub.document, "pvt_whitelabel_domain": domain})


async def test_an_account_without_a_whitelabel_has_none(api: Api, world: World) -> None:
    answer = await api.get(f"accounts/{world.sub.id}/whitelabel", world.sub)
    assert answer.status == 404
    assert answer.data == {"cause": "whitelabel", "message": "bad identifier"}
    for part in ("logo", "icon", "welcome"):
        assert (await api.get(f"accounts/{world.sub.id}/whitelabel/{part}", world.sub)).status == 404


async def test_an_accounts_whitelabel_is_for_its_line(api: Api, world: World, domain: str) -> None:
    await brand(world, domain)
    for who in (world.sub, world.reseller, (world.sub, "user")):
        answer = await api.get(f"accounts/{world.sub.id}/whitelabel", who)
        assert answer.status == 200
        assert answer.data == {"id": "whitelabel", "domain": domain, "company_name": "Acme"}
        assert answer.body["revision"]
    assert (await api.get(f"accounts/{world.sub.id}/whitelabel", world.other)).status == 403
    assert (await api.get(f"accounts/{world.sub.id}/whitelabel")).status == 401
    assert (await api.get("whitelabel", world.sub)).status == 403


async def test_a_domains_whitelabel_is_public(api: Api, world: World, domain: str) -> None:
    await brand(world, domain)
    for host in (domain, domain.upper()):
        answer = await api.get(f"whitelabel/{host}?_=1700000000000", headers={"X-Auth-Token": "undefined"})
        assert answer.status == 200
        assert answer.data["domain"] == domain
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("more", ["", "/logo", "/icon", "/welcome"])
async def test_an_unknown_domain_is_not_found(api: Api, more: str) -> None:
    answer = await api.get(f"whitelabel/nowhere.test{more}")
    assert answer.status == 404
    assert answer.data == {"cause": "nowhere.test", "message": "bad identifier"}


async def test_a_domain_of_two_accounts_is_nobodys(api: Api, world: World, domain: str) -> None:
    await brand(world, domain)
    await world.put("accounts", {**world.other.document, "pvt_whitelabel_domain": domain})
    assert (await api.get(f"whitelabel/{domain}")).status == 404


async def test_a_domain_whose_document_is_gone_is_not_found(api: Api, world: World, domain: str) -> None:
    await brand(world, domain, pvt_deleted=True)
    assert (await api.get(f"whitelabel/{domain}")).status == 404


async def test_without_a_view_no_domain_is_known(api: Api, world: World, domain: str, couch: Couch) -> None:
    await brand(world, domain)
    design = await couch.open_doc("accounts", "_design/accounts")
    await couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        assert (await api.get(f"whitelabel/{domain}")).status == 404
    finally:
        await couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_pictures_come_with_type_and_entity_tag(api: Api, world: World, domain: str) -> None:
    files = {"icon-i.png": b"icon", "logo-l.png": LOGO, "welcome-page": b"<p>hello</p>"}
    await brand(world, domain, files)
    for name, body in files.items():
        part = name.partition("-")[0]
        answer = await api.get(f"whitelabel/{domain}/{part}", headers={"Accept": "*/*"})
        assert (answer.status, answer.raw) == (200, body)
        assert answer.headers["Content-Type"] == ("text/html" if part == "welcome" else "image/png")
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        known = {"If-None-Match": answer.headers["ETag"]}
        assert (await api.get(f"whitelabel/{domain}/{part}", headers=known)).status == 304
        own = await api.get(f"accounts/{world.sub.id}/whitelabel/{part}", world.sub)
        assert own.raw == body
        assert own.headers["Cache-Control"] == "private, max-age=300"


async def test_the_only_attachment_of_an_old_document_is_the_logo(api: Api, world: World, domain: str) -> None:
    await brand(world, domain, {"picture.png": LOGO})
    assert (await api.get(f"whitelabel/{domain}/logo")).raw == LOGO
    answer = await api.get(f"whitelabel/{domain}/icon")
    assert (answer.status, answer.body["message"], answer.data) == (404, "bad identifier", ["icon"])


async def test_an_icon_alone_is_no_logo(api: Api, world: World, domain: str) -> None:
    await brand(world, domain, {"icon-i.png": b"icon"})
    assert (await api.get(f"whitelabel/{domain}/icon")).raw == b"icon"
    assert (await api.get(f"whitelabel/{domain}/logo")).status == 404


async def test_it_is_for_reading(api: Api, world: World) -> None:
    answer = await api.put(f"accounts/{world.sub.id}/whitelabel", world.sub, {"domain": "x.test"})
    assert answer.status == 405
    assert (await api.get(f"whitelabel/{world.tag}.test/nothing")).status == 404


async def test_a_picture_of_no_wanted_type_is_not_sent(api: Api, world: World, domain: str) -> None:
    await brand(world, domain, {"logo-l.png": LOGO})
    answer = await api.get(f"whitelabel/{domain}/logo", headers={"Accept": "application/json"})
    assert answer.status == 406
