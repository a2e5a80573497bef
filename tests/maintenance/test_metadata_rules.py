from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.appstore.metadata import validate_app
from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.metadata_rules import repaired
from crossbar_appstore.maintenance.reports import Weight
from crossbar_appstore.package_data import load_schema
from tests.maintenance.folders import metadata


def repair(icons: tuple[str, ...] = ("icon.png",), **fields: Any) -> tuple[JsonObject, dict[str, str]]:
    """The repaired metadata, and field → rule of each repair."""
    made, remarks = repaired("app.json", metadata(**fields), icons)
    assert all(remark.weight is Weight.REPAIRED for remark in remarks)
    return made, {remark.field: remark.rule for remark in remarks}


def test_repaired_keeps_valid_metadata() -> None:
    assert repaired("app.json", metadata(), ("icon.png",)) == (metadata(), ())


def test_repaired_does_not_change_its_argument() -> None:
    given_metadata = metadata(price="1.50", i18n={"en_US": {"label": "<b>x</b>"}})
    before = repr(given_metadata)
    repaired("app.json", given_metadata, ())
    assert repr(given_metadata) == before


@pytest.mark.parametrize(("price", "number"), [("0.00", 0), ("2.00", 2), ("1.50", 1.5), ("7", 7), ("", 0), (None, 0)])
def test_repaired_parses_price(price: str | None, number: float) -> None:
    made, rules = repair(price=price)
    assert made["price"] == number
    assert type(made["price"]) is type(number)
    assert "price" in rules


def test_repaired_keeps_price_that_is_not_a_number() -> None:
    made, rules = repair(price="cheap")
    assert made["price"] == "cheap"
    assert rules == {}
    assert "price" in validate_app(made)


def test_repaired_takes_null_for_absent_in_every_optional_field() -> None:
    optional = load_schema("app")["properties"].keys() - load_schema("app")["required"]
    assert {"screenshots", "tags", "users", "urls", "phase", "published", "masqueradable"} <= optional
    for key in optional:
        absent: dict[str, Any] = {key: None}
        made, rules = repair(**absent)
        assert (key in made, rules) == (False, {key: "type"})
        assert validate_app(made) == {}
    made, rules = repair(license=None, price=None)
    assert (made["license"], made["price"]) == ("-", 0)
    texts = {"label": "Label", "description": "Words"}
    odd = {"en-US": {**texts, "features": None, "extended_description": None, "label": None}, "de-DE": None}
    made, rules = repair(i18n=odd)
    assert made["i18n"] == {"en-US": {"label": "wallboard", "description": "Words"}}
    assert set(rules) == {
        "i18n.en-US.features",
        "i18n.en-US.extended_description",
        "i18n.en-US.label",
        "i18n.de-DE",
    }


def test_repaired_keeps_null_in_required_field() -> None:
    made, rules = repair(author=None)
    assert (made["author"], rules) == (None, {})


def test_repaired_converts_version_to_text() -> None:
    assert repair(version=1.5) == (metadata(version="1.5"), {"version": "type"})
    assert repair(version=True)[1] == {}


def test_repaired_adds_missing_address_and_licence() -> None:
    made, rules = repair(api_url=..., license=..., price=...)
    assert rules == {"api_url": "required", "license": "required", "price": "required"}
    assert validate_app(made) == {}


def test_repaired_makes_lists_and_removes_empty_names() -> None:
    made, rules = repair(tags="reseller", screenshots=["", "one.png", ""])
    assert (made["tags"], made["screenshots"]) == (["reseller"], ["one.png"])
    assert rules == {"tags": "type", "screenshots": "name"}
    assert repair(screenshots="")[0]["screenshots"] == []


@pytest.mark.parametrize("icon", [..., None, ""])
def test_repaired_takes_only_icon_file(icon: Any) -> None:
    made, rules = repair(icon=icon, icons=("found.png",))
    assert made["icon"] == "found.png"
    assert rules == {"icon": "required"}


def test_repaired_leaves_icon_empty_without_file() -> None:
    assert repair(icon=..., icons=())[0]["icon"] == ""
    assert repair(icon="", icons=("a.png", "b.png"))[1] == {}


def test_repaired_corrects_spelling_of_locales() -> None:
    texts = {"label": "Label", "description": "Description"}
    made, rules = repair(i18n={"en_US": texts, "de-de": texts, "fr-FR": texts, "other": texts})
    assert list(made["i18n"]) == ["en-US", "de-DE", "fr-FR", "other"]
    assert rules == {"i18n.en_US": "locale", "i18n.de-de": "locale"}


def test_repaired_keeps_correct_locale() -> None:
    texts = {"label": "Label", "description": "Description"}
    made, rules = repair(i18n={"en_US": {**texts, "label": "Other"}, "en-US": texts})
    assert made["i18n"]["en-US"] == texts
    assert rules == {}


def test_repaired_takes_missing_texts_from_other_language() -> None:
    made, rules = repair(i18n={"en-US": {"label": "Label", "description": "Words"}, "de-DE": {"label": ""}})
    assert made["i18n"]["de-DE"] == {"label": "Label", "description": "Words"}
    assert rules == {"i18n.de-DE.label": "required", "i18n.de-DE.description": "required"}


def test_repaired_takes_label_from_name() -> None:
    made, _ = repair(i18n={"en-US": {}})
    assert made["i18n"]["en-US"] == {"label": "wallboard", "description": "wallboard"}


def test_repaired_removes_markup_from_label() -> None:
    made, rules = repair(i18n={"en-US": {"label": "<b>Call</b> notes <", "description": "Words"}})
    assert made["i18n"]["en-US"]["label"] == "Call notes"
    assert rules == {"i18n.en-US.label": "markup"}


def test_repaired_makes_list_of_features() -> None:
    texts = {"label": "Label", "description": "Words"}
    made, rules = repair(i18n={"en-US": {**texts, "features": "One"}, "de-DE": {**texts, "features": ""}})
    assert made["i18n"]["en-US"]["features"] == ["One"]
    assert made["i18n"]["de-DE"]["features"] == []
    assert set(rules.values()) == {"type"}


@pytest.mark.parametrize("i18n", [..., None, {}, "words", {"en-US": "words"}])
def test_repaired_keeps_i18n_of_wrong_type(i18n: Any) -> None:
    assert repair(i18n=i18n)[1] == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(metadata(), json_values)))
def test_repaired_never_raises_and_is_idempotent(content: JsonObject) -> None:
    once, _ = repaired("app.json", content, ())
    assert repaired("app.json", once, ()) == (once, ())
