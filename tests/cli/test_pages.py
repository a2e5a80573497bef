import pytest

from tests.cli.pages import BEGIN, END, PAGES, names, page_of, reference, with_reference

INDEX = PAGES / "index.md"


def test_each_verb_has_a_page_and_no_page_is_of_a_verb_that_is_gone() -> None:
    assert {path for path in PAGES.glob("*.md") if path != INDEX} == {page_of(name) for name in names()}


@pytest.mark.parametrize("name", names())
def test_a_page_says_what_its_verb_takes(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert page.count(BEGIN) == page.count(END) == 1
    assert reference(name) in page


@pytest.mark.parametrize("name", names())
def test_a_page_says_more_than_the_help(name: str) -> None:
    page = page_of(name).read_text(encoding="utf-8")
    written = page.partition(BEGIN)[0] + page.partition(END)[2]
    assert len(written.split()) > 20


def test_the_index_leads_to_each_page() -> None:
    index = INDEX.read_text(encoding="utf-8")
    for name in names():
        assert f"[`{name}`]({page_of(name).name})" in index


def test_writing_a_page_anew_changes_only_what_is_made_from_the_verb() -> None:
    page = f"# apps\n\nWords \\1.\n\n{BEGIN}\nold\n{END}\n\nMore words.\n"
    made = with_reference(page, "apps")
    assert made.startswith("# apps\n\nWords \\1.\n\n")
    assert made.endswith("\n\nMore words.\n")
    assert "old" not in made
    assert with_reference(made, "apps") == made
