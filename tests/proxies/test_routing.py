"""HAProxy and nginx with the files of ``deploy/``: what goes where, and what the servers learn about the client."""

import asyncio
import contextlib
import io
import json
import re
import shutil
import socket

import aiohttp
import pytest
from yarl import URL

from crossbar_appstore.crossbar import body
from crossbar_appstore.crossbar.pipeline import TimeLimits
from tests.conftest import Need
from tests.proxies.conftest import NewFront
from tests.proxies.paths import KAZOOS, OPERATIONS, OURS
from tests.proxies.running import DEPLOY, Proxy, Targets
from tests.proxies.stand_in import StandIn

ALONE = {
    "haproxy": {"default_backend crossbar\n": "default_backend crossbar_appstore\n"},
    "nginx": {"proxy_pass http://crossbar;": "proxy_pass http://crossbar_appstore;"},
}
TARGETS = Targets("127.0.0.1:8001", "127.0.0.1:8000", "127.0.0.2:8001")


async def test_configuration_is_accepted_without_warnings(new_front: NewFront) -> None:
    said = await new_front(TARGETS).check()
    assert not re.search("warn|alert|deprecat", said, re.IGNORECASE), said


async def test_paths_of_app_store_go_to_service_and_others_to_crossbar(front: Proxy) -> None:
    async with front.client() as client:
        for name, paths in (("service", OURS), ("crossbar", KAZOOS)):
            for path in paths:
                async with client.put(path, data=b"{}") as answer:
                    found = await answer.json()
                    assert (found["name"], found["path"], found["length"]) == (name, path, 2)


async def test_operations_paths_are_not_to_the_outside(front: Proxy, service: StandIn, crossbar: StandIn) -> None:
    async with front.client() as client:
        for path in OPERATIONS:
            async with client.get(URL(front.url + path, encoded=True)) as answer:
                assert answer.status == 404, path
    assert service.seen == crossbar.seen == []


async def test_operations_paths_are_not_to_the_outside_without_kazoo(
    new_front: NewFront, service: StandIn, crossbar: StandIn
) -> None:
    front = new_front(Targets(service.address, crossbar.address))
    front.edits = ALONE[front.name]
    async with front, front.client() as client:
        for path in OPERATIONS:
            async with client.get(URL(front.url + path, encoded=True)) as answer:
                assert answer.status == 404, path
        assert service.seen == []
        async with client.get("/v2/user_auth") as answer:
            assert (await answer.json())["name"] == "service"


@pytest.mark.parametrize("path", ["/v2/apps_store/x/icon", "/v2/user_auth"])
async def test_client_address_replaces_what_client_wrote(front: Proxy, path: str) -> None:
    forged = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-For", "127.0.0.1, 10.0.0.1")]
    for source in ("127.7.0.1", "127.7.0.2"):
        async with front.client(source) as client, client.get(path, headers=forged) as answer:
            assert (await answer.json())["forwarded"] == [source]


async def test_proxy_has_tls_and_http_2(front: Proxy) -> None:
    context = front.trust("h2", "http/1.1")
    _, writer = await asyncio.open_connection("127.0.0.1", front.port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    assert tls.version() in ("TLSv1.2", "TLSv1.3")
    assert tls.selected_alpn_protocol() == "h2"
    writer.close()


async def test_request_of_http_2_gets_there(need: Need, front: Proxy) -> None:
    curl = shutil.which("curl")
    need("curl", curl)
    process = await asyncio.create_subprocess_exec(
        *(str(curl), "--silent", "--http2", "--cacert", str(front.certificate), "--interface", "127.7.0.1"),
        *("--write-out", "\n%{http_version}", f"{front.url}/v2/apps_store/x/icon"),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    answer, _, version = said.decode().rpartition("\n")
    assert version == "2"
    assert json.loads(answer)["forwarded"] == ["127.7.0.1"]


async def test_largest_upload_of_service_passes_proxy(front: Proxy) -> None:
    largest = io.BytesIO(bytes(body.MAX_UPLOAD + 1))
    async with front.client() as client, client.put("/v2/apps_store/x", data=largest) as answer:
        assert (await answer.json())["length"] == body.MAX_UPLOAD + 1


async def test_query_strings_are_not_in_the_log_of_the_proxy(front: Proxy, service: StandIn) -> None:
    async with front.client() as client:
        async with client.get("/v2/apps_store/first/icon?auth_token=hidden-one") as answer:
            assert answer.status == 200
        await service.stop()
        async with client.get("/v2/apps_store/second/icon?auth_token=hidden-two") as answer:
            assert answer.status in (502, 503)
    async with asyncio.timeout(10):
        while "apps_store/second/icon" not in front.log.read_text():
            await asyncio.sleep(0.05)
    assert "apps_store/first/icon" in front.log.read_text()
    assert "hidden" not in front.log.read_text()


async def test_haproxy_limits_connections_of_one_address(
    new_haproxy: NewFront, service: StandIn, crossbar: StandIn
) -> None:
    async with new_haproxy(Targets(service.address, crossbar.address)) as front:
        with contextlib.ExitStack() as held:
            connections = [held.enter_context(_connect(front.port, "127.7.0.1")) for _ in range(200)]
            async with front.client("127.7.0.2") as other:
                assert await _status(other, "/v2/user_auth") == 200
            async with front.client("127.7.0.1") as refused:
                with pytest.raises(aiohttp.ClientConnectionError):
                    await _status(refused, "/v2/user_auth")
                connections[0].close()
                async with asyncio.timeout(10):
                    while not await _answers(refused):
                        await asyncio.sleep(0.05)


async def test_nginx_limits_requests_of_one_address(new_nginx: NewFront, service: StandIn, crossbar: StandIn) -> None:
    async with (
        new_nginx(Targets(service.address, crossbar.address)) as front,
        front.client("127.7.0.1") as one,
        front.client("127.7.0.2") as other,
    ):
        waiting = [asyncio.create_task(_status(one, "/v2/slow")) for _ in range(201)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [429]
        assert await _status(other, "/v2/user_auth") == 200
        crossbar.free.set()
        assert sorted(await asyncio.gather(*waiting)) == [200] * 200 + [429]


async def _status(client: aiohttp.ClientSession, path: str) -> int:
    async with client.get(path) as answer:
        return answer.status


async def _answers(client: aiohttp.ClientSession) -> bool:
    try:
        return await _status(client, "/v2/user_auth") == 200
    except aiohttp.ClientConnectionError:
        return False


def _connect(port: int, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def test_nginx_closes_connections_before_the_service_does() -> None:
    found = re.findall(r"keepalive_timeout (\d+)s", (DEPLOY / "nginx.conf").read_text())
    assert [int(seconds) < TimeLimits().head for seconds in found] == [True, True]
