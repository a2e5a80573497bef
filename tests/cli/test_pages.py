import pytest

from tests.cli.pages import BEGIN, END, PAGES, names, page_of, reference, with_reference

INDEX = PAGES / "index.md"


def test_docs_cli_has_one_page_per_verb() -> None:
    assert {path for path in PAGES.glob("*.md") if path != INDEX} == {page_of(name) for name in names()}


@pytest.mark.parametrize("name", names())
def test_docs_cli_page_contains_reference_of_verb(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert page.count(BEGIN) == page.count(END) == 1
    assert reference(name) in page


@pytest.mark.parametrize("name", names())
def test_docs_cli_page_says_more_than_help(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    written = page.partition(BEGIN)[0] + page.partition(END)[2]
    assert len(written.split()) > 20


def test_docs_cli_index_links_each_page() -> None:
    index = INDEX.read_text(encoding="utf-8")
    for name in names():
        assert f"[`{name}`]({page_of(name).name})" in index


def test_with_reference_replaces_only_generated_part() -> None:
    page = f"# apps\n\nWords \\1.\n\n{BEGIN}\nold\n{END}\n\nMore words.\n"
    made = with_reference(page, "apps")
    assert made.startswith("# apps\n\nWords \\1.\n\n")
    assert made.endswith("\n\nMore words.\n")
    assert "old" not in made
    assert with_reference(made, "apps") == made
