"""Accept, Accept-Language and Accept-Encoding, header by header."""

import pytest

from crossbar_appstore.crossbar.errors import Refusal
from crossbar_appstore.crossbar.negotiation import OFFERED, accepts_gzip, choose_language, choose_media_type
from tests.crossbar.sample import LIST, MINE
from tests.crossbar.wire import Wire


def code(call: object, *args: object) -> int:
    assert callable(call)
    with pytest.raises(Refusal) as refused:
        call(*args)
    return refused.value.code


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("*", "application/json"),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/x-json", "application/x-json"),
        ("application/json;q=0", "application/json"),
        ("application/json ; q=0.5 ; ext ; ext2=x", "application/json"),
        ('application/json;version="1;,\\"2"', "application/json"),
        (", application/json ,,", "application/json"),
        ("text/csv, application/json", "text/csv"),
        ("text/csv;q=0.9, application/json", "application/json"),
        ("text/csv;q=0.123, application/json;q=0.12", "text/csv"),
        ("*/*, text/csv", "text/csv"),
        ("*/*, text/*", "text/csv"),
        ("text/*, text/comma-separated-values", "text/comma-separated-values"),
        ("text/csv, text/comma-separated-values;x=y", "text/comma-separated-values"),
        ("text/html, application/*;q=0.1", "application/json"),
        ("application/json;q=1.", "application/json"),
        ("application/json;Q=0.1, text/csv;q=0.2", "text/csv"),
    ],
)
def test_choose_media_type_returns_best_offer(accept: str | None, chosen: str) -> None:
    assert choose_media_type(accept, OFFERED) == chosen


@pytest.mark.parametrize("accept", ["text/html", "image/*", "application/xml", "*/json", "", " ", ",", "a/b, c/d"])
def test_choose_media_type_without_match_is_406(accept: str) -> None:
    assert code(choose_media_type, accept, OFFERED) == 406


@pytest.mark.parametrize(
    "accept",
    [
        *("foo", "a/", "/b", "a//b", "a/b c/d", 'a/b"', "é/x"),
        *("a/b;q=2", "a/b;q=1.5", "a/b;q=", "a/b;q", "a/b;q=0.1234", "a/b;q=x", "a/b;q=-1"),
        *('a/b;x="', "a/b;;x=1", "a/b;x=é"),
    ],
)
def test_choose_media_type_malformed_header_is_400(accept: str) -> None:
    assert code(choose_media_type, accept, OFFERED) == 400


def test_choose_media_type_ignores_parameters_of_offers() -> None:
    assert choose_media_type("image/svg+xml", ("image/svg+xml; charset=utf-8",)) == "image/svg+xml; charset=utf-8"
    assert code(choose_media_type, "image/png", ("",)) == 406


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("*", "*"),
        ("fr", "fr"),
        ("FR-ch", "fr-ch"),
        ("fr-CH, fr;q=.9", "fr-ch"),
        ("de;q=0", "de"),
        ("en-US", "en-us"),
        ("en-US,en;q=0.9", "en-us"),
        ("de-DE,de;q=0.9,en;q=0.8", "de-de"),
        ("en-us;q=0.1, fr;q=0.9", "en-us"),
        ("fr;q=0.1, en-gb;q=0.9", "en-gb"),
        ("fr;q=0.1, de;q=0.9", "fr"),
        ("en-gb, en-us", "en-us"),
        ("zh-Hant-TW", "zh-hant-tw"),
        ("de;q=0.5, e;q=0.9", "de"),
        (",, de ,", "de"),
        ("de ; q=0.1 , en ; Q=0.2", "en"),
    ],
)
def test_choose_language_returns_best_language(header: str | None, language: str) -> None:
    assert choose_language(header) == language


@pytest.mark.parametrize(
    "header",
    ["??", "", ",", "de;q=2", "de;x=1", "toolonglanguage", "de-", "-de", "de_DE", "1a", "de fr", "é", "de;q", "*-de"],
)
def test_choose_language_malformed_header_is_400(header: str) -> None:
    assert code(choose_language, header) == 400


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZip", True),
        ("deflate, gzip", True),
        ("gzip;q=0.001", True),
        ("gzip ; q=1.0", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("gzip;q=0.000, *", False),
        ("*", False),
        ("identity", False),
        ("x-gzip", False),
        ("", False),
        ("\x00é;;q=,,", False),
    ],
)
def test_accepts_gzip_needs_gzip_by_name(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) == accepted


def test_negotiation_parses_without_backtracking() -> None:
    """A backtracking parser would need exponential time for each of these."""
    for header in ("a/b" + " ;\t" * 3000 + "x=", 'a/b;x="' * 2000, "a/b," * 2000 + "!", "*" * 8000, ", " * 4000 + "("):
        assert code(choose_media_type, header, OFFERED) in (400, 406)
    for header in ("a-" * 4000, "de" + " ;\t" * 3000, "de," * 2000 + "!"):
        assert code(choose_language, header) == 400


@pytest.mark.parametrize("accept", [[], {}, [{}], 5, None])
async def test_accept_in_an_envelope_that_is_no_text_is_ignored(ask: Wire, accept: object) -> None:
    answer = await ask("GET", LIST, MINE, {"data": {}, "accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
