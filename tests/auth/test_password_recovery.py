"""``user_auth/recovery`` over HTTP, with a mail server: from a forgotten password to a login with the new one."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crossbar_appstore.application import RECOVERIES, create_application
from crossbar_appstore.crossbar.errors import MAX_SHOWN
from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.kazoo.documents import gregorian_seconds
from crossbar_appstore.kazoo.ids import monthly_db, new_reset_id, parse_reset_id
from crossbar_appstore.resources import recovery_messages
from crossbar_appstore.settings import Settings
from tests.datastore.fault_proxy import Fault, FaultProxy
from tests.kit.accounts import Account, User
from tests.kit.certificates import self_signed
from tests.kit.fixtures import NewService
from tests.kit.mail import MailServer, link_in, reset_id_in
from tests.kit.service import Answer, Service
from tests.kit.system import System

UI = "http://127.0.0.1:21055/"
PATH = "user_auth/recovery"
NEW = "another-secret"


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def user(system: System, sub: Account) -> User:
    """A plain user with an address."""
    return await system.user(sub, email="ada@users.test", first_name="Ada", last_name="Lovelace")


@pytest.fixture
def service(new_service: NewService, mails: MailServer) -> Service:
    return new_service(SMTP_URL=mails.url)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further attempts follow at once."""
    monkeypatch.setattr(recovery_messages, "PAUSES", (0.01, 0.01, 0.01))


def wanted(user: User, **data: Any) -> JsonObject:
    return {"username": user.name, "account_name": user.account.name, "ui_url": UI, **data}


async def ask(service: Service, data: Any, status: int = 201, **more: Any) -> Answer:
    answer = await service.put(PATH, None, data, **more)
    assert answer.status == status, answer.raw
    return answer


async def use(service: Service, reset_id: str, status: int = 200) -> Answer:
    answer = await service.post(PATH, None, {"reset_id": reset_id})
    assert answer.status == status, answer.raw
    return answer


async def finished(service: Service) -> None:
    """Wait for what was asked for in the background: a service that stops finishes it."""
    await service.stop()


async def resets(system: System, account: Account) -> list[JsonObject]:
    rows = await system.couch.all_docs(system.month(account), include_docs=True)
    return [row.doc for row in rows if row.doc is not None]


async def reset_of(system: System, user: User, *, age: int = 0, **fields: Any) -> str:
    """Store a reset as KAZOO does; returns its id. ``age`` in seconds."""
    now = datetime.now(UTC)
    database, reset_id = system.month(user.account), new_reset_id(user.account.id, now.year, now.month, 137)
    await system.couch.create_database(database)
    document = {"_id": reset_id, "pvt_type": "password_reset", "pvt_userid": user.id}
    await system.couch.save_doc(database, document | {"pvt_created": gregorian_seconds() - age} | fields)
    return reset_id


async def test_recovery_from_a_forgotten_password_to_a_login_with_a_new_one(
    system: System, user: User, service: Service, mails: MailServer
) -> None:
    asked = await ask(service, wanted(user))
    assert asked.envelope["status"] == "success"
    assert isinstance(asked.data, str)
    assert user.name not in asked.data
    message = await mails.mail()
    assert message["To"] == "ada@users.test"
    assert message["From"].startswith("no-reply@")
    assert message["Auto-Submitted"] == "auto-generated"
    assert link_in(message).startswith(f"{UI}?recovery={user.account.id}")
    # The link is whole in the source of the mail, too.
    assert link_in(message) in mails.sources[0]

    old = await service.login(user)
    used = await use(service, reset_id_in(message))
    login = {**old.data}
    assert used.data == login
    token = used.envelope["auth_token"]
    shown = await service.get(f"accounts/{user.account.id}/users/{user.id}", token=token)
    assert shown.data["require_password_update"] is True

    change = {"password": NEW, "require_password_update": False}
    path = f"accounts/{user.account.id}/users/{user.id}"
    changed = await service.patch(path, None, change, token=token)
    assert (changed.status, changed.data["require_password_update"]) == (200, False), changed.raw
    # A new password ends the sessions from before it.
    assert (await service.get(path, token=old.envelope["auth_token"])).status == 401
    md5, _ = password_hashes(user.name, NEW)
    credentials = {"account_name": user.account.name, "credentials": md5}
    assert (await service.put("user_auth", None, credentials)).status == 201
    assert (await service.login(user)).status == 401


async def test_recovery_post_replies_as_a_login_does(system: System, user: User, service: Service) -> None:
    login, used = await service.login(user), await use(service, await reset_of(system, user))
    assert used.data == login.data
    # There are no rows of a view, and nothing is created.
    missing, added = login.envelope.keys() - used.envelope.keys(), used.envelope.keys() - login.envelope.keys()
    assert (missing, added) == ({"page_size"}, set())
    assert "Location" not in used.headers


async def test_recovery_put_stores_a_reset_as_kazoo_does(
    system: System, user: User, service: Service, mails: MailServer
) -> None:
    await ask(service, wanted(user))
    reset_id = reset_id_in(await mails.mail())
    now = datetime.now(UTC)
    assert parse_reset_id(reset_id) == (user.account.id, now.year, now.month)
    assert len(reset_id) == 137
    (stored,) = await resets(system, user.account)
    assert stored["_id"] == reset_id
    assert (stored["pvt_type"], stored["pvt_userid"]) == ("password_reset", user.id)
    assert abs(stored["pvt_created"] - gregorian_seconds()) < 60


async def test_recovery_put_takes_the_length_of_the_id_from_the_configuration(
    system: System, user: User, service: Service, mails: MailServer
) -> None:
    await system.config("crossbar", reset_id_size=99)
    await ask(service, wanted(user))
    assert len(reset_id_in(await mails.mail())) == 99


@pytest.mark.parametrize("how", ["account_name", "account_realm", "realm", "phone_number", "fallen through"])
async def test_recovery_put_finds_the_account_as_a_login_does(
    system: System, user: User, service: Service, mails: MailServer, how: str
) -> None:
    account, database = user.account.document, "numbers/+1202"
    if how == "phone_number":
        await system.couch.create_database(database)
        await system.put(database, {"_id": "+12025550123", "pvt_assigned_to": user.account.id})
    data: JsonObject = {
        "account_name": {"account_name": f"{account['name']}!".upper()},
        "account_realm": {"account_realm": account["realm"]},
        "realm": {"realm": account["realm"]},
        "phone_number": {"phone_number": "202-555-0123"},
        "fallen through": {"account_realm": "no.such.realm", "account_name": account["name"]},
    }
    await ask(service, {"username": user.name.upper(), "ui_url": UI, **data[how]})
    await mails.mail()
    if how == "phone_number":
        await system.couch.delete_database(database)


@pytest.mark.parametrize(
    "who",
    [
        lambda user: {"username": "nobody"},
        lambda user: {"account_name": "no such account"},
        lambda user: {"account_name": "!"},
        lambda user: {"account_name": user.account.name, "username": "\u0000"},
    ],
)
async def test_recovery_put_for_an_unknown_user_gets_the_same_reply_and_no_mail(
    user: User, service: Service, mails: MailServer, who: Callable[[User], JsonObject]
) -> None:
    known = await ask(service, wanted(user))
    unknown = await ask(service, wanted(user) | who(user))
    variable = {"timestamp", "request_id", "tokens"}
    assert {key: value for key, value in unknown.envelope.items() if key not in variable} == {
        key: value for key, value in known.envelope.items() if key not in variable
    }
    assert unknown.envelope["tokens"]["consumed"] == known.envelope["tokens"]["consumed"] == 2
    assert unknown.headers.keys() == known.headers.keys()
    await finished(service)
    assert len(mails.received) == 1


@pytest.mark.parametrize("fields", [{"pvt_enabled": False}, {"pvt_trial_expires": 1000}, {"pvt_deleted": True}])
async def test_recovery_put_in_a_disabled_account_sends_and_stores_nothing(
    system: System, user: User, service: Service, mails: MailServer, fields: JsonObject
) -> None:
    await system.change(user.account, **fields)
    await ask(service, wanted(user))
    await finished(service)
    assert mails.received == []
    assert not await system.couch.database_exists(system.month(user.account))


@pytest.mark.parametrize("fields", [{"enabled": False}, {"pvt_deleted": True}, {"email": ""}, {"email": None}])
async def test_recovery_put_for_a_user_who_may_not_log_in_or_has_no_address_sends_nothing(
    system: System, user: User, service: Service, mails: MailServer, fields: JsonObject
) -> None:
    await system.change_user(user, **fields)
    await ask(service, wanted(user))
    await finished(service)
    assert mails.received == []


@pytest.mark.usefixtures("quick")
async def test_recovery_put_does_not_wait_for_the_search_of_the_user(
    new_service: NewService, user: User, mails: MailServer, proxy: FaultProxy
) -> None:
    """So that its time tells nothing: what depends on the user is asked after the reply."""
    service = new_service(proxy.url, SMTP_URL=mails.url)
    await service.login(user)
    before = len(proxy.requests)
    proxy.fail(Fault.STALL, path="listing_by_name")
    for name in (user.name, "nobody"):
        begun = time.monotonic()
        await ask(service, wanted(user, username=name))
        assert time.monotonic() - begun < 2
    while proxy.count(path="listing_by_name") < 3:
        await asyncio.sleep(0.01)
    assert not any(user.account.id[4:] in path for _, path in proxy.requests[before:])
    proxy.heal()
    await mails.mail()


async def test_recovery_works_once(system: System, user: User, service: Service) -> None:
    reset_id = await reset_of(system, user)
    await use(service, reset_id)
    refused = (await use(service, reset_id, 400)).data
    assert refused["user"]["not_found"]["cause"] == reset_id
    # KAZOO takes it as deleted.
    assert (await system.couch.open_doc(system.month(user.account), reset_id))["pvt_deleted"] is True


async def test_recovery_post_twice_at_the_same_time_succeeds_once(
    system: System, user: User, new_service: NewService
) -> None:
    services = [new_service(), new_service()]
    reset_id = await reset_of(system, user)
    sent = {"reset_id": reset_id}
    # With the same request id, which may not make two requests one.
    more = {"headers": {"X-Request-ID": "same"}}
    answers = await asyncio.gather(*(each.post(PATH, None, sent, **more) for each in services * 3))
    assert sorted(answer.status for answer in answers) == [200, 400, 400, 400, 400, 400]
    assert [answer.status for answer in answers if "auth_token" in answer.envelope] == [200]


@pytest.mark.parametrize(("age", "configured", "status"), [(3590, None, 200), (3601, None, 403), (70, 60, 403)])
async def test_recovery_post_expires(
    system: System, user: User, service: Service, age: int, configured: int | None, status: int
) -> None:
    await system.config("crossbar", **({} if configured is None else {"reset_id_expiry_s": configured}))
    answer = await use(service, await reset_of(system, user, age=age), status)
    assert status == 200 or "expired" in answer.data["message"]


@pytest.mark.parametrize("fields", [{"pvt_created": None}, {"pvt_created": "never"}])
async def test_recovery_post_of_a_reset_without_a_time_is_403(
    system: System, user: User, service: Service, fields: JsonObject
) -> None:
    await use(service, await reset_of(system, user, **fields), 403)


@pytest.mark.parametrize("fields", [{"pvt_type": "other"}, {"pvt_userid": "nobody"}, {"pvt_userid": None}])
async def test_recovery_post_of_another_document_is_400(
    system: System, user: User, service: Service, fields: JsonObject
) -> None:
    assert "user" in (await use(service, await reset_of(system, user, **fields), 400)).data


@pytest.mark.parametrize(
    ("reset_id", "rule"),
    [
        ("0" * 39, "pattern"),
        ("0" * 251, "pattern"),
        ("z" * 80, "pattern"),
        ("0" * 40, "not_found"),
        ("0" * 41, "not_found"),
        ("a" * 80, "not_found"),
        ("0" * 80, "not_found"),
    ],
)
async def test_recovery_post_of_an_unknown_id_is_400(service: Service, reset_id: str, rule: str) -> None:
    answer = await use(service, reset_id, 400)
    assert answer.envelope["message"] == "validation error"
    assert [list(rules) for rules in answer.data.values()] == [[rule]]
    assert len(reset_id) < MAX_SHOWN


async def test_recovery_post_after_a_change_of_the_password_is_400(
    system: System, user: User, service: Service, mails: MailServer
) -> None:
    for _ in range(2):
        await ask(service, wanted(user))
    first, second = reset_id_in(await mails.mail(1)), reset_id_in(await mails.mail(2))
    token = (await use(service, first)).envelope["auth_token"]
    path = f"accounts/{user.account.id}/users/{user.id}"
    assert (await service.patch(path, None, {"password": NEW}, token=token)).status == 200
    await use(service, second, 400)


async def test_recovery_post_of_a_disabled_user_or_account_is_refused_as_a_login(
    system: System, user: User, new_service: NewService
) -> None:
    reset_id = await reset_of(system, user)
    await system.change_user(user, enabled=False)
    assert "user" in (await use(new_service(), reset_id, 400)).data
    await system.change_user(user, enabled=True)
    await system.change(user.account, pvt_enabled=False)
    assert list((await use(new_service(), reset_id, 400)).data["account"]) == ["disabled"]
    await system.change(user.account, pvt_enabled=True)
    await use(new_service(), reset_id)


async def test_recovery_post_of_an_account_with_a_second_factor_is_401_and_uses_nothing(
    system: System, user: User, new_service: NewService
) -> None:
    reset_id = await reset_of(system, user)
    await system.config("crossbar.auth", auth_modules={"cb_user_auth": {"multi_factor": {"enabled": True}}})
    await system.put("system_auth", {"_id": "duo", "provider_name": "duo"})
    await use(new_service(), reset_id, 401)
    await system.config("crossbar.auth")
    stored = await system.couch.open_doc(user.account.database, user.id)
    assert "require_password_update" not in stored
    await use(new_service(), reset_id)


# The address of the web client


@pytest.mark.parametrize(
    ("ui_url", "expected"),
    [
        ("http://127.0.0.1:21055/#/apps/accounts", "http://127.0.0.1:21055/?recovery="),
        ("http://localhost:3000/ui/?a=b", "http://localhost:3000/ui/?a=b&recovery="),
        ("http://localhost:3000?recovery=old&a=b#x", "http://localhost:3000/?a=b&recovery="),
        ("http://[::1]:3000/index.html?", "http://[::1]:3000/index.html?recovery="),
    ],
)
async def test_recovery_put_adds_the_id_to_the_address_of_the_page(
    user: User, service: Service, mails: MailServer, ui_url: str, expected: str
) -> None:
    await ask(service, wanted(user, ui_url=ui_url))
    assert link_in(await mails.mail()).rpartition(user.account.id)[0] == expected


FOREIGN = (
    "https://evil.example.com/",
    "https://ui.example.com.evil.example.com/",
    "https://ui.example.com@evil.example.com/",
    "https://evil.example.com\\@ui.example.com/",
    "https://evil.example.com#https://ui.example.com/",
    "https://ui.example.com:8443/",
    "http://ui.example.com/",
    "https://ui.example.com/ and more words",
    "https://ui.example.com/\r\nBcc: x@evil.example.com",
    "javascript:alert(document.cookie)",
    "//ui.example.com/apps",
)


@pytest.mark.parametrize("ui_url", [*FOREIGN, "http://127.0.0.1:21055/"])
async def test_recovery_put_with_another_address_than_those_of_the_setting_is_403(
    user: User, new_service: NewService, mails: MailServer, ui_url: str
) -> None:
    service = new_service(SMTP_URL=mails.url, CROSSBAR_UI_URLS="https://ui.example.com, http://other.example.com:8080/")
    # Whoever asks chooses the header.
    answer = await ask(service, wanted(user, ui_url=ui_url), 403, headers={"Origin": "https://evil.example.com"})
    assert "ui_url" in answer.data["details"]
    await finished(service)
    assert mails.received == []


@pytest.mark.parametrize("ui_url", ["https://UI.example.com:443/apps#/x", "http://other.example.com:8080/?x"])
async def test_recovery_put_with_an_address_of_the_setting(
    user: User, new_service: NewService, mails: MailServer, ui_url: str
) -> None:
    service = new_service(SMTP_URL=mails.url, CROSSBAR_UI_URLS="https://ui.example.com, http://other.example.com:8080/")
    await ask(service, wanted(user, ui_url=ui_url))
    assert link_in(await mails.mail()).lower().startswith(ui_url.partition("#")[0].lower())


@pytest.mark.parametrize("ui_url", FOREIGN)
async def test_recovery_put_without_the_setting_knows_this_machine_only(
    user: User, service: Service, mails: MailServer, ui_url: str
) -> None:
    await ask(service, wanted(user, ui_url=ui_url), 403)
    # A client elsewhere has another machine.
    await ask(service, wanted(user), 403, headers={"X-Forwarded-For": "192.0.2.7"})


@pytest.mark.parametrize(("owner", "count"), [("sub", 1), ("reseller", 1), ("other", 0)])
async def test_recovery_put_with_a_whitelabel_domain_serves_the_accounts_below(
    system: System,
    user: User,
    accounts: dict[str, Account],
    new_service: NewService,
    mails: MailServer,
    owner: str,
    count: int,
) -> None:
    await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
    account, domain = accounts[owner], f"ui.{user.id[:8]}.test"
    await system.put("accounts", {**account.document, "pvt_whitelabel_domain": domain})
    await system.put(account.database, {"_id": "whitelabel", "pvt_type": "whitelabel", "domain": domain})
    service = new_service(SMTP_URL=mails.url)
    # Nobody learns whose customer an account is.
    await ask(service, wanted(user, ui_url=f"https://{domain}/"))
    await finished(service)
    assert len(mails.received) == count


# The data


@pytest.mark.parametrize(
    ("data", "path", "rule"),
    [
        ({"ui_url": UI, "account_name": "x"}, "username", "required"),
        ({"username": "x", "account_name": "x"}, "ui_url", "required"),
        ({"username": "x", "ui_url": UI}, "account_name", "required"),
        ({"username": "x", "ui_url": UI, "realm": 5}, "account_name", "required"),
        ({"username": "", "ui_url": UI, "account_name": "x"}, "username", "minLength"),
        ({"username": "x" * 255, "ui_url": UI, "account_name": "x"}, "username", "maxLength"),
        ({"username": "x", "ui_url": "http://a.b/", "account_name": "x"}, "ui_url", "minLength"),
        ({"username": "x", "ui_url": UI + "x" * 2000, "account_name": "x"}, "ui_url", "maxLength"),
        ({"username": "x", "ui_url": UI, "account_name": "x" * 65}, "account_name", "maxLength"),
    ],
)
async def test_recovery_put_validates_the_data(service: Service, data: JsonObject, path: str, rule: str) -> None:
    errors = (await ask(service, data, 400)).data
    assert {name: list(rules) for name, rules in errors.items()} == {path: [rule]}


async def test_recovery_ignores_what_the_web_client_sends_beside(
    user: User, service: Service, mails: MailServer
) -> None:
    await ask(service, wanted(user, ui_metadata={"ui": "monster-ui", "version": "4.3.0", "origin": "auth"}))
    reset_id = reset_id_in(await mails.mail())
    answer = await service.post(PATH, None, {"reset_id": reset_id, "ui_metadata": {"ui": "monster-ui"}})
    assert answer.status == 200


async def test_recovery_get_and_longer_paths_are_refused(service: Service) -> None:
    assert (await service.get(PATH)).status == 405
    assert (await service.put(f"{PATH}/x", None, {})).status == 404


# Delivery


@pytest.mark.parametrize("settings", [{}, {"AMQP_URL": "amqp://127.0.0.1"}])
async def test_recovery_put_without_a_way_to_users_is_501_and_stores_nothing(
    system: System, user: User, new_service: NewService, settings: dict[str, str]
) -> None:
    service = new_service(**settings)
    answer = await ask(service, wanted(user), 501)
    assert answer.envelope["message"] == "password recovery is not configured"
    assert "administrator" in answer.data["message"]
    await finished(service)
    assert not await system.couch.database_exists(system.month(user.account))


@pytest.mark.parametrize(
    ("language", "subject"),
    [("de-DE", "Neues Passwort setzen"), ("en-GB", "Set a new password"), ("fr-FR", "Set a new password")],
)
async def test_recovery_mail_is_in_the_users_language(
    system: System, user: User, service: Service, mails: MailServer, language: str, subject: str
) -> None:
    await system.change_user(user, language=language, first_name="Zoë")
    await ask(service, wanted(user))
    message = await mails.mail()
    assert message["Subject"] == subject
    assert "Zoë Lovelace" in message.get_content()
    assert "60 " in message.get_content()
    assert link_in(message).startswith(UI)


async def test_recovery_mail_with_a_long_link_has_it_whole(user: User, service: Service, mails: MailServer) -> None:
    ui_url = f"{UI}?x={'y' * 1900}"
    await ask(service, wanted(user, ui_url=ui_url))
    assert link_in(await mails.mail()).startswith(f"{ui_url}&recovery=")
    assert max(map(len, mails.sources[0].split("\r\n"))) < 998


async def test_recovery_mail_has_the_configured_sender(user: User, new_service: NewService, mails: MailServer) -> None:
    service = new_service(SMTP_URL=mails.url, SMTP_FROM="Help Desk <help@example.com>")
    await ask(service, wanted(user))
    message = await mails.mail()
    assert message["From"] == "Help Desk <help@example.com>"
    assert message["Message-ID"].endswith("@example.com>")


@pytest.mark.parametrize("email", ["a@b.test, c@d.test", "a@b.test\r\nBcc: c@d.test", "nobody", "<a@b.test"])
async def test_recovery_mail_goes_to_one_address_only(
    system: System, user: User, service: Service, mails: MailServer, email: str
) -> None:
    await system.change_user(user, email=email)
    await ask(service, wanted(user))
    await finished(service)
    assert mails.received == []


async def test_recovery_mail_is_encrypted_where_the_server_offers_it(
    user: User, new_service: NewService, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "mail.pem"))
    async with MailServer(tls=context, login=("sender", "s@cret")) as server:
        service = new_service(SMTP_URL=f"smtp://sender:s%40cret@127.0.0.1:{server.port}")
        await ask(service, wanted(user))
        await server.mail()
        assert server.encrypted == [True]
        await finished(service)


@pytest.mark.usefixtures("quick")
async def test_recovery_mail_is_sent_again_after_a_temporary_refusal(
    user: User, service: Service, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mails.refusals = ["451 Try again", "451 Try again"]
    await ask(service, wanted(user))
    await mails.mail()
    # Of each kind of failure the first one is logged.
    assert [record.__dict__["reason"] for record in caplog.records] == ["SMTPDataError 451"]
    assert caplog.records[0].getMessage() == "password recovery not delivered"


@pytest.mark.usefixtures("quick")
async def test_recovery_mail_is_not_sent_again_after_a_final_refusal(
    user: User, service: Service, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mails.refusals = ["550 No such user ada@users.test"] * 9
    for _ in range(3):
        await ask(service, wanted(user))
    await finished(service)
    assert mails.attempts == 3
    assert [record.__dict__["reason"] for record in caplog.records] == ["SMTPDataError 550"]


@pytest.mark.usefixtures("quick")
async def test_recovery_put_while_the_mail_server_is_down_is_answered_and_logged_once(
    user: User, new_service: NewService, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    service = new_service(SMTP_URL="smtp://127.0.0.1:1")
    for _ in range(2):
        await ask(service, wanted(user))
    await finished(service)
    assert [record.__dict__["reason"] for record in caplog.records] == ["SMTPConnectError"]


async def test_recovery_put_does_not_wait_for_a_mail_server_that_hangs(
    user: User, service: Service, mails: MailServer
) -> None:
    mails.hangs = True
    begun = time.monotonic()
    await ask(service, wanted(user))
    assert time.monotonic() - begun < 2
    while mails.attempts == 0:
        await asyncio.sleep(0.01)
    # What is being sent when the service stops is sent.
    stopping = asyncio.create_task(service.stop())
    await asyncio.sleep(0.2)
    assert not stopping.done()
    mails.hangs = False
    await stopping
    assert len(mails.received) == 1


async def test_recovery_gives_up_what_is_not_sent_in_time_when_the_service_stops(
    monkeypatch: pytest.MonkeyPatch,
    user: User,
    service: Service,
    mails: MailServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(recovery_messages, "FINISH_SECONDS", 0.2)
    mails.hangs = True
    await ask(service, wanted(user))
    while mails.attempts == 0:
        await asyncio.sleep(0.01)
    await service.stop()
    mails.hangs = False
    assert mails.received == []
    assert [record.getMessage() for record in caplog.records] == ["password recovery given up"]


async def test_recovery_put_refuses_more_than_it_can_work_on(
    monkeypatch: pytest.MonkeyPatch, user: User, service: Service, mails: MailServer
) -> None:
    monkeypatch.setattr(recovery_messages, "MAX_WAITING", 1)
    mails.hangs = True
    await ask(service, wanted(user))
    answer = await ask(service, wanted(user, username="nobody"), 429)
    assert answer.headers["Retry-After"] == "30"
    mails.hangs = False


async def test_recovery_sends_few_mails_to_one_user(user: User, service: Service, mails: MailServer) -> None:
    for _ in range(8):
        await ask(service, wanted(user))
    await finished(service)
    assert len(mails.received) == 5


async def test_recovery_costs_as_much_as_a_login(service: Service) -> None:
    data = {"username": "x", "account_name": "x", "ui_url": UI}
    assert (await ask(service, data)).envelope["tokens"]["consumed"] == 2
    assert (await use(service, "0" * 80, 400)).envelope["tokens"]["consumed"] == 2
    statuses = [(await service.put(PATH, None, data)).status for _ in range(60)]
    assert 429 in statuses


async def test_recovery_put_while_couchdb_is_away_is_503(
    new_service: NewService, user: User, mails: MailServer, proxy: FaultProxy
) -> None:
    service = new_service(proxy.url, SMTP_URL=mails.url)
    await service.login(user)
    await proxy.refuse()
    for _ in range(50):
        if service.store.away:
            break
        await service.get(f"accounts/{user.account.id}", user)
        await asyncio.sleep(0.1)
    await ask(service, wanted(user), 503)


# Beside KAZOO


@pytest.fixture
async def kazoo(system: System) -> AsyncIterator[None]:
    await system.couch.create_database("system_data")
    yield
    await system.couch.delete_database("system_data")


@pytest.mark.usefixtures("kazoo")
async def test_recovery_put_beside_kazoo_creates_no_database(
    system: System, user: User, service: Service, mails: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(service, wanted(user))
    await finished(service)
    assert mails.received == []
    assert not await system.couch.database_exists(system.month(user.account))
    assert [record.__dict__["reason"] for record in caplog.records] == ["DatabaseMissing"]


@pytest.mark.usefixtures("kazoo")
async def test_recovery_put_beside_kazoo_uses_the_previous_months_database(
    system: System, user: User, service: Service, mails: MailServer
) -> None:
    now = datetime.now(UTC)
    year, month = (now.year, now.month - 1) if now.month > 1 else (now.year - 1, 12)
    database = monthly_db(user.account.id, year, month)
    await system.couch.create_database(database)
    await ask(service, wanted(user))
    reset_id = reset_id_in(await mails.mail())
    assert parse_reset_id(reset_id) == (user.account.id, year, month)
    await use(service, reset_id)
    await system.couch.delete_database(database)


def test_application_without_a_mail_server_has_nothing_in_the_background() -> None:
    application = create_application(Settings.load({"COUCHDB_URL": "http://127.0.0.1:1"}))
    assert RECOVERIES not in application
