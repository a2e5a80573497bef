"""A Python client that is generated from the description logs in, lists the apps and installs one."""

import asyncio
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crossbar_appstore import json_codec
from crossbar_appstore.api_docs.document import openapi_document
from crossbar_appstore.kazoo.accounts import password_hashes
from tests.kit.accounts import PASSWORD
from tests.kit.service import Service
from tests.kit.system import System


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the generated package."""
    document = tmp_path / "openapi.json"
    document.write_bytes(json_codec.dumps(openapi_document()))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", str(document), "--output-path", str(tmp_path / "generated_client")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return "generated_client"


async def test_generated_client_logs_in_lists_and_installs(generated: str, system: System, service: Service) -> None:
    def module(name: str) -> ModuleType:
        return importlib.import_module(f"{generated}.{name}")

    account, models = system.master, module("models")
    admin = account.admin
    md5, _ = password_hashes(admin.name, PASSWORD)
    sub = await system.account("Client", below=account)
    address = f"{await service.address()}/v2"

    def use() -> tuple[list[str], str, list[str]]:
        body = models.LoginBody.from_dict({"data": {"credentials": md5, "account_name": account.name}})
        with module("client").Client(base_url=address) as anonymous:
            token = module("api.login.login").sync(client=anonymous, body=body).auth_token
        header = {"prefix": "", "auth_header_name": "X-Auth-Token"}
        with module("client").AuthenticatedClient(base_url=address, token=token, **header) as client:
            apps = module("api.apps_store.list_apps").sync(sub.id, client=client).data
            wanted = next(app for app in apps if app.name == "voip")
            body = models.InstallAppBody.from_dict({"data": {"allowed_users": "all"}})
            installed = module("api.apps_store.install_app").sync(sub.id, wanted.id, client=client, body=body)
            again = module("api.apps_store.list_apps").sync(sub.id, client=client).data
        who = [str(app.allowed_users) for app in again if app.id == wanted.id]
        return [app.name for app in apps], str(installed.data.allowed_users), who

    names, allowed, listed = await asyncio.to_thread(use)
    assert names == ["voip", "port", "numbers"]
    assert (allowed, listed) == ("all", ["all"])
    assert (await system.stored(sub))["apps"][system.apps["voip"]]["allowed_users"] == "all"
