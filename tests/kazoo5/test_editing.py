"""Changing an override document: pure functions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.appstore import app_overrides as editing
from crossbar_appstore.json_codec import JsonObject
from tests.json_values import json_values

STUB = {"stub": True, "digest": "md5-x", "length": 1, "content_type": "image/png"}
INLINE = {"content_type": "image/png", "data": ""}


def override(**fields: Any) -> JsonObject:
    return {"_id": "app_whitelabel-voip", "pvt_type": "app_whitelabel", **fields}


def test_with_picture_english_icon_replaces_the_field_of_kazoo_4() -> None:
    stored = override(icon="old.png", screenshots=["one.png"])
    changed = editing.with_picture(stored, "icon", "en-US", "icon-en-US-x.png", INLINE)
    assert (changed["i18n"], "icon" in changed) == ({"en-US": {"icon": "icon-en-US-x.png"}}, False)
    assert changed["screenshots"] == ["one.png"]
    assert "i18n" not in stored


def test_with_picture_icon_of_another_language_keeps_the_english_one() -> None:
    changed = editing.with_picture(override(icon="old.png"), "icon", "de-DE", "icon-de-DE-x.png", INLINE)
    assert (changed["icon"], changed["i18n"]) == ("old.png", {"de-DE": {"icon": "icon-de-DE-x.png"}})


def test_with_picture_first_english_screenshot_moves_the_others() -> None:
    stored = override(screenshots=["one.png", "two.png"])
    changed = editing.with_picture(stored, "screenshot", "en-US", "screenshot-en-US-x.png", INLINE)
    assert "screenshots" not in changed
    assert changed["i18n"]["en-US"]["screenshots"] == ["screenshot-en-US-x.png", "one.png", "two.png"]
    german = editing.with_picture(stored, "screenshot", "de-DE", "screenshot-de-DE-x.png", INLINE)
    assert (german["screenshots"], german["i18n"]["de-DE"]["screenshots"]) == (
        ["one.png", "two.png"],
        ["screenshot-de-DE-x.png"],
    )


def test_with_picture_removes_uploads_without_a_name() -> None:
    names = ("icon-en-US-old.png", "icon-de-DE-x.png", "screenshot-en-US-x.png", "terms.pdf")
    stored = override(
        i18n={"en-US": {"icon": names[0], "screenshots": [names[2]]}, "de-DE": {"icon": names[1]}, "x": 5},
        _attachments=dict.fromkeys(names, STUB),
    )
    changed = editing.with_picture(stored, "icon", "en-US", "icon-en-US-new.png", INLINE)
    assert changed["_attachments"] == {**dict.fromkeys(names[1:], STUB), "icon-en-US-new.png": INLINE}


def test_without_picture_keeps_a_picture_of_another_language() -> None:
    name = "icon-en-US-x.png"
    i18n = {"en-US": {"icon": name}, "de-DE": {"icon": name}}
    changed = editing.without_picture(override(i18n=i18n, _attachments={name: STUB}), "icon", "en-US", name)
    assert (changed["i18n"], changed["_attachments"]) == ({"de-DE": {"icon": name}}, {name: STUB})


def test_without_picture_leaves_no_empty_object() -> None:
    stored = override(i18n={"en-US": {"screenshots": ["a", "b"]}}, screenshots=["c"])
    changed = editing.without_picture(stored, "screenshot", "en-US", "a")
    assert (changed["i18n"], "screenshots" in changed) == ({"en-US": {"screenshots": ["b"]}}, False)
    assert "i18n" not in editing.without_picture(changed, "screenshot", "en-US", "b")
    assert "icon" not in editing.without_picture(override(icon="x"), "icon", "en-US", "x")


@pytest.mark.parametrize(
    ("fields", "kind", "language", "expected"),
    [
        ({"i18n": {"en-US": {"icon": "a"}}, "icon": "b"}, "icon", "en-US", ["a"]),
        ({"i18n": {"en-US": {"icon": ""}}, "icon": "b"}, "icon", "en-US", ["b"]),
        ({"icon": "b"}, "icon", "de-DE", []),
        ({"i18n": {"de-DE": {"screenshots": ["a", 5, "", "b"]}}}, "screenshot", "de-DE", ["a", "b"]),
        ({"screenshots": ["c"]}, "screenshot", "en-US", ["c"]),
        ({}, "screenshot", "en-US", []),
    ],
)
def test_named_lists_pictures_of_the_language(
    fields: JsonObject, kind: str, language: str, expected: list[str]
) -> None:
    assert editing.picture_names(override(**fields), kind, language) == expected


def test_new_override_of_a_deleted_one_has_no_pictures() -> None:
    deleted = editing.deleted(override(author="Us", _attachments={"icon-en-US-x.png": STUB}))
    assert deleted == override(pvt_deleted=True, _attachments={})
    assert editing.new_override("voip", {"icon": "x"}, deleted) == override(icon="x", _attachments={})
    assert editing.new_override("voip", {}) == override()


def test_with_fields_keeps_private_fields() -> None:
    stored = override(author="Us", _attachments={"x": STUB}, _rev="1-a")
    assert editing.with_fields(stored, {"icon": "x"}) == override(icon="x", _attachments={"x": STUB}, _rev="1-a")


@pytest.mark.parametrize(
    ("file_name", "content_type", "expected"),
    [
        ("logo.png", "image/png", "icon-en-US-logo.png"),
        ("photo.JPEG", "image/jpeg", "icon-en-US-photo.JPEG"),
        ("photo.jpg", "image/png", "icon-en-US-photo.jpg.png"),
        ("a\0b\n.png", "image/png", "icon-en-US-ab.png"),
        ("x" * 300 + ".png", "image/png", "icon-en-US-" + "x" * 124 + ".png"),
        ("ünïcode.webp", "image/webp", "icon-en-US-ünïcode.webp"),
    ],
)
def test_attachment_name_of_kind_language_and_file(file_name: str, content_type: str, expected: str) -> None:
    assert editing.attachment_name("icon", "en-US", file_name, content_type) == expected


@pytest.mark.parametrize("file_name", [None, "", "/", "\n"])
def test_attachment_name_is_random_without_a_file_name(file_name: str | None) -> None:
    first, second = (editing.attachment_name("icon", "en-US", file_name, "image/gif") for _ in range(2))
    assert first != second
    assert first.startswith("icon-en-US-")
    assert first.endswith(".gif")


@given(
    fields=st.dictionaries(st.sampled_from(["i18n", "icon", "screenshots", "_attachments", "x"]), json_values),
    kind=st.sampled_from(["icon", "screenshot"]),
    language=st.sampled_from(["en-US", "de-DE"]),
)
def test_with_picture_and_without_picture_accept_any_document(fields: JsonObject, kind: str, language: str) -> None:
    name = f"{kind}-{language}-x.png"
    changed = editing.with_picture(override(**fields), kind, language, name, INLINE)
    assert editing.picture_names(changed, kind, language)[0] == name
    assert changed["_attachments"][name] == INLINE
    removed = editing.without_picture(changed, kind, language, name)
    assert name not in editing.picture_names(removed, kind, language)
    assert name not in removed["_attachments"] or name in str(fields)
