"""The endpoint ``whitelabel``, by account and by domain."""

import base64
from typing import Any

import pytest

from tests.kit.service import Service
from tests.kit.system import System
from tests.resources.family import Family

LOGO = b"\x89PNG logo"


@pytest.fixture
def domain(family: Family) -> str:
    return f"ui.{family.tag}.test"


async def brand(
    system: System, family: Family, domain: str, attachments: dict[str, bytes] | None = None, **fields: Any
) -> None:
    """Give ``sub`` a whitelabel document, as KAZOO stores it."""
    stubs = {
        name: {"content_type": "image/png" if "." in name else "text/html", "data": base64.b64encode(body).decode()}
        for name, body in (attachments or {}).items()
    }
    document = {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": domain, "company_name": "Acme", **fields}
    await system.put(family.sub.database, {**document, "_attachments": stubs} if stubs else document)
    await system.put("accounts", {**family.sub.document, "pvt_whitelabel_domain": domain})


async def test_whitelabel_get_missing_document_is_404(service: Service, family: Family) -> None:
    answer = await service.get(f"accounts/{family.sub.id}/whitelabel", family.sub)
    assert answer.status == 404
    assert answer.data == {"cause": "whitelabel", "message": "bad identifier"}
    for part in ("logo", "icon", "welcome"):
        assert (await service.get(f"accounts/{family.sub.id}/whitelabel/{part}", family.sub)).status == 404


async def test_whitelabel_get_of_an_account_follows_the_hierarchy(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain)
    for who in (family.sub, family.reseller, family.sub.user):
        answer = await service.get(f"accounts/{family.sub.id}/whitelabel", who)
        assert answer.status == 200
        assert answer.data == {"id": "whitelabel", "domain": domain, "company_name": "Acme"}
        assert answer.envelope["revision"]
    assert (await service.get(f"accounts/{family.sub.id}/whitelabel", family.other)).status == 403
    assert (await service.get(f"accounts/{family.sub.id}/whitelabel")).status == 401
    assert (await service.get("whitelabel", family.sub)).status == 403


async def test_whitelabel_get_of_a_domain_is_public(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain)
    for host in (domain, domain.upper()):
        answer = await service.get(f"whitelabel/{host}?_=1700000000000", headers={"X-Auth-Token": "undefined"})
        assert answer.status == 200
        assert answer.data["domain"] == domain
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("more", ["", "/logo", "/icon", "/welcome"])
async def test_whitelabel_get_unknown_domain_is_404(service: Service, more: str) -> None:
    answer = await service.get(f"whitelabel/nowhere.test{more}")
    assert answer.status == 404
    assert answer.data == {"cause": "nowhere.test", "message": "bad identifier"}


async def test_whitelabel_get_domain_of_two_accounts_is_404(
    service: Service, system: System, family: Family, domain: str
) -> None:
    await brand(system, family, domain)
    await system.put("accounts", {**family.other.document, "pvt_whitelabel_domain": domain})
    assert (await service.get(f"whitelabel/{domain}")).status == 404


async def test_whitelabel_get_domain_of_a_deleted_document_is_404(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain, pvt_deleted=True)
    assert (await service.get(f"whitelabel/{domain}")).status == 404


async def test_whitelabel_get_domain_without_a_view_is_404(
    service: Service, family: Family, domain: str, system: System
) -> None:
    await brand(system, family, domain)
    design = await system.couch.open_doc("accounts", "_design/accounts")
    await system.couch.delete_doc("accounts", "_design/accounts", design["_rev"])
    try:
        assert (await service.get(f"whitelabel/{domain}")).status == 404
    finally:
        await system.couch.save_doc("accounts", {key: value for key, value in design.items() if key != "_rev"})


async def test_whitelabel_pictures_get_have_type_and_entity_tag(
    system: System, service: Service, family: Family, domain: str
) -> None:
    files = {"icon-i.png": b"icon", "logo-l.png": LOGO, "welcome-page": b"<p>hello</p>"}
    await brand(system, family, domain, files)
    for name, body in files.items():
        part = name.partition("-")[0]
        answer = await service.get(f"whitelabel/{domain}/{part}", headers={"Accept": "*/*"})
        assert (answer.status, answer.raw) == (200, body)
        assert answer.headers["Content-Type"] == ("text/html" if part == "welcome" else "image/png")
        assert answer.headers["Cache-Control"] == "public, max-age=300"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        known = {"If-None-Match": answer.headers["ETag"]}
        assert (await service.get(f"whitelabel/{domain}/{part}", headers=known)).status == 304
        own = await service.get(f"accounts/{family.sub.id}/whitelabel/{part}", family.sub)
        assert own.raw == body
        assert own.headers["Cache-Control"] == "private, max-age=300"


async def test_whitelabel_logo_get_is_the_only_attachment_of_an_old_document(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain, {"picture.png": LOGO})
    assert (await service.get(f"whitelabel/{domain}/logo")).raw == LOGO
    answer = await service.get(f"whitelabel/{domain}/icon")
    assert (answer.status, answer.envelope["message"], answer.data) == (404, "bad identifier", ["icon"])


async def test_whitelabel_logo_get_is_not_the_only_icon(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain, {"icon-i.png": b"icon"})
    assert (await service.get(f"whitelabel/{domain}/icon")).raw == b"icon"
    assert (await service.get(f"whitelabel/{domain}/logo")).status == 404


async def test_whitelabel_get_unknown_part_is_404(service: Service, family: Family) -> None:
    assert (await service.get(f"whitelabel/{family.tag}.test/nothing")).status == 404


async def test_whitelabel_logo_get_of_another_type_is_406(
    system: System, service: Service, family: Family, domain: str
) -> None:
    await brand(system, family, domain, {"logo-l.png": LOGO})
    answer = await service.get(f"whitelabel/{domain}/logo", headers={"Accept": "application/json"})
    assert answer.status == 406
