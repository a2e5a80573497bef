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


def test_read_inside_returns_bytes(folder: Path) -> None:
    assert read_inside(folder, folder / "metadata" / "app.json", 2) == b"{}"


def test_read_inside_raises_file_missing_for_missing_file(folder: Path) -> None:
    with pytest.raises(FileMissing):
        read_inside(folder, folder / "metadata" / "none.json", 100)
    with pytest.raises(FileMissing):
        read_inside(folder, folder / "metadata" / "app.json" / "below", 100)


def test_read_inside_refuses_links_out_of_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "links").symlink_to(tmp_path)
    assert refused(folder, folder / "link").rule == "inside"
    assert refused(folder, folder / "links" / "secret").rule == "inside"
    assert refused(folder, folder / ".." / "secret").rule == "inside"


def test_read_inside_follows_link_within_folder(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "metadata" / "app.json")
    assert read_inside(folder, folder / "link", 100) == b"{}"


def test_read_inside_accepts_folder_reached_through_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other-name").symlink_to(folder)
    assert read_inside(tmp_path / "other-name", tmp_path / "other-name" / "metadata" / "app.json", 100) == b"{}"


def test_read_inside_refuses_loop_of_links(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    assert refused(folder, folder / "a").rule == "readable"


def test_read_inside_refuses_pipe_and_directory_without_blocking(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert refused(folder, folder / "pipe").rule == "regular"
    assert refused(folder, folder / "metadata").rule == "readable"


def test_read_inside_refuses_file_over_limit_with_both_sizes(folder: Path) -> None:
    (folder / "large").write_bytes(b"x" * 1234)
    found = refused(folder, folder / "large", 1233)
    assert found.rule == "size"
    assert "1,234" in found.message
    assert "1,233" in found.message
    assert len(read_inside(folder, folder / "large", 1234)) == 1234


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_read_inside_refuses_unreadable_file(folder: Path) -> None:
    (folder / "closed").touch(mode=0o000)
    assert refused(folder, folder / "closed").rule == "readable"


def test_read_inside_refuses_name_too_long_for_file_system(folder: Path) -> None:
    assert refused(folder, folder / ("x" * 300)).rule == "readable"


@pytest.mark.parametrize("name", ["icon.png", "Smart PBX (2).png", "ikon-ä.png", ".hidden.png"])
def test_is_plain_name_accepts_file_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../icon.png", "a/b.png", "a\\b.png", "/etc/passwd", "_design", "a\0b"]
)
def test_is_plain_name_rejects_paths_and_names_couchdb_refuses(name: str) -> None:
    assert not is_plain_name(name)
