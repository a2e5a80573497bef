import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_appstore.appstore.picture_types import type_by_bytes, type_by_name
from crossbar_appstore.maintenance.app_files import (
    FileMissing,
    FileRefused,
    PictureFile,
    PictureRules,
    inspect_picture,
)
from crossbar_appstore.maintenance.reports import Remark, Weight
from tests.maintenance.folders import GIF, JPEG, PNG, SVG, WEBP, make_app
from tests.samples import make_pictures

STRICT = PictureRules()
LENIENT = PictureRules(lenient=True)

Inspected = tuple[PictureFile | None, Remark | None]


def look(tmp_path: Path, name: str, content: bytes, rules: PictureRules = STRICT) -> Inspected:
    app = make_app(tmp_path, icon_files={name: content})
    return inspect_picture(app, "icon", "icon", name, rules)


def only_rule(found: Inspected) -> tuple[Weight, str]:
    picture, remark = found
    assert picture is None
    assert remark is not None
    return remark.weight, remark.rule


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (SVG, "image/svg+xml"),
        (b"", None),
        (b"plain words", None),
    ],
)
def test_type_by_bytes_detects_type(content: bytes, expected: str | None) -> None:
    assert type_by_bytes(content) == expected


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0"?>\n<!-- a disc -->\n' + SVG,
        b"<!DOCTYPE svg>" + SVG,
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg"></s:svg>',
    ],
)
def test_type_by_bytes_detects_svg_with_xml_prolog(content: bytes) -> None:
    assert type_by_bytes(content) == "image/svg+xml"


@pytest.mark.parametrize("before", [b"<html><body>", b"words ", b"<!-- ", b"<a>"])
def test_type_by_bytes_rejects_page_with_embedded_svg(before: bytes) -> None:
    assert type_by_bytes(before + SVG) != "image/svg+xml"


def test_type_by_name_matches_kazoo() -> None:
    names = ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.gif", "a.webp", "a.svg"]
    assert [type_by_name(name) for name in names] == [
        "image/png",
        "image/png",
        "image/jpeg",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/svg+xml",
    ]
    assert type_by_name("notes.txt") is None
    assert type_by_name("png") is None


@given(st.sampled_from([b"", b"<", b"<svg", b"<?xml ", b"\x89PNG", b"RIFF", b"GIF8"]), st.binary(max_size=400))
def test_type_by_bytes_never_raises_and_names_a_media_type(start: bytes, content: bytes) -> None:
    found = type_by_bytes(start + content)
    assert found is None or re.fullmatch(r"[a-z]+/[\w.+-]+", found)


def test_inspect_picture_computes_digest_of_couchdb(tmp_path: Path) -> None:
    picture, _ = look(tmp_path, "icon.png", PNG)
    assert picture is not None
    assert picture.content_type == "image/png"
    assert picture.length == len(PNG)
    assert picture.digest == "md5-" + base64.b64encode(hashlib.md5(PNG).digest()).decode()
    assert base64.b64decode(picture.inline()["data"]) == PNG


def test_inspect_picture_refuses_type_that_differs_from_name_unless_lenient(tmp_path: Path) -> None:
    assert only_rule(look(tmp_path, "icon.png", JPEG)) == (Weight.LEFT_OUT, "type")
    picture, remark = look(tmp_path, "icon.png", JPEG, LENIENT)
    assert picture is not None
    assert picture.content_type == "image/jpeg"
    assert remark is not None
    assert (remark.weight, remark.value) == (Weight.REPAIRED, "icon.png")


@pytest.mark.parametrize("content", [b"words", b"%PDF-1.7\n", b"<html></html>"])
def test_inspect_picture_lenient_refuses_bytes_that_are_not_a_picture(tmp_path: Path, content: bytes) -> None:
    assert only_rule(look(tmp_path, "icon.png", content, LENIENT)) == (Weight.LEFT_OUT, "type")


@pytest.mark.parametrize("name", ["icon.svg", "icon.png"])
def test_inspect_picture_refuses_svg_by_bytes_unless_allowed(tmp_path: Path, name: str) -> None:
    assert only_rule(look(tmp_path, name, SVG, LENIENT)) == (Weight.LEFT_OUT, "svg")
    found, _ = look(tmp_path, name, SVG, PictureRules(allow_svg=True, lenient=True))
    assert found is not None
    assert found.content_type == "image/svg+xml"


def test_inspect_picture_refuses_name_with_svg_extension(tmp_path: Path) -> None:
    assert only_rule(look(tmp_path, "icon.svg", PNG)) == (Weight.LEFT_OUT, "svg")


def test_inspect_picture_refuses_picture_over_limit(tmp_path: Path) -> None:
    found = look(tmp_path, "icon.png", PNG, PictureRules(max_picture_bytes=10))
    assert only_rule(found) == (Weight.LEFT_OUT, "size")
    assert "10 are allowed" in str(found[1])


def test_inspect_picture_reports_missing_file_and_empty_name(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    assert only_rule(inspect_picture(app, "icon", "icon", "none.png", STRICT)) == (Weight.MISSING, "exists")
    assert only_rule(inspect_picture(app, "icon", "icon", "", STRICT)) == (Weight.MISSING, "name")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("_local.png", "begin with _"), ("a\\b.png", "backslash"), ("a\0b.png", "null"), ("\udcff.png", "not UTF-8")],
)
def test_inspect_picture_says_why_a_name_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    picture, remark = inspect_picture(make_app(tmp_path), "icon", "icon", name, STRICT)
    assert picture is None
    assert remark is not None
    assert (remark.weight, remark.rule) == (Weight.LEFT_OUT, "name")
    assert reason in remark.message


@pytest.mark.parametrize("name", ["../screenshots/one.png", "/etc/passwd", "a/b.png", "."])
def test_inspect_picture_refuses_name_that_is_a_path(tmp_path: Path, name: str) -> None:
    app = make_app(tmp_path)
    assert only_rule(inspect_picture(app, "icon", "icon", name, STRICT)) == (Weight.LEFT_OUT, "inside")


def test_inspect_picture_refuses_link_out_of_folder(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    (tmp_path / "secret.png").write_bytes(PNG)
    (app / "metadata" / "icon" / "link.png").symlink_to(tmp_path / "secret.png")
    assert only_rule(inspect_picture(app, "icon", "icon", "link.png", STRICT)) == (Weight.LEFT_OUT, "inside")


def test_picture_file_inline_refuses_changed_file(tmp_path: Path) -> None:
    picture, _ = look(tmp_path, "icon.png", PNG)
    assert isinstance(picture, PictureFile)
    picture.path.write_bytes(bytes(len(PNG)))
    with pytest.raises(FileRefused, match="changed"):
        picture.inline()
    picture.path.unlink()
    with pytest.raises(FileMissing):
        picture.inline()


def test_packaged_pictures_match_generator() -> None:
    drawn = make_pictures.packaged()
    on_disk = {
        str(path.relative_to(make_pictures.PACKAGED)): path.read_bytes()
        for path in make_pictures.PACKAGED.glob("*/metadata/*/*")
    }
    assert on_disk == drawn


def test_make_pictures_writes_files(tmp_path: Path) -> None:
    make_pictures.write(tmp_path, {"app/icon.png": PNG})
    assert (tmp_path / "app" / "icon.png").read_bytes() == PNG
