"""…/apps_store/{APP}/override: GET, PUT, POST, DELETE, and the app that it changes."""

import asyncio
from typing import Any

import pytest

from tests.kazoo5.branding import LOGO, Branding
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System

TEXTS: dict[str, Any] = {"i18n": {"en-US": {"label": "Our telephony", "description": "Calls with a smile"}}}


async def test_override_put_get_post_delete(branding: Branding) -> None:
    service, reseller, path = branding.service, branding.reseller, branding.path()
    created = await service.put(path, reseller, TEXTS)
    assert (created.status, created.data) == (201, {**TEXTS, "id": branding.doc_id})
    assert created.headers["Location"] == f"/v2/{path}"

    read = await service.get(path, reseller)
    assert (read.status, read.data, read.envelope["revision"]) == (200, created.data, created.envelope["revision"])
    assert read.etag == f'"{read.envelope["revision"]}"'

    replaced = await service.post(path, reseller, {"i18n": {"de-DE": {"label": "Telefonie"}}})
    assert (replaced.status, replaced.data["i18n"]) == (200, {"de-DE": {"label": "Telefonie"}})
    assert (await branding.stored())["_rev"] == replaced.envelope["revision"]

    removed = await service.delete(path, reseller, {})
    assert (removed.status, removed.data["_read_only"]) == (200, {"deleted": True})
    assert (await service.get(path, reseller)).refusal == (
        404,
        "bad_identifier",
        {"cause": branding.doc_id, "message": "bad identifier"},
    )


async def test_override_put_stores_a_document_as_kazoo(branding: Branding) -> None:
    await branding.create(**TEXTS)
    stored = await branding.stored()
    assert stored["pvt_type"] == "app_whitelabel"
    assert (stored["pvt_account_id"], stored["pvt_vsn"]) == (branding.reseller.id, "1")
    assert stored["pvt_auth_account_id"] == branding.reseller.id


async def test_override_shows_in_list_app_and_login(branding: Branding) -> None:
    await branding.create(i18n={"en-US": {"label": "Our telephony"}}, author="Us")
    entry = await branding.entry()
    # Fields that are not overridden stay, also in nested objects.
    assert entry["i18n"]["en-US"]["label"] == "Our telephony"
    assert entry["i18n"]["en-US"]["description"] == "What voip does"
    assert (entry["author"], entry["name"], entry["license"]) == ("Us", "voip", "-")
    one = await branding.service.get(f"{branding.reseller.path}/{branding.app}", branding.reseller)
    assert one.data["i18n"] == entry["i18n"]
    login = await branding.service.login(branding.reseller.admin)
    assert "Our telephony" in [app["label"] for app in login.data["apps"]]


async def test_override_shows_in_its_account_only(branding: Branding) -> None:
    await branding.create(**TEXTS)
    assert (await branding.entry(branding.customer))["i18n"]["en-US"]["label"] == "Voip"


async def test_override_does_not_show_in_the_master_account(branding: Branding) -> None:
    master = branding.system.master
    path = branding.path(account=master)
    assert (await branding.service.put(path, master, TEXTS)).status == 201
    assert (await branding.service.get(path, master)).data["i18n"] == TEXTS["i18n"]
    assert (await branding.entry(master))["i18n"]["en-US"]["label"] == "Voip"


async def test_override_does_not_change_visibility_and_urls(branding: Branding) -> None:
    hidden = branding.system.apps["hidden"]
    data = {
        "published": True,
        "publish": True,
        "allowed_users": "all",
        "users": [branding.reseller.user.id],
        "name": "mine",
        "api_url": "https://elsewhere.example.org/v2/",
        "source_url": "https://elsewhere.example.org/",
        "masqueradable": False,
        "account_id": branding.reseller.id,
        "ui_metadata": {"version": "5.5"},
    }
    for app in (hidden, branding.app):
        path = f"{branding.reseller.path}/{app}"
        before = (await branding.service.get(path, branding.reseller)).data
        stored = await branding.service.put(f"{path}/override", branding.reseller, data)
        assert stored.status == 201
        assert (await branding.service.get(path, branding.reseller)).data == before
    assert "hidden" not in await branding.service.names(branding.reseller)


async def test_override_is_overlaid_by_permissions(branding: Branding) -> None:
    await branding.create(**TEXTS)
    path = f"{branding.reseller.path}/{branding.app}"
    assert (await branding.service.put(path, branding.reseller, {"allowed_users": "admins"})).status == 201
    entry = await branding.entry()
    assert (entry["allowed_users"], entry["i18n"]["en-US"]["label"]) == ("admins", "Our telephony")


@pytest.mark.parametrize(
    "data",
    [{"screenshots": [], "icon": "", "i18n": {}}, {"i18n": {"en-US": {}}}, {"i18n": {"en-US": {"features": []}}}],
)
async def test_override_put_empty_values_override_nothing(branding: Branding, data: Any) -> None:
    before = await branding.entry()
    await branding.create(**data)
    assert await branding.entry() == before


@pytest.mark.parametrize(
    "data", [{"i18n": "x"}, {"i18n": {"en-US": 1}}, {"icon": 5}, {"screenshots": [1]}, {"i18n": None}]
)
async def test_override_malformed_values_in_couchdb_override_nothing(branding: Branding, data: Any) -> None:
    before = await branding.entry()
    await branding.store(**data)
    await asyncio.sleep(2)
    assert await branding.entry() == before


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({"i18n": "x"}, "i18n", "type"),
        ({"i18n": {"en-US": {"label": "ab"}}}, "i18n.en-US.label", "minLength"),
        ({"i18n": {"en-US": {"label": "<b>Telephony</b>"}}}, "i18n.en-US.label", "pattern"),
        ({"icon": ["x"]}, "icon", "type"),
        ({"screenshots": ["x", 1]}, "screenshots.1", "type"),
    ],
)
async def test_override_put_and_post_validate_data(branding: Branding, data: Any, path: str, rule: str) -> None:
    answer = await branding.service.put(branding.path(), branding.reseller, data)
    assert (answer.status, list(answer.data), rule in answer.data[path]) == (400, [path], True)
    await branding.create()
    answer = await branding.service.post(branding.path(), branding.reseller, data)
    assert (answer.status, list(answer.data)) == (400, [path])


async def test_override_put_and_post_take_null_for_what_is_not_given(branding: Branding) -> None:
    texts = {"label": "Ours", "description": None, "features": None, "icon": None}
    sent = {"i18n": {"en-US": texts, "de-DE": None}, "icon": None, "screenshots": None, "ui_metadata": {"ui": None}}
    wanted = {"i18n": {"en-US": {"label": "Ours"}}, "ui_metadata": {}}
    for answer in (
        await branding.create(**sent),
        await branding.service.post(branding.path(), branding.reseller, sent),
    ):
        assert answer.data == {"id": branding.doc_id, **wanted}
        stored = await branding.stored()
        assert {key: value for key, value in stored.items() if not key.startswith(("_", "pvt_"))} == wanted


async def test_override_put_refuses_a_list(branding: Branding) -> None:
    answer = await branding.service.put(branding.path(), branding.reseller, [])
    assert answer.refusal[:2] == (400, "validation error")


async def test_override_put_ignores_private_fields_and_id(branding: Branding) -> None:
    await branding.create(id="x", _id="x", pvt_type="app", _attachments={"x": {}}, **TEXTS)
    stored = await branding.stored()
    assert (stored["pvt_type"], "id" in stored, "_attachments" in stored) == ("app_whitelabel", False, False)


async def test_override_put_of_an_existing_override_is_409(branding: Branding) -> None:
    await branding.create(**TEXTS)
    answer = await branding.service.put(branding.path(), branding.reseller, {})
    assert answer.refusal == (409, "datastore_conflict", {"message": "conflicting documents"})
    assert (await branding.stored())["i18n"] == TEXTS["i18n"]


async def test_override_put_of_a_removed_override_starts_anew(branding: Branding) -> None:
    await branding.create(**TEXTS)
    await branding.upload("icon", LOGO)
    assert (await branding.service.delete(branding.path(), branding.reseller, {})).status == 200
    left = await branding.stored()
    assert (left["pvt_deleted"], left.get("_attachments", {}), "i18n" in left) == (True, {}, False)
    assert (await branding.entry())["i18n"]["en-US"]["label"] == "Voip"
    created = await branding.create(icon="x")
    assert created.data == {"icon": "x", "id": branding.doc_id}
    assert "pvt_deleted" not in await branding.stored()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_override_get_post_delete_without_override_are_404(branding: Branding, method: str) -> None:
    answer = await branding.service.call(method, branding.path(), branding.reseller, {})
    assert answer.refusal[:2] == (404, "bad_identifier")
    await branding.store(pvt_type="user")
    answer = await branding.service.call(method, branding.path(), branding.reseller, {})
    assert answer.refusal[:2] == (404, "bad_identifier")


async def test_override_put_of_an_unavailable_app_is_404(branding: Branding) -> None:
    answer = await branding.service.put(f"{branding.reseller.path}/nothing/override", branding.reseller, {})
    assert answer.refusal == (404, "bad_identifier", {"details": "nothing", "message": "bad identifier"})


async def test_override_writes_need_an_administrator_and_reads_the_hierarchy(branding: Branding) -> None:
    await branding.create(**TEXTS)
    service, path, user = branding.service, branding.path(), branding.reseller.user
    for method in ("PUT", "POST", "DELETE"):
        assert (await service.call(method, path, user, {})).status == 403
    picture = {"Content-Type": "image/png"}
    assert (await service.post(f"{path}/icon", user, body=LOGO.body, headers=picture)).status == 403
    assert (await service.get(path, user)).status == 200
    assert (await service.get(path, branding.system.master)).status == 200
    assert (await service.get(path, branding.customer)).status == 403
    assert (await service.get(path)).status == 401


@pytest.mark.parametrize("part", ["override", "override/icon", "override/screenshot/0"])
async def test_override_without_account_is_refused(branding: Branding, part: str) -> None:
    path = f"apps_store/{branding.app}/{part}"
    await branding.system.change(branding.system.master, pvt_superduper_admin=True)
    answer = await branding.service.get(path, branding.system.master)
    assert (answer.status, list(answer.data)) == (400, ["account_id"])
    assert (await branding.service.get(path, branding.reseller)).status == 403
    assert (await branding.service.get(path)).status == 401


@pytest.mark.parametrize(
    "rest", ["override/other", "override/icon/0", "override/screenshot/0/x", "override/screenshot/0/x/y"]
)
async def test_override_unknown_paths_are_404(branding: Branding, rest: str) -> None:
    answer = await branding.service.get(f"{branding.reseller.path}/{branding.app}/{rest}", branding.reseller)
    assert answer.refusal == (404, "not_found", {"message": "not found"})


async def test_override_post_and_delete_check_if_match(branding: Branding) -> None:
    created = await branding.create(**TEXTS)
    service, path, reseller = branding.service, branding.path(), branding.reseller
    wrong = {"If-Match": '"1-0"'}
    assert (await service.post(path, reseller, {}, headers=wrong)).status == 412
    assert (await service.delete(path, reseller, {}, headers=wrong)).status == 412
    right = {"If-Match": f'"{created.envelope["revision"]}"'}
    assert (await service.post(path, reseller, TEXTS, headers=right)).status == 200
    unchanged = {"If-None-Match": (await service.get(path, reseller)).etag}
    assert (await service.get(path, reseller, headers=unchanged)).status == 304


async def test_override_screenshot_post_concurrent_uploads_are_all_stored(
    branding: Branding, new_service: NewService
) -> None:
    await branding.create(**TEXTS)
    others = [new_service() for _ in range(3)]
    services = [branding.service, *others]
    uploads = [
        service.post(
            f"{branding.path()}/screenshot",
            branding.reseller,
            body=LOGO.body,
            headers={"Content-Type": "image/png", "X-File-Name": f"{number}.png"},
        )
        for number, service in enumerate(services)
    ]
    assert [answer.status for answer in await asyncio.gather(*uploads)] == [200] * 4
    stored = await branding.stored()
    names = {f"screenshot-en-US-{number}.png" for number in range(4)}
    assert set(stored["i18n"]["en-US"]["screenshots"]) == set(stored["_attachments"]) == names
    assert stored["i18n"]["en-US"]["label"] == "Our telephony"


async def test_override_outside_write_shows_within_two_seconds(branding: Branding) -> None:
    assert (await branding.entry())["i18n"]["en-US"]["label"] == "Voip"
    await branding.store(**TEXTS)
    await asyncio.sleep(2)
    assert (await branding.entry())["i18n"]["en-US"]["label"] == "Our telephony"


async def test_override_put_shows_in_another_worker_within_two_seconds(system: System, new_service: NewService) -> None:
    sub = await system.account("Sub", below=system.master)
    first, second = new_service(), new_service()
    path = f"{sub.path}/{system.apps['voip']}"
    label = (await second.get(path, sub)).data["i18n"]["en-US"]["label"]
    assert (await first.put(f"{path}/override", sub, TEXTS)).status == 201
    assert (await first.get(path, sub)).data["i18n"]["en-US"]["label"] == "Our telephony" != label
    await asyncio.sleep(2)
    assert (await second.get(path, sub)).data["i18n"]["en-US"]["label"] == "Our telephony"


async def test_override_put_of_a_vendors_app(system: System, service: Service) -> None:
    vendor = await system.account("Vendor", below=system.master)
    sub = await system.account("Sub", below=system.master)
    app = await system.app("teapot", owner=vendor)
    await system.plans(sub, await system.plan(vendor, {app: {"vendor_id": vendor.id}}))
    assert (await service.put(f"{sub.path}/{app}/override", sub, TEXTS)).status == 201
    assert (await service.get(f"{sub.path}/{app}", sub)).data["i18n"]["en-US"]["label"] == "Our telephony"
