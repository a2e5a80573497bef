"""The site that ``scripts/docs`` builds from the pages: without a warning, complete, and of one origin."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.conftest import Need
from tests.docs.pages import CHECKOUT, DOCS, PAGES, README, name

CONFIG: Final = CHECKOUT / "mkdocs.yml"
SECTIONS: Final = [
    *("Quick start", "Tutorial", "API", "Command line", "Settings", "Connect Monster UI", "Beside KAZOO", "Operations"),
    *("Security", "How it works", "Differences from KAZOO", "Glossary"),
]
_LOADED: Final = {"src", "srcset", "data", "poster", "action", "style"}


class Loads(HTMLParser):
    """Collects the addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        loaded = _LOADED | ({"href"} if tag in {"link", "base"} else set())
        self.addresses += [value for key, value in attrs if key in loaded and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", CONFIG, "--site-dir", place)
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall("^(?:WARNING|ERROR).*", done.stderr, re.MULTILINE)) == (0, []), done.stderr
    return place


def loaded(page: Path) -> list[str]:
    parser = Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.addresses


def test_site_has_a_file_for_each_page(site: Path) -> None:
    wanted = {page.relative_to(DOCS if page.is_relative_to(DOCS) else CHECKOUT) for page in PAGES if page != README}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    missing = {
        page for page in wanted if not {page.with_suffix(".html"), "repository" / page.with_suffix(".html")} & built
    }
    assert missing == set()


def test_site_navigation_has_the_sections_in_order() -> None:
    assert (
        re.findall(r"^  - ([^:]+):", CONFIG.read_text(encoding="utf-8").partition("\ntheme:")[0], re.MULTILINE)
        == SECTIONS
    )


def test_site_pages_load_nothing_from_another_origin(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(PAGES) - 2
    addresses = {address for page in pages for address in loaded(page)}
    assert any(address.endswith(".js") for address in addresses)
    assert {address for address in addresses if "//" in address} == set()


def test_site_style_sheets_load_nothing_from_another_origin(site: Path) -> None:
    sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert sheets
    loads = [load for sheet in sheets for load in re.findall(r"(?:url\(|@import\s*)[\"']?([^\"')\s]+)", sheet)]
    assert [load for load in loads if not load.startswith(("data:", "#")) and "//" in load] == []


def test_site_links_have_titles_of_pages_as_texts(site: Path) -> None:
    index = (site / "index.html").read_text(encoding="utf-8")
    assert '<td><a href="upgrade.html">Several machines, upgrade and rollback</a></td>' in index
    named = {
        path.name: re.findall(r">([\w./-]+\.md)</a>", path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }
    assert {page: texts for page, texts in named.items() if texts} == {}


@contextmanager
def served(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_site_search_finds_a_page_without_another_origin(site: Path, need: Need) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need("Chromium", chromium)
    asked: list[str] = []
    with served(site) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/index.html")
        page.get_by_role("textbox", name="Search").fill("blacklist")
        expect(page.locator(".md-search-result__item").first).to_contain_text(
            "blacklist", ignore_case=True, timeout=20000
        )
        browser.close()
        assert [url for url in asked if not url.startswith((f"{address}/", "data:", "blob:"))] == []


@pytest.mark.parametrize("page", ["index.md", "tutorial.md"])
def test_site_pictures_of_page_exist(site: Path, page: str) -> None:
    pictures = [address for address in loaded((site / page).with_suffix(".html")) if address.endswith(".png")]
    assert pictures, name(DOCS / page)
    assert [picture for picture in pictures if not (site / picture).is_file()] == []
