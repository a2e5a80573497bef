import os
from pathlib import Path

import pytest

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.maintenance.app_files import PictureRules
from crossbar_appstore.maintenance.app_source import AppSource, find_app_folders, read_app
from crossbar_appstore.maintenance.reports import Remark, Weight
from tests.maintenance.folders import JPEG, OTHER_PNG, PNG, SVG, make_app, metadata

RULES = PictureRules()


def read(app: Path, *, lenient: bool = False) -> AppSource:
    return read_app(app, PictureRules(lenient=lenient), lenient=lenient)


def the_refusal(source: AppSource) -> Remark:
    assert source.refused
    (found,) = [remark for remark in source.remarks if remark.weight is Weight.REFUSED]
    return found


def test_read_app_accepts_valid_folder_without_remarks(tmp_path: Path) -> None:
    source = read(make_app(tmp_path))
    assert source.metadata == metadata()
    assert [picture.name for picture in source.pictures] == ["icon.png", "one.png", "two.jpg"]
    assert source.remarks == ()
    assert not source.refused


def test_read_app_refusal_names_file_field_rule_and_value(tmp_path: Path) -> None:
    found = the_refusal(read(make_app(tmp_path, price="2.00")))
    assert found.file == str(tmp_path / "wallboard" / "metadata" / "app.json")
    assert (found.field, found.rule, found.value) == ("price", "type", "2.00")
    assert "number" in found.message


def test_read_app_reports_all_problems_at_once(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, price="2.00", author=..., icon="none.png"))
    assert {(remark.field, remark.rule) for remark in source.remarks} == {
        ("price", "type"),
        ("author", "required"),
        ("icon", "exists"),
    }


@pytest.mark.parametrize(
    ("content", "rule"), [(b"", "json"), (b"{", "json"), (b"\xff{}", "json"), (b"[]", "type"), (b"null", "type")]
)
def test_read_app_refuses_file_that_is_not_a_json_object(tmp_path: Path, content: bytes, rule: str) -> None:
    source = read(make_app(tmp_path, content=content))
    found = the_refusal(source)
    assert (found.field, found.rule) == ("", rule)
    assert source.name is None


def test_read_app_refuses_byte_order_mark_unless_lenient(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    file = app / "metadata" / "app.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found = the_refusal(read(app))
    assert found.rule == "json"
    assert "byte order mark" in found.message
    assert "--lenient" in found.message
    source = read(app, lenient=True)
    assert source.metadata == metadata()
    assert [(remark.weight, remark.field, remark.rule) for remark in source.remarks] == [(Weight.REPAIRED, "", "json")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"name": "wallboard",\n "author": "M\xfcller"}', "byte 0xFC at line 2, column 14 (byte 36 of the file)"),
        ('{"author": "Bücher'.encode() + b'\xff"}', "byte 0xFF at line 1, column 19 (byte 20 of the file)"),
        ('{"name": "wallboard"}'.encode("utf-16"), "UTF-16, by its byte order mark FF FE"),
        ("\ufeff{}".encode("utf-16-be"), "UTF-16, by its byte order mark FE FF"),
        ("{}".encode("utf-32"), "UTF-32, by its byte order mark FF FE 00 00"),
        ("{}".encode("utf-16-le"), "byte 0x00 at line 1, column 2"),
        (b"{", "line 1 column 2"),
    ],
)
def test_read_app_names_byte_and_place_of_other_encodings(tmp_path: Path, content: bytes, words: str) -> None:
    for lenient in (False, True):
        found = the_refusal(read(make_app(tmp_path, content=content), lenient=lenient))
        assert found.rule == "json"
        assert words in found.message


@pytest.mark.parametrize(
    "fields",
    [
        {"price": "2.00"},
        {"license": ...},
        {"screenshots": None},
        {"tags": "reporting"},
        {"i18n": {"en-US": {"label": "<b>Board</b>", "description": "Words"}}},
        {"i18n": {"en-US": {"description": "Words"}}},
    ],
)
def test_read_app_refusal_says_that_lenient_repairs_it(tmp_path: Path, fields: JsonObject) -> None:
    app = make_app(tmp_path, **fields)
    assert the_refusal(read(app)).message.endswith("--lenient repairs this")
    assert not read(app, lenient=True).refused


def test_read_app_refusal_that_lenient_cannot_repair_does_not_name_it(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, price="2.00", author=...))
    hints = {remark.field: "--lenient" in remark.message for remark in source.remarks}
    assert hints == {"price": True, "author": False}


def test_read_app_says_that_lenient_stores_picture_of_another_type(tmp_path: Path) -> None:
    app = make_app(tmp_path, icon="icon.jpg", icon_files={"icon.jpg": PNG})
    (remark,) = read(app).remarks
    assert (remark.weight, remark.rule) == (Weight.LEFT_OUT, "type")
    assert "--lenient" in remark.message
    (remark,) = read(make_app(tmp_path, icon="icon.png", icon_files={"icon.png": b"text"})).remarks
    assert "--lenient" not in remark.message


def test_read_app_trims_addresses(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, api_url="https://api.example.com/v2/\r", source_url="\thttps://x/a "))
    assert (source.metadata["api_url"], source.metadata["source_url"]) == ("https://api.example.com/v2/", "https://x/a")
    assert [(remark.weight, remark.field, remark.rule) for remark in source.remarks] == [
        (Weight.NOTE, "api_url", "blanks"),
        (Weight.NOTE, "source_url", "blanks"),
    ]


def test_read_app_and_find_app_folders_take_path_of_app_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(tmp_path)
    file = app / "metadata" / "app.json"
    assert read(file).folder == app
    assert find_app_folders(file).folders == (app,)
    assert find_app_folders(app / "metadata").folders == (app,)
    monkeypatch.chdir(file.parent)
    assert read(Path("app.json")).metadata == metadata()
    other = tmp_path / "app.json"
    other.write_text("{}")
    assert the_refusal(read(other)).rule == "exists"
    assert [remark.rule for remark in find_app_folders(other).remarks] == ["readable"]


def test_read_app_refuses_folder_without_metadata(tmp_path: Path) -> None:
    assert the_refusal(read(tmp_path)).rule == "exists"


def test_read_app_refuses_link_to_metadata_of_other_folder(tmp_path: Path) -> None:
    other = make_app(tmp_path, "other")
    app = tmp_path / "app"
    (app / "metadata").mkdir(parents=True)
    (app / "metadata" / "app.json").symlink_to(other / "metadata" / "app.json")
    assert the_refusal(read(app)).rule == "inside"


def test_read_app_refuses_markup_in_label(tmp_path: Path) -> None:
    texts = {"label": "<img src=x onerror=alert(1)>", "description": "Words"}
    found = the_refusal(read(make_app(tmp_path, i18n={"en-US": texts})))
    assert (found.field, found.rule, found.value) == ("i18n.en-US.label", "markup", texts["label"])


def test_read_app_lenient_reports_repairs(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, price="2.00"), lenient=True)
    assert source.metadata["price"] == 2
    assert [(remark.weight, remark.field) for remark in source.remarks] == [(Weight.REPAIRED, "price")]


def test_read_app_keeps_other_pictures_if_screenshot_is_missing(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, screenshot_files={"two.jpg": JPEG}))
    assert [picture.name for picture in source.pictures] == ["icon.png", "two.jpg"]
    assert [(remark.weight, remark.field, remark.value) for remark in source.remarks] == [
        (Weight.MISSING, "screenshots.0", "one.png")
    ]
    assert not source.refused


def test_read_app_loads_app_without_refused_picture(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, icon="icon.svg", icon_files={"icon.svg": SVG}))
    assert [picture.name for picture in source.pictures] == ["one.png", "two.jpg"]
    assert [(remark.weight, remark.rule) for remark in source.remarks] == [(Weight.LEFT_OUT, "svg")]


def test_read_app_stores_icon_and_screenshot_of_one_name_once(tmp_path: Path) -> None:
    app = make_app(tmp_path, icon="one.png", icon_files={"one.png": OTHER_PNG}, screenshot_files={"one.png": OTHER_PNG})
    source = read_app(app, RULES)
    assert [picture.name for picture in source.pictures] == ["one.png"]
    assert [remark.rule for remark in source.remarks] == ["exists"]


def test_read_app_leaves_out_screenshot_that_differs_from_icon_of_same_name(tmp_path: Path) -> None:
    app = make_app(
        tmp_path, icon="one.png", icon_files={"one.png": PNG}, screenshot_files={"one.png": OTHER_PNG, "two.jpg": JPEG}
    )
    source = read_app(app, RULES)
    assert [(picture.name, picture.length) for picture in source.pictures] == [
        ("one.png", len(PNG)),
        ("two.jpg", len(JPEG)),
    ]
    assert [(remark.weight, remark.field, remark.rule) for remark in source.remarks] == [
        (Weight.LEFT_OUT, "screenshots.0", "unique")
    ]


def test_read_app_notes_name_that_is_not_routable_and_missing_language(tmp_path: Path) -> None:
    texts = {"label": "Portal", "description": "Words"}
    source = read(make_app(tmp_path, "userportal4", i18n={"de-DE": texts}))
    assert [(remark.weight, remark.rule) for remark in source.remarks] == [
        (Weight.NOTE, "routable"),
        (Weight.NOTE, "language"),
    ]


def test_read_app_refuses_real_folders_that_kazoo_refuses(shared: Path) -> None:
    sources = [read(folder) for folder in sorted((shared / "apps").iterdir())]
    refused = {
        source.folder.name: (remark.field, remark.rule, remark.value)
        for source in sources
        for remark in source.remarks
        if remark.weight is Weight.REFUSED
    }
    assert refused == {
        "lcrrates--meksiu": ("price", "type", "0.00"),
        "phonebook--urueedi": ("price", "type", "2.00"),
    }
    assert not any(read(source.folder, lenient=True).refused for source in sources)


def test_read_app_accepts_packaged_samples() -> None:
    samples = Path(__file__).parents[2] / "crossbar_appstore" / "maintenance" / "samples"
    sources = [read(folder) for folder in sorted(samples.iterdir())]
    assert len(sources) >= 3
    assert all(source.remarks == () for source in sources)
    assert all(source.folder.name == source.name for source in sources)


def test_find_app_folders_finds_every_depth_sorted(tmp_path: Path) -> None:
    late, early = make_app(tmp_path / "z", "wallboard"), make_app(tmp_path / "a" / "b", "notes")
    assert find_app_folders(tmp_path).folders == (early, late)
    assert find_app_folders(early).folders == (early,)


def test_find_app_folders_needs_metadata_app_json(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    (app / "metadata" / "my_app.json").write_text("{}")
    (app / "app.json").write_text("{}")
    (tmp_path / "README").write_text("nothing")
    assert find_app_folders(tmp_path).folders == (app,)


@pytest.mark.parametrize("passed_over", [".git", "node_modules"])
def test_find_app_folders_skips_version_control_and_dependencies(tmp_path: Path, passed_over: str) -> None:
    make_app(tmp_path / passed_over)
    assert find_app_folders(tmp_path).folders == ()


def test_find_app_folders_reports_link_without_following(tmp_path: Path) -> None:
    app = make_app(tmp_path / "elsewhere")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wallboard").symlink_to(app)
    found = find_app_folders(tmp_path / "apps")
    assert found.folders == ()
    assert [(remark.rule, remark.file) for remark in found.remarks] == [
        ("symlink", str(tmp_path / "apps" / "wallboard"))
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_find_app_folders_reports_unreadable_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        assert [remark.rule for remark in find_app_folders(tmp_path).remarks] == ["readable"]
    finally:
        closed.chmod(0o700)


def test_find_app_folders_reports_missing_path(tmp_path: Path) -> None:
    assert [remark.rule for remark in find_app_folders(tmp_path / "none").remarks] == ["readable"]
