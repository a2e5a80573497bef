"""A service alone: a master account with an administrator, a sub-account with one installed app."""

from collections.abc import AsyncIterator

import pytest

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from tests.kit.apps import permission
from tests.kit.fixtures import NewService, kit_couchdb_url, kit_key, kit_system, new_service, system
from tests.kit.mail import MailServer
from tests.kit.system import System
from tests.monster_ui.calls import DOMAIN, World

__all__ = ["kit_couchdb_url", "kit_key", "kit_system", "new_service", "system"]


@pytest.fixture
async def world(system: System, new_service: NewService) -> AsyncIterator[World]:
    await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
    sub = await system.account("Sub", below=system.master)
    await ensure(system.couch, sub.database, names_for(DatabaseClass.ACCOUNT))
    await system.store(sub, apps={system.apps["voip"]: permission()})
    callflow = {"_id": "c" * 32, "pvt_type": "callflow", "numbers": ["1000"], "flow": {"module": "user", "data": {}}}
    await system.put(sub.database, callflow)
    async with MailServer() as mails:
        service = new_service(SMTP_URL=mails.url, CROSSBAR_UI_URLS=f"https://{DOMAIN}")
        yield World(system, service, sub, await system.user(sub, email="guest@example.com"), mails)
    await system.put("accounts", {"_id": sub.id, "pvt_deleted": True})
