"""The pages about the architecture agree with the code."""

import configparser
import re

import pytest

from tests.docs.pages import CHECKOUT, DOCS, code_words, fences, prose, rows

PAGE = DOCS / "architecture.md"
PACKAGE = CHECKOUT / "crossbar_appstore"
NUMBER = re.compile(r"\bD\d+\b")


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    return parser


FILE = re.compile(r"(?!metadata/)\w[\w.]*/[\w./]*(?:\.py|\.json|(?<=/))")
"""A file or folder of the project; ``metadata/`` is an app's."""


@pytest.mark.parametrize("page", ["architecture.md", "framework.md", "http.md", "policy.md", "browser.md"])
def test_page_names_existing_files_only(page: str) -> None:
    named = {word for word in code_words(DOCS / page) if FILE.fullmatch(word)}
    missing = {word for word in named if not (CHECKOUT / word).exists() and not (PACKAGE / word).exists()}
    assert missing == set()
    assert page != "architecture.md" or len(named) > 30


def test_architecture_page_lists_every_package() -> None:
    packages = {f"{init.parent.name}/" for init in PACKAGE.glob("*/__init__.py")}
    on_page = {cells[0].strip("`") for cells in rows(PAGE)}
    assert packages <= on_page


def test_architecture_page_lists_every_import_contract() -> None:
    parser = contracts()
    names = {parser[section]["name"] for section in parser.sections() if section.startswith("importlinter:contract")}
    assert len(names) > 3
    listed = {line.removeprefix("- ").rstrip(".") for line in prose(PAGE).splitlines() if line.startswith("- ")}
    assert names <= listed


def test_architecture_page_draws_checked_layers() -> None:
    layers = contracts()["importlinter:contract:downwards"]["layers"].split("\n")
    checked = [set(re.findall(r"\w+", layer)) for layer in layers if layer.strip() not in ("", "(__main__)")]
    drawn = [set(line.split()) for line in fences(PAGE)[0].text.splitlines()]
    assert drawn == checked


def test_pages_name_documented_deviations_only() -> None:
    explained = [cells[0] for cells in rows(DOCS / "deviations.md") if NUMBER.fullmatch(cells[0])]
    # The numbers are those of the recordings' list, of which some rows may be missing here.
    numbers = [int(number[1:]) for number in explained]
    assert numbers == sorted(set(numbers))
    in_code = [
        match[1] for path in PACKAGE.rglob("*.py") for match in re.finditer(r"deviation (D\d+)", path.read_text())
    ]
    on_pages = [number for page in DOCS.rglob("*.md") for number in NUMBER.findall(prose(page))]
    assert in_code
    assert {*in_code, *on_pages} <= set(explained)
