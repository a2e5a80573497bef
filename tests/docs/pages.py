"""Parses the Markdown pages of the project: links, headings, tables and fenced blocks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[2]
DOCS: Final = CHECKOUT / "docs"
README: Final = CHECKOUT / "README.md"
TUTORIAL: Final = DOCS / "tutorial.md"
PAGES: Final = sorted([*CHECKOUT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCE: Final = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING: Final = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: its language, its lines, and the number of the line before them."""

    language: str
    text: str
    line: int


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def fences(page: Path) -> list[Fence]:
    """The fenced blocks in their order."""
    whole = text(page)
    return [Fence(match[1], match[2], whole.count("\n", 0, match.start()) + 1) for match in _FENCE.finditer(whole)]


def headings(page: Path) -> list[str]:
    return _HEADING.findall(prose(page))


def anchors(page: Path) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def code_words(page: Path) -> set[str]:
    """The inline code of the page."""
    return set(_CODE.findall(prose(page)))


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of each table row."""
    for line in prose(page).splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def name(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))
