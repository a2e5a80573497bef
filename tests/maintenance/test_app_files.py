import os
from pathlib import Path

import pytest

from crossbar_appstore.maintenance.app_files import FileMissing, FileRefused, is_plain_name, read_inside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "app"
    (made / "metadata").mkdir(parents=True)
    (made / "metadata" / "app.json").write_bytes(b"{}")
    return made


def refused(folder: Path, path: Path, limit: int = 100) -> FileRefused:
    with pytest.raises(FileRefused) as caught:
        read_inside(folder, path, limit)
    return caught.value


def test_a_file_of_the_folder_is_read(folder: Path) -> None:
    assert read_inside(folder, folder / "metadata" / "app.json", 2) == b"{}"


def test_a_missing_file_is_told_from_a_refused_one(folder: Path) -> None:
    with pytest.raises(FileMissing):
        read_inside(folder, folder / "metadata" / "none.json", 100)
    with pytest.raises(FileMissing):
        read_inside(folder, folder / "metadata" / "app.json" / "below", 100)


def test_no_link_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "links").symlink_to(tmp_path)
    assert refused(folder, folder / "link").rule == "inside"
    assert refused(folder, folder / "links" / "secret").rule == "inside"
    assert refused(folder, folder / ".." / "secret").rule == "inside"


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "metadata" / "app.json")
    assert read_inside(folder, folder / "link", 100) == b"{}"


def test_a_folder_that_is_reached_through_a_link_is_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other-name").symlink_to(folder)
    assert read_inside(tmp_path / "other-name", tmp_path / "other-name" / "metadata" / "app.json", 100) == b"{}"


def test_a_loop_of_links_ends(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert refused(folder, folder / "a").rule == "readable"


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refused(folder, folder / "pipe").rule == "regular"
    assert refused(folder, folder / "metadata").rule == "readable"


def test_a_file_over_the_limit_is_refused_with_both_sizes(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * 1234)
    found = refused(folder, folder / "large", 1233)
    assert found.rule == "size"
    assert "1,234" in found.message
    assert "1,233" in found.message
    assert len(read_inside(folder, folder / "large", 1234)) == 1234


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(folder: Path) -> None:
    (folder / "closed").touch(mode=0o000)
    assert refused(folder, folder / "closed").rule == "readable"


def test_a_name_that_the_system_cannot_have_is_refused(folder: Path) -> None:
    assert refused(folder, folder / ("x" * 300)).rule == "readable"


@pytest.mark.parametrize("name", ["icon.png", "Smart PBX (2).png", "ikon-ä.png", ".hidden.png"])
def test_plain_names_are_those_of_files(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../icon.png", "a/b.png", "a\\b.png", "/etc/passwd", "_design", "a\0b"]
)
def test_paths_and_what_couchdb_refuses_are_no_plain_names(name: str) -> None:
    assert not is_plain_name(name)
