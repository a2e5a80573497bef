"""No token, password or secret reaches a log."""

import base64
import io
import logging
from collections.abc import Iterator

import pytest

from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.logs import set_up_logging
from tests.datastore.fault_proxy import FaultProxy, Status
from tests.kit.accounts import PASSWORD
from tests.kit.fixtures import NewService
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that the service logs, in the format of standard error, down to DEBUG."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    set_up_logging(logging.DEBUG)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_log_contains_no_credentials(
    system: System, new_service: NewService, proxy: FaultProxy, log: io.StringIO
) -> None:
    service = new_service(proxy.url, CROSSBAR_ACCESS_LOG="1")
    sub = await system.account("Sub", below=system.master)
    token, expired = system.token(sub.admin), system.token(sub.user, exp=1000)
    forged = f"{token[:-8]}AAAAAAAA"
    md5, sha1 = password_hashes(sub.admin.name, PASSWORD)
    basic = base64.b64encode(f"{sub.id}:{md5}".encode()).decode()
    bodies = (
        f'{{"data": {{"auth_token": "{token}"}}}}',
        f'{{"data": {{}}, "auth_token": "{token}"}}',
        f'{{"auth_token": "{token}"',
    )
    voip = f"{sub.path}/{system.apps['voip']}"
    for secret in (token, expired, forged):
        await service.get(sub.path, token=secret)
        await service.get(f"{sub.path}?auth_token={secret}")
        await service.get(f"{sub.path}?auth_token={secret}&bad=%")
        await service.get(f"{sub.path}/{secret}", token=secret)
        await service.get(f"accounts/{secret}/apps_store")
        await service.get(f"auth/{secret}?auth_token={secret}", headers={"X-Request-ID": secret})
        await service.get(sub.path, headers={"Authorization": f"Bearer {secret}", "Cookie": f"monster-auth={secret}"})
        await service.put(voip, None, {"verb": "delete", "auth_token": secret})
        await service.post("auth/tokeninfo", None, {"token": secret})
    for body in bodies:
        await service.call("POST", voip, body=body.encode())
    for authorization in (f"Basic {basic}", f"Basic {md5}", f"Digest {basic}"):
        await service.get(sub.path, headers={"Authorization": authorization})
    for credentials in (md5, sha1, "x" * 32):
        method = "sha" if credentials == sha1 else "md5"
        data = {"credentials": credentials, "account_name": sub.name, "method": method}
        await service.put("user_auth", None, data)
        await service.put("user_auth", None, data | {"account_name": credentials})
    await service.put("api_auth", None, {"api_key": sub.document["pvt_api_key"]})
    proxy.fail(Status(500, error="unknown"), path="apps_store")
    await service.put(voip, None, {}, token=token)
    proxy.fail(Status(401, "Name or password is incorrect."))
    await service.get((await system.account("New", below=sub)).path, token=token)
    await proxy.refuse()
    await service.put(voip, None, {}, token=token)
    await service.get(f"accounts/{'0' * 32}/apps_store", token=token)

    text = log.getvalue()
    assert text.count('"request"') > 40, "requests are logged"
    assert '"level":"WARNING"' in text, "and failures"
    secrets = {
        "token": token.rpartition(".")[2],
        "claims": token.split(".")[1],
        "expired token": expired.rpartition(".")[2],
        "credentials (md5)": md5,
        "credentials (sha)": sha1,
        "basic": basic,
        "api key": sub.document["pvt_api_key"],
        "signature secret": sub.admin.document["pvt_signature_secret"],
        "account's secret": sub.document["pvt_signature_secret"],
        "any JWT": "eyJ",
        "private key": "PRIVATE KEY",
    }
    assert {name for name, secret in secrets.items() if secret in text} == set()


async def test_log_of_an_unexpected_error_contains_no_token(
    system: System, service: Service, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("crossbar_appstore.resources.account_apps.allowed_apps", broken)
    token = system.token(system.master.admin)
    answer = await service.get(f"{system.master.path}?auth_token={token}", headers={"Origin": "https://ui.example.org"})
    assert answer.refusal == (500, "unspecified_fault", {"message": "unspecified fault"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    text = log.getvalue()
    assert "on purpose" in text
    assert answer.envelope["request_id"] in text
    assert "eyJ" not in text
