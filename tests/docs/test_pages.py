"""The pages: links, examples, settings and the changelog."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from crossbar_appstore import __version__
from crossbar_appstore.settings import PASSWORD, SETTINGS
from tests.docs.pages import CHECKOUT, DOCS, PAGES, README, anchors, fences, links, name, text


def broken_links(page: Path) -> Iterator[str]:
    for link in links(page):
        if "://" in link:
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (page.parent / place) if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def examples(*languages: str) -> list[object]:
    return [
        pytest.param(fence.language, fence.text, id=f"{name(page)}:{fence.line}")
        for page in PAGES
        for fence in fences(page)
        if fence.language in languages
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_has_no_broken_links(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize(("language", "code"), examples("json", "python"))
def test_page_example_is_well_formed(language: str, code: str) -> None:
    if language == "json":
        json.loads(code)
    else:
        compile(code, "example", "exec")


def test_index_links_every_page() -> None:
    index = DOCS / "index.md"
    reached = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    missing = {name(page) for page in PAGES if page.parent != DOCS / "cli" and page not in (*reached, index, README)}
    assert missing == set()


def test_settings_page_matches_settings() -> None:
    page = text(DOCS / "settings.md")
    rows = {line for line in page.splitlines() if line.startswith("| `") and "`--" in line}
    assert rows == {
        f"| `{each.variable}` | `{each.option}` | {f'`{each.default}`' if each.default else 'unset'} | {each.doc} |"
        for each in SETTINGS
    }


def test_pages_name_existing_settings_only() -> None:
    known = {PASSWORD, *(each.variable for each in SETTINGS)}
    named = {(name(page), word) for page in PAGES for word in re.findall(r"\bCROSSBAR_[A-Z_]+", text(page))}
    assert {(page, word) for page, word in named if word not in known} == set()


def test_changelog_has_section_of_this_version() -> None:
    assert re.search(rf"^## \[{re.escape(__version__)}\]", text(CHECKOUT / "CHANGELOG.md"), re.MULTILINE)


def test_changelog_has_one_sentence_per_line() -> None:
    lines = [line for line in text(CHECKOUT / "CHANGELOG.md").splitlines() if line.startswith("- ")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"- (?:[^.]|\.(?! ))+\.", line)] == []
