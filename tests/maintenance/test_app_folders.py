import os
from pathlib import Path

import pytest

from crossbar_appstore.maintenance.app_folders import find_app_folders
from tests.maintenance.folders import make_app


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
