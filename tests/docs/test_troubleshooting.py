"""The page on troubleshooting has a row for each message, and no message that does not exist."""

import re
from collections.abc import Iterator

import pytest

from crossbar_appstore.datastore.errors import Troubled
from tests.docs.pages import CHECKOUT, DOCS, rows, text

PAGE = DOCS / "troubleshooting.md"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def explained() -> dict[str, tuple[str, str]]:
    """Message → cause and what to do."""
    cells = [each for each in rows(PAGE) if len(each) == 3]
    return {each[0].strip("`"): (each[1], each[2]) for each in cells}


def kinds(of: type[Troubled]) -> Iterator[type[Troubled]]:
    yield of
    for each in of.__subclasses__():
        yield from kinds(each)


def test_troubleshooting_explains_every_log_message_of_operations() -> None:
    logged = {cells[0].strip("`") for cells in rows(DOCS / "operations.md") if len(cells) == 4 and cells[1] in LEVELS}
    assert len(logged) > 20
    assert {message for message in logged if message not in explained()} == set()


@pytest.mark.parametrize("words", sorted({kind.words for kind in kinds(Troubled)}))
def test_troubleshooting_explains_every_state_of_couchdb(words: str) -> None:
    assert words in explained()


def test_troubleshooting_says_what_to_do_about_each_message() -> None:
    assert {message for message, (_, action) in explained().items() if not action} == set()


def test_troubleshooting_names_messages_of_the_code_only() -> None:
    page = text(PAGE)
    told = re.findall(r"^\| `([^`]+)` \|", page[: page.index("## Answers to clients")], re.MULTILINE)
    source = "\n".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "crossbar_appstore").rglob("*.py"))
    assert len(told) > 40
    assert [message for message in told if message not in source] == []
