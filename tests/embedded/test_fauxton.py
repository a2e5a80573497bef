import asyncio
import shutil
from pathlib import Path

import aiohttp
import pytest

from crossbar_appstore.embedded import EmbeddedCouchDB
from tests.conftest import Need

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Milliseconds of virtual time for the scripts of the page.
    "--virtual-time-budget=15000",
)


@pytest.fixture
def chromium(need: Need) -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("chromium", found)
    return str(found)


async def test_fauxton_shows_documents_in_browser(
    embedded_couchdb: EmbeddedCouchDB, chromium: str, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        for path, body in (("accounts", None), ("accounts/a-document-to-be-seen", {})):
            async with session.put(f"{embedded_couchdb.url}/{path}", json=body) as reply:
                assert reply.status == 201
    browser = await asyncio.create_subprocess_exec(
        chromium,
        *QUIET,
        f"--user-data-dir={tmp_path / 'browser'}",
        "--dump-dom",
        f"{embedded_couchdb.fauxton_url}#/database/accounts/_all_docs",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    page, _ = await browser.communicate()
    assert browser.returncode == 0
    assert b"a-document-to-be-seen" in page
