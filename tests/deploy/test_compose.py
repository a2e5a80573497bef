"""The compose files: their form, what they mount and start, and the configurations of what they start."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web
from compose_spec import PyCompose
from yarl import URL

from crossbar_appstore.serving import DRAIN
from crossbar_appstore.settings import SETTINGS, Settings
from tests.conftest import Need
from tests.deploy.compose import (
    CLUSTER,
    COMPOSE,
    DEPLOY,
    bind_mounts,
    loaded,
    required,
)
from tests.deploy.dockerfile import instructions

PASSWORDS = dict.fromkeys(("COUCHDB_PASSWORD", "COUCHDB_SECRET", "AMQP_PASSWORD", "GRAFANA_PASSWORD"), "abc123")
FILES = [COMPOSE, CLUSTER]
SETUP = DEPLOY / "compose/couchdb_setup.py"
HAPROXY = DEPLOY / "compose/haproxy.cfg"

by_name = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def services(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = loaded(path, **PASSWORDS)["services"]
    return found


def ours(path: Path) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in services(path).items() if each["image"].startswith("crossbar-appstore")}


@by_name
def test_compose_file_follows_specification(path: Path) -> None:
    PyCompose.from_json(json.dumps(loaded(path, **PASSWORDS)))


def test_specification_refuses_unknown_keys() -> None:
    with pytest.raises(ValueError, match="read_onli"):
        PyCompose.from_json(json.dumps({"services": {"a": {"image": "a:1", "read_onli": True}}}))


@by_name
def test_compose_file_is_accepted_by_docker_compose(path: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        # Debian's package of it is too old to read the files.
        pytest.skip("docker compose is not here")
    words = [docker, "compose", "--file", str(path), "config", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **PASSWORDS})
    assert done.returncode == 0, done.stderr


@by_name
def test_compose_file_has_no_password_of_its_own(path: Path) -> None:
    assert required(path) <= set(PASSWORDS)
    for name in required(path):
        with pytest.raises(KeyError, match=name):
            loaded(path, **{key: value for key, value in PASSWORDS.items() if key != name})
    given = path.read_text(encoding="utf-8").replace("GF_SECURITY_", "")
    values = re.findall(r"(?:PASSWORD|PASS|SECRET|COOKIE): *(\S+)", given)
    assert values
    assert [value for value in values if not value.startswith("${")] == []


@by_name
def test_compose_images_have_versions(path: Path) -> None:
    for name, service in services(path).items():
        image, _, tag = service["image"].partition(":")
        assert any(letter.isdigit() for letter in tag) != (image == "crossbar-appstore"), name


@by_name
def test_compose_builds_this_image(path: Path) -> None:
    for service in ours(path).values():
        context = path.parent / service["build"]["context"]
        assert (context / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
        assert (context / "setup.cfg").is_file()


@by_name
def test_compose_mounts_existing_files_read_only(path: Path) -> None:
    for service in services(path).values():
        for source in bind_mounts(service).values():
            assert (path.parent / source).is_file(), source
            assert all(volume.endswith(":ro") for volume in service["volumes"] if volume.startswith("."))


@by_name
def test_compose_names_volumes_and_services_that_exist(path: Path) -> None:
    document = loaded(path, **PASSWORDS)
    used = set()
    for service in document["services"].values():
        assert set(service.get("depends_on", ())) <= set(document["services"])
        used |= {volume.partition(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
    assert used == set(document["volumes"])


@by_name
def test_compose_publishes_ports_on_this_machine_only(path: Path) -> None:
    ports = [port for service in services(path).values() for port in service.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


@by_name
def test_compose_runs_our_image_without_privileges_and_read_only(path: Path) -> None:
    assert len(ours(path)) >= 2
    for service in ours(path).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for name, service in ours(path).items():
        if name.removesuffix("-setup") == name:
            assert service["tmpfs"] == ["/tmp:mode=1777,size=16m"]
            assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN
            assert service["restart"] == "unless-stopped"


@by_name
def test_compose_environment_is_that_of_settings(path: Path) -> None:
    known = {each.variable for each in SETTINGS}
    for name, service in ours(path).items():
        environment = {key: str(value) for key, value in service["environment"].items()}
        if name == "couchdb-setup":
            assert set(environment) == {"COUCHDB_PASSWORD"}
            continue
        assert set(environment) <= known
        settings = Settings.load({**environment, "CROSSBAR_HOST": "0.0.0.0"})
        hosts = [re.sub(r":\d+$", "", node.partition("@")[2]) for node in environment["COUCHDB_URL"].split(",")[:1]]
        assert settings.couchdb is not None
        assert hosts[0] in services(path) or hosts[0].removesuffix(".cluster") in services(path)


def test_compose_cluster_nodes_are_those_that_setup_joins() -> None:
    found = services(CLUSTER)
    nodes = [service for service in found.values() if service["image"].startswith("couchdb")]
    names = [service["environment"]["NODENAME"] for service in nodes]
    assert names == found["couchdb-setup"]["command"]
    for service, name in zip(nodes, names, strict=True):
        assert service["hostname"] == name
        assert service["networks"]["default"]["aliases"] == [name]
        assert f"{name}:5984" in found["appstore1"]["environment"]["COUCHDB_URL"]
    assert len({service["volumes"][0] for service in nodes}) == 3


def test_compose_cluster_proxy_is_trusted() -> None:
    [network] = loaded(CLUSTER, **PASSWORDS)["networks"]["default"]["ipam"]["config"]
    environment = services(CLUSTER)["appstore1"]["environment"]
    assert network["subnet"] in environment["CROSSBAR_TRUSTED_PROXIES"].split(",")
    assert services(CLUSTER)["appstore1"] == services(CLUSTER)["appstore2"]


def test_compose_port_is_that_of_the_image() -> None:
    exposed = [each.value for each in instructions((DEPLOY / "Dockerfile").read_text()) if each.name == "EXPOSE"]
    assert exposed == ["8000"]
    assert services(COMPOSE)["appstore"]["ports"] == ["127.0.0.1:8000:8000"]
    assert re.findall(r" server \w+ (\S+)", HAPROXY.read_text()) == ["appstore1:8000", "appstore2:8000"]


def test_prometheus_configuration_is_accepted_by_promtool(need: Need, tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    need("promtool", promtool)
    mounts = bind_mounts(services(CLUSTER)["prometheus"])
    text = (CLUSTER.parent / mounts["/etc/prometheus/prometheus.yml"]).read_text(encoding="utf-8")
    [rules] = yaml.safe_load(text)["rule_files"]
    config = tmp_path / "prometheus.yml"
    stored = (CLUSTER.parent / mounts[rules]).resolve()
    config.write_text(text.replace(rules, str(stored if stored.exists() else os.devnull)))
    done = subprocess.run([str(promtool), "check", "config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = yaml.safe_load(text)["scrape_configs"]
    assert {target for each in job["static_configs"] for target in each["targets"]} == {
        f"{name}:8000" for name in ours(CLUSTER) if name != "couchdb-setup"
    }


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    mounts = bind_mounts(services(CLUSTER)["grafana"])
    provisioned = [source for target, source in mounts.items() if target.startswith("/etc/grafana/provisioning/")]
    [sources, dashboards] = [yaml.safe_load((CLUSTER.parent / source).read_text()) for source in provisioned]
    assert sources["datasources"][0]["url"] == "http://prometheus:9090"
    folder = dashboards["providers"][0]["options"]["path"]
    assert f"{folder}/crossbar-appstore.json" in mounts


Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncIterator[int]:
    """A server with one handler for all paths; its port."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def stand_in(name: str) -> AbstractAsyncContextManager[int]:
    """A service that answers every path with its name and the client's address."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"name": name, "client": request.headers.get("X-Forwarded-For")})

    return listening(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def haproxy(program: str, place: Path, first: int, second: int) -> AsyncIterator[str]:
    """HAProxy with the configuration of the cluster, in front of two ports; its address."""
    port = free_port()
    config = place / "haproxy.cfg"
    text = HAPROXY.read_text(encoding="utf-8").replace("bind :8000", f"bind 127.0.0.1:{port}")
    text = text.replace("appstore1:8000", f"127.0.0.1:{first}").replace("appstore2:8000", f"127.0.0.1:{second}")
    config.write_text(text)
    process = await asyncio.create_subprocess_exec(program, "-db", "-f", config, stdout=-3, stderr=-3)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def names(session: aiohttp.ClientSession, address: str, wanted: set[str]) -> set[str]:
    """The services that answer; asks until they are those that are wanted, for ten seconds at most."""
    found: set[str] = set()
    for _ in range(100):
        found = set()
        for _ in range(4):
            try:
                async with session.get(f"{address}/v2/about") as reply:
                    found.add((await reply.json())["name"] if reply.status == 200 else str(reply.status))
            except aiohttp.ClientError as error:
                found.add(type(error).__name__)
        if found == wanted:
            break
        await asyncio.sleep(0.1)
    return found


async def test_haproxy_of_cluster_uses_ready_services_and_hides_health_and_metrics(need: Need, tmp_path: Path) -> None:
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    need("haproxy", program)
    assert program is not None
    async with (
        stand_in("one") as first,
        aiohttp.ClientSession() as session,
    ):
        async with stand_in("two") as second, haproxy(program, tmp_path, first, second) as address:
            assert await names(session, address, {"one", "two"}) == {"one", "two"}
            for path in ("/livez", "/readyz", "/metrics", "/%6cive%7a", "/%6Detrics"):
                async with session.get(URL(address + path, encoded=True)) as reply:
                    assert (reply.status, "one" in await reply.text()) == (404, False)
            async with session.get(f"{address}/v2/about") as reply:
                assert (await reply.json())["client"] == "127.0.0.1"
        async with haproxy(program, tmp_path, first, free_port()) as address:
            assert await names(session, address, {"one"}) == {"one"}


async def set_up(address: str, password: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, SETUP, address),
        env={"COUCHDB_PASSWORD": password},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_couchdb_setup_creates_system_databases_and_can_be_repeated(couchdb_url: str) -> None:
    async with aiohttp.ClientSession(couchdb_url) as session:

        async def pass_on(request: web.Request) -> web.Response:
            # The embedded CouchDB has no users.
            assert request.headers["Authorization"] == "Basic YWRtaW46c2VjcmV0"
            async with session.request(request.method, request.path, data=await request.read()) as reply:
                return web.Response(status=reply.status, body=await reply.read())

        async with listening(pass_on) as port:
            for _ in range(2):
                assert await set_up(f"127.0.0.1:{port}", "secret") == (0, "")
        async with session.get("/_all_dbs") as reply:
            assert {"_users", "_replicator", "_global_changes"} <= set(await reply.json(content_type=None))


async def test_couchdb_setup_ends_where_password_is_refused() -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": "unauthorized", "reason": "Name or password is incorrect."}, status=401)

    async with listening(refuse) as port:
        code, output = await set_up(f"127.0.0.1:{port}", "wrong")
    assert code == 1
    assert "Name or password is incorrect" in output
    assert "wrong" not in output
