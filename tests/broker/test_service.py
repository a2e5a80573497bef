"""The service with a message broker: what it announces, what it hears, and messages for users. Against RabbitMQ."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from crossbar_appstore.application import BROKER, create_application
from crossbar_appstore.datastore import freshness
from crossbar_appstore.json_codec import JsonObject, loads
from crossbar_appstore.kazoo.ids import account_db, encoded_account_db
from crossbar_appstore.maintenance.broker_check import broker_findings
from crossbar_appstore.maintenance.reports import Severity
from crossbar_appstore.resources import recovery_messages
from crossbar_appstore.settings import Settings
from tests.kit.accounts import Account, User
from tests.kit.fixtures import NewService
from tests.kit.mail import MailServer, link_in
from tests.kit.rabbitmq import RabbitMQ
from tests.kit.service import Service
from tests.kit.system import System

from .conftest import PATIENCE, Kazoo


@pytest.fixture
async def account(system: System) -> Account:
    return await system.account("sub", system.master)


@pytest.fixture
async def app_id(system: System) -> str:
    return await system.app("voip")


@pytest.fixture
async def beside_kazoo(system: System) -> AsyncIterator[None]:
    await system.couch.create_database("system_data")
    yield
    await system.couch.delete_database("system_data")


@pytest.fixture
async def service(new_service: NewService, rabbitmq: RabbitMQ, account: Account, app_id: str) -> Service:
    """With an account and an app that it knows from its start on."""
    made = new_service(AMQP_URL=rabbitmq.url)
    await made.address()
    await is_true(lambda: made.application[BROKER].statistics.connected)
    return made


async def is_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


async def install(service: Service, account: Account, app_id: str) -> None:
    answer = await service.put(f"{account.path}/{app_id}", account, {"allowed_users": "all"})
    assert answer.status in (200, 201), answer.raw


async def test_apps_store_put_is_announced(service: Service, kazoo: Kazoo, account: Account, app_id: str) -> None:
    await install(service, account, app_id)
    notice = await kazoo.about("apps_store")
    stored = await service.system.couch.open_doc(account_db(account.id), "apps_store")
    assert notice["Event-Name"] == "doc_created"
    assert notice["Database"] == encoded_account_db(account.id)
    assert (notice["Rev"], notice["Account-ID"]) == (stored["_rev"], account.id)
    assert notice["Node"] == service.application[BROKER].node
    await service.delete(f"{account.path}/{app_id}", account)
    await is_true(lambda: len(kazoo.heard) >= 2)
    assert (await kazoo.about("apps_store"))["Event-Name"] == "doc_edited"


async def test_apps_store_get_follows_a_notice_at_once(
    service: Service, kazoo: Kazoo, account: Account, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of another program, with cached documents that would be used for a minute otherwise."""
    monkeypatch.setattr(service.store._freshness, "_unwatched", freshness.WATCHED_SECONDS)
    await service.store._updates_feed.stop()
    await install(service, account, app_id)
    path = f"{account.path}/{app_id}"
    assert (await service.get(path, account)).data["allowed_users"] == "all"

    def change(document: JsonObject) -> JsonObject:
        return {**document, "apps": {app_id: {**document["apps"][app_id], "allowed_users": "admins"}}}

    couch, database = service.system.couch, account_db(account.id)
    await couch.save_doc(database, change(await couch.open_doc(database, "apps_store")))
    assert (await service.get(path, account)).data["allowed_users"] == "all"
    ours = {"Node": service.application[BROKER].node, "Database": encoded_account_db(account.id)}
    await kazoo.tell(f"doc_edited.{ours['Database']}.undefined.apps_store", ours)
    await asyncio.sleep(0.3)
    assert (await service.get(path, account)).data["allowed_users"] == "all"
    theirs = ours | {"Node": "crossbar@kazoo", "Event-Name": "doc_edited", "ID": "apps_store"}
    await kazoo.tell(f"doc_edited.{ours['Database']}.undefined.apps_store", theirs)
    await is_true(lambda: service.application[BROKER].statistics.heard == 1)
    assert (await service.get(path, account)).data["allowed_users"] == "admins"


async def test_apps_store_requests_do_not_wait_for_a_broker_that_hangs(
    service: Service, rabbitmq: RabbitMQ, kazoo: Kazoo, account: Account, app_id: str
) -> None:
    await install(service, account, app_id)
    await kazoo.about("apps_store")
    rabbitmq.pause()
    begun = time.monotonic()
    for _ in range(10):
        answer = await service.post(f"{account.path}/{app_id}", account, {"allowed_users": "admins"})
        assert answer.status == 200, answer.raw
    assert time.monotonic() - begun < 5
    assert service.application[BROKER].statistics.waiting > 0
    rabbitmq.go_on()
    await is_true(lambda: service.application[BROKER].statistics.waiting == 0)
    newest = await service.system.couch.open_doc(account_db(account.id), "apps_store")
    await is_true(lambda: loads(kazoo.heard[-1].body)["Rev"] == newest["_rev"])


async def test_service_with_a_broker_that_is_away_answers_and_stops(
    new_service: NewService, account: Account, app_id: str
) -> None:
    service = new_service(AMQP_URL="amqp://127.0.0.1:1")
    await install(service, account, app_id)
    assert service.application[BROKER].statistics.waiting >= 1
    begun = time.monotonic()
    await service.stop()
    assert time.monotonic() - begun < 5


def test_application_without_a_broker_has_none() -> None:
    assert BROKER not in create_application(Settings.load({"COUCHDB_URL": "http://127.0.0.1:1"}))


# Password recovery


UI = "http://127.0.0.1:21055/"


@pytest.fixture
async def user(system: System, account: Account) -> User:
    return await system.user(
        account, email="ada@users.test", first_name="Ada", last_name="Lovelace", timezone="Europe/Berlin"
    )


async def recover(service: Service, user: User, status: int = 201) -> None:
    data = {"username": user.name, "account_name": user.account.name, "ui_url": UI}
    answer = await service.put("user_auth/recovery", None, data)
    assert answer.status == status, answer.raw


@pytest.fixture
async def with_month(system: System, user: User) -> AsyncIterator[None]:
    """KAZOO has created the database of the month."""
    await system.couch.create_database(system.month(user.account))
    yield
    await system.couch.delete_database(system.month(user.account))


@pytest.mark.usefixtures("beside_kazoo", "with_month")
async def test_recovery_put_beside_kazoo_is_delivered_by_teletype(
    service: Service, rabbitmq: RabbitMQ, kazoo: Kazoo, user: User
) -> None:
    teletype = await Kazoo.connected(rabbitmq.url, "notifications", "notifications.user.password_recovery")
    try:
        await recover(service, user)
        (body,) = await teletype.notices(1)
    finally:
        await teletype.close()
    assert body.pop("Password-Reset-Link").startswith(f"{UI}?recovery=")
    for header in ("App-Name", "App-Version", "Msg-ID", "Node"):
        assert body.pop(header)
    assert body == {
        "Event-Category": "notification",
        "Event-Name": "password_recovery",
        "Account-ID": user.account.id,
        "Account-DB": encoded_account_db(user.account.id),
        "Email": "ada@users.test",
        "First-Name": "Ada",
        "Last-Name": "Lovelace",
        "Timezone": "Europe/Berlin",
        "User-ID": user.id,
    }
    # The reset was stored, and its id told to nobody else.
    assert not any(loads(each.body).get("Type") == "password_reset" for each in kazoo.heard)


@pytest.mark.usefixtures("beside_kazoo", "with_month")
async def test_recovery_put_without_teletype_is_delivered_by_mail(
    new_service: NewService, rabbitmq: RabbitMQ, user: User
) -> None:
    async with MailServer() as mails:
        service = new_service(AMQP_URL=rabbitmq.url, SMTP_URL=mails.url)
        await recover(service, user)
        assert link_in(await mails.mail()).startswith(UI)


@pytest.mark.usefixtures("beside_kazoo", "with_month")
async def test_recovery_put_without_teletype_and_mail_is_logged(
    service: Service, user: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recovery_messages, "PAUSES", (0.01, 0.01))
    await recover(service, user)
    await service.stop()
    found = [record for record in caplog.records if record.getMessage() == "password recovery not delivered"]
    assert [record.__dict__["reason"] for record in found] == ["NotRouted"]


async def test_recovery_put_alone_with_a_broker_is_delivered_by_mail_only(
    new_service: NewService, rabbitmq: RabbitMQ, user: User, service: Service
) -> None:
    await recover(service, user, 501)
    async with MailServer() as mails:
        await recover(new_service(AMQP_URL=rabbitmq.url, SMTP_URL=mails.url), user)
        assert await mails.mail()


# doctor


async def severities(url: str | None, *, alone: bool) -> list[tuple[Severity, str]]:
    return [(each.severity, each.message) for each in await broker_findings(url, alone=alone)]


async def test_doctor_tells_of_the_broker(rabbitmq: RabbitMQ, kazoo: Kazoo) -> None:
    ((severity, message),) = await severities(rabbitmq.url, alone=False)
    assert severity is Severity.INFO
    assert message.startswith("RabbitMQ 3.")
    assert message.endswith(" answers, it has the exchange configuration")


async def test_doctor_warns_of_a_virtual_host_without_kazoo(rabbitmq: RabbitMQ) -> None:
    await asyncio.to_thread(rabbitmq.control, "add_vhost", "empty")
    await asyncio.to_thread(rabbitmq.control, "set_permissions", "-p", "empty", "guest", ".*", ".*", ".*")
    ((severity, message),) = await severities(f"{rabbitmq.url}/empty", alone=False)
    assert severity is Severity.WARNING
    assert "no exchange configuration" in message
    ((severity, _),) = await severities(f"{rabbitmq.url}/empty", alone=True)
    assert severity is Severity.INFO


@pytest.mark.parametrize(
    ("user", "vhost", "reason"),
    [("guest:wrong@", "", "user and password"), ("guest:guest@", "/nowhere", "virtual host")],
)
async def test_doctor_tells_why_the_broker_refuses(rabbitmq: RabbitMQ, user: str, vhost: str, reason: str) -> None:
    (found,) = await broker_findings(rabbitmq.url.replace("guest:guest@", user) + vhost, alone=False)
    assert found.severity is Severity.ERROR
    assert reason in found.message
    assert "guest" not in f"{found.subject}{found.message}"


async def test_doctor_without_a_broker_says_so_beside_kazoo_only() -> None:
    assert await severities(None, alone=True) == []
    ((severity, message),) = await severities(None, alone=False)
    assert severity is Severity.INFO
    assert "AMQP_URL" in message
    ((severity, _),) = await severities("amqp://127.0.0.1:1", alone=True)
    assert severity is Severity.ERROR


# The command line


async def test_command_line_announces_what_it_writes(
    system: System, kit_couchdb_url: str, rabbitmq: RabbitMQ, kazoo: Kazoo, app_id: str
) -> None:
    code, err = await command("unpublish-app", app_id, "--couchdb-url", kit_couchdb_url, "--amqp-url", rabbitmq.url)
    assert code == 0, err
    notice = await kazoo.about(app_id)
    assert (notice["Event-Name"], notice["Type"]) == ("doc_edited", "app")


async def test_command_line_remove_app_is_announced_with_the_type(
    system: System, kit_couchdb_url: str, rabbitmq: RabbitMQ, kazoo: Kazoo, app_id: str
) -> None:
    words = ("remove-app", app_id, "--yes", "--couchdb-url", kit_couchdb_url, "--amqp-url", rabbitmq.url)
    code, err = await command(*words)
    assert code == 0, err
    notice = await kazoo.about(app_id)
    assert (notice["Event-Name"], notice["Type"]) == ("doc_deleted", "app")
    assert "Rev" not in notice
    assert [message.routing_key for message in kazoo.heard] == [f"doc_deleted.{notice['Database']}.app.{app_id}"]


async def test_command_line_notes_what_it_could_not_announce(system: System, kit_couchdb_url: str, app_id: str) -> None:
    words = ("unpublish-app", app_id, "--couchdb-url", kit_couchdb_url, "--amqp-url", "amqp://u:secret@127.0.0.1:1")
    code, err = await command(*words)
    assert code == 0, err
    assert "1 changes were not announced" in err
    assert "secret" not in err


async def command(*words: str) -> tuple[int | None, str]:
    """The exit code and the standard error of a command line."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "crossbar_appstore",
        *words,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    return process.returncode, err.decode()
