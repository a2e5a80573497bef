"""Replies of the service, from each of its routes, are as the description says."""

from pathlib import Path
from typing import Any, Final

import pytest

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from tests.faults.rows import ROWS, Stage
from tests.kit.fixtures import NewService
from tests.kit.service import NOTHING, Answer, Caller, Service
from tests.kit.system import System
from tests.openapi.description import Description

_PICTURES: Final = (
    "accounts/{S}/apps_store/{A}/icon",
    "accounts/{S}/apps_store/{A}/screenshot/0",
    "accounts/{S}/apps_store/{A}/override/icon",
    "accounts/{S}/apps_store/{A}/override/screenshot/0",
    "accounts/{S}/whitelabel/logo",
    "accounts/{S}/whitelabel/icon",
    "accounts/{S}/whitelabel/welcome",
    "apps_store/{A}/icon",
    "apps_store/{A}/screenshot/0",
    "whitelabel/{D}/logo",
    "whitelabel/{D}/icon",
    "whitelabel/{D}/welcome",
)
# Paths of the description that share a route of the service with another one.
_MORE: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "accounts/{S}/apps_link/authorize", NOTHING),
    ("GET", "accounts/{S}/i18n/de-DE", NOTHING),
    ("GET", "accounts/{S}/ledgers/available", NOTHING),
    ("GET", "accounts/{S}/ledgers/payments", NOTHING),
    ("GET", "accounts/{S}/search?t=user&q=name&v=", NOTHING),
    ("GET", "accounts/{S}/search/multi?t=user&by_name=", NOTHING),
    ("GET", "accounts/{S}/token_auth", NOTHING),
    ("DELETE", "accounts/{S}/token_auth", NOTHING),
    ("GET", "accounts/{S}/whitelabel/domains", NOTHING),
    ("GET", "accounts/{S}/apps_store?accept=csv", NOTHING),
    ("GET", "search/multi?t=account&by_name=", NOTHING),
    ("GET", "security", NOTHING),
    ("GET", "webhooks", NOTHING),
    ("GET", "whitelabel/domains?domain=ui.example.org", NOTHING),
)


@pytest.mark.timeout(600)
async def test_replies_of_every_route_are_as_described(system: System, new_service: NewService, tmp_path: Path) -> None:
    await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
    stage, description = await Stage.create(system), Description()
    for row in ROWS:
        await row.prepare(stage)
        # A service that knows what was stored just before.
        service = new_service(CROSSBAR_MAIL_DIR=str(tmp_path), CROSSBAR_UI_URLS="http://127.0.0.1:3000")
        answer = await row.send(service, stage)
        await service.stop()
        assert answer.status == row.status, (row.name, answer.raw)
        _check(description, row.method, row.path(stage), answer)
    await stage.reset_list()
    service = new_service()
    for method, path, data in _MORE:
        await _send(description, service, method, _filled(stage, path), stage.sub, data)
    path = _filled(stage, "accounts/{S}/users/{U}/user_auth")
    await _send(description, service, "PUT", path, system.master, {"action": "impersonate_user"})
    for path in _PICTURES:
        await _send(description, service, "GET", _filled(stage, path), stage.sub)
        part = {"headers": {"Range": "bytes=0-3"}}
        answer = await _send(description, service, "GET", _filled(stage, path), stage.sub, **part)
        assert answer.status == 206, path
    await system.couch.create_database("alerts")
    alert = {"_id": "maintenance", "pvt_type": "alert", "title": "Tonight", "to": [{"type": "all", "value": "all"}]}
    await system.couch.save_docs("alerts", [alert])
    await _send(description, new_service(), "GET", _filled(stage, "accounts/{S}/alerts/maintenance"), stage.sub)
    assert set(description.successes()) - description.seen == set()


async def test_refusals_are_as_described(system: System, service: Service) -> None:
    stage, description = await Stage.create(system), Description()
    app = f"accounts/{stage.sub.id}/apps_store/{stage.app}"
    revision = {"If-Match": '"1-0"'}
    for method, path, caller, data, headers, status in (
        ("PUT", app, stage.sub, {}, {}, 400),
        ("GET", app, None, NOTHING, {}, 401),
        ("POST", app, stage.guest, {"allowed_users": "all"}, {}, 403),
        ("GET", f"{app}x", stage.sub, NOTHING, {}, 404),
        ("PATCH", app, stage.sub, {}, {}, 405),
        ("GET", app, stage.sub, NOTHING, {"Accept": "image/png"}, 406),
        ("POST", app, stage.sub, {"allowed_users": "all"}, revision, 412),
        ("PUT", f"{app}/override", stage.sub, {"author": "Us"}, {}, 409),
        ("GET", f"{app}/icon", stage.sub, NOTHING, {"Range": "bytes=999999-"}, 416),
    ):
        answer = await service.call(method, path, caller, data, headers=headers)
        assert answer.status == status, (method, path, answer.raw)
        if status != 405:
            _check(description, method, path, answer)
    etag = (await service.get(app, stage.sub)).etag
    _check(description, "GET", app, await service.get(app, stage.sub, headers={"If-None-Match": etag}))
    assert ("get", "/accounts/{account_id}/apps_store/{app_id}", "304") in description.seen


async def _send(
    description: Description, service: Service, method: str, path: str, caller: Caller, data: Any = NOTHING, **more: Any
) -> Answer:
    answer = await service.call(method, path, caller, data, **more)
    assert answer.status < 300, (method, path, answer.raw)
    _check(description, method, path, answer)
    return answer


def _check(description: Description, method: str, path: str, answer: Answer) -> None:
    content_type = answer.headers.get("Content-Type")
    body = answer.envelope if content_type == "application/json" else None
    description.check(method, path, answer.status, content_type, body)


def _filled(stage: Stage, path: str) -> str:
    return path.format(S=stage.sub.id, A=stage.app, D=stage.domain, U=stage.guest.id)
