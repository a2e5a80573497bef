"""…/i18n/{language}/apps_store/… and …/whitelabel/{domain}/apps_store/…, and pictures by name."""

from typing import Any

import pytest

from crossbar_appstore.datastore.errors import Unreachable
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kazoo5.branding import LOGO, OTHER, PHOTO, Branding
from tests.kit.accounts import Account
from tests.kit.apps import FIRST, ICON, SECOND, app_document, permission
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System

PICTURES = {
    "icon.png": ICON,
    "first.png": FIRST,
    "english.png": LOGO,
    "german.gif": OTHER,
    "german-1.jpg": SECOND,
    "german-2.jpg": PHOTO,
}


@pytest.fixture
async def travelled(system: System) -> str:
    """An app as KAZOO 5 stores it, with pictures by language."""
    document = app_document(
        "travelled",
        PICTURES,
        screenshots=["first.png"],
        i18n={
            "en-US": {"label": "Travelled", "description": "Been there", "icon": "english.png"},
            "de-DE": {"label": "Gereist", "icon": "german.gif", "screenshots": ["german-1.jpg", "german-2.jpg"]},
            "fr-FR": {"label": "Voyagé", "icon": 5, "screenshots": []},
        },
    )
    await system.put(system.master.database, document)
    return str(document["_id"])


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.mark.parametrize("with_account", [False, True])
@pytest.mark.parametrize(
    ("language", "part", "expected"),
    [
        ("de-DE", "icon", OTHER),
        ("de-DE", "screenshot/0", SECOND),
        ("de-DE", "screenshot/1", PHOTO),
        ("de-DE", "screenshot/german-2.jpg", PHOTO),
        ("en-US", "icon", LOGO),
        ("en-US", "screenshot/0", FIRST),
        ("fr-FR", "icon", LOGO),
        ("fr-FR", "screenshot/0", FIRST),
        ("xx", "icon", LOGO),
        ("..", "icon", LOGO),
    ],
)
async def test_i18n_selects_the_picture(
    service: Service, sub: Account, travelled: str, with_account: bool, language: str, part: str, expected: Any
) -> None:
    prefix, caller = (f"accounts/{sub.id}/", sub) if with_account else ("", None)
    answer = await service.get(f"{prefix}i18n/{language}/apps_store/{travelled}/{part}", caller)
    assert (answer.status, answer.raw) == (200, expected.body)


async def test_i18n_absent_shows_the_pictures_of_kazoo_4(service: Service, travelled: str) -> None:
    assert (await service.get(f"apps_store/{travelled}/icon")).raw == ICON.body
    assert (await service.get(f"apps_store/{travelled}/screenshot/0")).raw == FIRST.body


async def test_i18n_absent_falls_back_to_english_pictures(system: System, service: Service) -> None:
    pictures = {"english.png": LOGO, "photo.jpg": PHOTO}
    texts = {"en-US": {"label": "Only English", "icon": "english.png", "screenshots": ["photo.jpg"]}}
    document = app_document("english", pictures, i18n=texts, icon="gone.png")
    await system.put(system.master.database, document)
    assert (await service.get(f"apps_store/{document['_id']}/icon")).raw == LOGO.body
    assert (await service.get(f"apps_store/{document['_id']}/screenshot/0")).raw == PHOTO.body


@pytest.mark.parametrize("prefix", ["", "accounts/{}/"])
async def test_apps_store_screenshot_get_by_name(system: System, service: Service, sub: Account, prefix: str) -> None:
    path = f"{prefix.format(sub.id)}apps_store/{system.apps['voip']}/screenshot"
    caller = sub if prefix else None
    assert (await service.get(f"{path}/second.jpg", caller)).raw == SECOND.body
    for key in ("icon.png", "third.jpg", "2", "-1"):
        answer = await service.get(f"{path}/{key}", caller)
        assert answer.refusal == (404, "bad identifier", [f"screenshot/{key}"])


@pytest.mark.parametrize(
    ("part", "cause"),
    [("icon", "icon attachment"), ("screenshot/7", "screenshot attachment at index 7")],
)
async def test_apps_store_pictures_get_behind_a_prefix_refuses_as_kazoo_5(
    system: System, service: Service, part: str, cause: str
) -> None:
    app = await system.app("bare", pictures={}, icon=None)
    answer = await service.get(f"i18n/de-DE/apps_store/{app}/{part}")
    assert answer.refusal == (404, "not_found", {"message": "failed to find attachment", "cause": cause})
    answer = await service.get(f"i18n/de-DE/apps_store/nothing/{part}")
    assert answer.refusal == (404, "bad_identifier", {"details": "nothing", "message": "bad identifier"})


async def test_i18n_get_answers_with_the_language(service: Service, sub: Account) -> None:
    answer = await service.get(f"accounts/{sub.id}/i18n/de-DE", sub)
    assert (answer.status, answer.data) == (200, "de-de")
    assert (await service.get("i18n/de-DE")).status == 401
    assert (await service.get(f"accounts/{sub.id}/i18n", sub)).status == 404
    assert (await service.post(f"accounts/{sub.id}/i18n/de-DE", sub, {})).status == 405


async def test_i18n_in_front_of_the_list_and_an_install(system: System, service: Service, sub: Account) -> None:
    path = f"accounts/{sub.id}/i18n/de-DE/apps_store"
    assert (await service.get(path, sub)).data == (await service.get(sub.path, sub)).data
    assert (await service.put(f"{path}/{system.apps['voip']}", sub, {"allowed_users": "all"})).status == 201
    assert (await service.get(path)).status == 401


async def test_whitelabel_prefix_shows_the_branding_of_the_domains_account(branding: Branding) -> None:
    service = branding.service
    await branding.open_portal()
    await branding.create()
    await branding.upload("icon", LOGO)
    await branding.upload("icon", OTHER, "logo.gif", language="de-DE")
    await branding.upload("screenshot", PHOTO, "photo.jpg")
    base = f"whitelabel/{branding.domain}"
    for path, expected in (
        (f"{base}/apps_store/{branding.app}/icon", LOGO),
        (f"whitelabel/{branding.domain.upper()}/apps_store/{branding.app}/icon", LOGO),
        (f"{base}/i18n/de-DE/apps_store/{branding.app}/icon", OTHER),
        (f"i18n/de-DE/{base}/apps_store/{branding.app}/icon", OTHER),
        (f"{base}/apps_store/{branding.app}/screenshot/0", PHOTO),
        (f"{base}/apps_store/{branding.app}/screenshot/screenshot-en-US-photo.jpg", PHOTO),
        (f"whitelabel/nobody.example.net/apps_store/{branding.app}/icon", ICON),
    ):
        answer = await service.get(path)
        assert (answer.status, answer.raw) == (200, expected.body), path
    customer = f"accounts/{branding.customer.id}/{base}/apps_store/{branding.app}/icon"
    assert (await service.get(customer, branding.customer)).raw == LOGO.body
    assert (await service.get(customer)).status == 401


@pytest.mark.parametrize("with_account", [False, True])
async def test_whitelabel_prefix_shows_customers_their_resellers_branding(
    branding: Branding, with_account: bool
) -> None:
    service, customer = branding.service, branding.customer
    await branding.open_portal()
    await branding.create(i18n={"en-US": {"label": "Our telephony"}})
    users = {"allowed_users": "specific", "users": [branding.reseller.user.id], "note": "ours"}
    assert (await service.put(f"{branding.reseller.path}/{branding.app}", branding.reseller, users)).status == 201
    prefix = f"accounts/{customer.id}/" if with_account else ""
    path = f"{prefix}whitelabel/{branding.domain}/apps_store/{branding.app}"
    answer = await service.get(path, customer)
    assert (answer.status, answer.data["i18n"]["en-US"]["label"]) == (200, "Our telephony")
    # A customer does not see which of the reseller's users may use it.
    assert answer.data.keys() & {"allowed_users", "users", "note"} == set()
    assert (answer.data["name"], answer.data["id"]) == ("voip", branding.app)
    full = f"whitelabel/{branding.domain}/apps_store/{branding.app}"
    seen = await service.get(full, branding.reseller)
    assert (seen.data["allowed_users"], seen.data["users"]) == ("specific", [branding.reseller.user.id])
    unknown = await service.get(f"{prefix}whitelabel/{branding.domain}/apps_store/nothing", customer)
    assert unknown.refusal == (404, "bad_identifier", {"details": "nothing", "message": "bad identifier"})


async def test_whitelabel_prefix_is_403_for_unrelated_callers(branding: Branding) -> None:
    service, system = branding.service, branding.system
    await branding.open_portal()
    stranger = await system.account("Stranger", below=system.master)
    path = f"whitelabel/{branding.domain}/apps_store/{branding.app}"
    assert (await service.get(path)).status == 401
    assert (await service.get(path, stranger)).status == 403
    assert (await service.get(path, system.master)).status == 200
    assert (await service.put(path, branding.reseller, {"allowed_users": "all"})).status == 403
    assert (await service.get(f"whitelabel/{branding.domain}/apps_store", branding.reseller)).status == 403


async def test_whitelabel_prefix_unknown_domain_shows_the_paths_account(branding: Branding) -> None:
    service, customer = branding.service, branding.customer
    await branding.create(i18n={"en-US": {"label": "Our telephony"}})
    path = f"whitelabel/nobody.example.net/apps_store/{branding.app}"
    answer = await service.get(f"accounts/{customer.id}/{path}", customer)
    assert answer.data["i18n"]["en-US"]["label"] == "Voip"
    assert (await service.get(path, customer)).status == 403
    await branding.system.change(branding.system.master, pvt_superduper_admin=True)
    answer = await service.get(path, branding.system.master)
    assert (answer.status, list(answer.data)) == (400, ["account_id"])


async def test_whitelabel_prefix_needs_the_whitelabel_document(branding: Branding) -> None:
    await branding.system.change(branding.reseller, pvt_whitelabel_domain=branding.domain)
    await branding.create()
    await branding.upload("icon", LOGO)
    assert (await branding.service.get(f"whitelabel/{branding.domain}/apps_store/{branding.app}/icon")).raw == ICON.body


async def test_whitelabel_prefix_does_not_select_the_override_to_change(branding: Branding) -> None:
    await branding.open_portal()
    await branding.create()
    path = f"accounts/{branding.customer.id}/whitelabel/{branding.domain}/apps_store/{branding.app}/override"
    assert (await branding.service.get(path, branding.customer)).status == 404
    assert (await branding.service.put(path, branding.customer, {"author": "Us"})).status == 201
    assert "author" not in await branding.stored()


async def test_apps_store_icon_get_prefers_the_vendors_picture(system: System, service: Service, sub: Account) -> None:
    vendor = await system.account("Vendor", below=system.master)
    app = system.apps["voip"]
    document = app_document("voip", {"icon.png": LOGO}, screenshots=["icon.png", "first.png"]) | {"_id": app}
    await system.put(vendor.database, document)
    await system.plans(sub, await system.plan(vendor, {app: {"vendor_id": vendor.id}}))
    await system.store(sub, apps={app: permission()})
    path = f"{sub.path}/{app}"
    assert (await service.get(f"{path}/icon", sub)).raw == LOGO.body
    # A picture that the vendor's document names but does not have comes from the catalogue.
    assert (await service.get(f"{path}/screenshot/1", sub)).raw == FIRST.body
    assert (await service.get(f"apps_store/{app}/icon")).raw == ICON.body


async def test_apps_store_icon_get_override_of_an_unknown_app_is_404(branding: Branding) -> None:
    await branding.system.put(branding.reseller.database, {"_id": "app_whitelabel-gone", "icon": "icon.png"})
    answer = await branding.service.get(f"{branding.reseller.path}/gone/icon", branding.reseller)
    assert answer.refusal == (404, "bad_identifier", {"details": "gone", "message": "bad identifier"})
    assert "gone" not in await branding.service.names(branding.reseller)


async def test_apps_store_icon_get_shows_the_catalogues_while_couchdb_is_away(
    system: System, new_service: NewService, proxy: FaultProxy, sub: Account
) -> None:
    service = new_service(couchdb_url=proxy.url)
    app = system.apps["voip"]
    assert (await service.get(f"apps_store/{app}/icon")).status == 200
    assert (await service.get(f"accounts/{sub.id}", sub)).status == 200
    proxy.fail(Status(503))
    with pytest.raises(Unreachable):
        await service.store.couch.server()
    answer = await service.get(f"{sub.path}/{app}/icon", sub)
    assert (answer.status, answer.raw) == (200, ICON.body)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Warning"].startswith("110")
