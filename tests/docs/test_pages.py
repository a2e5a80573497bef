"""What the pages say is so: links lead somewhere, examples parse, settings are described as they are."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from crossbar_appstore import __version__
from crossbar_appstore.settings import SETTINGS

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    headings = HEADING.findall(FENCE.sub("", text(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", text(page))):
        if "://" in link:
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


def fences(*languages: str) -> list[object]:
    return [
        pytest.param(
            language, code, id=f"{page.relative_to(CHECKOUT)}:{text(page).count(chr(10), 0, match.start()) + 1}"
        )
        for page in PAGES
        for match in FENCE.finditer(text(page))
        for language, code in [match.groups()]
        if language in languages
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize(("language", "code"), fences("json", "python"))
def test_examples_are_well_formed(language: str, code: str) -> None:
    if language == "json":
        json.loads(code)
    else:
        compile(code, "example", "exec")


def test_each_setting_is_described_as_it_is() -> None:
    page = text(CHECKOUT / "docs" / "settings.md")
    rows = {line for line in page.splitlines() if line.startswith("| `") and "`--" in line}
    assert rows == {
        f"| `{each.variable}` | `{each.option}` | {f'`{each.default}`' if each.default else 'unset'} | {each.doc} |"
        for each in SETTINGS
    }


def test_the_changelog_has_a_section_for_this_version() -> None:
    assert re.search(rf"^## \[{re.escape(__version__)}\]", text(CHECKOUT / "CHANGELOG.md"), re.MULTILINE)
