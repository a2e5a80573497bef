"""GET …/apps_store/{APP}/icon and …/screenshot/{N}, with and without an account."""

import asyncio
from functools import partial
from typing import Any
from urllib.parse import unquote

import pytest

from crossbar_appstore import application
from crossbar_appstore.resources import pictures
from crossbar_appstore.resources.pictures import Pictures
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.accounts import Account
from tests.kit.apps import FIRST, ICON, SECOND, Picture, app_document, permission
from tests.kit.fixtures import NewService
from tests.kit.outside import write_at_once
from tests.kit.service import Service
from tests.kit.system import System
from tests.samples.make_pictures import gif, svg, webp


@pytest.fixture
async def sub(system: System) -> Account:
    return await system.account("Sub", below=system.master)


@pytest.mark.parametrize("prefix", ["", "accounts/{}/", "accounts/{}/users/{}/"])
@pytest.mark.parametrize(
    ("part", "name", "picture"),
    [("icon", "icon.png", ICON), ("screenshot/0", "first.png", FIRST), ("screenshot/1", "second.jpg", SECOND)],
)
async def test_apps_store_icon_get_returns_bytes_and_type(
    system: System, service: Service, sub: Account, prefix: str, part: str, name: str, picture: Picture
) -> None:
    path = f"{prefix.format(sub.id, sub.user.id)}apps_store/{system.apps['voip']}/{part}"
    answer = await service.get(path, sub if prefix else None)
    assert (answer.status, answer.raw) == (200, picture.body)
    assert answer.headers["Content-Type"] == picture.content_type
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert answer.headers["Cache-Control"].startswith("public, max-age=86400")
    assert answer.headers["Vary"] == "accept-language"


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("dot.gif", Picture("image/gif", gif())),
        ("dot.webp", Picture("image/webp", webp())),
        ("disc.svg", Picture("image/svg+xml", svg())),
        ("with blank & ü.png", ICON),
        ("folder/icon.png", ICON),
        ("empty.png", Picture("image/png", b"")),
        ("large.bin", Picture("application/octet-stream", bytes(range(256)) * 2_000)),
    ],
)
async def test_apps_store_pictures_get_serves_every_kind_and_name(
    system: System, service: Service, name: str, picture: Picture
) -> None:
    app = app_document("teapot", {name: picture}, icon=name, screenshots=[name])
    await system.put(system.master.database, app)
    for part in ("icon", "screenshot/0"):
        answer = await service.get(f"apps_store/{app['_id']}/{part}")
        assert (answer.status, answer.raw) == (200, picture.body)
        assert answer.headers["Content-Type"] == picture.content_type
        assert answer.headers["Content-Security-Policy"].endswith("sandbox")


async def test_apps_store_pictures_get_does_not_check_whether_the_account_has_the_app(
    system: System, service: Service, sub: Account
) -> None:
    await system.store(sub, blacklist=[system.apps["voip"]])
    for app in ("voip", "hidden"):
        assert (await service.get(f"{sub.path}/{system.apps[app]}/icon", sub)).raw == ICON.body
        assert (await service.get(f"apps_store/{system.apps[app]}/icon")).raw == ICON.body


async def test_apps_store_pictures_get_of_a_vendors_app_only_where_it_is_visible(
    system: System, service: Service, sub: Account
) -> None:
    app = await system.app("teapot", owner=sub)
    plan = await system.plan(sub, {app: {"vendor_id": sub.id}})
    await system.plans(sub, plan)
    assert "teapot" in await service.names(sub)
    assert (await service.get(f"{sub.path}/{app}/icon", sub)).raw == ICON.body
    for path in (f"apps_store/{app}/icon", f"apps_store/{app}/screenshot/0"):
        answer = await service.get(path, sub)
        assert answer.refusal == (404, "bad_identifier", {"details": app, "message": "bad identifier"})


@pytest.mark.parametrize("part", ["icon", "screenshot/0"])
async def test_apps_store_pictures_get_of_an_unknown_app_is_404(system: System, service: Service, part: str) -> None:
    answer = await service.get(f"apps_store/nothing/{part}")
    assert answer.refusal == (404, "bad_identifier", {"details": "nothing", "message": "bad identifier"})


async def test_apps_store_icon_get_without_usable_icon_is_404(system: System, service: Service) -> None:
    icons: list[Any] = [None, "", "missing.png", 7, ["icon.png"], {"icon.png": 1}, "../icon.png"]
    for app in [await system.app("teapot", icon=icon) for icon in icons]:
        assert (await service.get(f"apps_store/{app}/icon")).refusal == (404, "bad identifier", [app])


async def test_apps_store_screenshot_get_names_the_missing_one(system: System, service: Service) -> None:
    for index in ("2", "-1", "abc", "1.0", "%201", "%D9%A1", "9" * 50, "0x1", "+1"):
        answer = await service.get(f"apps_store/{system.apps['voip']}/screenshot/{index}")
        assert answer.refusal == (404, "bad identifier", [f"screenshot/{unquote(index)}"])


async def test_apps_store_screenshot_get_without_usable_screenshot_is_404(system: System, service: Service) -> None:
    lists: list[Any] = [None, [], "first.png", {"0": "icon.png"}, [7], [None], ["missing.png"]]
    for app in [await system.app("teapot", screenshots=names) for names in lists]:
        answer = await service.get(f"apps_store/{app}/screenshot/0")
        assert answer.refusal == (404, "bad identifier", ["screenshot/0"])


async def test_apps_store_pictures_get_without_attachment_stubs_is_404(system: System, service: Service) -> None:
    app = await system.app("teapot", _attachments=None)
    assert (await service.get(f"apps_store/{app}/icon")).refusal == (404, "bad identifier", [app])


async def test_apps_store_icon_get_is_offered_in_its_own_type_only(system: System, service: Service) -> None:
    path = f"apps_store/{system.apps['voip']}/icon"
    for accept in ("image/png", "image/*", "*/*", "image/avif,image/webp,image/*,*/*;q=0.8"):
        assert (await service.get(path, headers={"Accept": accept})).status == 200
    for accept in ("application/json", "image/jpeg"):
        assert (await service.get(path, headers={"Accept": accept})).status == 406


async def test_apps_store_pictures_other_methods_are_405(system: System, service: Service, sub: Account) -> None:
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        for path in (f"apps_store/{system.apps['voip']}/icon", f"{sub.path}/{system.apps['voip']}/screenshot/0"):
            assert (await service.call(method, path, sub)).refusal[:2] == (405, "invalid_method")


async def test_apps_store_icon_get_shows_a_replaced_picture(system: System, service: Service) -> None:
    app = await system.app("teapot")
    path = f"apps_store/{app}/icon"
    first = await service.get(path)
    await system.change_app(app, _attachments={"icon.png": SECOND.inline})
    while (answer := await service.get(path)).raw == first.raw:
        await asyncio.sleep(0.05)
    assert (answer.status, answer.raw, answer.headers["Content-Type"]) == (200, SECOND.body, "image/jpeg")
    assert answer.etag != first.etag


async def test_apps_store_icon_get_reads_the_attachment_once(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url)
    for _ in range(3):
        assert (await service.get(f"apps_store/{system.apps['voip']}/icon")).raw == ICON.body
    assert proxy.count(path="icon.png") == 1


async def test_pictures_cache_is_bounded_in_bytes(
    system: System, new_service: NewService, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ICON.body) < len(FIRST.body) < len(SECOND.body)
    monkeypatch.setattr(pictures, "_MAX_PICTURE", len(FIRST.body))
    monkeypatch.setattr(application, "Pictures", partial(Pictures, max_bytes=len(FIRST.body)))
    service = new_service(proxy.url)
    voip = f"apps_store/{system.apps['voip']}"
    for part, picture in (("icon", ICON), ("screenshot/0", FIRST), ("icon", ICON), ("icon", ICON)):
        assert (await service.get(f"{voip}/{part}")).raw == picture.body
    # Each of the two evicted the other from the cache.
    assert (proxy.count(path="icon.png"), proxy.count(path="first.png")) == (2, 1)
    for _ in range(2):
        assert (await service.get(f"{voip}/screenshot/1")).raw == SECOND.body
    assert proxy.count(path="second.jpg") == 2, "too large to be kept"
    await service.get(f"{voip}/icon")
    assert proxy.count(path="icon.png") == 2


async def test_apps_store_icon_get_concurrent_requests_read_once(
    system: System, new_service: NewService, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url)
    path = f"apps_store/{system.apps['voip']}/icon"
    assert (await service.get(path, headers={"If-None-Match": "*"})).status == 304
    proxy.fail(Fault.STALL, path="icon.png", times=1)
    asking = [asyncio.create_task(service.get(path)) for _ in range(20)]
    while not proxy.count(path="icon.png"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # until all of them wait
    proxy.heal()
    assert {(await task).raw for task in asking} == {ICON.body}
    assert proxy.count(path="icon.png") == 2, "the one that hung, and its repetition"


async def test_apps_store_icon_get_does_not_cache_a_picture_replaced_while_it_is_read(
    system: System, new_service: NewService, proxy: FaultProxy, kit_couchdb_url: str
) -> None:
    app = await system.app("teapot")
    service, path = new_service(proxy.url), f"apps_store/{app}/icon"
    old = (await service.get(path, headers={"If-None-Match": "*"})).etag
    swapped: list[bool] = []

    def swap(method: str, url: str) -> None:
        if "icon.png" in url and not swapped:
            swapped.append(True)
            new = Picture("image/png", SECOND.body).inline
            write_at_once(
                kit_couchdb_url,
                system.master.database,
                app,
                lambda stored: stored | {"_attachments": {"icon.png": new}},
            )

    proxy.before = swap
    assert ((await service.get(path)).raw, swapped) == (SECOND.body, [True])
    while (await service.get(path, headers={"If-None-Match": "*"})).etag == old:
        await asyncio.sleep(0.05)
    await system.change_app(app, _attachments={"icon.png": ICON.inline})
    while (answer := await service.get(path)).etag != old:
        await asyncio.sleep(0.05)
    assert answer.raw == ICON.body


async def test_apps_store_pictures_get_ignores_names_in_the_permission(
    system: System, service: Service, sub: Account
) -> None:
    await system.store(sub, apps={system.apps["voip"]: permission(icon="first.png", screenshots=["icon.png"])})
    assert (await service.get(f"{sub.path}/{system.apps['voip']}/icon", sub)).raw == ICON.body
    assert (await service.get(f"{sub.path}/{system.apps['voip']}/screenshot/0", sub)).raw == FIRST.body
