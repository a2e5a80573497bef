"""CouchDB over TLS: its certificate is checked, against the authorities that the machine or the settings name, and a
client certificate is presented.
"""

import asyncio
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crossbar_appstore.cli.options import connected
from crossbar_appstore.datastore.errors import CertificateRefused, Unreachable
from crossbar_appstore.settings import Settings
from tests.kit.certificates import self_signed

WELCOME = b'{"couchdb":"Welcome","version":"3.3.3","vendor":{"name":"Test"}}'
CLIENT = """
import asyncio, sys
import crossbar_appstore.serving
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as reply:
        print(reply.status)

asyncio.run(main())
"""

COUCH = """
import asyncio, sys
from crossbar_appstore.datastore.couch import Couch

async def main():
    async with Couch(sys.argv[1]) as couch:
        assert (await couch.server()).version == "3.3.3"
        print(200)

asyncio.run(main())
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and its certificate for 127.0.0.1 in one file, signed by itself."""
    return self_signed(tmp_path / "couchdb.pem")


@asynccontextmanager
async def couchdb_over_tls(certificate: Path, *, asks_for_certificates: bool = False) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(WELCOME) + WELCOME)
        await writer.drain()
        writer.close()

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    if asks_for_certificates:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(certificate)
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("program", [CLIENT, COUCH], ids=["any aiohttp client", "Couch"])
@pytest.mark.parametrize("trusted", [True, False])
async def test_couch_asks_a_server_over_tls_only_if_its_certificate_is_trusted(
    certificate: Path, program: str, trusted: bool
) -> None:
    async with couchdb_over_tls(certificate) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url),
            env={**os.environ, "SSL_CERT_FILE": str(certificate if trusted else os.devnull)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    # aiohttp reads the trusted certificates when it is imported, so each case is a process of its own.
    assert (output.split(), process.returncode) == (([b"200"], 0) if trusted else ([], 1))


@pytest.mark.parametrize("asks_for_certificates", [False, True])
@pytest.mark.parametrize("presented", ["none", "with its key", "and key apart"])
async def test_couch_uses_the_certificates_that_the_settings_name(
    certificate: Path, tmp_path: Path, asks_for_certificates: bool, presented: str
) -> None:
    pem = certificate.read_text(encoding="utf-8")
    end = pem.index("-----BEGIN CERTIFICATE")
    authority, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    authority.write_text(pem[end:], encoding="utf-8")
    key.write_text(pem[:end], encoding="utf-8")
    environ = {"COUCHDB_CA_FILE": str(authority)}
    if presented == "with its key":
        environ |= {"COUCHDB_CERTIFICATE_FILE": str(certificate)}
    elif presented == "and key apart":
        environ |= {"COUCHDB_CERTIFICATE_FILE": str(authority), "COUCHDB_KEY_FILE": str(key)}
    async with couchdb_over_tls(certificate, asks_for_certificates=asks_for_certificates) as url:
        async with connected(Settings.load({"COUCHDB_URL": url, **environ})) as couch:
            if asks_for_certificates and presented == "none":
                # Whether OpenSSL's reason or the end of the connection is seen first is chance.
                with pytest.raises(Unreachable):
                    await couch.server()
            else:
                assert (await couch.server()).version == "3.3.3"
        # The machine does not trust it.
        async with connected(Settings.load({"COUCHDB_URL": url})) as couch:
            with pytest.raises(CertificateRefused, match=r"127\.0\.0\.1: self-signed certificate"):
                await couch.server()


async def test_couch_asks_each_node_over_tls(certificate: Path) -> None:
    async with couchdb_over_tls(certificate) as first:
        environ = {"COUCHDB_URL": f"https://127.0.0.1:1,{first}", "COUCHDB_CA_FILE": str(certificate)}
        async with connected(Settings.load(environ)) as couch:
            assert (await couch.server()).version == "3.3.3"
            assert couch.address == first
