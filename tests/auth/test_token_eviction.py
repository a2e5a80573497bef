"""A verified token is evicted from its cache while a request with it waits for CouchDB."""

import asyncio
import logging
from functools import partial

import pytest

from crossbar_appstore import application
from crossbar_appstore.auth.callers import Callers
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.accounts import Account
from tests.kit.fixtures import NewService
from tests.kit.system import System


async def test_request_is_answered_though_its_token_is_evicted_while_it_waits(
    system: System,
    sub: Account,
    other: Account,
    new_service: NewService,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(application, "Callers", partial(Callers, cached=1))
    service, token, another = new_service(proxy.url), system.token(sub.admin), system.token(other.admin)
    assert (await service.get(sub.path, token=token)).status == 200

    # A write by the service itself: the cached user has to be read again, which stalls.
    couch = service.store.couch
    await couch.save_doc(sub.database, await couch.open_doc(sub.database, sub.admin.id))
    proxy.fail(Fault.STALL, path=sub.id[4:])
    asked = proxy.count(path=sub.id[4:])
    waiting = asyncio.create_task(service.get(sub.path, token=token))
    while proxy.count(path=sub.id[4:]) == asked:
        await asyncio.sleep(0.01)

    assert (await service.get(other.path, token=another)).status == 200
    proxy.heal()
    assert (await waiting).status == 200
    assert token not in caplog.text
    assert another not in caplog.text
