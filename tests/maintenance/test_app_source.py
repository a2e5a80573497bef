import os
from pathlib import Path

import pytest

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


def test_a_good_folder_is_read_without_a_remark(tmp_path: Path) -> None:
    source = read(make_app(tmp_path))
    assert source.metadata == metadata()
    assert [picture.name for picture in source.pictures] == ["icon.png", "one.png", "two.jpg"]
    assert source.remarks == ()
    assert not source.refused


def test_a_refusal_names_file_field_rule_and_value(tmp_path: Path) -> None:
    found = the_refusal(read(make_app(tmp_path, price="2.00")))
    assert found.file == str(tmp_path / "wallboard" / "metadata" / "app.json")
    assert (found.field, found.rule, found.value) == ("price", "type", "2.00")
    assert "number" in found.message


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, price="2.00", author=..., icon="none.png"))
    assert {(remark.field, remark.rule) for remark in source.remarks} == {
        ("price", "type"),
        ("author", "required"),
        ("icon", "exists"),
    }


@pytest.mark.parametrize(
    ("content", "rule"), [(b"", "json"), (b"{", "json"), (b"\xff{}", "json"), (b"[]", "type"), (b"null", "type")]
)
def test_what_is_no_object_is_refused_by_its_file(tmp_path: Path, content: bytes, rule: str) -> None:
    source = read(make_app(tmp_path, content=content))
    found = the_refusal(source)
    assert (found.field, found.rule) == ("", rule)
    assert source.name is None


def test_a_byte_order_mark_is_refused_unless_lenient(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    file = app / "metadata" / "app.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert the_refusal(read(app)).rule == "json"
    assert not read(app, lenient=True).refused


def test_a_folder_without_metadata_is_refused(tmp_path: Path) -> None:
    assert the_refusal(read(tmp_path)).rule == "exists"


def test_metadata_of_another_folder_are_not_read(tmp_path: Path) -> None:
    other = make_app(tmp_path, "other")
    app = tmp_path / "app"
    (app / "metadata").mkdir(parents=True)
    (app / "metadata" / "app.json").symlink_to(other / "metadata" / "app.json")
    assert the_refusal(read(app)).rule == "inside"


def test_markup_in_a_label_is_refused(tmp_path: Path) -> None:
    texts = {"label": "<img src=x onerror=alert(1)>", "description": "Words"}
    found = the_refusal(read(make_app(tmp_path, i18n={"en-US": texts})))
    assert (found.field, found.rule, found.value) == ("i18n.en-US.label", "markup", texts["label"])


def test_lenient_mode_says_what_it_mended(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, price="2.00"), lenient=True)
    assert source.metadata["price"] == 2
    assert [(remark.weight, remark.field) for remark in source.remarks] == [(Weight.REPAIRED, "price")]


def test_a_missing_screenshot_does_not_lose_the_others(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, screenshot_files={"two.jpg": JPEG}))
    assert [picture.name for picture in source.pictures] == ["icon.png", "two.jpg"]
    assert [(remark.weight, remark.field, remark.value) for remark in source.remarks] == [
        (Weight.MISSING, "screenshots.0", "one.png")
    ]
    assert not source.refused


def test_a_refused_picture_does_not_lose_the_app(tmp_path: Path) -> None:
    source = read(make_app(tmp_path, icon="icon.svg", icon_files={"icon.svg": SVG}))
    assert [picture.name for picture in source.pictures] == ["one.png", "two.jpg"]
    assert [(remark.weight, remark.rule) for remark in source.remarks] == [(Weight.LEFT_OUT, "svg")]


def test_one_name_is_one_picture(tmp_path: Path) -> None:
    app = make_app(tmp_path, icon="one.png", icon_files={"one.png": OTHER_PNG}, screenshot_files={"one.png": OTHER_PNG})
    source = read_app(app, RULES)
    assert [picture.name for picture in source.pictures] == ["one.png"]
    assert [remark.rule for remark in source.remarks] == ["exists"]


def test_two_pictures_of_one_name_are_one_too_many(tmp_path: Path) -> None:
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


def test_names_that_the_web_client_cannot_open_are_noted(tmp_path: Path) -> None:
    texts = {"label": "Portal", "description": "Words"}
    source = read(make_app(tmp_path, "userportal4", i18n={"de-DE": texts}))
    assert [(remark.weight, remark.rule) for remark in source.remarks] == [
        (Weight.NOTE, "routable"),
        (Weight.NOTE, "language"),
    ]


def test_real_folders_are_refused_where_kazoo_refuses_them(shared: Path) -> None:
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


def test_the_packaged_samples_are_in_order() -> None:
    samples = Path(__file__).parents[2] / "crossbar_appstore" / "maintenance" / "samples"
    sources = [read(folder) for folder in sorted(samples.iterdir())]
    assert len(sources) >= 3
    assert all(source.remarks == () for source in sources)
    assert all(source.folder.name == source.name for source in sources)


def test_apps_are_found_at_every_depth_and_sorted(tmp_path: Path) -> None:
    late, early = make_app(tmp_path / "z", "wallboard"), make_app(tmp_path / "a" / "b", "notes")
    assert find_app_folders(tmp_path).folders == (early, late)
    assert find_app_folders(early).folders == (early,)


def test_only_a_metadata_folder_makes_an_app(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    (app / "metadata" / "my_app.json").write_text("{}")
    (app / "app.json").write_text("{}")
    (tmp_path / "README").write_text("nothing")
    assert find_app_folders(tmp_path).folders == (app,)


@pytest.mark.parametrize("passed_over", [".git", "node_modules"])
def test_version_control_and_dependencies_are_passed_over(tmp_path: Path, passed_over: str) -> None:
    make_app(tmp_path / passed_over)
    assert find_app_folders(tmp_path).folders == ()


def test_a_link_to_a_folder_is_named_and_not_followed(tmp_path: Path) -> None:
    app = make_app(tmp_path / "elsewhere")
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "wallboard").symlink_to(app)
    found = find_app_folders(tmp_path / "apps")
    assert found.folders == ()
    assert [(remark.rule, remark.file) for remark in found.remarks] == [
        ("symlink", str(tmp_path / "apps" / "wallboard"))
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    try:
        assert [remark.rule for remark in find_app_folders(tmp_path).remarks] == ["readable"]
    finally:
        closed.chmod(0o700)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert [remark.rule for remark in find_app_folders(tmp_path / "none").remarks] == ["readable"]
